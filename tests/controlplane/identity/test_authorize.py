"""The authorization decision: who may what where, and what others' ids answer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from tests.controlplane.identity.people import new_actor

from groundplane.controlplane.identity import (
    Actor,
    BindingExistsError,
    GroupNotFoundError,
    LastAdministratorError,
    MemberExistsError,
    ServiceAccountNotFoundError,
    UserNotFoundError,
    add_member,
    authorize,
    bind,
    bindings_of_user,
    create_group,
    create_service_account,
    delete_group,
    delete_service_account,
    disable_service_account,
    enable_service_account,
    list_bindings,
    list_members,
    organizations_of,
    remove_member,
    require_enabled,
    unbind,
)
from groundplane.kernel.database import Database, Question, Row
from groundplane.kernel.errors import ForbiddenError, InvalidRequestError, NotFoundError, UnauthenticatedError
from groundplane.kernel.ids import new_id


async def test_decisions_of_each_role(database: Database, new_project: Callable[..., Awaitable[tuple[UUID, UUID]]]) -> None:
    organization, project = await new_project()
    _, sibling = await new_project(organization)
    other, others_project = await new_project()
    platform, mine, whole = (None, None), (organization, project), (organization, None)
    async with database.transaction() as tx:
        admin, owner, viewer, project_viewer, nobody = [await new_actor(tx) for _ in range(5)]
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
        actor = await new_actor(tx)
        await bind(tx, user_id=actor.id, role="viewer", organization_id=organization)
        with pytest.raises(ForbiddenError) as refused:
            await authorize(tx, actor, "compute.vm.delete", organization_id=organization, project_id=project)
    assert "compute.vm.delete" in refused.value.detail
    assert refused.value.context == {"permission": "compute.vm.delete"}


async def test_bindings_come_and_go(database: Database, new_project: Callable[..., Awaitable[tuple[UUID, UUID]]]) -> None:
    organization, project = await new_project()
    async with database.transaction() as tx:
        actor = await new_actor(tx)
        made = [
            await bind(tx, user_id=actor.id, role="organization_admin", organization_id=organization),
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
        actor = await new_actor(tx)
        await bind(tx, user_id=actor.id, role="owner", organization_id=organization)
        with pytest.raises(BindingExistsError):
            await bind(tx, user_id=actor.id, role="owner", organization_id=organization)
        with pytest.raises(UserNotFoundError):
            await bind(tx, user_id=new_id(), role="owner", organization_id=organization)
        for elsewhere, inside in ((new_id(), None), (other, project), (organization, new_id())):
            with pytest.raises(NotFoundError):
                await bind(tx, user_id=actor.id, role="viewer", organization_id=elsewhere, project_id=inside)
        for role, place in (("admin", organization), ("owner", None), ("viewer", None), ("king", organization)):
            with pytest.raises(InvalidRequestError) as refused:
                await bind(tx, user_id=actor.id, role=role, organization_id=place)
            assert [each.pointer for each in refused.value.errors] == ["/role"]


async def test_an_expired_binding_gives_nothing_from_that_moment_and_may_be_given_again(
    database: Database, new_project: Callable[..., Awaitable[tuple[UUID, UUID]]]
) -> None:
    organization, project = await new_project()
    async with database.transaction() as tx:
        actor = await new_actor(tx)
        soon = tx.now + timedelta(hours=1)
        binding = await bind(tx, user_id=actor.id, role="viewer", organization_id=organization, expires_at=soon)
        await authorize(tx, actor, "compute.vm.read", organization_id=organization, project_id=project)
        with pytest.raises(BindingExistsError):
            await bind(tx, user_id=actor.id, role="viewer", organization_id=organization)
        await tx.execute("UPDATE role_binding SET expires_at = statement_timestamp() WHERE id = $1", binding.id)
    async with database.transaction() as tx:
        with pytest.raises(NotFoundError):
            await authorize(tx, actor, "compute.vm.read", organization_id=organization, project_id=project)
        assert await organizations_of(tx, actor) == []
        assert await bindings_of_user(tx, actor.id) == []
        assert [each.id for each in await list_bindings(tx, organization_id=organization)] == [binding.id]
        again = await bind(tx, user_id=actor.id, role="viewer", organization_id=organization)
        assert (again.id, again.expires_at) == (binding.id, None)
        await authorize(tx, actor, "compute.vm.read", organization_id=organization, project_id=project)
        with pytest.raises(InvalidRequestError) as refused:
            await bind(tx, user_id=actor.id, role="owner", organization_id=organization, expires_at=tx.now - timedelta(1))
        assert [each.pointer for each in refused.value.errors] == ["/expires_at"]


async def test_members_have_the_roles_of_their_groups(
    database: Database, new_project: Callable[..., Awaitable[tuple[UUID, UUID]]]
) -> None:
    organization, project = await new_project()
    other, _ = await new_project()
    async with database.transaction() as tx:
        actor, boss = await new_actor(tx), Actor(new_id(), "system", "test")
        group = await create_group(tx, organization_id=organization, name="developers", description="")
        binding = await bind(tx, group_id=group.id, role="project_operator", organization_id=organization, project_id=project)
        with pytest.raises(NotFoundError):
            await authorize(tx, actor, "compute.vm.create", organization_id=organization, project_id=project)
        await add_member(tx, boss, group.id, actor.id, organization_id=organization)
        assert await authorize(tx, actor, "compute.vm.create", organization_id=organization, project_id=project) == organization
        assert await bindings_of_user(tx, actor.id) == [binding]
        assert await organizations_of(tx, actor) == [organization]
        assert [member.user_id for member in await list_members(tx, group.id, organization_id=organization)] == [actor.id]
        with pytest.raises(MemberExistsError):
            await add_member(tx, boss, group.id, actor.id, organization_id=organization)
        with pytest.raises(GroupNotFoundError):
            await bind(tx, group_id=group.id, role="viewer", organization_id=other)
        await remove_member(tx, boss, group.id, actor.id, organization_id=organization)
        with pytest.raises(NotFoundError):
            await authorize(tx, actor, "compute.vm.create", organization_id=organization, project_id=project)
        await add_member(tx, boss, group.id, actor.id, organization_id=organization)
        await delete_group(tx, boss, group.id, organization_id=organization)
        assert await bindings_of_user(tx, actor.id) == []


async def test_a_service_account_has_its_own_roles_until_it_is_disabled(
    database: Database, new_project: Callable[..., Awaitable[tuple[UUID, UUID]]]
) -> None:
    organization, project = await new_project()
    _, sibling = await new_project(organization)
    other, _ = await new_project()
    async with database.transaction() as tx:
        boss = Actor(new_id(), "system", "test")
        account = await create_service_account(tx, organization_id=organization, name="ci", description="", project_id=project)
        with pytest.raises(NotFoundError):
            await authorize(tx, account.actor, "compute.vm.read", organization_id=organization, project_id=project)
        for elsewhere, inside in ((other, None), (organization, sibling), (organization, None)):
            with pytest.raises(ServiceAccountNotFoundError):  # it is of one project alone
                await bind(tx, service_account_id=account.id, role="viewer", organization_id=elsewhere, project_id=inside)
        await bind(tx, service_account_id=account.id, role="viewer", organization_id=organization, project_id=project)
        await authorize(tx, account.actor, "compute.vm.read", organization_id=organization, project_id=project)
        await require_enabled(tx, account.actor)
        assert await organizations_of(tx, account.actor) == [organization]
        with pytest.raises(ForbiddenError):
            await authorize(tx, account.actor, "compute.vm.create", organization_id=organization, project_id=project)
        await disable_service_account(tx, account.id, organization_id=organization)
        with pytest.raises(UnauthenticatedError):
            await require_enabled(tx, account.actor)
        with pytest.raises(UnauthenticatedError):
            await authorize(tx, account.actor, "compute.vm.read", organization_id=organization, project_id=project)
        await enable_service_account(tx, boss, account.id, organization_id=organization)
        await authorize(tx, account.actor, "compute.vm.read", organization_id=organization, project_id=project)
        await delete_service_account(tx, account.id, organization_id=organization)
        with pytest.raises(UnauthenticatedError):
            await authorize(tx, account.actor, "compute.vm.read", organization_id=organization, project_id=project)


async def test_a_credential_limits_what_the_roles_give_and_shows_no_more(
    database: Database, new_project: Callable[..., Awaitable[tuple[UUID, UUID]]]
) -> None:
    organization, project = await new_project()
    other, others_project = await new_project()
    async with database.transaction() as tx:
        actor = await new_actor(tx)
        await bind(tx, user_id=actor.id, role="viewer", organization_id=organization)
        scoped = Actor(actor.id, "user", actor.name, scopes=("compute.*", "network.port.list"))
        for permission in ("compute.vm.read", "network.port.list"):
            await authorize(tx, scoped, permission, organization_id=organization, project_id=project)
        with pytest.raises(ForbiddenError) as refused:
            await authorize(tx, scoped, "network.port.read", organization_id=organization, project_id=project)
        assert "scope" in refused.value.detail
        with pytest.raises(ForbiddenError):  # in scope, but no role gives it
            await authorize(tx, scoped, "compute.vm.create", organization_id=organization, project_id=project)
        with pytest.raises(NotFoundError):
            await authorize(tx, scoped, "storage.volume.read", organization_id=other, project_id=others_project)
        nothing = Actor(actor.id, "user", actor.name, scopes=())
        with pytest.raises(ForbiddenError):
            await authorize(tx, nothing, "compute.vm.read", organization_id=organization, project_id=project)


async def test_the_decision_is_one_round_trip_with_what_is_asked_along(
    database: Database, new_project: Callable[..., Awaitable[tuple[UUID, UUID]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    organization, project = await new_project()
    async with database.transaction() as tx:
        actor, asked = await new_actor(tx), []
        await bind(tx, user_id=actor.id, role="viewer", organization_id=organization)
        fetch = tx.fetch

        async def counted(sql: str, *values: object) -> Sequence[Row]:
            asked.append(sql)
            return await fetch(sql, *values)

        monkeypatch.setattr(tx, "fetch", counted)
        along = Question("SELECT {0}::int + 1 AS sum", (41,))
        await authorize(tx, actor, "compute.vm.read", organization_id=None, project_id=project, along=along)
        assert (len(asked), along.answer) == (1, {"sum": 42})


async def test_two_administrators_who_leave_at_once_do_not_both_go(make_database: Callable[[], Awaitable[str]]) -> None:
    database = await Database.connect(await make_database())
    async with database.transaction() as tx:
        bindings = [await bind(tx, user_id=(await new_actor(tx)).id, role="admin") for _ in range(2)]

    async def leave(index: int) -> None:
        async with database.transaction() as tx:
            await unbind(tx, bindings[index].id, organization_id=None)

    results = await asyncio.gather(leave(0), leave(1), return_exceptions=True)
    assert sorted(str(type(result).__name__) for result in results) == ["LastAdministratorError", "NoneType"]
    assert any(isinstance(result, LastAdministratorError) for result in results)
    await database.close()
