"""Authentication: `Authorization: Bearer TOKEN`, checked before anything else of a request is looked at.

No database: a token says who its bearer is. What the bearer may do is decided later, by `operation`.
"""

from collections.abc import Collection

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from groundplane.controlplane.gateway.problems import problem_response
from groundplane.controlplane.identity import Actor, Audience, Claims, Tokens
from groundplane.kernel.errors import UnauthenticatedError


class Authentication:
    """Puts the bearer's claims and actor into the request's state; answers 401 without a good token of this audience.

    `open_paths`, relative to the application, are for everybody.
    """

    def __init__(self, app: ASGIApp, *, tokens: Tokens, audience: Audience, open_paths: Collection[str]) -> None:
        self.app = app
        self.tokens = tokens
        self.audience = audience
        self.open_paths = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"].removeprefix(scope.get("root_path", "")) not in self.open_paths:
            try:
                claims = self._claims(Headers(scope=scope).get("authorization", ""))
            except UnauthenticatedError as error:
                await problem_response(error, scope)(scope, receive, send)
                return
            scope["state"].update(claims=claims, actor=claims.actor)
        await self.app(scope, receive, send)

    def _claims(self, authorization: str) -> Claims:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise UnauthenticatedError
        return self.tokens.verify(token.strip(), self.audience)


def current_actor(request: Request) -> Actor:
    """Who is behind a request to an application that authenticates."""
    actor: Actor = request.state.actor
    return actor


def current_claims(request: Request) -> Claims:
    """All that the bearer's token says."""
    claims: Claims = request.state.claims
    return claims
