"""The routes of roles: the built-in ones and all permissions for everybody to see, and an organization's custom roles."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, Field, StringConstraints

from groundplane.controlplane.gateway.identity.shapes import (
    ORGANIZATION_PATH,
    ROLE_PREFIX,
    IdPath,
    named,
    organization_uuid,
    uuid_of,
)
from groundplane.controlplane.gateway.kinds import Cursor, Limit, NameFilter, answer, cursor_uuid, page
from groundplane.controlplane.gateway.operation import Operation, Reply, mutate, operation
from groundplane.controlplane.gateway.permissions import known_permissions
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import View, public
from groundplane.controlplane.identity import (
    PATTERN,
    ROLES,
    CustomRole,
    Level,
    create_role,
    delete_role,
    get_role,
    list_roles,
    update_role,
)
from groundplane.controlplane.resources.fields import Strict, Text
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.kernel.errors import FieldProblem, InvalidRequestError
from groundplane.kernel.ids import format_id


def _underscored(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,61}[a-z0-9]", name):
        raise ValueError("lower-case letters, digits and underscores, 2 to 63, a letter first")
    return name


CustomRoleName = Annotated[
    str, AfterValidator(_underscored), Field(description="Lower-case letters, digits, underscores; unique in the organization.")
]
_Pattern = Annotated[str, StringConstraints(max_length=120, pattern=PATTERN)]
Permissions = Annotated[
    list[_Pattern],
    Field(
        min_length=1, max_length=200, description="Permissions, or patterns of them: `compute.vm.read`, `network.*`, `*.list`."
    ),
]


class CreateRole(Strict):
    """A role of the organization's own. Nobody makes one of permissions that they do not have."""

    name: CustomRoleName
    description: Text = ""
    permissions: Permissions


class UpdateRole(Strict):
    """What changes, for all who have the role. Its name does not."""

    description: Text | None = None
    permissions: Permissions | None = None


class BuiltInRoleView(View):
    """A role that every platform has."""

    name: str
    summary: str
    levels: list[Level] = Field(description="Where it may be given. In an organization means: in all its projects too.")
    permissions: list[str]


class BuiltInRolePage(View):
    """All built-in roles, on one page."""

    items: list[BuiltInRoleView]
    next: None


class PermissionPage(View):
    """All permissions, on one page."""

    items: list[str]
    next: None


class RoleView(View):
    """A role of the organization's own, which is given there or in a project of it."""

    id: str
    organization_id: str
    name: str
    description: str
    permissions: list[str]
    created_at: datetime
    updated_at: datetime


class RolePage(View):
    """A page of custom roles, oldest first."""

    items: list[RoleView]
    next: str | None


def add_role_routes(router: APIRouter, services: Services) -> None:
    """What there is to give, and an organization's own roles."""
    _add_catalog(router, services)
    _add_reading(router, services)
    _add_changing(router, services)


def _add_catalog(router: APIRouter, services: Services) -> None:
    @router.get("/permissions", response_model=PermissionPage, tags=["roles"], operation_id="permission_list")
    async def list_permissions(request: Request) -> Response:
        """List all permissions that there are."""
        async with operation(services, request, permission=None):
            known = known_permissions(request)
        return answer({"items": sorted(known), "next": None})

    @router.get("/roles", response_model=BuiltInRolePage, tags=["roles"], operation_id="built_in_role_list")
    async def list_built_in(request: Request) -> Response:
        """List the built-in roles, what each permits, and where it may be given."""
        async with operation(services, request, permission=None):
            roles = [
                {"name": role.name, "summary": role.summary, "levels": role.levels, "permissions": role.permissions}
                for role in ROLES.values()
            ]
        return answer({"items": roles, "next": None})


