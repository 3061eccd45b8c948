"""The routes of an organization's service accounts."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import Field

from groundplane.controlplane.gateway.identity.shapes import (
    ORGANIZATION_PATH,
    IdPath,
    PublicId,
    named,
    organization_uuid,
    project_uuid,
    uuid_of,
)
from groundplane.controlplane.gateway.kinds import Cursor, Limit, NameFilter, answer, cursor_uuid, page
from groundplane.controlplane.gateway.operation import Operation, Reply, mutate, operation
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import View, public
from groundplane.controlplane.identity import (
    SERVICE_ACCOUNT_PREFIX,
    ServiceAccount,
    create_service_account,
    delete_service_account,
    disable_service_account,
    enable_service_account,
    get_service_account,
    list_service_accounts,
)
from groundplane.controlplane.resources.fields import Name, Strict, Text
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.controlplane.resources.project import PROJECT
from groundplane.kernel.ids import format_id

_PATH = f"{ORGANIZATION_PATH}/service-accounts"
_ITEM = f"{_PATH}/{{service_account_id}}"

Change = Callable[[Operation, UUID, UUID], Awaitable[ServiceAccount]]
"""Does something to a service account (its id) of an organization (its id)."""


class CreateServiceAccount(Strict):
    """A new service account, without roles and credentials."""

    name: Name
    description: Text = ""
    project_id: PublicId | None = Field(default=None, description="It may have roles in this project alone.")


class ServiceAccountView(View):
    """What a program acts as, unless disabled."""

    id: str
    organization_id: str
    project_id: str | None
    name: str
    description: str
    disabled_at: datetime | None
    created_at: datetime


class ServiceAccountPage(View):
    """A page of service accounts, oldest first."""

    items: list[ServiceAccountView]
    next: str | None


def add_service_account_routes(router: APIRouter, services: Services) -> None:
    """Create, list, read, disable, enable, delete."""
    _add_reading(router, services)
    _add_creating(router, services)
    _add_changing(router, services)


def _add_reading(router: APIRouter, services: Services) -> None:
    @router.get(_PATH, response_model=ServiceAccountPage, tags=["service accounts"], **named("service_account", "list"))
    async def list_page(
        request: Request, organization_id: IdPath, limit: Limit = 50, cursor: Cursor = None, name: NameFilter = None
    ) -> Response:
        """List an organization's service accounts."""
        scope, after = organization_uuid(organization_id), cursor_uuid(SERVICE_ACCOUNT_PREFIX, cursor)
        async with operation(services, request, permission="identity.service_account.list", organization_id=scope) as op:
            found = await list_service_accounts(op.tx, organization_id=scope, name=name, after=after, limit=limit + 1)
        return page(found, limit, service_account_view)

    @router.get(_ITEM, response_model=ServiceAccountView, tags=["service accounts"], **named("service_account", "read"))
    async def read(request: Request, organization_id: IdPath, service_account_id: IdPath) -> Response:
        """Read a service account."""
        scope = organization_uuid(organization_id)
        async with operation(services, request, permission="identity.service_account.read", organization_id=scope) as op:
            account_id = uuid_of(SERVICE_ACCOUNT_PREFIX, service_account_id)
            account = await get_service_account(op.tx, account_id, organization_id=scope)
        return answer(service_account_view(account))


def _add_creating(router: APIRouter, services: Services) -> None:
    @router.post(
        _PATH,
        response_model=ServiceAccountView,
        status_code=201,
        tags=["service accounts"],
        **named("service_account", "create"),
    )
    async def create(request: Request, organization_id: IdPath, body: CreateServiceAccount) -> Response:
        """Make a service account."""
        scope = organization_uuid(organization_id)

        async def work(op: Operation) -> Reply:
            op.resource_kind, op.detail = "service_account", {"name": body.name}
            op.project_id = project_uuid(body.project_id)
            account = await create_service_account(
                op.tx, organization_id=scope, project_id=op.project_id, name=body.name, description=body.description
            )
            op.resource_id = account.id
            view = service_account_view(account)
            return Reply(view, 201, f"{request.url.path}/{view['id']}")

        return await mutate(services, request, work, permission="identity.service_account.create", organization_id=scope)


def _add_changing(router: APIRouter, services: Services) -> None:
    async def change(request: Request, organization_id: str, service_account_id: str, verb: str, what: Change) -> Response:
        scope = organization_uuid(organization_id)

        async def work(op: Operation) -> Reply:
            op.resource_kind, op.resource_id = "service_account", uuid_of(SERVICE_ACCOUNT_PREFIX, service_account_id)
            account = await what(op, op.resource_id, scope)
            op.detail = {"name": account.name}
            return Reply(service_account_view(account))

        return await mutate(services, request, work, permission=f"identity.service_account.{verb}", organization_id=scope)

    @router.post(
        f"{_ITEM}/disable", response_model=ServiceAccountView, tags=["service accounts"], **named("service_account", "disable")
    )
    async def disable(request: Request, organization_id: IdPath, service_account_id: IdPath) -> Response:
        """Bar a service account from now on, whatever credentials are still good."""
        return await change(request, organization_id, service_account_id, "disable", _disable)

    @router.post(
        f"{_ITEM}/enable", response_model=ServiceAccountView, tags=["service accounts"], **named("service_account", "enable")
    )
    async def enable(request: Request, organization_id: IdPath, service_account_id: IdPath) -> Response:
        """Let a service account act again."""
        return await change(request, organization_id, service_account_id, "enable", _enable)

    @router.delete(_ITEM, response_model=ServiceAccountView, tags=["service accounts"], **named("service_account", "delete"))
    async def delete(request: Request, organization_id: IdPath, service_account_id: IdPath) -> Response:
        """Delete a service account, its roles and its credentials."""
        return await change(request, organization_id, service_account_id, "delete", _delete)


async def _disable(op: Operation, account_id: UUID, organization_id: UUID) -> ServiceAccount:
    return await disable_service_account(op.tx, account_id, organization_id=organization_id)


async def _enable(op: Operation, account_id: UUID, organization_id: UUID) -> ServiceAccount:
    return await enable_service_account(op.tx, op.actor, account_id, organization_id=organization_id)


async def _delete(op: Operation, account_id: UUID, organization_id: UUID) -> ServiceAccount:
    return await delete_service_account(op.tx, account_id, organization_id=organization_id)


def service_account_view(account: ServiceAccount) -> dict[str, object]:
    """The service account as answered."""
    return {
        "id": format_id(SERVICE_ACCOUNT_PREFIX, account.id),
        "organization_id": public(ORGANIZATION.prefix, account.organization_id),
        "project_id": public(PROJECT.prefix, account.project_id),
        "name": account.name,
        "description": account.description,
        "disabled_at": account.disabled_at,
        "created_at": account.created_at,
    }
