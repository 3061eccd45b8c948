"""The routes of quotas: what projects and organizations use and may use, and the limits that operators set."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field, create_model

from groundplane.controlplane.gateway.kinds import Scope, answer, path_scope, scope_parameters
from groundplane.controlplane.gateway.operation import Operation, Reply, mutate, operation
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import View, public
from groundplane.controlplane.resources import quota
from groundplane.controlplane.resources.fields import Strict
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.controlplane.resources.problems import ResourceNotFoundError
from groundplane.controlplane.resources.project import PROJECT
from groundplane.controlplane.resources.scopes import organization_exists, organization_of_project
from groundplane.kernel.database import Tx

QUOTA_READ = "resources.quota.read"
QUOTA_UPDATE = "resources.quota.update"

Amount = Annotated[int, Field(ge=0, le=1 << 60)]


class QuotaDimension(View):
    """How much of something is used, and how much may be."""

    used: int
    limit: int | None = Field(description="null: without limit.")
    own: bool = Field(description="The limit was set for this project or organization; otherwise it is the platform's default.")


class QuotaView(View):
    """The quota of a project, or (`project_id` null) of all projects of an organization: vms, vcpus, memory_mib, …"""

    organization_id: str
    project_id: str | None
    dimensions: dict[str, QuotaDimension]


class QuotaDefaults(View):
    """The limits of all projects, or of all organizations, that have none of their own. null: without limit."""

    of: Literal["projects", "organizations"]
    limits: dict[str, int | None]


def tenant_quota_router(services: Services) -> APIRouter:
    """A project's quota, for its people."""
    return _readable(services, "a project", "/projects/{project_id}")


def common_quota_router(services: Services) -> APIRouter:
    """An organization's quota, for its people."""
    return _readable(services, "an organization", "/organizations/{organization_id}")


def ops_quota_router(services: Services) -> APIRouter:
    """Every quota, and the limits that operators set."""
    router = APIRouter(tags=["quotas"])
    for limited in _LIMITED:
        _add_limits(router, services, limited)
    _add_defaults(router, services)
    return router


def _readable(services: Services, noun: str, path: str) -> APIRouter:
    router = APIRouter(tags=["quotas"])

    @router.get(
        f"{path}/quota", response_model=QuotaView, summary=f"Read the quota of {noun}", **_named("quota", "read", path),
    )  # fmt: skip
    async def read_quota(request: Request) -> Response:
        scope = path_scope(request)
        scope_id = scope.project_id or scope.organization_id
        assert scope_id is not None  # noqa: S101  # the path has one
        async with operation(services, request, permission=QUOTA_READ, **scope.place) as op:
            return answer(await _told(services, op.tx, scope_id))

    return router


@dataclass(frozen=True)
class _Limited:
    """What operators set limits of: `find` answers which one a path names. Raises ResourceNotFoundError."""

    noun: str
    operation: str
    path: str
    find: Callable[[Tx, Scope], Awaitable[quota.Scope]]


async def _project(tx: Tx, scope: Scope) -> quota.Scope:
    organization_id = await organization_of_project(tx, scope.project_id) if scope.project_id else None
    if scope.project_id is None or organization_id is None:
        raise ResourceNotFoundError("There is no such project. List the projects.")
    return quota.Scope(scope.project_id, organization_id, scope.project_id)


async def _organization(tx: Tx, scope: Scope) -> quota.Scope:
    if scope.organization_id is None or not await organization_exists(tx, scope.organization_id):
        raise ResourceNotFoundError("There is no such organization. List the organizations.")
    return quota.Scope(scope.organization_id, scope.organization_id)


_LIMITED = (
    _Limited("a project", "quota", "/projects/{project_id}/quota", _project),
    _Limited("an organization", "organization_quota", "/organizations/{organization_id}/quota", _organization),
)


