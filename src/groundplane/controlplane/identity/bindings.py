"""Role bindings and the authorization decision that is made from them: the table role_binding."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from groundplane.controlplane.identity.actor import Actor
from groundplane.controlplane.identity.problems import (
    BindingExistsError,
    InvalidTokenError,
    LastAdministratorError,
    UserNotFoundError,
)
from groundplane.controlplane.identity.roles import ROLES
from groundplane.controlplane.resources.scopes import organization_exists, organization_of_project
from groundplane.kernel.database import Question, Row, Tx
from groundplane.kernel.errors import FieldProblem, ForbiddenError, InvalidRequestError, NotFoundError
from groundplane.kernel.ids import new_id

_GONE = "This user is gone or disabled. Ask an administrator."
_LOCK = 7_301_979  # of the database: administrators go one at a time, so that the last one is seen to be the last


@dataclass(frozen=True)
class RoleBinding:
    """A user has a role: on the whole platform, in an organization, or in one of its projects."""

    id: UUID
    user_id: UUID
    role: str
    organization_id: UUID | None
    project_id: UUID | None
    created_at: datetime


_COLUMNS = ", ".join(f"role_binding.{item.name}" for item in fields(RoleBinding))


async def authorize(
    tx: Tx,
    actor: Actor,
    permission: str,
    *,
    organization_id: UUID | None,
    project_id: UUID | None,
    along: Question | None = None,
) -> UUID | None:
    """Return if one of the actor's roles gives the permission there; both None is the platform itself. One query.

    A project's organization need not be known: it is answered. `along` is answered in the same round trip.

    Raises:
        ForbiddenError: the place is the actor's to see, but no role there gives the permission.
        NotFoundError: there is no such project, or the actor sees nothing of it or of that organization.
        InvalidTokenError: the user is gone or disabled, though the token is still good.
    """
    if actor.kind == "system":
        if along is not None:
            await tx.fetch_along(along, "SELECT 1 AS one")
        return organization_id or (await organization_of_project(tx, project_id) if project_id else None)
    rows = await tx.fetch_along(
        along,
        """SELECT role, role_binding.organization_id, role_binding.project_id, disabled_at IS NOT NULL AS disabled,
                  project.organization_id AS owner_id
           FROM user_account
                LEFT JOIN resource AS project ON project.id = $3 AND project.kind = 'project' AND project.deleted_at IS NULL
                LEFT JOIN role_binding ON user_id = user_account.id
                AND (role_binding.organization_id IS NULL
                     OR role_binding.organization_id = coalesce(project.organization_id, $2))
           WHERE user_account.id = $1""",
        actor.id,
        organization_id,
        project_id,
    )
    if not rows or rows[0]["disabled"]:
        raise InvalidTokenError(_GONE)
    if project_id is not None:
        if rows[0]["owner_id"] is None or organization_id not in {None, rows[0]["owner_id"]}:
            raise NotFoundError
        organization_id = rows[0]["owner_id"]
    bindings = [row for row in rows if row["role"] is not None]
    if any(_covers(row, project_id) and ROLES[row["role"]].permits(permission) for row in bindings):
        return organization_id
    if organization_id is not None and not any(_shows(row, project_id) for row in bindings):
        raise NotFoundError
    raise ForbiddenError(
        f"Your roles here do not give the permission {permission}. Ask an owner of the organization for a role that does.",
        context={"permission": permission},
    )


async def permits_on_platform(tx: Tx, actor: Actor, permission: str) -> bool:
    """Tell whether one of the actor's roles on the whole platform gives the permission, from within any organization."""
    if actor.kind == "system":
        return True
    async with tx.unconfined():
        rows = await tx.fetch("SELECT role FROM role_binding WHERE user_id = $1 AND organization_id IS NULL", actor.id)
    return any(ROLES[row["role"]].permits(permission) for row in rows)


async def require_enabled(tx: Tx, actor: Actor) -> None:
    """Return if the user is still there and may log in; for what needs no permission. Raises InvalidTokenError."""
    if actor.kind != "user":
        return
    if not await tx.value("SELECT EXISTS (SELECT FROM user_account WHERE id = $1 AND disabled_at IS NULL)", actor.id):
        raise InvalidTokenError(_GONE)


def _covers(binding: Row, project_id: UUID | None) -> bool:
    return binding["project_id"] is None or binding["project_id"] == project_id


def _shows(binding: Row, project_id: UUID | None) -> bool:
    """Who has a role in one project sees that its organization is there, and nothing of the other projects."""
    return project_id is None or _covers(binding, project_id)


