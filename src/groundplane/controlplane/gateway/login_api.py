"""The routes by which somebody gets in: login, second factor, refresh, logout; and the keys that verify tokens."""

from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from pydantic import Field, StringConstraints

from groundplane.controlplane.gateway.auth import current_session
from groundplane.controlplane.gateway.grants import (
    COOKIE,
    LoginView,
    client_of,
    drop_cookie,
    granted,
    lifetime_of,
    record_open,
    record_refusal,
    require_own_page,
)
from groundplane.controlplane.gateway.identity.shapes import Email, Password
from groundplane.controlplane.gateway.kinds import answer
from groundplane.controlplane.gateway.operation import Operation, Reply, mutate
from groundplane.controlplane.gateway.problems import problem_response
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import View
from groundplane.controlplane.identity import (
    InvalidRefreshTokenError,
    Method,
    Refusal,
    SessionGrant,
    TotpRequiredError,
    User,
    end_session,
    log_in,
    log_in_with_code,
    open_session,
    refresh,
)
from groundplane.controlplane.resources.fields import Strict
from groundplane.kernel.errors import GroundplaneError, UnauthenticatedError

LOGIN_PATH = "/auth/login"
TOTP_PATH = "/auth/totp"
REFRESH_PATH = "/auth/refresh"
METHODS_PATH = "/auth/methods"
JWKS_PATH = "/.well-known/jwks.json"
DEVICE_PATH = "/auth/device"
DEVICE_TOKEN_PATH = "/auth/device/token"  # noqa: S105  # a path
SSO_START_PATH = "/auth/sso/start"
SSO_CALLBACK_PATH = "/auth/sso/callback"
OPEN_PATHS = (
    METHODS_PATH,
    LOGIN_PATH,
    TOTP_PATH,
    REFRESH_PATH,
    JWKS_PATH,
    DEVICE_PATH,
    DEVICE_TOKEN_PATH,
    SSO_START_PATH,
    SSO_CALLBACK_PATH,
)
"""Routes for whoever has no token yet."""

LOGIN = "identity.session.create"
REFRESH = "identity.session.refresh"
OPEN: dict[str, Any] = {"security": []}
OWN: dict[str, Any] = {"x-permission": "authenticated"}
"""What is one's own needs no role."""

RefreshToken = Annotated[str, StringConstraints(max_length=100, pattern=r"^[A-Za-z0-9_-]+$")]
Code = Annotated[
    str,
    StringConstraints(min_length=6, max_length=16, pattern=r"^[a-z0-9]+$"),
    Field(description="Of the device, or a recovery code."),
]
Cookie = Annotated[bool, Field(description="For browsers: the refresh token goes into a cookie, never into the body.")]


class Login(Strict):
    """A user's credentials."""

    email: Email
    password: Password
    cookie: Cookie = False


class TotpLogin(Strict):
    """The second step of a login that was answered `totp_required`."""

    challenge: Annotated[str, StringConstraints(max_length=2048)]
    code: Code
    cookie: Cookie = False


class Refresh(Strict):
    """A refresh token; without one, that of the cookie."""

    refresh_token: RefreshToken | None = None


class SsoMethod(View):
    """Single sign-on: send the browser to GET /auth/sso/start."""

    name: str = Field(description="How the provider is called.")


class MethodsView(View):
    """The ways to log in here."""

    password: bool
    sso: SsoMethod | None


class JsonWebKey(View):
    """A public key (RFC 8037)."""

    kty: str
    crv: str
    x: str
    kid: str
    use: str
    alg: str


class JwksView(View):
    """The keys that verify access tokens (RFC 7517)."""

    keys: list[JsonWebKey]


def login_router(services: Services) -> APIRouter:
    """Ways to log in, login, second factor, refresh, logout, keys."""
    router = APIRouter(tags=["session"])
    _add_methods(router, services)
    _add_login(router, services)
    _add_refresh(router, services)
    _add_logout(router, services)
    _add_keys(router, services)
    return router


async def on_too_many_attempts(request: Request, error: Exception) -> Response:
    """429, and when it is worth another try."""
    assert isinstance(error, GroundplaneError)  # noqa: S101  # registered for it
    response = problem_response(error, request.scope)
    response.headers["Retry-After"] = str(error.context["retry_after"])
    return response


def _add_methods(router: APIRouter, services: Services) -> None:
    @router.get(METHODS_PATH, response_model=MethodsView, operation_id="login_method_list", openapi_extra=OPEN)
    async def methods() -> Response:
        """The ways to log in."""
        issuer, name = services.settings.sso_issuer, services.settings.sso_name
        sso = {"name": name or urlsplit(issuer).hostname} if issuer else None
        return answer({"password": True, "sso": sso})


