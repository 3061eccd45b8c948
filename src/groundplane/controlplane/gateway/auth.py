"""Authentication: `Authorization: Bearer TOKEN`, checked before anything else of a request is looked at.

An access token says who its bearer is, without the database; an API key is looked up, and remembered for some seconds.
Neither is good once it was ended. What the bearer may do is decided later, by `operation`.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from groundplane.controlplane.gateway.problems import problem_response
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.identity import Actor, Audience, Claims, Credential, SessionEndedError, SessionRequiredError
from groundplane.kernel.database import RetryableDatabaseError
from groundplane.kernel.errors import UnauthenticatedError, UnavailableError

_API_KEY = "gp_"


class Authentication:
    """Puts the bearer's claims and actor into the request's state; answers 401 without a good token of this audience.

    `open_paths`, relative to the application, are for everybody.
    """

    def __init__(self, app: ASGIApp, *, services: Services, audience: Audience, open_paths: Collection[str]) -> None:
        self.app = app
        self.services = services
        self.audience = audience
        self.open_paths = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"].removeprefix(scope.get("root_path", "")) not in self.open_paths:
            try:
                scope["state"].update(await self._bearer(Headers(scope=scope).get("authorization", "")))
            except UnauthenticatedError as error:
                await problem_response(error, scope)(scope, receive, send)
                return
            except (*RetryableDatabaseError, TimeoutError):
                await problem_response(UnavailableError(), scope)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def _bearer(self, authorization: str) -> dict[str, Any]:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise UnauthenticatedError
        token = token.strip()
        if self.audience == "api" and token.startswith(_API_KEY):
            return await self._key_bearer(token)
        claims = self.services.tokens.verify(token, self.audience)
        if claims.session_id in self.services.revocations:
            raise SessionEndedError
        return {
            "claims": claims,
            "actor": claims.actor,
            "credential": Credential(claims.session_id, datetime.fromtimestamp(claims.expires_at, UTC)),
        }

    async def _key_bearer(self, token: str) -> dict[str, Any]:
        bearer = await self.services.api_keys.verify(self.services.database, token)
        if bearer.key_id in self.services.revocations:
            raise SessionEndedError
        return {"claims": None, "actor": bearer.actor, "credential": Credential(bearer.key_id, bearer.expires_at)}


def current_actor(request: Request) -> Actor:
    """Who is behind a request to an application that authenticates."""
    actor: Actor = request.state.actor
    return actor


def current_credential(request: Request) -> Credential:
    """With what the request was let in, for who goes on after it was."""
    credential: Credential = request.state.credential
    return credential


def current_claims(request: Request) -> Claims:
    """All that the bearer's token says. Raises SessionRequiredError for the bearer of an API key."""
    claims: Claims | None = request.state.claims
    if claims is None:
        raise SessionRequiredError
    return claims


def current_session(request: Request) -> UUID | None:
    """The session of who is logged in. Raises SessionRequiredError for the bearer of an API key."""
    return current_claims(request).session_id