async def organizations_of(tx: Tx, actor: Actor) -> Sequence[UUID] | None:
    """The organizations in which the actor has any role; None for all of them."""
    if actor.kind == "system":
        return None
    rows = await tx.fetch(
        """SELECT DISTINCT organization_id FROM role_binding JOIN user_account ON user_account.id = user_id
           WHERE user_id = $1 AND disabled_at IS NULL""",
        actor.id,
    )
    ids = [row["organization_id"] for row in rows]
    return None if None in ids else sorted(ids)


async def bind(
    tx: Tx, *, user_id: UUID, role: str, organization_id: UUID | None = None, project_id: UUID | None = None
) -> RoleBinding:
    """Give a user a role there; both None is the whole platform.

    Raises UserNotFoundError, NotFoundError (organization or project), BindingExistsError, and InvalidRequestError for a
    role that there is not, or not there.
    """
    _check_role(role, organization_id)
    await _check_scope(tx, organization_id, project_id)
    if not await tx.value("SELECT EXISTS (SELECT FROM user_account WHERE id = $1)", user_id):
        raise UserNotFoundError
    row = await tx.row(
        f"""INSERT INTO role_binding (id, user_id, role, organization_id, project_id) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT DO NOTHING RETURNING {_COLUMNS}""",  # noqa: S608  # our own columns
        new_id(),
        user_id,
        role,
        organization_id,
        project_id,
    )
    if row is None:
        raise BindingExistsError
    return RoleBinding(**row)


async def unbind(tx: Tx, binding_id: UUID, *, organization_id: UUID | None) -> RoleBinding:
    """Take a binding of this organization (None: of the platform) away. Raises NotFoundError, LastAdministratorError."""
    row = await tx.row(
        f"""DELETE FROM role_binding WHERE id = $1 AND organization_id IS NOT DISTINCT FROM $2
            RETURNING {_COLUMNS}""",  # noqa: S608  # our own columns
        binding_id,
        organization_id,
    )
    if row is None:
        raise NotFoundError
    if row["role"] == "admin":
        await refuse_last_administrator(tx)
    return RoleBinding(**row)


async def end_bindings_in(tx: Tx, project_ids: Sequence[UUID]) -> None:
    """Nobody has a role in these projects any more, for they are gone for good."""
    await tx.execute("DELETE FROM role_binding WHERE project_id = ANY($1::uuid[])", list(project_ids))


async def list_bindings(
    tx: Tx, *, organization_id: UUID | None, after: UUID | None = None, limit: int = 50
) -> Sequence[RoleBinding]:
    """An organization's bindings (None: the platform's), oldest first; `after` is the last id of the page before."""
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM role_binding WHERE organization_id IS NOT DISTINCT FROM $1
            AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3""",  # noqa: S608  # our own columns
        organization_id,
        after,
        limit,
    )
    return [RoleBinding(**row) for row in rows]


async def bindings_of_user(tx: Tx, user_id: UUID) -> Sequence[RoleBinding]:
    """All that a user is bound to."""
    rows = await tx.fetch(f"SELECT {_COLUMNS} FROM role_binding WHERE user_id = $1 ORDER BY id", user_id)  # noqa: S608
    return [RoleBinding(**row) for row in rows]


async def has_administrator(tx: Tx) -> bool:
    """Tell whether there is an administrator who can log in."""
    return bool(
        await tx.value(
            """SELECT EXISTS (SELECT FROM role_binding JOIN user_account ON user_account.id = user_id
                              WHERE role = 'admin' AND organization_id IS NULL AND disabled_at IS NULL)"""
        )
    )


async def refuse_last_administrator(tx: Tx) -> None:
    """Raise LastAdministratorError if this transaction, which takes an administrator away, leaves none."""
    await tx.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
    if not await has_administrator(tx):
        raise LastAdministratorError


def _check_role(role: str, organization_id: UUID | None) -> None:
    known = ROLES.get(role)
    if known is not None and known.platform == (organization_id is None):
        return
    fitting = ", ".join(name for name, each in ROLES.items() if each.platform == (organization_id is None))
    detail = f"there is no role {role!r} for this place; choose one of: {fitting}"
    raise InvalidRequestError(errors=[FieldProblem(pointer="/role", detail=detail)])


async def _check_scope(tx: Tx, organization_id: UUID | None, project_id: UUID | None) -> None:
    if organization_id is not None and not await organization_exists(tx, organization_id):
        raise NotFoundError("There is no such organization. List the organizations.")
    if project_id is not None and (organization_id is None or await organization_of_project(tx, project_id) != organization_id):
        raise NotFoundError("There is no such project in this organization. List its projects.")
