"""Invitations: a link token, told once, with which somebody of an e-mail address joins an organization. The table invitation.

Only a hash of the token is kept. It is good once, until it expires or is revoked.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from groundplane.controlplane.identity.actor import Actor
from groundplane.controlplane.identity.bindings import bind
from groundplane.controlplane.identity.delegation import refuse_escalation
from groundplane.controlplane.identity.passwords import hash_password
from groundplane.controlplane.identity.problems import (
    BindingExistsError,
    InvalidInvitationError,
    InvitationClosedError,
    InvitationNotFoundError,
    InvitedSomebodyElseError,
)
from groundplane.controlplane.identity.roles import find_role
from groundplane.controlplane.identity.users import User, get_user, insert_user
from groundplane.controlplane.resources.scopes import organization_of_project
from groundplane.kernel.database import Database, Row, Tx
from groundplane.kernel.errors import NotFoundError
from groundplane.kernel.ids import format_id, new_id, parse_id
from groundplane.kernel.where import Where

INVITATION_PREFIX = "inv"
DAYS = 7
"""How long an invitation is good when nothing else is said."""

InvitationStatus = Literal["open", "accepted", "revoked", "expired"]


@dataclass(frozen=True)
class Invitation:
    """Whoever has this e-mail address may have a role in an organization, or in one of its projects."""

    id: UUID
    organization_id: UUID
    project_id: UUID | None
    email: str
    role: str
    invited_by: UUID
    invited_by_kind: str
    status: InvitationStatus
    expires_at: datetime
    accepted_at: datetime | None
    accepted_by: UUID | None
    revoked_at: datetime | None
    created_at: datetime


_STATUS = """CASE WHEN accepted_at IS NOT NULL THEN 'accepted' WHEN revoked_at IS NOT NULL THEN 'revoked'
                  WHEN expires_at <= statement_timestamp() THEN 'expired' ELSE 'open' END AS status"""
_COLUMNS = ", ".join(_STATUS if item.name == "status" else item.name for item in fields(Invitation))


async def invite(
    tx: Tx,
    actor: Actor,
    *,
    email: str,
    role: str,
    organization_id: UUID,
    project_id: UUID | None = None,
    lifetime: timedelta = timedelta(days=DAYS),
) -> tuple[Invitation, str]:
    """Invite an e-mail address to a role that the actor could give; with the token, which is told only here.

    Raises InvalidRequestError (role), NotFoundError (project), EscalationError.
    """
    if project_id is not None and await organization_of_project(tx, project_id) != organization_id:
        raise NotFoundError("There is no such project in this organization. List its projects.")
    found = await find_role(tx, role, organization_id=organization_id, project_id=project_id)
    await refuse_escalation(tx, actor, found.permissions, organization_id=organization_id, project_id=project_id)
    invitation_id, secret = new_id(), secrets.token_urlsafe(32)
    token = f"{format_id(INVITATION_PREFIX, invitation_id)}.{secret}"
    row = await tx.one(
        f"""INSERT INTO invitation (id, organization_id, project_id, email, role, token_hash, invited_by,
                                    invited_by_kind, expires_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now() + $9::interval) RETURNING {_COLUMNS}""",  # noqa: S608  # our own
        invitation_id,
        organization_id,
        project_id,
        email,
        role,
        _hash(token),
        actor.id,
        actor.kind,
        lifetime,
    )
    return Invitation(**row), token


async def list_invitations(
    tx: Tx, *, organization_id: UUID, email: str | None = None, after: UUID | None = None, limit: int = 50
) -> Sequence[Invitation]:
    """The organization's invitations, however they stand, for this address if one is given, oldest first.

    `after` is the last id of the page before.
    """
    where = Where()
    where.equal(organization_id=organization_id, email=email)
    where.after(after)
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM invitation {where.sql} ORDER BY id LIMIT {where.place(limit)}",  # noqa: S608  # our own
        *where.values,
    )
    return [Invitation(**row) for row in rows]


async def get_invitation(tx: Tx, invitation_id: UUID, *, organization_id: UUID) -> Invitation:
    """An invitation of the organization. Raises InvitationNotFoundError."""
    row = await tx.row(
        f"SELECT {_COLUMNS} FROM invitation WHERE id = $1 AND organization_id = $2",  # noqa: S608  # our own columns
        invitation_id,
        organization_id,
    )
    if row is None:
        raise InvitationNotFoundError
    return Invitation(**row)


async def revoke_invitation(tx: Tx, invitation_id: UUID, *, organization_id: UUID) -> Invitation:
    """Make the token worthless. Raises InvitationNotFoundError, InvitationClosedError."""
    row = await tx.row(
        f"""UPDATE invitation SET revoked_at = now()
            WHERE id = $1 AND organization_id = $2 AND accepted_at IS NULL AND revoked_at IS NULL
            RETURNING {_COLUMNS}""",  # noqa: S608  # our own columns
        invitation_id,
        organization_id,
    )
    if row is None:
        await get_invitation(tx, invitation_id, organization_id=organization_id)
        raise InvitationClosedError
    return Invitation(**row)


async def accept_invitation(tx: Tx, actor: Actor, token: str) -> Invitation:
    """Give a user who is logged in what they were invited to; who has it already has it still.

    Raises InvalidInvitationError, InvitedSomebodyElseError.
    """
    row = await _open(tx, token)
    user = await get_user(tx, actor.id) if actor.kind == "user" else None
    if user is None or user.email.lower() != row["email"].lower():
        raise InvitedSomebodyElseError
    return await _accept(tx, row, user)


async def join(tx: Tx, token: str, *, name: str, password_hash: str) -> tuple[Invitation, User]:
    """Make a user of the address that was invited, who has what it was invited to.

    Raises InvalidInvitationError, EmailTakenError (they log in and accept instead).
    """
    row = await _open(tx, token)
    user = await insert_user(tx, email=row["email"], name=name, password_hash=password_hash)
    return await _accept(tx, row, user), user


async def hash_for_joining(database: Database, token: str, password: str) -> str:
    """The hash of a new user's password, which costs only who has a good token. Holds no connection while hashing.

    Raises InvalidInvitationError, WeakPasswordError.
    """
    async with database.transaction() as tx:
        await _open(tx, token)
    return await hash_password(password)


async def _open(tx: Tx, token: str) -> Row:
    """The row of an open invitation, locked, so that one who accepts it is the only one. Raises InvalidInvitationError."""
    invitation_id = parse_id(INVITATION_PREFIX, token.partition(".")[0])
    row = await tx.row(
        f"SELECT {_COLUMNS}, token_hash FROM invitation WHERE id = $1 FOR UPDATE",  # noqa: S608  # our own columns
        invitation_id,
    )
    expected = row["token_hash"] if row else bytes(32)
    if not hmac.compare_digest(_hash(token), expected) or row is None or row["status"] != "open":
        raise InvalidInvitationError
    return row


async def _accept(tx: Tx, row: Row, user: User) -> Invitation:
    with suppress(BindingExistsError):  # somebody gave it to them meanwhile
        await bind(tx, user_id=user.id, role=row["role"], organization_id=row["organization_id"], project_id=row["project_id"])
    accepted = await tx.one(
        f"UPDATE invitation SET accepted_at = now(), accepted_by = $2 WHERE id = $1 RETURNING {_COLUMNS}",  # noqa: S608
        row["id"],
        user.id,
    )
    return Invitation(**accepted)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
