"""What every way to log in shares: where it comes from, how it is answered and audited, the browser's cookie and its guard."""

import json
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Request, Response
from pydantic import Field

from groundplane.controlplane.audit import AuditEntry, Outcome, record
from groundplane.controlplane.gateway.identity.users import UserView, user_view
from groundplane.controlplane.gateway.kinds import answer
from groundplane.controlplane.gateway.operation import origin
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import View
from groundplane.controlplane.identity import Client, ForgedRequestError, Lifetime, SessionGrant
from groundplane.kernel.database import Tx
from groundplane.kernel.ids import format_id
from groundplane.kernel.settings import Settings

SESSION_PREFIX = "ses"
COOKIE = "groundplane_refresh"
COOKIE_PATH = "/api/common/v1/auth"
CLIENT_HEADER = "X-Groundplane-Client"
"""A header that no form and no link can send: with it, a page of another origin is asked for permission first (CORS)."""


class LoginView(View):
    """An access token, good for `expires_in` seconds: send it as `Authorization: Bearer TOKEN`.

    The refresh token gets the next one from POST /auth/refresh. Each is good once; keep the one that came with it.
    """

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    refresh_token: str | None = Field(description="None when it went into a cookie.")
    refresh_expires_in: int
    session_id: str
    user: UserView


def client_of(request: Request) -> Client:
    """From where a request comes."""
    return Client(request.client.host if request.client else None, request.headers.get("user-agent", ""))


def lifetime_of(settings: Settings) -> Lifetime:
    """How long sessions last here."""
    return Lifetime(timedelta(seconds=settings.session_idle_seconds), timedelta(seconds=settings.session_seconds))


def granted(services: Services, request: Request, grant: SessionGrant, *, cookie: bool) -> Response:
    """The answer to a login: an access token, and the refresh token in the body or (`cookie`) in a cookie alone."""
    token, seconds = services.tokens.issue_user(grant.user.actor, grant.session_id)
    response = answer(
        {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": seconds,
            "refresh_token": None if cookie else grant.refresh_token,
            "refresh_expires_in": grant.expires_in,
            "session_id": format_id(SESSION_PREFIX, grant.session_id),
            "user": user_view(grant.user),
        }
    )
    if cookie:
        keep_cookie(request, response, grant.refresh_token, grant.expires_in)
    return response


def keep_cookie(request: Request, response: Response, token: str, seconds: int) -> None:
    """Put the refresh token where no script reads it, and only requests from our own pages to the login routes bring it."""
    response.set_cookie(
        COOKIE, token, max_age=seconds, path=COOKIE_PATH, secure=is_secure(request), httponly=True, samesite="strict"
    )


def drop_cookie(request: Request, response: Response) -> None:
    """Take the refresh token out of the browser."""
    response.delete_cookie(COOKIE, path=COOKIE_PATH, secure=is_secure(request), httponly=True, samesite="strict")


def is_secure(request: Request) -> bool:
    """Whether cookies are to travel by TLS alone: always, but for plain http on this machine itself."""
    return request.url.scheme != "http" or not _is_loopback(request.url.hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def require_own_page(request: Request) -> None:
    """Return if a browser sent this from a page of ours. Raises ForgedRequestError.

    Asked of whatever goes by its cookie: our own header, and what the browser itself says of where it comes from.
    """
    site, source = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    own = source is not None and urlsplit(source).netloc == request.headers.get("host")
    if not request.headers.get(CLIENT_HEADER) or (site is None and source is None):
        raise ForgedRequestError
    if site not in {None, "same-origin"} or not (own or source is None):
        raise ForgedRequestError


def record_open(
    tx: Tx,
    request: Request,
    action: str,
    outcome: Outcome,
    *,
    user_id: UUID | None = None,
    session_id: UUID | None = None,
    code: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """The audit row of a request that comes without a bearer; `user_id` is who it turned out to be."""
    about = ("session", session_id) if session_id else ("user", user_id) if user_id else (None, None)
    entry = AuditEntry(
        action=action,
        outcome=outcome,
        actor_id=user_id,
        actor_kind="user" if user_id else "anonymous",
        resource_kind=about[0],
        resource_id=about[1],
        code=code,
        detail=detail or {},
        **origin(request),
    )
    record(tx, entry)


async def record_refusal(services: Services, request: Request, action: str, code: str, **more: Any) -> None:
    """The audit row of what was refused, in a transaction of its own."""
    async with services.database.transaction() as tx:
        record_open(tx, request, action, "denied", code=code, **more)


def told_once(response: Response, secrets: Mapping[str, Any]) -> Response:
    """Add what is told once to the answer of a create. It is stored nowhere: a repetition is answered without it."""
    if not secrets or response.status_code != 201:
        return response
    body = {**json.loads(bytes(response.body)), **secrets}
    told = answer(body, 201)
    if location := response.headers.get("location"):
        told.headers["Location"] = location
    return told
