"""The routes of users: made, read and disabled by the platform's administrators."""

from datetime import datetime

from fastapi import APIRouter, Request, Response

from groundplane.controlplane.gateway.identity.shapes import (
    Email,
    EmailFilter,
    IdPath,
    Password,
    PersonFilter,
    PersonName,
    named,
    user_uuid,
)
from groundplane.controlplane.gateway.kinds import Cursor, Limit, answer, cursor_uuid, page
from groundplane.controlplane.gateway.operation import Operation, Reply, mutate, operation
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import View
from groundplane.controlplane.identity import USER_PREFIX, User, create_user, disable_user, get_user, list_users
from groundplane.controlplane.resources.fields import Strict
from groundplane.kernel.ids import format_id


class CreateUser(Strict):
    """A new user, who has no role yet."""

    email: Email
    name: PersonName
    password: Password


class UserView(View):
    """Somebody who can log in, unless disabled."""

    id: str
    email: str
    name: str
    disabled_at: datetime | None
    created_at: datetime


class UserPage(View):
    """A page of users, oldest first."""

    items: list[UserView]
    next: str | None


def add_user_routes(router: APIRouter, services: Services) -> None:
    """Create, list, read, disable."""

    @router.post("/users", response_model=UserView, status_code=201, tags=["users"], **named("user", "create"))
    async def create(request: Request, body: CreateUser) -> Response:
        """Create a user, who has no role yet."""

        async def work(op: Operation) -> Reply:
            op.detail = {"email": body.email}
            user = await create_user(op.tx, email=body.email, name=body.name, password=body.password)
            op.resource_kind, op.resource_id = "user", user.id
            view = user_view(user)
            return Reply(view, 201, f"{request.url.path}/{view['id']}")

        return await mutate(services, request, work, permission="identity.user.create")

    @router.get("/users", response_model=UserPage, tags=["users"], **named("user", "list"))
    async def list_page(
        request: Request, limit: Limit = 50, cursor: Cursor = None, email: EmailFilter = None, name: PersonFilter = None
    ) -> Response:
        """List users, oldest first."""
        after = cursor_uuid(USER_PREFIX, cursor)
        async with operation(services, request, permission="identity.user.list") as op:
            found = await list_users(op.tx, email=email, name=name, after=after, limit=limit + 1)
        return page(found, limit, user_view)

    @router.get("/users/{user_id}", response_model=UserView, tags=["users"], **named("user", "read"))
    async def read(request: Request, user_id: IdPath) -> Response:
        """Read a user."""
        async with operation(services, request, permission="identity.user.read") as op:
            user = await get_user(op.tx, user_uuid(user_id))
        return answer(user_view(user))

    @router.post("/users/{user_id}/disable", response_model=UserView, tags=["users"], **named("user", "disable"))
    async def disable(request: Request, user_id: IdPath) -> Response:
        """Bar a user from now on, whatever tokens are still good."""

        async def work(op: Operation) -> Reply:
            op.resource_kind, op.resource_id = "user", user_uuid(user_id)
            return Reply(user_view(await disable_user(op.tx, op.resource_id)))

        return await mutate(services, request, work, permission="identity.user.disable")


def user_view(user: User) -> dict[str, object]:
    """The user as answered."""
    return {
        "id": format_id(USER_PREFIX, user.id),
        "email": user.email,
        "name": user.name,
        "disabled_at": user.disabled_at,
        "created_at": user.created_at,
    }
