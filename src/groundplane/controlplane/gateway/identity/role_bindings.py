"""The routes of role bindings: on the platform, in an organization, and in a project, the same in each place."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import Field, StringConstraints, model_validator

from groundplane.controlplane.gateway.identity.shapes import (
    BINDING_PREFIX,
    GROUP_PREFIX,
    ORGANIZATION_PATH,
    ROLE_PREFIX,
    IdPath,
    PublicId,
    RoleFilter,
    RoleName,
    UserFilter,
    UserReference,
    find_user,
    project_uuid,
    uuid_of,
)
from groundplane.controlplane.gateway.kinds import Cursor, Limit, cursor_uuid, page, path_scope, scope_parameters
from groundplane.controlplane.gateway.operation import Operation, Reply, mutate, operation
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import View, public
from groundplane.controlplane.identity import (
    SERVICE_ACCOUNT_PREFIX,
    USER_PREFIX,
    GroupNotFoundError,
    RoleBinding,
    ServiceAccountNotFoundError,
    Subject,
    bind_as,
    find_group_by_name,
    list_bindings,
    unbind_as,
)
from groundplane.controlplane.resources.fields import Strict
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.controlplane.resources.project import PROJECT
from groundplane.kernel.ids import format_id, parse_id

_SUBJECTS = ("user", "group", "service_account")
_Expiry = Annotated[
    datetime, Field(strict=False, description="From then on it gives nothing. With an offset: 2030-01-31T12:00:00Z.")
]


class CreatePlatformBinding(Strict):
    """A role for exactly one of user, group and service account."""

    user: UserReference | None = None
    group: Annotated[str, StringConstraints(max_length=80)] | None = Field(default=None, description="The group's id or name.")
    service_account: PublicId | None = Field(default=None, description="The service account's id.")
    role: RoleName
    expires_at: _Expiry | None = None

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if sum(getattr(self, name) is not None for name in _SUBJECTS) != 1:
            raise ValueError("name exactly one of user, group and service_account")
        if self.expires_at is not None and self.expires_at.tzinfo is None:
            raise ValueError("expires_at needs an offset, as in 2030-01-31T12:00:00Z")
        return self


class CreateProjectBinding(CreatePlatformBinding):
    """A role in a project for exactly one of user, group and service account."""


class CreateBinding(CreatePlatformBinding):
    """A role in an organization, or in one of its projects, for exactly one of user, group and service account."""

    project_id: PublicId | None = Field(default=None, description="Only in this project.")


class BindingView(View):
    """Somebody has a role: on the whole platform, in an organization, or in one of its projects. One of the three is set."""

    id: str
    user_id: str | None
    group_id: str | None
    service_account_id: str | None
    subject_name: str = Field(description="The user's e-mail address, the group's or the service account's name.")
    role: str
    custom_role_id: str | None = Field(description="Set if the role is one of the organization's own.")
    organization_id: str | None
    project_id: str | None
    expires_at: datetime | None = Field(description="From then on it gives nothing.")
    created_at: datetime


class BindingPage(View):
    """A page of role bindings, expired ones too, oldest first."""

    items: list[BindingView]
    next: str | None


def add_binding_routes(router: APIRouter, services: Services) -> None:
    """Create, list and delete, in each place where roles are given."""
    places = (
        BindingRoutes(services, "", "platform_role_binding", "on the whole platform", CreatePlatformBinding),
        BindingRoutes(services, ORGANIZATION_PATH, "role_binding", "in an organization", CreateBinding),
        BindingRoutes(
            services,
            f"{ORGANIZATION_PATH}/projects/{{project_id}}",
            "project_role_binding",
            "in a project",
            CreateProjectBinding,
        ),
    )
    for place in places:
        place.add_to(router)


class BindingRoutes:
    """The routes of one place. Its path says which place a request is about; `where` says it for people."""

    def __init__(self, services: Services, prefix: str, noun: str, where: str, body: type[CreatePlatformBinding]) -> None:
        self.services = services
        self.prefix = prefix
        self.noun = noun
        self.where = where
        self.body = body

    def add_to(self, router: APIRouter) -> None:
        """Declare the routes."""
        path = f"{self.prefix}/role-bindings"
        self._add(router, "POST", path, "create", self._create(), f"Give a role {self.where}", BindingView, 201)
        self._add(router, "GET", path, "list", self._list(), f"List who has a role {self.where}", BindingPage)
        path += "/{binding_id}"
        self._add(router, "DELETE", path, "delete", self._delete(), f"Take a role {self.where} away", BindingView)

    def _add(
        self,
        router: APIRouter,
        method: str,
        path: str,
        verb: str,
        endpoint: Callable[..., Awaitable[Response]],
        summary: str,
        answers: type[View],
        status: int = 200,
    ) -> None:
        router.add_api_route(
            path,
            endpoint,
            methods=[method],
            summary=summary,
            operation_id=f"{self.noun}_{verb}",
            tags=["role bindings"],
            status_code=status,
            response_model=answers,
            openapi_extra={"x-permission": f"identity.role_binding.{verb}", **scope_parameters(self.prefix)},
        )

    def _create(self) -> Callable[..., Awaitable[Response]]:
        model = self.body

        async def create(request: Request, body: model) -> Response:  # type: ignore[valid-type]  # differs by place
            wish: Any = body
            return await mutate(
                self.services, request, lambda op: _bind(op, wish),
                permission="identity.role_binding.create", **path_scope(request).place,
            )  # fmt: skip

        return create

    def _list(self) -> Callable[..., Awaitable[Response]]:
        async def list_page(
            request: Request, limit: Limit = 50, cursor: Cursor = None, user: UserFilter = None, role: RoleFilter = None
        ) -> Response:
            user_id = uuid_of(USER_PREFIX, user) if user else None
            scope, after = path_scope(request), cursor_uuid(BINDING_PREFIX, cursor)
            async with operation(self.services, request, permission="identity.role_binding.list", **scope.place) as op:
                found = await list_bindings(op.tx, **scope.place, user_id=user_id, role=role, after=after, limit=limit + 1)
            return page(found, limit, binding_view)

        return list_page

    def _delete(self) -> Callable[..., Awaitable[Response]]:
        async def delete(request: Request, binding_id: IdPath) -> Response:
            return await mutate(
                self.services, request, lambda op: _unbind(op, binding_id),
                permission="identity.role_binding.delete", **path_scope(request).place,
            )  # fmt: skip

        return delete


async def _bind(op: Operation, wish: CreatePlatformBinding) -> Reply:
    said = {name: getattr(wish, name) for name in (*_SUBJECTS, "role", "expires_at")}
    op.resource_kind, op.detail = "role_binding", {name: value for name, value in said.items() if value is not None}
    project_id = op.project_id or (project_uuid(wish.project_id) if isinstance(wish, CreateBinding) else None)
    binding = await bind_as(
        op.tx, op.actor, await _subject(op, wish), wish.role,
        organization_id=op.organization_id, project_id=project_id, expires_at=wish.expires_at,
    )  # fmt: skip
    op.resource_id, op.project_id = binding.id, binding.project_id
    return Reply(binding_view(binding), 201)


async def _subject(op: Operation, wish: CreatePlatformBinding) -> Subject:
    if wish.user is not None:
        return Subject(user_id=await find_user(op.tx, wish.user))
    if wish.group is not None:
        return Subject(group_id=await _group_id(op, wish.group))
    account_id = parse_id(SERVICE_ACCOUNT_PREFIX, wish.service_account or "")
    if account_id is None:
        raise ServiceAccountNotFoundError
    return Subject(service_account_id=account_id)


async def _group_id(op: Operation, reference: str) -> UUID:
    group_id = parse_id(GROUP_PREFIX, reference)
    if group_id is not None:
        return group_id
    if op.organization_id is None or "\0" in reference:
        raise GroupNotFoundError
    group = await find_group_by_name(op.tx, reference, organization_id=op.organization_id)
    if group is None:
        raise GroupNotFoundError
    return group.id


async def _unbind(op: Operation, binding_id: str) -> Reply:
    op.resource_kind, op.resource_id = "role_binding", uuid_of(BINDING_PREFIX, binding_id)
    binding = await unbind_as(op.tx, op.actor, op.resource_id, organization_id=op.organization_id, project_id=op.project_id)
    view = binding_view(binding)
    op.detail = {name: view[f"{name}_id"] for name in _SUBJECTS if view[f"{name}_id"]} | {"role": binding.role}
    return Reply(view)


def binding_view(binding: RoleBinding) -> dict[str, object]:
    """The binding as answered."""
    return {
        "id": format_id(BINDING_PREFIX, binding.id),
        "user_id": public(USER_PREFIX, binding.user_id),
        "group_id": public(GROUP_PREFIX, binding.group_id),
        "service_account_id": public(SERVICE_ACCOUNT_PREFIX, binding.service_account_id),
        "subject_name": binding.subject_name,
        "role": binding.role,
        "custom_role_id": public(ROLE_PREFIX, binding.custom_role_id),
        "organization_id": public(ORGANIZATION.prefix, binding.organization_id),
        "project_id": public(PROJECT.prefix, binding.project_id),
        "expires_at": binding.expires_at,
        "created_at": binding.created_at,
    }
