"""The routes of API keys: a user's own, and those of an organization's service accounts."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import AwareDatetime, Field, StringConstraints

from groundplane.controlplane.gateway.auth import current_claims
from groundplane.controlplane.gateway.grants import told_once
from groundplane.controlplane.gateway.identity.shapes import IdPath, PersonName
from groundplane.controlplane.gateway.kinds import Cursor, Limit, NameFilter, cursor_uuid, page
from groundplane.controlplane.gateway.login_api import OWN, forget_soon
from groundplane.controlplane.gateway.operation import Operation, Reply, Work, mutate, operation
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import View, public
from groundplane.controlplane.identity import (
    USER_PREFIX,
    ApiKey,
    ApiKeyNotFoundError,
    KeyOwner,
    SessionRequiredError,
    create_api_key,
    list_api_keys,
    refuse_acting_as,
    require_service_account,
    revoke_api_key,
)
from groundplane.controlplane.resources.fields import Strict
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.kernel.errors import FieldProblem, InvalidRequestError, NotFoundError
from groundplane.kernel.ids import format_id, parse_id

KEY_PREFIX = "key"
SERVICE_ACCOUNT_PREFIX = "sa"
LONGEST = timedelta(days=3653)
OF_SERVICE_ACCOUNT = "/organizations/{organization_id}/service-accounts/{service_account_id}/api-keys"

Scope = Annotated[
    str,
    StringConstraints(max_length=100, pattern=r"^[a-z0-9_*]+(\.[a-z0-9_*]+)*$"),
    Field(description="A permission, or a pattern: `compute.vm.read`, `compute.*`, `*.list`."),
]


class CreateApiKey(Strict):
    """A key for programs. It can do at most what its owner may, and of that only what its scopes name."""

    name: PersonName
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=50)] | None = Field(
        default=None, description="None: all that the owner may do."
    )
    expires_at: Annotated[AwareDatetime, Field(strict=False)] | None = Field(
        default=None, description="At most ten years from now. None: never."
    )


class ApiKeyView(View):
    """A key as it may be shown."""

    id: str
    user_id: str | None
    organization_id: str | None
    service_account_id: str | None
    name: str
    scopes: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")
    revoked_at: datetime | None


class NewApiKeyView(ApiKeyView):
    """A new key, with the token that is told once: a repetition is answered without it."""

    token: str | None = Field(description="`gp_…`: send it as `Authorization: Bearer gp_…`.")


class ApiKeyPage(View):
    """A page of keys, oldest first."""

    items: list[ApiKeyView]
    next: str | None


def api_key_router(services: Services) -> APIRouter:
    """API keys of users and service accounts."""
    router = APIRouter(tags=["API keys"])
    _add_own(router, services)
    _add_service_accounts(router, services)
    return router


def _add_own(router: APIRouter, services: Services) -> None:

    path = "/me/api-keys"

    @router.post(path, response_model=NewApiKeyView, status_code=201, operation_id="my_api_key_create", openapi_extra=OWN)
    async def create(request: Request, body: CreateApiKey) -> Response:
        """Make a key of your own. Its token is told only now."""
        owner = _myself(request)
        told: dict[str, str] = {}
        return told_once(await mutate(services, request, _creating(body, owner, told), permission=None), told)

    @router.get(path, response_model=ApiKeyPage, operation_id="my_api_key_list", openapi_extra=OWN)
    async def list_own(request: Request, limit: Limit = 50, cursor: Cursor = None, name: NameFilter = None) -> Response:
        """List your keys, oldest first."""
        owner, after = _myself(request), cursor_uuid(KEY_PREFIX, cursor)
        async with operation(services, request, permission=None) as op:
            found = await list_api_keys(op.tx, owner, name=name, after=after, limit=limit + 1)
        return page(found, limit, _view)

    @router.delete(path + "/{key_id}", response_model=ApiKeyView, operation_id="my_api_key_delete", openapi_extra=OWN)
    async def revoke(request: Request, key_id: IdPath) -> Response:
        """End one of your keys, within a second or two everywhere."""
        return await mutate(services, request, _revoking(_myself(request), key_id), permission=None)


def _myself(request: Request) -> KeyOwner:
    """Who is logged in: a key does not make keys."""
    return KeyOwner("user", current_claims(request).subject)


def _add_service_accounts(router: APIRouter, services: Services) -> None:
    path, noun = OF_SERVICE_ACCOUNT, "identity.api_key"

    def extra(verb: str) -> dict[str, Any]:
        return {"x-permission": f"{noun}.{verb}"}

    @router.post(
        path, response_model=NewApiKeyView, status_code=201, operation_id="api_key_create", openapi_extra=extra("create")
    )
    async def create(request: Request, organization_id: IdPath, service_account_id: IdPath, body: CreateApiKey) -> Response:
        """Make a key of a service account. Its token is told only now."""
        owner = _service_account(organization_id, service_account_id)
        told: dict[str, str] = {}
        work = _creating(body, owner, told)
        response = await mutate(services, request, work, permission=f"{noun}.create", organization_id=owner.organization_id)
        return told_once(response, told)

    @router.get(path, response_model=ApiKeyPage, operation_id="api_key_list", openapi_extra=extra("list"))
    async def list_page(
        request: Request, organization_id: IdPath, service_account_id: IdPath, limit: Limit = 50, cursor: Cursor = None,
        name: NameFilter = None,
    ) -> Response:  # fmt: skip
        """List a service account's keys, oldest first."""
        owner, after = _service_account(organization_id, service_account_id), cursor_uuid(KEY_PREFIX, cursor)
        async with operation(services, request, permission=f"{noun}.list", organization_id=owner.organization_id) as op:
            found = await list_api_keys(op.tx, owner, name=name, after=after, limit=limit + 1)
        return page(found, limit, _view)

    @router.delete(path + "/{key_id}", response_model=ApiKeyView, operation_id="api_key_delete", openapi_extra=extra("delete"))
    async def revoke(request: Request, organization_id: IdPath, service_account_id: IdPath, key_id: IdPath) -> Response:
        """End a key of a service account, within a second or two everywhere."""
        owner = _service_account(organization_id, service_account_id)
        work = _revoking(owner, key_id)
        return await mutate(services, request, work, permission=f"{noun}.delete", organization_id=owner.organization_id)


