"""The routes of identity in the common API: users, role bindings."""

from datetime import datetime
from typing import Annotated, Any, TypedDict
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field, StringConstraints

from groundplane.controlplane.gateway.kinds import Cursor, Limit, answer
from groundplane.controlplane.gateway.operation import Operation, Reply, mutate, operation
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import USER_PREFIX, View, public
from groundplane.controlplane.identity import (
    RoleBinding,
    User,
    UserNotFoundError,
    bind,
    bindings_of_user,
    create_user,
    disable_user,
    find_user_by_email,
    get_user,
    list_bindings,
    list_users,
    unbind,
)
from groundplane.controlplane.resources.fields import Strict
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.controlplane.resources.project import PROJECT
from groundplane.kernel.database import Tx
from groundplane.kernel.errors import InvalidRequestError, NotFoundError
from groundplane.kernel.ids import format_id, parse_id

BINDING_PREFIX = "rb"

Email = Annotated[
    str, StringConstraints(max_length=254, pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+$"), Field(description="E-mail address.")
]
Password = Annotated[str, StringConstraints(max_length=256), Field(description="12 to 256 characters.")]
PersonName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
PublicId = Annotated[str, StringConstraints(max_length=80, pattern=r"^[a-z0-9_]+$")]
IdPath = Annotated[PublicId, Path()]


class CreateUser(Strict):
    """A new user, who has no role yet."""

    email: Email
    name: PersonName
    password: Password


class CreateBinding(Strict):
    """A role for a user, in the whole organization or in one of its projects."""

    user: Annotated[str, StringConstraints(max_length=254), Field(description="The user's id or e-mail address.")]
    role: Annotated[str, StringConstraints(max_length=40), Field(description="owner or viewer.")]
    project_id: PublicId | None = Field(default=None, description="Only in this project.")


class CreatePlatformBinding(Strict):
    """A role for a user on the whole platform."""

    user: Annotated[str, StringConstraints(max_length=254), Field(description="The user's id or e-mail address.")]
    role: Annotated[str, StringConstraints(max_length=40), Field(description="admin.")]


class UserView(View):
    """Somebody who can log in, unless disabled."""

    id: str
    email: str
    name: str
    disabled_at: datetime | None
    created_at: datetime


class BindingView(View):
    """A user has a role: on the whole platform, in an organization, or in one of its projects."""

    id: str
    user_id: str
    role: str
    organization_id: str | None
    project_id: str | None
    created_at: datetime


class MeView(View):
    """Who is asking, and what they are bound to."""

    user: UserView
    role_bindings: list[BindingView]


class UserPage(View):
    """A page of users, oldest first."""

    items: list[UserView]
    next: str | None


class BindingPage(View):
    """A page of role bindings, oldest first."""

    items: list[BindingView]
    next: str | None


def identity_router(services: Services) -> APIRouter:
    """Users and role bindings."""
    router = APIRouter()
    _add_session_routes(router, services)
    _add_user_routes(router, services)
    _add_platform_binding_routes(router, services)
    _add_binding_routes(router, services)
    return router


class _Names(TypedDict):
    operation_id: str
    openapi_extra: dict[str, Any]


def _named(noun: str, verb: str, operation: str | None = None) -> _Names:
    """A route's name and permission in the OpenAPI document."""
    return {
        "operation_id": f"{operation or noun}_{verb}",
        "openapi_extra": {"x-permission": f"identity.{noun}.{verb}"},
    }


def _add_session_routes(router: APIRouter, services: Services) -> None:
    @router.get("/me", response_model=MeView, tags=["session"], operation_id="session_read")
    async def me(request: Request) -> Response:
        """Who you are, and what you are bound to."""
        async with operation(services, request, permission=None) as op:
            user = await get_user(op.tx, op.actor.id)
            bindings = await bindings_of_user(op.tx, op.actor.id)
        return answer({"user": user_view(user), "role_bindings": [binding_view(binding) for binding in bindings]})


def _add_user_routes(router: APIRouter, services: Services) -> None:
    @router.post("/users", response_model=UserView, status_code=201, tags=["users"], **_named("user", "create"))
    async def create(request: Request, body: CreateUser) -> Response:
        """Create a user, who has no role yet."""

        async def work(op: Operation) -> Reply:
            op.detail = {"email": body.email}
            user = await create_user(op.tx, email=body.email, name=body.name, password=body.password)
            op.resource_kind, op.resource_id = "user", user.id
            view = user_view(user)
            return Reply(view, 201, f"{request.url.path}/{view['id']}")

        return await mutate(services, request, work, permission="identity.user.create")

    @router.get("/users", response_model=UserPage, tags=["users"], **_named("user", "list"))
    async def list_page(request: Request, limit: Limit = 50, cursor: Cursor = None) -> Response:
        """List users, oldest first."""
        after = _cursor(USER_PREFIX, cursor)
        async with operation(services, request, permission="identity.user.list") as op:
            found = await list_users(op.tx, after=after, limit=limit + 1)
        return _page([user_view(user) for user in found], limit)

    @router.get("/users/{user_id}", response_model=UserView, tags=["users"], **_named("user", "read"))
    async def read(request: Request, user_id: IdPath) -> Response:
        """Read a user."""
        async with operation(services, request, permission="identity.user.read") as op:
            user = await get_user(op.tx, _user_id(user_id))
        return answer(user_view(user))

    @router.post("/users/{user_id}/disable", response_model=UserView, tags=["users"], **_named("user", "disable"))
    async def disable(request: Request, user_id: IdPath) -> Response:
        """Bar a user from now on, whatever tokens are still good."""

        async def work(op: Operation) -> Reply:
            op.resource_kind, op.resource_id = "user", _user_id(user_id)
            return Reply(user_view(await disable_user(op.tx, op.resource_id)))

        return await mutate(services, request, work, permission="identity.user.disable")


def _add_platform_binding_routes(router: APIRouter, services: Services) -> None:
    @router.post(
        "/role-bindings",
        response_model=BindingView,
        status_code=201,
        tags=["role bindings"],
        **_named("role_binding", "create", "platform_role_binding"),
    )
    async def create(request: Request, body: CreatePlatformBinding) -> Response:
        """Give a user a role on the whole platform."""
        return await mutate(
            services, request, lambda op: _bind(op, body.user, body.role, None), permission="identity.role_binding.create"
        )

    @router.get(
        "/role-bindings",
        response_model=BindingPage,
        tags=["role bindings"],
        **_named("role_binding", "list", "platform_role_binding"),
    )
    async def list_page(request: Request, limit: Limit = 50, cursor: Cursor = None) -> Response:
        """List who has a role on the whole platform."""
        after = _cursor(BINDING_PREFIX, cursor)
        async with operation(services, request, permission="identity.role_binding.list") as op:
            found = await list_bindings(op.tx, organization_id=None, after=after, limit=limit + 1)
        return _page([binding_view(binding) for binding in found], limit)

    @router.delete(
        "/role-bindings/{binding_id}",
        response_model=BindingView,
        tags=["role bindings"],
        **_named("role_binding", "delete", "platform_role_binding"),
    )
    async def delete(request: Request, binding_id: IdPath) -> Response:
        """Take a role on the whole platform away."""
        return await mutate(services, request, lambda op: _unbind(op, binding_id), permission="identity.role_binding.delete")


def _add_binding_routes(router: APIRouter, services: Services) -> None:
    path = "/organizations/{organization_id}/role-bindings"

    @router.post(path, response_model=BindingView, status_code=201, tags=["role bindings"], **_named("role_binding", "create"))
    async def create(request: Request, organization_id: IdPath, body: CreateBinding) -> Response:
        """Give a user a role in an organization, or in one of its projects."""
        scope = _organization_id(organization_id)
        return await mutate(
            services, request, lambda op: _bind(op, body.user, body.role, body.project_id),
            permission="identity.role_binding.create", organization_id=scope,
        )  # fmt: skip

    @router.get(path, response_model=BindingPage, tags=["role bindings"], **_named("role_binding", "list"))
    async def list_page(request: Request, organization_id: IdPath, limit: Limit = 50, cursor: Cursor = None) -> Response:
        """List who has which role in an organization."""
        scope, after = _organization_id(organization_id), _cursor(BINDING_PREFIX, cursor)
        async with operation(services, request, permission="identity.role_binding.list", organization_id=scope) as op:
            found = await list_bindings(op.tx, organization_id=scope, after=after, limit=limit + 1)
        return _page([binding_view(binding) for binding in found], limit)

    @router.delete(
        path + "/{binding_id}", response_model=BindingView, tags=["role bindings"], **_named("role_binding", "delete")
    )
    async def delete(request: Request, organization_id: IdPath, binding_id: IdPath) -> Response:
        """Take a role in an organization away."""
        scope = _organization_id(organization_id)
        permission = "identity.role_binding.delete"
        return await mutate(services, request, lambda op: _unbind(op, binding_id), permission=permission, organization_id=scope)


async def _bind(op: Operation, user: str, role: str, project: str | None) -> Reply:
    op.resource_kind, op.detail = "role_binding", {"user": user, "role": role}
    project_id = parse_id(PROJECT.prefix, project) if project else None
    if project and project_id is None:
        raise NotFoundError("There is no such project in this organization. List its projects.")
    user_id = await _find_user(op.tx, user)
    binding = await bind(op.tx, user_id=user_id, role=role, organization_id=op.organization_id, project_id=project_id)
    op.resource_id, op.project_id = binding.id, binding.project_id
    return Reply(binding_view(binding), 201)


async def _unbind(op: Operation, binding_id: str) -> Reply:
    op.resource_kind, op.resource_id = "role_binding", parse_id(BINDING_PREFIX, binding_id)
    if op.resource_id is None:
        raise NotFoundError
    binding = await unbind(op.tx, op.resource_id, organization_id=op.organization_id)
    op.detail = {"user": format_id(USER_PREFIX, binding.user_id), "role": binding.role}
    return Reply(binding_view(binding))


async def _find_user(tx: Tx, reference: str) -> UUID:
    user_id = parse_id(USER_PREFIX, reference)
    if user_id is not None:
        return user_id
    user = await find_user_by_email(tx, reference) if "@" in reference and "\0" not in reference else None
    if user is None:
        raise UserNotFoundError
    return user.id


def _user_id(text: str) -> UUID:
    user_id = parse_id(USER_PREFIX, text)
    if user_id is None:
        raise UserNotFoundError
    return user_id


def _organization_id(text: str) -> UUID:
    organization_id = parse_id(ORGANIZATION.prefix, text)
    if organization_id is None:
        raise NotFoundError
    return organization_id


def _cursor(prefix: str, text: str | None) -> UUID | None:
    after = parse_id(prefix, text) if text else None
    if text and after is None:
        raise InvalidRequestError("The cursor is not one of this list. Begin without a cursor.")
    return after


def _page(items: list[dict[str, object]], limit: int) -> Response:
    return answer({"items": items[:limit], "next": items[limit - 1]["id"] if len(items) > limit else None})


def user_view(user: User) -> dict[str, object]:
    """The user as answered."""
    return {
        "id": format_id(USER_PREFIX, user.id),
        "email": user.email,
        "name": user.name,
        "disabled_at": user.disabled_at,
        "created_at": user.created_at,
    }


def binding_view(binding: RoleBinding) -> dict[str, object]:
    """The binding as answered."""
    return {
        "id": format_id(BINDING_PREFIX, binding.id),
        "user_id": format_id(USER_PREFIX, binding.user_id),
        "role": binding.role,
        "organization_id": public(ORGANIZATION.prefix, binding.organization_id),
        "project_id": public(PROJECT.prefix, binding.project_id),
        "created_at": binding.created_at,
    }
