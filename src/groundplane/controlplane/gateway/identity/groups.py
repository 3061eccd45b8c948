"""The routes of an organization's groups and their members."""

from datetime import datetime

from fastapi import APIRouter, Request, Response

from groundplane.controlplane.gateway.identity.shapes import (
    GROUP_PREFIX,
    ORGANIZATION_PATH,
    EmailFilter,
    IdPath,
    PersonFilter,
    UserReference,
    find_user,
    named,
    organization_uuid,
    user_uuid,
    uuid_of,
)
from groundplane.controlplane.gateway.kinds import Cursor, Limit, NameFilter, answer, cursor_uuid, page
from groundplane.controlplane.gateway.operation import Operation, Reply, mutate, operation
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import View, public
from groundplane.controlplane.identity import (
    USER_PREFIX,
    Group,
    Member,
    add_member,
    create_group,
    delete_group,
    get_group,
    list_groups,
    list_members,
    remove_member,
)
from groundplane.controlplane.resources.fields import Name, Strict, Text
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.kernel.ids import format_id

_PATH = f"{ORGANIZATION_PATH}/groups"
_ITEM = f"{_PATH}/{{group_id}}"


class CreateGroup(Strict):
    """A new group, without members and roles."""

    name: Name
    description: Text = ""


class AddMember(Strict):
    """Who is to be in the group. Nobody adds members to a group that gives more than they have themselves."""

    user: UserReference


class GroupView(View):
    """Users of an organization who have roles together."""

    id: str
    organization_id: str
    name: str
    description: str
    created_at: datetime


class GroupPage(View):
    """A page of groups, oldest first."""

    items: list[GroupView]
    next: str | None


class MemberView(View):
    """A user in a group."""

    user_id: str
    email: str
    name: str
    added_at: datetime


class MemberPage(View):
    """A page of a group's members."""

    items: list[MemberView]
    next: str | None


def add_group_routes(router: APIRouter, services: Services) -> None:
    """Groups, and their members."""
    _add_reading(router, services)
    _add_changing(router, services)
    _add_member_routes(router, services)


def _add_reading(router: APIRouter, services: Services) -> None:
    @router.get(_PATH, response_model=GroupPage, tags=["groups"], **named("group", "list"))
    async def list_page(
        request: Request, organization_id: IdPath, limit: Limit = 50, cursor: Cursor = None, name: NameFilter = None
    ) -> Response:
        """List an organization's groups."""
        scope, after = organization_uuid(organization_id), cursor_uuid(GROUP_PREFIX, cursor)
        async with operation(services, request, permission="identity.group.list", organization_id=scope) as op:
            found = await list_groups(op.tx, organization_id=scope, name=name, after=after, limit=limit + 1)
        return page(found, limit, group_view)

    @router.get(_ITEM, response_model=GroupView, tags=["groups"], **named("group", "read"))
    async def read(request: Request, organization_id: IdPath, group_id: IdPath) -> Response:
        """Read a group."""
        scope = organization_uuid(organization_id)
        async with operation(services, request, permission="identity.group.read", organization_id=scope) as op:
            group = await get_group(op.tx, uuid_of(GROUP_PREFIX, group_id), organization_id=scope)
        return answer(group_view(group))

    @router.get(f"{_ITEM}/members", response_model=MemberPage, tags=["groups"], **named("group", "read", "group_member_list"))
    async def list_of_members(
        request: Request,
        organization_id: IdPath,
        group_id: IdPath,
        limit: Limit = 50,
        cursor: Cursor = None,
        email: EmailFilter = None,
        name: PersonFilter = None,
    ) -> Response:
        """List a group's members."""
        scope, after = organization_uuid(organization_id), cursor_uuid(USER_PREFIX, cursor)
        async with operation(services, request, permission="identity.group.read", organization_id=scope) as op:
            group = uuid_of(GROUP_PREFIX, group_id)
            found = await list_members(
                op.tx, group, organization_id=scope, email=email, name=name, after=after, limit=limit + 1
            )
        return page(found, limit, member_view, key="user_id")


def _add_changing(router: APIRouter, services: Services) -> None:
    @router.post(_PATH, response_model=GroupView, status_code=201, tags=["groups"], **named("group", "create"))
    async def create(request: Request, organization_id: IdPath, body: CreateGroup) -> Response:
        """Make a group."""
        scope = organization_uuid(organization_id)

        async def work(op: Operation) -> Reply:
            op.resource_kind, op.detail = "group", {"name": body.name}
            group = await create_group(op.tx, organization_id=scope, name=body.name, description=body.description)
            op.resource_id = group.id
            view = group_view(group)
            return Reply(view, 201, f"{request.url.path}/{view['id']}")

        return await mutate(services, request, work, permission="identity.group.create", organization_id=scope)

    @router.delete(_ITEM, response_model=GroupView, tags=["groups"], **named("group", "delete"))
    async def delete(request: Request, organization_id: IdPath, group_id: IdPath) -> Response:
        """Delete a group, and with it what it gave its members."""
        scope = organization_uuid(organization_id)

        async def work(op: Operation) -> Reply:
            op.resource_kind, op.resource_id = "group", uuid_of(GROUP_PREFIX, group_id)
            group = await delete_group(op.tx, op.actor, op.resource_id, organization_id=scope)
            op.detail = {"name": group.name}
            return Reply(group_view(group))

        return await mutate(services, request, work, permission="identity.group.delete", organization_id=scope)


def _add_member_routes(router: APIRouter, services: Services) -> None:
    path = f"{_ITEM}/members"

    @router.post(
        path, response_model=MemberView, status_code=201, tags=["groups"], **named("group", "update", "group_member_create")
    )
    async def add(request: Request, organization_id: IdPath, group_id: IdPath, body: AddMember) -> Response:
        """Put a user into a group."""
        scope = organization_uuid(organization_id)

        async def work(op: Operation) -> Reply:
            op.resource_kind, op.resource_id = "group", uuid_of(GROUP_PREFIX, group_id)
            op.detail = {"added": body.user}
            user_id = await find_user(op.tx, body.user)
            member = await add_member(op.tx, op.actor, op.resource_id, user_id, organization_id=scope)
            return Reply(member_view(member), 201)

        return await mutate(services, request, work, permission="identity.group.update", organization_id=scope)

    @router.delete(
        f"{path}/{{user_id}}", response_model=MemberView, tags=["groups"], **named("group", "update", "group_member_delete")
    )
    async def remove(request: Request, organization_id: IdPath, group_id: IdPath, user_id: IdPath) -> Response:
        """Take a user out of a group."""
        scope = organization_uuid(organization_id)

        async def work(op: Operation) -> Reply:
            op.resource_kind, op.resource_id = "group", uuid_of(GROUP_PREFIX, group_id)
            op.detail = {"removed": user_id}
            member = await remove_member(op.tx, op.actor, op.resource_id, user_uuid(user_id), organization_id=scope)
            return Reply(member_view(member))

        return await mutate(services, request, work, permission="identity.group.update", organization_id=scope)


def group_view(group: Group) -> dict[str, object]:
    """The group as answered."""
    return {
        "id": format_id(GROUP_PREFIX, group.id),
        "organization_id": public(ORGANIZATION.prefix, group.organization_id),
        "name": group.name,
        "description": group.description,
        "created_at": group.created_at,
    }


def member_view(member: Member) -> dict[str, object]:
    """The member as answered."""
    return {**vars(member), "user_id": format_id(USER_PREFIX, member.user_id)}
