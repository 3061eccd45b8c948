"""The routes of single sign-on (OpenID Connect): to the provider, and back with a session in the browser's cookie."""

import secrets
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import RedirectResponse

from groundplane.controlplane.gateway.grants import (
    COOKIE_PATH,
    client_of,
    is_secure,
    keep_cookie,
    lifetime_of,
    record_open,
    record_refusal,
)
from groundplane.controlplane.gateway.login_api import LOGIN, OPEN, SSO_CALLBACK_PATH, SSO_START_PATH
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.strictness import ANY_QUERY
from groundplane.controlplane.identity import (
    Attempt,
    ExternalUser,
    OpenIdClient,
    OpenIdSettings,
    RoleOfGroup,
    SessionGrant,
    SsoFailedError,
    SsoNotConfiguredError,
    apply_groups,
    keep_attempt,
    open_session,
    take_attempt,
    user_of,
)
from groundplane.kernel.errors import GroundplaneError
from groundplane.kernel.settings import Settings

COOKIE = "groundplane_sso"
SSO_PATH = f"{COOKIE_PATH}/sso"

Answered = Annotated[str | None, Query(max_length=4096)]


def sso_router(services: Services) -> APIRouter:
    """Start and callback. Raises ValueError when the settings name a role that is none."""
    for text in services.settings.sso_group_roles.values():
        RoleOfGroup.parse(text)
    router = APIRouter(tags=["single sign-on"])
    client = _client_of(services.settings)

    @router.get(SSO_START_PATH, status_code=303, response_class=Response, operation_id="sso_start", openapi_extra=OPEN)
    async def start(request: Request) -> Response:
        """Log in at the company's own provider: answers where the browser goes."""
        if client is None:
            raise SsoNotConfiguredError
        attempt = Attempt.fresh()
        url = await client.authorization_url(attempt, _redirect_uri(services.settings, request))
        async with services.database.transaction() as tx:
            await keep_attempt(tx, services.secret_box, attempt)
        response = RedirectResponse(url, 303)
        # Lax: the browser has to bring it along when the provider sends it back here.
        response.set_cookie(
            COOKIE, attempt.state, max_age=600, path=SSO_PATH, secure=is_secure(request), httponly=True, samesite="lax"
        )
        return response

    @router.get(
        SSO_CALLBACK_PATH, status_code=303, response_class=Response, operation_id="sso_callback",
        openapi_extra={**OPEN, ANY_QUERY: True},  # providers tell more than they are asked (RFC 6749, 4.1.2)
    )  # fmt: skip
    async def callback(request: Request, state: Answered = None, code: Answered = None, error: Answered = None) -> Response:
        """Where the provider sends the browser back to: begins a session, with its refresh token in a cookie."""
        if client is None:
            raise SsoNotConfiguredError
        try:
            external = await _redeem(services, client, request, state, code if error is None else None)
            grant = await _let_in(services, request, external)
        except GroundplaneError as refused:
            await record_refusal(services, request, LOGIN, refused.code, detail={"method": "sso"})
            raise
        response = RedirectResponse(services.settings.sso_return_url, 303)
        keep_cookie(request, response, grant.refresh_token, grant.expires_in)
        response.delete_cookie(COOKIE, path=SSO_PATH, secure=is_secure(request), httponly=True, samesite="lax")
        return response

    return router


async def _redeem(
    services: Services, client: OpenIdClient, request: Request, state: str | None, code: str | None
) -> ExternalUser:
    """Who logged in, if this browser began it (RFC 6749, 10.12). Raises SsoFailedError."""
    begun = request.cookies.get(COOKIE, "")
    if state is None or not secrets.compare_digest(begun.encode(), state.encode()):
        raise SsoFailedError
    async with services.database.transaction() as tx:
        attempt = await take_attempt(tx, services.secret_box, state)
    if attempt is None or code is None:
        raise SsoFailedError
    return await client.redeem(attempt, code, _redirect_uri(services.settings, request))


async def _let_in(services: Services, request: Request, external: ExternalUser) -> SessionGrant:
    """Begin a session of the user; the provider's groups give their roles first."""
    settings = services.settings
    async with services.database.transaction() as tx:
        user = await user_of(tx, external, settings.sso_allowed_domains)
        await apply_groups(tx, user, external, settings.sso_group_roles)
        grant = await open_session(tx, user, client_of(request), "sso", lifetime_of(settings))
        detail = _told(user.email, external)
        record_open(tx, request, LOGIN, "allowed", user_id=user.id, session_id=grant.session_id, detail=detail)
    return grant


def _told(email: str, external: ExternalUser) -> Mapping[str, object]:
    return {"email": email, "method": "sso", "issuer": external.issuer, "groups": sorted(external.groups)[:50]}


def _client_of(settings: Settings) -> OpenIdClient | None:
    if not settings.sso_issuer:
        return None
    secret = settings.sso_client_secret.get_secret_value()
    return OpenIdClient(OpenIdSettings(settings.sso_issuer, settings.sso_client_id, secret, settings.sso_groups_claim))


def _redirect_uri(settings: Settings, request: Request) -> str:
    return settings.sso_redirect_url or f"{request.url.scheme}://{request.url.netloc}{SSO_PATH}/callback"
