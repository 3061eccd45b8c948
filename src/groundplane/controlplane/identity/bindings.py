"""Role bindings: who has which role where, and until when. The table role_binding. What follows from them is in `access`."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from groundplane.controlplane.identity.access import HOLDS, MINE
from groundplane.controlplane.identity.problems import (
    BindingExistsError,
    GroupNotFoundError,
    LastAdministratorError,
    LastOwnerError,
    ServiceAccountNotFoundError,
    UserNotFoundError,
)
from groundplane.controlplane.identity.roles import find_role
from groundplane.controlplane.resources.scopes import organization_exists, organization_of_project
from groundplane.kernel.database import Tx
from groundplane.kernel.errors import FieldProblem, InvalidRequestError, NotFoundError
from groundplane.kernel.ids import new_id
from groundplane.kernel.where import Where

_LOCK = 7_301_979  # of the database: administrators, and owners of an organization, go one at a time: the last is seen to be it


@dataclass(frozen=True)
class RoleBinding:
    """A user, a group or a service account has a role: on the whole platform, in an organization, or in one of its projects.

    `subject_name`: the user's e-mail address, the group's or the service account's name.
    `expires_at`: from then on it gives nothing.
    """

    id: UUID
    user_id: UUID | None
    group_id: UUID | None
    service_account_id: UUID | None
    subject_name: str
    role: str
    custom_role_id: UUID | None
    organization_id: UUID | None
    project_id: UUID | None
    expires_at: datetime | None
    created_at: datetime


_NAMES = {
    "role": "coalesce(role_binding.role, (SELECT name FROM custom_role WHERE custom_role.id = custom_role_id)) AS role",
    "subject_name": """coalesce((SELECT email FROM user_account WHERE user_account.id = role_binding.user_id),
        (SELECT name FROM user_group WHERE user_group.id = role_binding.group_id),
        (SELECT name FROM service_account WHERE service_account.id = role_binding.service_account_id)) AS subject_name""",
}
_COLUMNS = ", ".join(_NAMES.get(item.name, f"role_binding.{item.name}") for item in fields(RoleBinding))


async def bind(
    tx: Tx,
    *,
    role: str,
    user_id: UUID | None = None,
    group_id: UUID | None = None,
    service_account_id: UUID | None = None,
    organization_id: UUID | None = None,
    project_id: UUID | None = None,
    expires_at: datetime | None = None,
) -> RoleBinding:
    """Give a role to one of user, group and service account; both places None is the whole platform.

    One that has expired is given again. Who may do so is not asked: that is `delegation.bind_as`.

    Raises UserNotFoundError, GroupNotFoundError, ServiceAccountNotFoundError, NotFoundError (organization or project),
    BindingExistsError, and InvalidRequestError for a role that there is not, or not there, or a time that is over.
    """
    found = await find_role(tx, role, organization_id=organization_id, project_id=project_id)
    await _check_scope(tx, organization_id, project_id)
    await _check_subject(tx, user_id, group_id, service_account_id, organization_id, project_id)
    if expires_at is not None and not await tx.value("SELECT $1::timestamptz > now()", expires_at):
        raise InvalidRequestError(errors=[FieldProblem(pointer="/expires_at", detail="this is not in the future")])
    row = await tx.row(
        f"""INSERT INTO role_binding (id, user_id, group_id, service_account_id, role, custom_role_id, organization_id,
                                      project_id, expires_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            ON CONFLICT ON CONSTRAINT role_binding_once
                DO UPDATE SET expires_at = excluded.expires_at, created_at = now() WHERE role_binding.expires_at <= now()
            RETURNING {_COLUMNS}""",  # noqa: S608  # our own columns
        new_id(),
        user_id,
        group_id,
        service_account_id,
        None if found.custom_role_id else role,
        found.custom_role_id,
        organization_id,
        project_id,
        expires_at,
    )
    if row is None:
        raise BindingExistsError
    return RoleBinding(**row)


async def get_binding(tx: Tx, binding_id: UUID, *, organization_id: UUID | None, project_id: UUID | None = None) -> RoleBinding:
    """A binding of this organization (None: of the platform), of this project if one is named. Raises NotFoundError."""
    row = await tx.row(
        f"""SELECT {_COLUMNS} FROM role_binding
            WHERE id = $1 AND organization_id IS NOT DISTINCT FROM $2 AND ($3::uuid IS NULL OR project_id = $3)""",  # noqa: S608
        binding_id,
        organization_id,
        project_id,
    )
    if row is None:
        raise NotFoundError
    return RoleBinding(**row)


async def unbind(tx: Tx, binding_id: UUID, *, organization_id: UUID | None) -> RoleBinding:
    """Take a binding of this organization (None: of the platform) away.

    Raises NotFoundError, LastAdministratorError, LastOwnerError.
    """
    row = await tx.row(
        f"""DELETE FROM role_binding WHERE id = $1 AND organization_id IS NOT DISTINCT FROM $2
            RETURNING {_COLUMNS}""",  # noqa: S608  # our own columns
        binding_id,
        organization_id,
    )
    if row is None:
        raise NotFoundError
    binding = RoleBinding(**row)
    await refuse_last(tx, [binding])
    return binding


async def end_bindings_in(tx: Tx, project_ids: Sequence[UUID]) -> None:
    """Nobody has a role in these projects any more, for they are gone for good."""
    await tx.execute("DELETE FROM role_binding WHERE project_id = ANY($1::uuid[])", list(project_ids))


async def list_bindings(
    tx: Tx,
    *,
    organization_id: UUID | None,
    project_id: UUID | None = None,
    user_id: UUID | None = None,
    role: str | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> Sequence[RoleBinding]:
    """An organization's bindings (None: the platform's), a project's alone if one is named, expired ones too, oldest first.

    `user_id` and `role`, a built-in one, choose among them; `after` is the last id of the page before.
    """
    where = Where()
    where.equal(**{"organization_id": organization_id, "project_id": project_id, "user_id": user_id, "role_binding.role": role})
    where.clauses += ["organization_id IS NULL"] if organization_id is None else []
    where.after(after)
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM role_binding {where.sql} ORDER BY id LIMIT {where.place(limit)}",  # noqa: S608  # our own
        *where.values,
    )
    return [RoleBinding(**row) for row in rows]


async def bindings_of_user(tx: Tx, user_id: UUID) -> Sequence[RoleBinding]:
    """All that a user is bound to now, by bindings of their own and of their groups."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM role_binding WHERE {MINE} AND {HOLDS} ORDER BY id",  # noqa: S608  # our own columns
        user_id,
    )
    return [RoleBinding(**row) for row in rows]


