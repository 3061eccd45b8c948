"""The authorization decision: who may what where, and what others' ids answer."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from groundplane.controlplane.identity import (
    Actor,
    BindingExistsError,
    LastAdministratorError,
    UserNotFoundError,
    authorize,
    bind,
    bindings_of_user,
    create_user,
    list_bindings,
    organizations_of,
    unbind,
)
from groundplane.kernel.database import Database, Tx
from groundplane.kernel.errors import ForbiddenError, InvalidRequestError, NotFoundError, UnauthenticatedError
from groundplane.kernel.ids import new_id


async def _actor(tx: Tx) -> Actor:
    user = await create_user(tx, email=f"{new_id().hex}@example.org", name="Somebody", password="correct horse battery")
    return user.actor


async def test_decisions_of_each_role(database: Database, new_project: Callable[..., Awaitable[tuple[UUID, UUID]]]) -> None:
    organization, project = await new_project()
    _, sibling = await new_project(organization)
    other, others_project = await new_project()
    platform, mine, whole = (None, None), (organization, project), (organization, None)
    async with database.transaction() as tx:
        admin, owner, viewer, project_viewer, nobody = [await _actor(tx) for _ in range(5)]
        await bind(tx, user_id=admin.id, role="admin")
        await bind(tx, user_id=owner.id, role="owner", organization_id=organization)
        await bind(tx, user_id=viewer.id, role="viewer", organization_id=organization)
        await bind(tx, user_id=project_viewer.id, role="viewer", organization_id=organization, project_id=project)

        table = [
            (admin, "fleet.host.delete", platform, None),
            (admin, "compute.vm.delete", (other, others_project), None),
            (owner, "compute.vm.delete", mine, None),
            (owner, "resources.project.create", whole, None),
            (owner, "fleet.host.list", platform, ForbiddenError),
            (owner, "compute.vm.read", (other, others_project), NotFoundError),
            (owner, "compute.vm.read", (other, None), NotFoundError),
            (viewer, "compute.vm.read", mine, None),
            (viewer, "compute.vm.list", (organization, sibling), None),
            (viewer, "compute.vm.create", mine, ForbiddenError),
            (project_viewer, "compute.vm.read", mine, None),
            (project_viewer, "compute.vm.create", mine, ForbiddenError),
            (project_viewer, "compute.vm.read", (organization, sibling), NotFoundError),
            (project_viewer, "resources.project.list", whole, ForbiddenError),
            (nobody, "compute.vm.read", mine, NotFoundError),
            (nobody, "fleet.host.list", platform, ForbiddenError),
            (Actor(new_id(), "user", "gone"), "compute.vm.read", mine, UnauthenticatedError),
            (Actor(new_id(), "system", "reconciler"), "compute.vm.delete", mine, None),
        ]
        for actor, permission, (organization_id, project_id), expected in table:
            try:
                await authorize(tx, actor, permission, organization_id=organization_id, project_id=project_id)
                decision: type[Exception] | None = None
            except (ForbiddenError, NotFoundError, UnauthenticatedError) as error:
                decision = type(error)
            assert (decision is None) == (expected is None), (actor, permission, decision)
            assert expected is None or issubclass(decision or int, expected), (actor, permission, decision)

        assert await organizations_of(tx, admin) is None
        assert await organizations_of(tx, owner) == [organization]
        assert await organizations_of(tx, project_viewer) == [organization]
        assert await organizations_of(tx, nobody) == []


async def test_a_refusal_names_the_permission(
    database: Database, new_project: Callable[..., Awaitable[tuple[UUID, UUID]]]
) -> None:
    organization, project = await new_project()
    async with database.transaction() as tx:
        actor = await _actor(tx)
        await bind(tx, user_id=actor.id, role="viewer", organization_id=organization)
        with pytest.raises(ForbiddenError) as refused:
            await authorize(tx, actor, "compute.vm.delete", organization_id=organization, project_id=project)
    assert "compute.vm.delete" in refused.value.detail
    assert refused.value.context == {"permission": "compute.vm.delete"}


async def test_bindings_come_and_go(database: Database, new_project: Callable[..., Awaitable[tuple[UUID, UUID]]]) -> None:
    organization, project = await new_project()
    async with database.transaction() as tx:
        actor = await _actor(tx)
        made = [
            await bind(tx, user_id=actor.id, role="owner", organization_id=organization),
            await bind(tx, user_id=actor.id, role="viewer", organization_id=organization, project_id=project),
        ]
        first, second = sorted(made, key=lambda binding: binding.id)  # ids of the same millisecond come in any order
        assert await list_bindings(tx, organization_id=organization) == [first, second]
        assert await list_bindings(tx, organization_id=organization, after=first.id) == [second]
        assert await list_bindings(tx, organization_id=organization, limit=1) == [first]
        assert await bindings_of_user(tx, actor.id) == [first, second]
        assert await unbind(tx, first.id, organization_id=organization) == first
        assert await bindings_of_user(tx, actor.id) == [second]
        with pytest.raises(NotFoundError):
            await unbind(tx, first.id, organization_id=organization)
        with pytest.raises(NotFoundError):
            await unbind(tx, second.id, organization_id=new_id())


async def test_what_cannot_be_bound(database: Database, new_project: Callable[..., Awaitable[tuple[UUID, UUID]]]) -> None:
    organization, project = await new_project()
    other, _ = await new_project()
    async with database.transaction() as tx:
        actor = await _actor(tx)
        await bind(tx, user_id=actor.id, role="owner", organization_id=organization)
        with pytest.raises(BindingExistsError):
            await bind(tx, user_id=actor.id, role="owner", organization_id=organization)
        with pytest.raises(UserNotFoundError):
            await bind(tx, user_id=new_id(), role="owner", organization_id=organization)
        for elsewhere, inside in ((new_id(), None), (other, project), (organization, new_id())):
            with pytest.raises(NotFoundError):
                await bind(tx, user_id=actor.id, role="viewer", organization_id=elsewhere, project_id=inside)
        for role, place in (("admin", organization), ("owner", None), ("king", organization)):
            with pytest.raises(InvalidRequestError) as refused:
                await bind(tx, user_id=actor.id, role=role, organization_id=place)
            assert [each.pointer for each in refused.value.errors] == ["/role"]


async def test_two_administrators_who_leave_at_once_do_not_both_go(make_database: Callable[[], Awaitable[str]]) -> None:
    database = await Database.connect(await make_database())
    async with database.transaction() as tx:
        bindings = [await bind(tx, user_id=(await _actor(tx)).id, role="admin") for _ in range(2)]

    async def leave(index: int) -> None:
        async with database.transaction() as tx:
            await unbind(tx, bindings[index].id, organization_id=None)

    results = await asyncio.gather(leave(0), leave(1), return_exceptions=True)
    assert sorted(str(type(result).__name__) for result in results) == ["LastAdministratorError", "NoneType"]
    assert any(isinstance(result, LastAdministratorError) for result in results)
    await database.close()