def _add_limits(router: APIRouter, services: Services, limited: _Limited) -> None:
    """Asked of the platform, not of the project or organization: its owners may do everything in it, but not this."""
    path, noun, name = limited.path, limited.noun, limited.operation
    body_model = limits_model(quota.dimensions(services.kinds.values()))

    @router.get(path, response_model=QuotaView, summary=f"Read the quota of {noun}", **_named(name, "read", path))
    async def read_quota(request: Request) -> Response:
        scope = path_scope(request)
        async with operation(services, request, permission=QUOTA_READ) as op:
            return answer(await _told(services, op.tx, (await limited.find(op.tx, scope)).id))

    async def set_limits(request: Request, limits: quota.Limits, *, replace: bool) -> Response:
        place = path_scope(request)

        async def work(op: Operation) -> Reply:
            scope = await limited.find(op.tx, place)
            op.organization_id, op.project_id = scope.organization_id, scope.project_id
            op.resource_kind, op.resource_id = (PROJECT if scope.project_id else ORGANIZATION).name, scope.id
            op.detail = {"limits": limits}
            await quota.set_limits(op.tx, scope, limits, replace=replace, actor_id=op.actor.id)
            return Reply(await _told(services, op.tx, scope.id))

        return await mutate(services, request, work, permission=QUOTA_UPDATE)

    @router.put(path, response_model=QuotaView, summary=f"Set the limits of {noun}", **_named(name, "update", path))
    async def replace_limits(request: Request, body: body_model) -> Response:  # type: ignore[valid-type]  # made at run time
        """What is not named is as the platform's default from now on."""
        return await set_limits(request, named(body), replace=True)

    @router.patch(path, response_model=QuotaView, summary=f"Change limits of {noun}", **_named(name, "change", path))
    async def change_limits(request: Request, body: body_model) -> Response:  # type: ignore[valid-type]  # made at run time
        """What is not named stays as it is."""
        return await set_limits(request, named(body), replace=False)


Of = Annotated[Literal["projects", "organizations"], Path(description="Whose default.")]
_DEFAULTS = {"projects": quota.DEFAULT_OF_PROJECTS, "organizations": quota.DEFAULT_OF_ORGANIZATIONS}


def _add_defaults(router: APIRouter, services: Services) -> None:
    path, dimensions = "/quota-defaults/{of}", quota.dimensions(services.kinds.values())
    body_model = limits_model(dimensions)

    async def told(tx: Tx, of: str) -> dict[str, Any]:
        limits = await quota.limits_of(tx, _DEFAULTS[of])
        return {"of": of, "limits": {name: limits.get(name) for name in dimensions}}

    @router.get(path, response_model=QuotaDefaults, summary="Read the default limits", **_named("default_quota", "read"))
    async def read_defaults(request: Request, of: Of) -> Response:
        async with operation(services, request, permission=QUOTA_READ) as op:
            return answer(await told(op.tx, of))

    async def set_defaults(request: Request, of: str, limits: quota.Limits, *, replace: bool) -> Response:
        async def work(op: Operation) -> Reply:
            op.detail = {"of": of, "limits": limits}
            await quota.set_limits(op.tx, quota.Scope(_DEFAULTS[of]), limits, replace=replace, actor_id=op.actor.id)
            return Reply(await told(op.tx, of))

        return await mutate(services, request, work, permission=QUOTA_UPDATE)

    @router.put(path, response_model=QuotaDefaults, summary="Set the default limits", **_named("default_quota", "update"))
    async def replace_defaults(request: Request, of: Of, body: body_model) -> Response:  # type: ignore[valid-type]  # as above
        """What is not named has no limit from now on."""
        return await set_defaults(request, of, named(body), replace=True)

    @router.patch(path, response_model=QuotaDefaults, summary="Change default limits", **_named("default_quota", "change"))
    async def change_defaults(request: Request, of: Of, body: body_model) -> Response:  # type: ignore[valid-type]  # as above
        """What is not named stays as it is."""
        return await set_defaults(request, of, named(body), replace=False)


def limits_model(dimensions: Iterable[str]) -> type[Strict]:
    """The body of a request that sets limits."""
    fields: dict[str, Any] = dict.fromkeys(dimensions, (Amount | None, None))
    return create_model("QuotaLimits", __base__=Strict, __doc__="Limits by dimension. null: without limit.", **fields)


def named(body: BaseModel) -> quota.Limits:
    """What a request names: null is a limit too, namely none."""
    return body.model_dump(exclude_unset=True)


def _named(noun: str, verb: str, path: str = "") -> dict[str, Any]:
    permission = QUOTA_READ if verb == "read" else QUOTA_UPDATE
    return {"operation_id": f"{noun}_{verb}", "openapi_extra": {"x-permission": permission, **scope_parameters(path)}}


async def _told(services: Services, tx: Tx, scope_id: UUID) -> dict[str, Any]:
    account = await quota.account(tx, scope_id)
    return {
        "organization_id": ORGANIZATION.public_id(account.organization_id),
        "project_id": public(PROJECT.prefix, account.scope_id if account.of == "project" else None),
        "dimensions": {
            name: {"used": account.used.get(name, 0), "limit": account.limits.get(name), "own": name in account.own}
            for name in quota.dimensions(services.kinds.values())
        },
    }
