"""The roles: what each permits, and where it may be given. Organizations add custom ones, in the table custom_role."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Literal
from uuid import UUID

from groundplane.controlplane.identity.patterns import permit
from groundplane.controlplane.identity.problems import RoleExistsError, RoleInUseError, RoleNotFoundError
from groundplane.controlplane.resources.scopes import organization_exists
from groundplane.kernel.database import Row, Tx
from groundplane.kernel.errors import FieldProblem, InvalidRequestError, NotFoundError
from groundplane.kernel.ids import new_id
from groundplane.kernel.where import Where

Level = Literal["platform", "organization", "project"]


@dataclass(frozen=True)
class Role:
    """A name and patterns of the permissions that it gives, at the levels where it may be bound.

    What is given in an organization is given in all its projects, and what is given on the platform is given everywhere.
    `custom_role_id` is set for a custom role, which only its organization knows.
    """

    name: str
    levels: tuple[Level, ...]
    permissions: tuple[str, ...]
    summary: str = ""
    custom_role_id: UUID | None = None

    def permits(self, permission: str) -> bool:
        """Tell whether one of the patterns matches."""
        return permit(self.permissions, permission)


_READ_ALL = ("*.read", "*.list")
_READ_RESOURCES = (
    *(f"{service}.*.read" for service in ("compute", "network", "storage", "secrets", "resources")),
    *(f"{service}.*.list" for service in ("compute", "network", "storage", "secrets", "resources")),
    "identity.organization.read", "identity.organization.list", "identity.project.read", "identity.project.list",
    "jobs.job.read", "jobs.job.list", "reconciler.drift.list", "audit.event.list",
)  # fmt: skip
_USE_RESOURCES = ("compute.*", "network.*", "storage.*", "jobs.job.*")
_RUN_PROJECT = ("secrets.*", "identity.project.update", "identity.role_binding.*")
_RUN_ORGANIZATION = (
    "identity.organization.update", "identity.project.*", "identity.role.*", "identity.group.*", "identity.service_account.*",
    "identity.api_key.*", "identity.invitation.*", "resources.*",
)  # fmt: skip
_RUN_PLATFORM = ("fleet.*", "jobs.*", "reconciler.*", "resources.*")

_PLATFORM: tuple[Level, ...] = ("platform",)
_ORGANIZATION: tuple[Level, ...] = ("organization",)
_PROJECT: tuple[Level, ...] = ("organization", "project")  # in an organization: in each of its projects

ROLES = {
    role.name: role
    for role in (
        Role("admin", _PLATFORM, ("*",), "Everything, everywhere."),
        Role("operator", _PLATFORM, (*_READ_ALL, *_USE_RESOURCES, *_RUN_PLATFORM), "Runs the infrastructure; gives no roles."),
        Role("auditor", _PLATFORM, _READ_ALL, "Sees everything, everywhere; changes nothing."),
        Role("owner", _ORGANIZATION, ("*",), "Everything in the organization."),
        Role(
            "organization_admin", _ORGANIZATION,
            (*_READ_ALL, *_USE_RESOURCES, *_RUN_PROJECT, *_RUN_ORGANIZATION),
            "Everything in the organization but to delete it and to make owners.",
        ),
        Role("organization_auditor", _ORGANIZATION, _READ_ALL, "Sees everything in the organization; changes nothing."),
        Role(
            "billing_viewer", _ORGANIZATION,
            ("identity.organization.read", "identity.project.read", "identity.project.list", "resources.quota.read",
             "metering.*.read", "metering.*.list"),
            "Sees projects, their quota and what they use.",
        ),
        Role(
            "project_admin", _PROJECT, (*_READ_RESOURCES, *_USE_RESOURCES, *_RUN_PROJECT),
            "Everything in the project but to delete it; gives roles in it.",
        ),
        Role("project_operator", _PROJECT, (*_READ_RESOURCES, *_USE_RESOURCES), "Makes, changes and deletes resources."),
        Role("viewer", _PROJECT, _READ_RESOURCES, "Sees the resources; changes nothing."),
    )
}  # fmt: skip


@dataclass(frozen=True)
class CustomRole:
    """A role that an organization made for itself; it is bound there and in its projects."""

    id: UUID
    organization_id: UUID
    name: str
    description: str
    permissions: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


_COLUMNS = ", ".join(item.name for item in fields(CustomRole))


def level_of(organization_id: UUID | None, project_id: UUID | None) -> Level:
    """Where a place lies."""
    return "project" if project_id else "organization" if organization_id else "platform"


async def find_role(tx: Tx, name: str, *, organization_id: UUID | None, project_id: UUID | None) -> Role:
    """The role of this name that may be bound there. It stays until the transaction ends. Raises InvalidRequestError."""
    level = level_of(organization_id, project_id)
    role = ROLES.get(name)
    if role is None and organization_id is not None:
        row = await tx.row(
            "SELECT id, name, permissions FROM custom_role WHERE organization_id = $1 AND name = $2 FOR SHARE",
            organization_id,
            name,
        )
        role = Role(row["name"], _PROJECT, tuple(row["permissions"]), custom_role_id=row["id"]) if row else None
    if role is not None and level in role.levels:
        return role
    fitting = ", ".join(each.name for each in ROLES.values() if level in each.levels)
    custom = ", or a custom role" if level != "platform" else ""
    detail = f"there is no role {name!r} for this place; choose one of: {fitting}{custom}"
    raise InvalidRequestError(errors=[FieldProblem(pointer="/role", detail=detail)])


async def roles_that_give(
    tx: Tx, permission: str, *, organization_id: UUID | None, project_id: UUID | None, custom_of: UUID | None
) -> list[str]:
    """The names of the roles that give the permission there when they are bound there; of custom ones, this organization's."""
    level = level_of(organization_id, project_id)
    built_in = [role.name for role in ROLES.values() if level in role.levels and role.permits(permission)]
    custom = await tx.fetch("SELECT name, permissions FROM custom_role WHERE organization_id = $1 ORDER BY name", custom_of)
    return built_in + [row["name"] for row in custom if permit(tuple(row["permissions"]), permission)]


