"""What a provider's groups give and take, and what they never take."""

from dataclasses import replace

from tests.conftest import NewProject

from groundplane.controlplane.identity import ExternalUser, apply_groups, bindings_of_user, user_of
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.kernel.database import Database
from groundplane.kernel.ids import new_id

ROLES = {"admins": "admin", "nowhere": "owner@org_00000000000000000000000000", "none": "emperor"}


def _ada(*groups: str) -> ExternalUser:
    return ExternalUser("https://idp.example", "ada", "ada@corp.example", True, "Ada", frozenset(groups))


async def test_the_last_administrator_stays_one_whatever_the_groups_say(database: Database) -> None:
    async with database.transaction() as tx:
        user = await user_of(tx, _ada(), [])
        await apply_groups(tx, user, _ada("admins"), ROLES)
    async with database.transaction() as tx:
        await apply_groups(tx, user, _ada(), ROLES)
        assert [binding.role for binding in await bindings_of_user(tx, user.id)] == ["admin"]
        other = await user_of(tx, replace(_ada(), subject="bob", email="bob@corp.example"), [])
        await apply_groups(tx, other, _ada("admins"), ROLES)
        await apply_groups(tx, user, _ada(), ROLES)
        assert await bindings_of_user(tx, user.id) == []


async def test_a_slip_in_the_settings_gives_nothing_and_locks_nobody_out(database: Database) -> None:
    async with database.transaction() as tx:
        user = await user_of(tx, replace(_ada(), subject=new_id().hex, email="eve@corp.example"), [])
        await apply_groups(tx, user, _ada("nowhere", "none"), ROLES)
        assert await bindings_of_user(tx, user.id) == []


async def test_groups_of_one_provider_leave_those_of_another_alone(database: Database, new_project: NewProject) -> None:
    organization_id, _ = await new_project()
    roles = {"team": f"owner@{ORGANIZATION.public_id(organization_id)}"}
    async with database.transaction() as tx:
        user = await user_of(tx, replace(_ada(), subject=new_id().hex, email="carl@corp.example"), [])
        await apply_groups(tx, user, _ada("team"), roles)
        await apply_groups(tx, user, replace(_ada(), issuer="https://other.example"), roles)
        assert [binding.role for binding in await bindings_of_user(tx, user.id)] == ["owner"]
