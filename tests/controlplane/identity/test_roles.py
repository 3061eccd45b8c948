"""What roles permit, as a table; where they may be given; and custom roles."""

from uuid import UUID

import pytest
from tests.conftest import NewProject
from tests.controlplane.identity.people import new_actor

from groundplane.controlplane.identity import (
    ROLES,
    EscalationError,
    RoleExistsError,
    RoleInUseError,
    RoleNotFoundError,
    authorize,
    bind,
    create_role,
    delete_role,
    get_role,
    invite,
    list_roles,
    unbind,
    update_role,
)
from groundplane.controlplane.identity.patterns import beyond, permit
from groundplane.kernel.database import Database, Tx
from groundplane.kernel.errors import ForbiddenError, InvalidRequestError, NotFoundError
from groundplane.kernel.ids import new_id

_PLATFORM, _ORGANIZATION = {"admin", "operator"}, {"owner", "organization_admin"}
_AUDITORS, _PROJECT = {"auditor", "organization_auditor"}, {"project_admin", "project_operator"}
_USE = _PLATFORM | _ORGANIZATION | _PROJECT
_SEE = _USE | _AUDITORS | {"viewer"}
_SEE_IDENTITY = _PLATFORM | _ORGANIZATION | _AUDITORS
_GIVE = {"admin"} | _ORGANIZATION

ALL: dict[str, set[str]] = {
    "compute.vm.read": _SEE,
    "compute.vm.create": _USE,
    "compute.vm.console": _USE,
    "jobs.job.cancel": _USE,
    "fleet.host.delete": {"admin", "operator", "owner"},
    "fleet.host.list": _SEE_IDENTITY,
    "jobs.traffic_rule.create": {"admin", "operator", "owner"},
    "resources.quota.update": _PLATFORM | _ORGANIZATION,
    "resources.quota.read": _SEE | {"billing_viewer"},
    "audit.event.list": _SEE,
    "secrets.secret.create": _GIVE | {"project_admin"},
    "identity.project.create": _GIVE,
    "identity.project.update": _GIVE | {"project_admin"},
    "identity.project.delete": _GIVE,
    "identity.organization.update": _GIVE,
    "identity.organization.delete": {"admin", "owner"},
    "identity.user.create": {"admin", "owner"},
    "identity.role_binding.create": _GIVE | {"project_admin"},
    "identity.role_binding.list": _SEE_IDENTITY | {"project_admin"},
    "identity.role.update": _GIVE,
    "identity.invitation.create": _GIVE,
    "identity.group.list": _SEE_IDENTITY,
}
"""Which roles give it, where they are given: fleet.host.delete in an organization is of no use."""


@pytest.mark.parametrize(("permission", "roles"), ALL.items())
def test_which_roles_give_a_permission(permission: str, roles: set[str]) -> None:
    assert {role.name for role in ROLES.values() if role.permits(permission)} == roles


def test_a_role_is_given_at_its_levels_alone() -> None:
    levels = {role.name: role.levels for role in ROLES.values()}
    assert {name for name, where in levels.items() if where == ("platform",)} == {"admin", "operator", "auditor"}
    assert {name for name, where in levels.items() if where == ("organization",)} == {
        "owner", "organization_admin", "organization_auditor", "billing_viewer",
    }  # fmt: skip
    assert {name for name, where in levels.items() if "project" in where} == {"project_admin", "project_operator", "viewer"}


def test_nobody_below_the_owner_may_make_owners() -> None:
    assert beyond(ROLES["organization_admin"].permissions, ROLES["owner"].permissions) == ["*"]
    for name in ("organization_auditor", "billing_viewer", "project_admin", "project_operator", "viewer"):
        assert beyond(ROLES["organization_admin"].permissions, ROLES[name].permissions) == [], name
    for name in ("project_operator", "viewer"):
        assert beyond(ROLES["project_admin"].permissions, ROLES[name].permissions) == [], name
    assert beyond(ROLES["project_operator"].permissions, ROLES["project_admin"].permissions)


@pytest.mark.parametrize(
    ("have", "wanted", "within"),
    [
        (["*"], "compute.*", True),
        (["compute.*"], "compute.vm.create", True),
        (["compute.*"], "compute.*.read", True),
        (["*.read"], "compute.*.read", True),
        (["*.read"], "compute.*", False),
        (["compute.vm.*"], "compute.*", False),
        (["compute.vm.read", "compute.vm.list"], "compute.vm.*", False),  # tomorrow there may be more
        ([], "compute.vm.read", False),
    ],
)
def test_what_is_within_what(have: list[str], wanted: str, within: bool) -> None:
    assert (beyond(have, [wanted]) == []) is within


def test_a_pattern_matches_whole_permissions() -> None:
    assert permit(("compute.*",), "compute.vm.read")
    assert not permit(("*.read",), "compute.vm.readwrite")
    assert not permit(("compute.vm",), "compute.vm.read")