def _add_login(router: APIRouter, services: Services) -> None:
    @router.post(LOGIN_PATH, response_model=LoginView, operation_id="session_create", openapi_extra=OPEN)
    async def login(request: Request, body: Login) -> Response:
        """Log in with e-mail address and password: get an access token and a refresh token."""
        detail = {"email": body.email}
        try:
            if body.cookie:
                require_own_page(request)
            user = await log_in(
                services.database, email=body.email, password=body.password, client_address=client_of(request).address
            )
        except TotpRequiredError as error:
            await record_refusal(services, request, LOGIN, error.code, user_id=error.user_id, detail=detail)
            error.context["challenge"] = services.tokens.issue_challenge(error.user_id)
            raise
        except GroundplaneError as error:
            await record_refusal(services, request, LOGIN, error.code, detail=detail)
            raise
        return await let_in(services, request, user, "password", cookie=body.cookie)

    @router.post(TOTP_PATH, response_model=LoginView, operation_id="session_create_totp", openapi_extra=OPEN)
    async def totp(request: Request, body: TotpLogin) -> Response:
        """Finish a login with a code of the second factor, or with a recovery code."""
        user_id = None
        try:
            if body.cookie:
                require_own_page(request)
            user_id = services.tokens.verify(body.challenge, "totp").subject
            user = await log_in_with_code(
                services.database, services.secret_box, user_id, body.code, client_address=client_of(request).address
            )
        except GroundplaneError as error:
            await record_refusal(services, request, LOGIN, error.code, user_id=user_id, detail={"method": "totp"})
            raise
        return await let_in(services, request, user, "totp", cookie=body.cookie)


async def let_in(services: Services, request: Request, user: User, method: Method, *, cookie: bool) -> Response:
    """Begin a session and answer its tokens."""
    async with services.database.transaction() as tx:
        grant = await open_session(tx, user, client_of(request), method, lifetime_of(services.settings))
        detail = {"email": user.email, "method": method}
        record_open(tx, request, LOGIN, "allowed", user_id=user.id, session_id=grant.session_id, detail=detail)
    return granted(services, request, grant, cookie=cookie)


def _add_refresh(router: APIRouter, services: Services) -> None:
    @router.post(REFRESH_PATH, response_model=LoginView, operation_id="session_refresh", openapi_extra=OPEN)
    async def renew(request: Request, body: Refresh) -> Response:
        """Get the next access token, and the next refresh token: each is good once. One that comes again ends its session."""
        try:
            token = body.refresh_token or _cookie(request)
        except GroundplaneError as error:
            await record_refusal(services, request, REFRESH, error.code)
            raise
        outcome = await _refresh(services, request, token)
        if isinstance(outcome, Refusal):
            raise outcome.error
        return granted(services, request, outcome, cookie=body.refresh_token is None)


def _cookie(request: Request) -> str:
    """The refresh token that the browser keeps. Raises ForgedRequestError, InvalidRefreshTokenError."""
    token = request.cookies.get(COOKIE)
    if not token:
        raise InvalidRefreshTokenError
    require_own_page(request)
    return token


async def _refresh(services: Services, request: Request, token: str) -> SessionGrant | Refusal:
    """Refresh with an audit row; a stolen token's session is ended, and that is committed."""
    async with services.database.transaction() as tx:
        outcome = await refresh(tx, token, client_of(request), lifetime_of(services.settings))
        if isinstance(outcome, SessionGrant):
            record_open(tx, request, REFRESH, "allowed", user_id=outcome.user.id, session_id=outcome.session_id)
        else:
            code, user_id, session_id = outcome.error.code, outcome.user_id, outcome.session_id
            record_open(tx, request, REFRESH, "denied", code=code, user_id=user_id, session_id=session_id)
    if isinstance(outcome, Refusal) and outcome.session_id:
        services.revocations.add(outcome.session_id)
    return outcome


def _add_logout(router: APIRouter, services: Services) -> None:
    @router.post("/auth/logout", status_code=200, operation_id="session_logout", openapi_extra=OWN)
    async def logout(request: Request) -> Response:
        """End this session: its refresh token is void at once, its access tokens within a second or two everywhere."""
        session_id = current_session(request)
        if session_id is None:
            raise UnauthenticatedError

        async def work(op: Operation) -> Reply:
            op.resource_kind, op.resource_id = "session", session_id
            await end_session(op.tx, session_id, user_id=op.actor.id, reason="logout")
            forget_soon(op, session_id)
            return Reply({})

        response = await mutate(services, request, work, permission=None)
        drop_cookie(request, response)
        return response


def forget_soon(op: Operation, *credential_ids: Any) -> None:
    """Once it is committed that these are ended, this process knows at once; the others look every second."""

    async def tell() -> None:
        op.services.revocations.add(*credential_ids)

    op.tx.after_commit.append(tell)


def _add_keys(router: APIRouter, services: Services) -> None:
    @router.get(JWKS_PATH, response_model=JwksView, operation_id="jwks_read", openapi_extra=OPEN)
    async def jwks() -> Response:
        """The public keys with which access tokens can be verified; a new one is here a minute before it signs."""
        response = answer({"keys": services.tokens.public_keys()})
        response.headers["Cache-Control"] = "public, max-age=30"
        return response