async def bindings_of_group(tx: Tx, group_id: UUID) -> Sequence[RoleBinding]:
    """All that a group gives its members now."""
    rows = await tx.fetch(f"SELECT {_COLUMNS} FROM role_binding WHERE group_id = $1 AND {HOLDS} ORDER BY id", group_id)  # noqa: S608
    return [RoleBinding(**row) for row in rows]


async def bindings_of_service_account(tx: Tx, service_account_id: UUID) -> Sequence[RoleBinding]:
    """All that a service account is bound to now."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM role_binding WHERE service_account_id = $1 AND {HOLDS} ORDER BY id",  # noqa: S608
        service_account_id,
    )
    return [RoleBinding(**row) for row in rows]


async def has_administrator(tx: Tx) -> bool:
    """Tell whether there is an administrator who can log in, and stays one."""
    return await _is_held(tx, "admin", None)


async def refuse_last(tx: Tx, bindings: Sequence[RoleBinding]) -> None:
    """Raise if this transaction, which takes these bindings away, leaves the platform or an organization in nobody's hands.

    Raises LastAdministratorError, LastOwnerError.
    """
    if any(binding.role == "admin" and binding.organization_id is None for binding in bindings):
        await refuse_last_administrator(tx)
    for organization_id in sorted({each.organization_id for each in bindings if each.organization_id and each.role == "owner"}):
        await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended($1::uuid::text, $2))", organization_id, _LOCK)
        if not await _is_held(tx, "owner", organization_id):
            raise LastOwnerError


async def refuse_last_administrator(tx: Tx) -> None:
    """Raise LastAdministratorError if this transaction, which takes an administrator away, leaves none."""
    await tx.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
    if not await has_administrator(tx):
        raise LastAdministratorError


async def _is_held(tx: Tx, role: str, organization_id: UUID | None) -> bool:
    """Tell whether somebody who can log in has the role there for good, by a binding of their own or of a group."""
    return bool(
        await tx.value(
            """SELECT EXISTS (
                   SELECT FROM role_binding LEFT JOIN group_member ON group_member.group_id = role_binding.group_id
                               JOIN user_account ON user_account.id = coalesce(role_binding.user_id, group_member.user_id)
                   WHERE role = $1 AND role_binding.organization_id IS NOT DISTINCT FROM $2 AND expires_at IS NULL
                         AND disabled_at IS NULL)""",
            role,
            organization_id,
        )
    )


async def _check_scope(tx: Tx, organization_id: UUID | None, project_id: UUID | None) -> None:
    if organization_id is not None and not await organization_exists(tx, organization_id):
        raise NotFoundError("There is no such organization. List the organizations.")
    if project_id is not None and (organization_id is None or await organization_of_project(tx, project_id) != organization_id):
        raise NotFoundError("There is no such project in this organization. List its projects.")


async def _check_subject(
    tx: Tx,
    user_id: UUID | None,
    group_id: UUID | None,
    service_account_id: UUID | None,
    organization_id: UUID | None,
    project_id: UUID | None,
) -> None:
    """Groups and service accounts have roles in their own organization, or on the platform; those of a project in that one."""
    if user_id is not None and not await tx.value("SELECT EXISTS (SELECT FROM user_account WHERE id = $1)", user_id):
        raise UserNotFoundError
    if group_id is not None:
        theirs = "SELECT EXISTS (SELECT FROM user_group WHERE id = $1 AND ($2::uuid IS NULL OR organization_id = $2))"
        if not await tx.value(theirs, group_id, organization_id):
            raise GroupNotFoundError
    if service_account_id is not None:
        theirs = """SELECT EXISTS (SELECT FROM service_account WHERE id = $1 AND ($2::uuid IS NULL OR organization_id = $2)
                                                                 AND (project_id IS NULL OR project_id = $3))"""
        if not await tx.value(theirs, service_account_id, organization_id, project_id):
            raise ServiceAccountNotFoundError(
                "There is no such service account in this organization, or it is another project's alone. List them."
            )