async def _role(tx: Tx, organization: UUID, *permissions: str) -> UUID:
    owner = await new_actor(tx)
    await bind(tx, user_id=owner.id, role="owner", organization_id=organization)
    role = await create_role(tx, owner, organization_id=organization, name="deployer", description="", permissions=permissions)
    return role.id


async def test_a_custom_role_gives_what_it_lists_where_it_is_bound(database: Database, new_project: NewProject) -> None:
    organization, project = await new_project()
    _, sibling = await new_project(organization)
    async with database.transaction() as tx:
        await _role(tx, organization, "compute.vm.*", "network.*.read")
        actor = await new_actor(tx)
        await bind(tx, user_id=actor.id, role="deployer", organization_id=organization, project_id=project)
        for permission in ("compute.vm.create", "network.port.read"):
            await authorize(tx, actor, permission, organization_id=organization, project_id=project)
        with pytest.raises(ForbiddenError):
            await authorize(tx, actor, "network.port.create", organization_id=organization, project_id=project)
        with pytest.raises(NotFoundError):
            await authorize(tx, actor, "compute.vm.create", organization_id=organization, project_id=sibling)


async def test_a_change_of_a_custom_role_is_felt_by_all_who_have_it(database: Database, new_project: NewProject) -> None:
    organization, project = await new_project()
    async with database.transaction() as tx:
        role_id = await _role(tx, organization, "compute.vm.*")
        actor, owner = await new_actor(tx), await new_actor(tx)
        await bind(tx, user_id=owner.id, role="owner", organization_id=organization)
        await bind(tx, user_id=actor.id, role="deployer", organization_id=organization)
        await update_role(tx, owner, role_id, organization_id=organization, permissions=["compute.vm.read"])
        with pytest.raises(ForbiddenError):
            await authorize(tx, actor, "compute.vm.create", organization_id=organization, project_id=project)
        role = await update_role(tx, owner, role_id, organization_id=organization, description="Less")
        assert (role.description, role.permissions) == ("Less", ("compute.vm.read",))


async def test_nobody_makes_a_role_of_what_they_do_not_have(database: Database, new_project: NewProject) -> None:
    organization, _ = await new_project()
    async with database.transaction() as tx:
        role_id = await _role(tx, organization, "compute.vm.*")
        admin = await new_actor(tx)
        await bind(tx, user_id=admin.id, role="organization_admin", organization_id=organization)
        made = {"organization_id": organization, "name": "king", "description": ""}
        with pytest.raises(EscalationError) as refused:
            await create_role(tx, admin, **made, permissions=["compute.*", "*.delete"])  # type: ignore[arg-type]
        assert refused.value.context == {"missing": ["*.delete"]}
        with pytest.raises(EscalationError):
            await update_role(tx, admin, role_id, organization_id=organization, permissions=["*"])
        await update_role(tx, admin, role_id, organization_id=organization, permissions=["compute.*"])


async def test_a_custom_role_that_somebody_has_stays(database: Database, new_project: NewProject) -> None:
    organization, _ = await new_project()
    other, _ = await new_project()
    async with database.transaction() as tx:
        role_id = await _role(tx, organization, "compute.vm.*")
        actor, owner = await new_actor(tx), await new_actor(tx)
        await bind(tx, user_id=owner.id, role="owner", organization_id=organization)
        binding = await bind(tx, user_id=actor.id, role="deployer", organization_id=organization)
        with pytest.raises(RoleInUseError):
            await delete_role(tx, role_id, organization_id=organization)
        await unbind(tx, binding.id, organization_id=organization)
        await invite(tx, owner, email="ann@example.org", role="deployer", organization_id=organization)
        with pytest.raises(RoleInUseError):
            await delete_role(tx, role_id, organization_id=organization)
        await tx.execute("UPDATE invitation SET revoked_at = now() WHERE organization_id = $1", organization)
        with pytest.raises(RoleNotFoundError):
            await delete_role(tx, role_id, organization_id=other)
        assert [role.id for role in await list_roles(tx, organization_id=organization)] == [role_id]
        await delete_role(tx, role_id, organization_id=organization)
        with pytest.raises(RoleNotFoundError):
            await get_role(tx, role_id, organization_id=organization)


async def test_names_are_unique_and_no_built_in_one_is_hidden(database: Database, new_project: NewProject) -> None:
    organization, _ = await new_project()
    other, _ = await new_project()
    async with database.transaction() as tx:
        await _role(tx, organization, "compute.vm.*")
        await _role(tx, other, "compute.vm.*")
        owner = await new_actor(tx)
        await bind(tx, user_id=owner.id, role="owner", organization_id=organization)
        for name in ("deployer", "viewer", "admin"):
            with pytest.raises(RoleExistsError):
                await create_role(tx, owner, organization_id=organization, name=name, description="", permissions=["*"])
        elsewhere, _ = await new_project()
        with pytest.raises(InvalidRequestError):
            await bind(tx, user_id=owner.id, role="deployer", organization_id=elsewhere)
        with pytest.raises(RoleNotFoundError):
            await update_role(tx, owner, new_id(), organization_id=organization, description="")