def _add_reading(router: APIRouter, services: Services) -> None:
    path = f"{ORGANIZATION_PATH}/roles"

    @router.get(path, response_model=RolePage, tags=["roles"], **named("role", "list"))
    async def list_page(
        request: Request, organization_id: IdPath, limit: Limit = 50, cursor: Cursor = None, name: NameFilter = None
    ) -> Response:
        """List an organization's custom roles."""
        scope, after = organization_uuid(organization_id), cursor_uuid(ROLE_PREFIX, cursor)
        async with operation(services, request, permission="identity.role.list", organization_id=scope) as op:
            found = await list_roles(op.tx, organization_id=scope, name=name, after=after, limit=limit + 1)
        return page(found, limit, role_view)

    @router.get(f"{path}/{{role_id}}", response_model=RoleView, tags=["roles"], **named("role", "read"))
    async def read(request: Request, organization_id: IdPath, role_id: IdPath) -> Response:
        """Read a custom role."""
        scope = organization_uuid(organization_id)
        async with operation(services, request, permission="identity.role.read", organization_id=scope) as op:
            role = await get_role(op.tx, uuid_of(ROLE_PREFIX, role_id), organization_id=scope)
        return answer(role_view(role))


def _add_changing(router: APIRouter, services: Services) -> None:
    path = f"{ORGANIZATION_PATH}/roles"

    @router.post(path, response_model=RoleView, status_code=201, tags=["roles"], **named("role", "create"))
    async def create(request: Request, organization_id: IdPath, body: CreateRole) -> Response:
        """Make a custom role."""
        scope = organization_uuid(organization_id)

        async def work(op: Operation) -> Reply:
            op.resource_kind, op.detail = "role", {"name": body.name, "permissions": body.permissions}
            _refuse_unknown(known_permissions(request), body.permissions)
            role = await create_role(op.tx, op.actor, organization_id=scope, **body.model_dump())
            op.resource_id = role.id
            view = role_view(role)
            return Reply(view, 201, f"{request.url.path}/{view['id']}")

        return await mutate(services, request, work, permission="identity.role.create", organization_id=scope)

    @router.patch(f"{path}/{{role_id}}", response_model=RoleView, tags=["roles"], **named("role", "update"))
    async def update(request: Request, organization_id: IdPath, role_id: IdPath, body: UpdateRole) -> Response:
        """Change what a custom role permits, for all who have it."""
        scope = organization_uuid(organization_id)

        async def work(op: Operation) -> Reply:
            op.resource_kind, op.resource_id = "role", uuid_of(ROLE_PREFIX, role_id)
            op.detail = body.model_dump(exclude_none=True)
            _refuse_unknown(known_permissions(request), body.permissions or ())
            role = await update_role(op.tx, op.actor, op.resource_id, organization_id=scope, **body.model_dump())
            op.detail = {"name": role.name, **op.detail}
            return Reply(role_view(role))

        return await mutate(services, request, work, permission="identity.role.update", organization_id=scope)

    @router.delete(f"{path}/{{role_id}}", response_model=RoleView, tags=["roles"], **named("role", "delete"))
    async def delete(request: Request, organization_id: IdPath, role_id: IdPath) -> Response:
        """Delete a custom role that nobody has."""
        scope = organization_uuid(organization_id)

        async def work(op: Operation) -> Reply:
            op.resource_kind, op.resource_id = "role", uuid_of(ROLE_PREFIX, role_id)
            role = await delete_role(op.tx, op.resource_id, organization_id=scope)
            op.detail = {"name": role.name}
            return Reply(role_view(role))

        return await mutate(services, request, work, permission="identity.role.delete", organization_id=scope)


def _refuse_unknown(known: Iterable[str], patterns: Sequence[str]) -> None:
    """Raise InvalidRequestError for what matches no permission that there is: it would give nothing."""
    detail = "this matches no permission; list them with GET /api/common/v1/permissions"
    errors = [
        FieldProblem(pointer=f"/permissions/{place}", detail=detail)
        for place, pattern in enumerate(patterns)
        if not any(fnmatchcase(permission, pattern) for permission in known)
    ]
    if errors:
        raise InvalidRequestError(errors=errors)


def role_view(role: CustomRole) -> dict[str, object]:
    """The role as answered."""
    return {
        "id": format_id(ROLE_PREFIX, role.id),
        "organization_id": public(ORGANIZATION.prefix, role.organization_id),
        "name": role.name,
        "description": role.description,
        "permissions": role.permissions,
        "created_at": role.created_at,
        "updated_at": role.updated_at,
    }
