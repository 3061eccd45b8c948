"""Nobody gives, or takes away, more than they have themselves, in no place where they do not have it, and not for longer."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from tests.conftest import NewProject
from tests.controlplane.identity.people import new_actor

from groundplane.controlplane.identity import (
    Actor,
    EscalationError,
    LastOwnerError,
    Subject,
    add_member,
    authorize,
    bind,
    bind_as,
    bindings_of_group,
    create_group,
    create_role,
    create_service_account,
    delete_group,
    disable_service_account,
    enable_service_account,
    invite,
    list_bindings,
    refuse_acting_as,
    remove_member,
    unbind,
    unbind_as,
)
from groundplane.kernel.database import Database, Tx


async def _with(tx: Tx, role: str, organization: UUID | None, project: UUID | None = None) -> Actor:
    actor = await new_actor(tx)
    await bind(tx, user_id=actor.id, role=role, organization_id=organization, project_id=project)
    return actor


async def _gives(tx: Tx, actor: Actor, role: str, organization: UUID | None, project: UUID | None = None) -> bool:
    subject = Subject(user_id=(await new_actor(tx)).id)
    try:
        await bind_as(tx, actor, subject, role, organization_id=organization, project_id=project)
    except EscalationError:
        return False
    return True


async def test_who_may_give_what(database: Database, new_project: NewProject) -> None:
    organization, project = await new_project()
    _, sibling = await new_project(organization)
    other, _ = await new_project()
    async with database.transaction() as tx:
        owner = await _with(tx, "owner", organization)
        admin = await _with(tx, "organization_admin", organization)
        project_admin = await _with(tx, "project_admin", organization, project)
        platform = await _with(tx, "admin", None)
        operator = await _with(tx, "operator", None)
        table = [
            (platform, "admin", (None, None), True),
            (platform, "owner", (organization, None), True),
            (operator, "admin", (None, None), False),
            (operator, "operator", (None, None), True),
            (operator, "owner", (organization, None), False),
            (owner, "owner", (organization, None), True),
            (owner, "owner", (other, None), False),
            (owner, "auditor", (None, None), False),
            (admin, "owner", (organization, None), False),
            (admin, "organization_admin", (organization, None), True),
            (admin, "billing_viewer", (organization, None), True),
            (admin, "project_admin", (organization, sibling), True),
            (project_admin, "project_admin", (organization, project), True),
            (project_admin, "project_admin", (organization, sibling), False),
            (project_admin, "viewer", (organization, None), False),
            (project_admin, "organization_admin", (organization, None), False),
        ]
        for actor, role, (where, inside), expected in table:
            assert await _gives(tx, actor, role, where, inside) is expected, (role, where, inside)


async def test_the_refusal_names_what_is_missing(database: Database, new_project: NewProject) -> None:
    organization, _ = await new_project()
    async with database.transaction() as tx:
        viewer = await _with(tx, "viewer", organization)
        subject = Subject(user_id=viewer.id)
        with pytest.raises(EscalationError) as refused:
            await bind_as(tx, viewer, subject, "project_operator", organization_id=organization, project_id=None)
    assert refused.value.context == {"missing": ["compute.*", "jobs.job.*", "network.*", "storage.*"]}


async def test_a_credential_gives_no_more_than_it_is_good_for(database: Database, new_project: NewProject) -> None:
    organization, _ = await new_project()
    async with database.transaction() as tx:
        owner = await _with(tx, "owner", organization)
        scoped = Actor(owner.id, "user", owner.name, scopes=("identity.*", "compute.*"))
        assert not await _gives(tx, scoped, "viewer", organization)
        await create_role(tx, scoped, organization_id=organization, name="vms", description="", permissions=["compute.vm.*"])
        assert await _gives(tx, scoped, "vms", organization)


async def test_what_one_has_for_a_while_is_given_for_no_longer(database: Database, new_project: NewProject) -> None:
    organization, _ = await new_project()
    async with database.transaction() as tx:
        actor, friend = await new_actor(tx), await new_actor(tx)
        soon, later = tx.now + timedelta(hours=1), tx.now + timedelta(hours=2)
        await bind(tx, user_id=actor.id, role="owner", organization_id=organization, expires_at=soon)
        place = {"organization_id": organization, "project_id": None}
        for until in (None, later):
            with pytest.raises(EscalationError):
                await bind_as(tx, actor, Subject(user_id=friend.id), "viewer", **place, expires_at=until)
        with pytest.raises(EscalationError):
            await invite(tx, actor, email="ann@example.org", role="viewer", organization_id=organization)
        binding = await bind_as(tx, actor, Subject(user_id=friend.id), "viewer", **place, expires_at=soon)
        assert binding.expires_at == soon
        await unbind_as(tx, actor, binding.id, organization_id=organization, project_id=None)


async def test_nobody_takes_away_what_they_could_not_give(database: Database, new_project: NewProject) -> None:
    organization, project = await new_project()
    async with database.transaction() as tx:
        await _with(tx, "owner", organization)
        admin = await _with(tx, "organization_admin", organization)
        (owners,) = [each for each in await list_bindings(tx, organization_id=organization) if each.role == "owner"]
        with pytest.raises(EscalationError):
            await unbind_as(tx, admin, owners.id, organization_id=organization, project_id=None)
        friend = await new_actor(tx)
        theirs = await bind(tx, user_id=friend.id, role="viewer", organization_id=organization, project_id=project)
        await unbind_as(tx, admin, theirs.id, organization_id=organization, project_id=None)


async def test_members_are_added_only_by_who_has_what_the_group_gives(database: Database, new_project: NewProject) -> None:
    organization, _ = await new_project()
    async with database.transaction() as tx:
        owner, admin = await _with(tx, "owner", organization), await _with(tx, "organization_admin", organization)
        friend = await new_actor(tx)
        group = await create_group(tx, organization_id=organization, name="bosses", description="")
        await add_member(tx, admin, group.id, admin.id, organization_id=organization)
        await bind(tx, group_id=group.id, role="owner", organization_id=organization)
        with pytest.raises(EscalationError):
            await add_member(tx, await _with(tx, "viewer", organization), group.id, friend.id, organization_id=organization)
        await add_member(tx, owner, group.id, friend.id, organization_id=organization)
        await authorize(tx, friend, "identity.organization.delete", organization_id=organization, project_id=None)
        stranger = await _with(tx, "organization_admin", organization)
        with pytest.raises(EscalationError):  # nor taken out, nor is the group deleted
            await remove_member(tx, stranger, group.id, friend.id, organization_id=organization)
        with pytest.raises(EscalationError):
            await delete_group(tx, stranger, group.id, organization_id=organization)
        await remove_member(tx, owner, group.id, friend.id, organization_id=organization)
        outside = await create_group(tx, organization_id=organization, name="operators", description="")
        await bind(tx, group_id=outside.id, role="operator")
        with pytest.raises(EscalationError):  # what the group has on the platform, the organization's owner has not
            await add_member(tx, owner, outside.id, owner.id, organization_id=organization)


async def test_who_acts_as_a_service_account_has_all_that_it_may(database: Database, new_project: NewProject) -> None:
    organization, _ = await new_project()
    async with database.transaction() as tx:
        owner, admin = await _with(tx, "owner", organization), await _with(tx, "organization_admin", organization)
        account = await create_service_account(tx, organization_id=organization, name="ci", description="")
        await refuse_acting_as(tx, admin, account.id)
        await bind(tx, service_account_id=account.id, role="owner", organization_id=organization)
        with pytest.raises(EscalationError):
            await refuse_acting_as(tx, admin, account.id)
        await disable_service_account(tx, account.id, organization_id=organization)
        with pytest.raises(EscalationError):
            await enable_service_account(tx, admin, account.id, organization_id=organization)
        await enable_service_account(tx, owner, account.id, organization_id=organization)


async def test_the_last_owner_stays(database: Database, new_project: NewProject) -> None:
    organization, _ = await new_project()
    async with database.transaction() as tx:
        owner, heir = await new_actor(tx), await new_actor(tx)
        first = await bind(tx, user_id=owner.id, role="owner", organization_id=organization)
        for_a_day = tx.now + timedelta(days=1)  # keeps nobody's place
        await bind(tx, user_id=heir.id, role="owner", organization_id=organization, expires_at=for_a_day)
        with pytest.raises(LastOwnerError):
            async with tx.savepoint():
                await unbind(tx, first.id, organization_id=organization)
        group = await create_group(tx, organization_id=organization, name="owners", description="")
        theirs = await bind(tx, group_id=group.id, role="owner", organization_id=organization)
        with pytest.raises(LastOwnerError):  # of a group without members nobody is an owner
            async with tx.savepoint():
                await unbind(tx, first.id, organization_id=organization)
        await add_member(tx, owner, group.id, heir.id, organization_id=organization)
        await unbind(tx, first.id, organization_id=organization)
        with pytest.raises(LastOwnerError):
            async with tx.savepoint():
                await remove_member(tx, heir, group.id, heir.id, organization_id=organization)
        with pytest.raises(LastOwnerError):
            async with tx.savepoint():
                await delete_group(tx, heir, group.id, organization_id=organization)
        assert [each.id for each in await bindings_of_group(tx, group.id)] == [theirs.id]


async def test_two_owners_who_leave_at_once_do_not_both_go(database: Database, new_project: NewProject) -> None:
    organization, _ = await new_project()
    async with database.transaction() as tx:
        bindings = [
            await bind(tx, user_id=(await new_actor(tx)).id, role="owner", organization_id=organization) for _ in range(2)
        ]

    async def leave(index: int) -> None:
        async with database.transaction() as tx:
            await unbind(tx, bindings[index].id, organization_id=organization)

    results = await asyncio.gather(leave(0), leave(1), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["LastOwnerError", "NoneType"]