async def insert_role(tx: Tx, *, organization_id: UUID, name: str, description: str, permissions: Sequence[str]) -> CustomRole:
    """Make a custom role. Raises RoleExistsError, NotFoundError."""
    if not await organization_exists(tx, organization_id):
        raise NotFoundError("There is no such organization. List the organizations.")
    if name in ROLES:
        raise RoleExistsError
    row = await tx.row(
        f"""INSERT INTO custom_role (id, organization_id, name, description, permissions) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT ON CONSTRAINT custom_role_name DO NOTHING RETURNING {_COLUMNS}""",  # noqa: S608  # our own columns
        new_id(),
        organization_id,
        name,
        description,
        list(permissions),
    )
    if row is None:
        raise RoleExistsError
    return _role(row)


async def get_role(tx: Tx, role_id: UUID, *, organization_id: UUID) -> CustomRole:
    """A custom role of the organization. Raises RoleNotFoundError."""
    row = await tx.row(
        f"SELECT {_COLUMNS} FROM custom_role WHERE id = $1 AND organization_id = $2",  # noqa: S608  # our own columns
        role_id,
        organization_id,
    )
    if row is None:
        raise RoleNotFoundError
    return _role(row)


async def list_roles(
    tx: Tx, *, organization_id: UUID, name: str | None = None, after: UUID | None = None, limit: int = 50
) -> Sequence[CustomRole]:
    """The organization's custom roles, of this name if one is given, oldest first.

    `after` is the last id of the page before.
    """
    where = Where()
    where.equal(organization_id=organization_id, name=name)
    where.after(after)
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM custom_role {where.sql} ORDER BY id LIMIT {where.place(limit)}",  # noqa: S608  # our own
        *where.values,
    )
    return [_role(row) for row in rows]


async def rewrite_role(
    tx: Tx, role_id: UUID, *, organization_id: UUID, description: str | None, permissions: Sequence[str] | None
) -> CustomRole:
    """Change what is given, for all who have the role. Raises RoleNotFoundError."""
    row = await tx.row(
        f"""UPDATE custom_role SET description = coalesce($3, description), permissions = coalesce($4::text[], permissions),
                                   updated_at = now()
            WHERE id = $1 AND organization_id = $2 RETURNING {_COLUMNS}""",  # noqa: S608  # our own columns
        role_id,
        organization_id,
        description,
        list(permissions) if permissions is not None else None,
    )
    if row is None:
        raise RoleNotFoundError
    return _role(row)


async def delete_role(tx: Tx, role_id: UUID, *, organization_id: UUID) -> CustomRole:
    """Delete a custom role that nobody has or is invited to. Raises RoleNotFoundError, RoleInUseError."""
    row = await tx.row(
        f"SELECT {_COLUMNS} FROM custom_role WHERE id = $1 AND organization_id = $2 FOR UPDATE",  # noqa: S608  # our own
        role_id,
        organization_id,
    )
    if row is None:
        raise RoleNotFoundError
    used = await tx.one(
        """SELECT (SELECT count(*) FROM role_binding WHERE custom_role_id = $1) AS bindings,
                  (SELECT count(*) FROM invitation WHERE organization_id = $2 AND role = $3 AND accepted_at IS NULL
                                                         AND revoked_at IS NULL AND expires_at > now()) AS invitations""",
        role_id,
        organization_id,
        row["name"],
    )
    if used["bindings"] or used["invitations"]:
        raise RoleInUseError(context=dict(used))
    await tx.execute("DELETE FROM custom_role WHERE id = $1", role_id)
    return _role(row)


def _role(row: Row) -> CustomRole:
    return CustomRole(**{**row, "permissions": tuple(row["permissions"])})