def _service_account(organization: str, service_account: str) -> KeyOwner:
    organization_id, account_id = parse_id(ORGANIZATION.prefix, organization), parse_id(SERVICE_ACCOUNT_PREFIX, service_account)
    if organization_id is None or account_id is None:
        raise NotFoundError
    return KeyOwner("service_account", account_id, organization_id)


def _public(owner: KeyOwner) -> str:
    return format_id(USER_PREFIX if owner.kind == "user" else SERVICE_ACCOUNT_PREFIX, owner.id)


def _creating(body: CreateApiKey, owner: KeyOwner, told: dict[str, str]) -> Work:
    async def work(op: Operation) -> Reply:
        op.resource_kind, op.detail = "api_key", {"name": body.name, "scopes": body.scopes, "owner": _public(owner)}
        _check_expiry(body.expires_at)
        if op.actor.scopes is not None:  # it would make a key that can do more than itself
            raise SessionRequiredError
        if owner.organization_id is not None:
            await require_service_account(op.tx, owner.id, owner.organization_id)
            await refuse_acting_as(op.tx, op.actor, owner.id)
        made, token = await create_api_key(
            op.tx, owner, name=body.name, scopes=body.scopes, expires_at=body.expires_at, created_by=op.actor.id
        )
        op.resource_id = made.id
        told["token"] = token
        return Reply({**_view(made), "token": None}, 201)

    return work


def _check_expiry(expires_at: datetime | None) -> None:
    now = datetime.now(UTC)
    if expires_at is not None and not now < expires_at < now + LONGEST:
        detail = "this must be in the future, and at most ten years from now"
        raise InvalidRequestError(errors=[FieldProblem(pointer="/expires_at", detail=detail)])


def _revoking(owner: KeyOwner, key: str) -> Work:
    async def work(op: Operation) -> Reply:
        op.resource_kind, op.resource_id = "api_key", parse_id(KEY_PREFIX, key)
        if op.resource_id is None:
            raise ApiKeyNotFoundError
        ended = await revoke_api_key(op.tx, owner, op.resource_id)
        forget_soon(op, ended.id)
        op.detail = {"name": ended.name, "owner": _public(owner)}
        return Reply(_view(ended))

    return work


def _view(key: ApiKey) -> dict[str, object]:
    return {
        "id": format_id(KEY_PREFIX, key.id),
        "user_id": public(USER_PREFIX, key.user_id),
        "organization_id": public(ORGANIZATION.prefix, key.organization_id),
        "service_account_id": public(SERVICE_ACCOUNT_PREFIX, key.service_account_id),
        "name": key.name,
        "scopes": key.scopes,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
    }
