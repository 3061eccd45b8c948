"""Groups of users in an organization, and their members: the tables user_group and group_member."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from groundplane.controlplane.identity.actor import Actor
from groundplane.controlplane.identity.bindings import bindings_of_group, refuse_last
from groundplane.controlplane.identity.delegation import refuse_joining, refuse_parting
from groundplane.controlplane.identity.problems import (
    GroupExistsError,
    GroupNotFoundError,
    MemberExistsError,
    UserNotFoundError,
)
from groundplane.kernel.database import Tx
from groundplane.kernel.ids import new_id
from groundplane.kernel.where import Where


@dataclass(frozen=True)
class Group:
    """Users of an organization who have roles together."""

    id: UUID
    organization_id: UUID
    name: str
    description: str
    created_at: datetime


@dataclass(frozen=True)
class Member:
    """A user in a group."""

    user_id: UUID
    email: str
    name: str
    added_at: datetime


_COLUMNS = ", ".join(item.name for item in fields(Group))
_MEMBERS = """SELECT user_id, email, name, added_at FROM group_member JOIN user_account ON user_account.id = user_id"""
_MEMBER = f"{_MEMBERS} WHERE group_id = $1 AND user_id = $2"


async def create_group(tx: Tx, *, organization_id: UUID, name: str, description: str) -> Group:
    """Make a group without members and roles. Raises GroupExistsError."""
    row = await tx.row(
        f"""INSERT INTO user_group (id, organization_id, name, description) VALUES ($1, $2, $3, $4)
            ON CONFLICT ON CONSTRAINT user_group_name DO NOTHING RETURNING {_COLUMNS}""",  # noqa: S608  # our own columns
        new_id(),
        organization_id,
        name,
        description,
    )
    if row is None:
        raise GroupExistsError
    return Group(**row)


async def get_group(tx: Tx, group_id: UUID, *, organization_id: UUID | None = None) -> Group:
    """A group, of this organization if one is named. Raises GroupNotFoundError."""
    row = await tx.row(
        f"""SELECT {_COLUMNS} FROM user_group
            WHERE id = $1 AND ($2::uuid IS NULL OR organization_id = $2)""",  # noqa: S608  # our own columns
        group_id,
        organization_id,
    )
    if row is None:
        raise GroupNotFoundError
    return Group(**row)


async def find_group_by_name(tx: Tx, name: str, *, organization_id: UUID) -> Group | None:
    """A group of the organization by its name."""
    row = await tx.row(
        f"SELECT {_COLUMNS} FROM user_group WHERE organization_id = $1 AND name = $2",  # noqa: S608  # our own columns
        organization_id,
        name,
    )
    return Group(**row) if row else None


async def list_groups(
    tx: Tx, *, organization_id: UUID, name: str | None = None, after: UUID | None = None, limit: int = 50
) -> Sequence[Group]:
    """The organization's groups, of this name if one is given, oldest first; `after` is the last id of the page before."""
    where = Where()
    where.equal(organization_id=organization_id, name=name)
    where.after(after)
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM user_group {where.sql} ORDER BY id LIMIT {where.place(limit)}",  # noqa: S608  # our own
        *where.values,
    )
    return [Group(**row) for row in rows]


async def delete_group(tx: Tx, actor: Actor, group_id: UUID, *, organization_id: UUID) -> Group:
    """Delete a group, and with it what it gave its members, on behalf of an actor who has all of that.

    Raises GroupNotFoundError, EscalationError, LastOwnerError, LastAdministratorError.
    """
    group = await get_group(tx, group_id, organization_id=organization_id)
    await refuse_parting(tx, actor, group_id)
    gave = await bindings_of_group(tx, group_id)
    await tx.execute("DELETE FROM user_group WHERE id = $1", group_id)
    await refuse_last(tx, gave)
    return group


async def add_member(tx: Tx, actor: Actor, group_id: UUID, user_id: UUID, *, organization_id: UUID) -> Member:
    """Put a user into a group, on behalf of an actor who has all that the group gives.

    Raises GroupNotFoundError, UserNotFoundError, MemberExistsError, EscalationError.
    """
    await get_group(tx, group_id, organization_id=organization_id)
    await refuse_joining(tx, actor, group_id)
    if not await tx.value("SELECT EXISTS (SELECT FROM user_account WHERE id = $1)", user_id):
        raise UserNotFoundError
    added = await tx.execute(
        "INSERT INTO group_member (group_id, user_id, organization_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        group_id,
        user_id,
        organization_id,
    )
    if not added:
        raise MemberExistsError
    return Member(**await tx.one(_MEMBER, group_id, user_id))


async def remove_member(tx: Tx, actor: Actor, group_id: UUID, user_id: UUID, *, organization_id: UUID) -> Member:
    """Take a user out of a group, on behalf of an actor who has all that the group gives.

    Raises GroupNotFoundError, UserNotFoundError, EscalationError, LastOwnerError, LastAdministratorError.
    """
    await get_group(tx, group_id, organization_id=organization_id)
    await refuse_parting(tx, actor, group_id)
    row = await tx.row(_MEMBER, group_id, user_id)
    if row is None:
        raise UserNotFoundError("There is no such user in this group. List its members.")
    await tx.execute("DELETE FROM group_member WHERE group_id = $1 AND user_id = $2", group_id, user_id)
    await refuse_last(tx, await bindings_of_group(tx, group_id))
    return Member(**row)


async def list_members(
    tx: Tx,
    group_id: UUID,
    *,
    organization_id: UUID,
    email: str | None = None,
    name: str | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> Sequence[Member]:
    """A group's members by their ids, with this e-mail address or name if one is given. Raises GroupNotFoundError.

    `after` is the last id of the page before.
    """
    await get_group(tx, group_id, organization_id=organization_id)
    where = Where()
    where.equal(**{"group_id": group_id, "lower(email)": email.lower() if email else None, "name": name})
    where.after(after, column="user_id")
    rows = await tx.fetch(
        f"{_MEMBERS} {where.sql} ORDER BY user_id LIMIT {where.place(limit)}",
        *where.values,
    )
    return [Member(**row) for row in rows]
