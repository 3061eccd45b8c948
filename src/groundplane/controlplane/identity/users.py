"""Users and their passwords: the table user_account."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from groundplane.controlplane.identity.actor import Actor
from groundplane.controlplane.identity.bindings import bindings_of_user, has_administrator, refuse_last_administrator
from groundplane.controlplane.identity.passwords import generate_password, hash_password
from groundplane.controlplane.identity.problems import EmailTakenError, UserNotFoundError
from groundplane.kernel.database import Tx
from groundplane.kernel.ids import new_id
from groundplane.kernel.where import Where

FIRST_ADMINISTRATOR = "admin@groundplane.local"
"""The e-mail address with which the first administrator logs in."""

_LOCK = 7_301_978  # of the database: one process makes the first administrator


@dataclass(frozen=True)
class User:
    """Somebody who can log in, unless disabled."""

    id: UUID
    email: str
    name: str
    disabled_at: datetime | None
    created_at: datetime

    @property
    def actor(self) -> Actor:
        """The user as the one behind a request."""
        return Actor(self.id, "user", self.email)


_COLUMNS = ", ".join(item.name for item in fields(User))


async def create_user(tx: Tx, *, email: str, name: str, password: str) -> User:
    """Make a user without any role. Raises EmailTakenError, WeakPasswordError."""
    return await insert_user(tx, email=email, name=name, password_hash=await hash_password(password))


async def insert_user(tx: Tx, *, email: str, name: str, password_hash: str) -> User:
    """As `create_user`, with a password that was hashed before. Raises EmailTakenError."""
    row = await tx.row(
        f"""INSERT INTO user_account (id, email, name, password_hash) VALUES ($1, $2, $3, $4)
            ON CONFLICT (lower(email)) DO NOTHING RETURNING {_COLUMNS}""",  # noqa: S608  # our own columns
        new_id(),
        email,
        name,
        password_hash,
    )
    if row is None:
        raise EmailTakenError(context={"email": email})
    return User(**row)


async def get_user(tx: Tx, user_id: UUID) -> User:
    """A user by id. Raises UserNotFoundError."""
    row = await tx.row(f"SELECT {_COLUMNS} FROM user_account WHERE id = $1", user_id)  # noqa: S608  # our own columns
    if row is None:
        raise UserNotFoundError
    return User(**row)


async def find_user_by_email(tx: Tx, email: str) -> User | None:
    """A user by e-mail address, whatever its case."""
    row = await tx.row(f"SELECT {_COLUMNS} FROM user_account WHERE lower(email) = lower($1)", email)  # noqa: S608  # our own
    return User(**row) if row else None


async def list_users(
    tx: Tx, *, email: str | None = None, name: str | None = None, after: UUID | None = None, limit: int = 50
) -> Sequence[User]:
    """Users, with this e-mail address or name if one is given, oldest first; `after` is the last id of the page before."""
    where = Where()
    where.equal(**{"lower(email)": email.lower() if email else None, "name": name})
    where.after(after)
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM user_account {where.sql} ORDER BY id LIMIT {where.place(limit)}",  # noqa: S608  # our own
        *where.values,
    )
    return [User(**row) for row in rows]


async def set_password(tx: Tx, user_id: UUID, password_hash: str) -> None:
    """Give a user another password, hashed before (see `hash_password`)."""
    await tx.execute("UPDATE user_account SET password_hash = $2, updated_at = now() WHERE id = $1", user_id, password_hash)


async def disable_user(tx: Tx, user_id: UUID) -> User:
    """Bar a user from now on: no login, and no right for tokens that are still good. Doing it twice changes nothing.

    Raises UserNotFoundError, LastAdministratorError.
    """
    row = await tx.row(
        f"""UPDATE user_account SET disabled_at = coalesce(disabled_at, now()), updated_at = now() WHERE id = $1
            RETURNING {_COLUMNS}""",  # noqa: S608  # our own columns
        user_id,
    )
    if row is None:
        raise UserNotFoundError
    if any(binding.role == "admin" and binding.organization_id is None for binding in await bindings_of_user(tx, user_id)):
        await refuse_last_administrator(tx)
    return User(**row)


async def ensure_first_administrator(tx: Tx) -> str | None:
    """If the platform has no administrator who can log in, make one, and answer the password; it is told only this once."""
    await tx.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
    if await has_administrator(tx):
        return None
    password = generate_password()
    user_id = await tx.value(
        """INSERT INTO user_account (id, email, name, password_hash) VALUES ($1, $2, 'Administrator', $3)
           ON CONFLICT (lower(email)) DO UPDATE SET password_hash = excluded.password_hash, disabled_at = NULL
           RETURNING id""",
        new_id(),
        FIRST_ADMINISTRATOR,
        await hash_password(password),
    )
    await tx.execute(
        """INSERT INTO role_binding (id, user_id, role) VALUES ($1, $2, 'admin')
           ON CONFLICT ON CONSTRAINT role_binding_once DO UPDATE SET expires_at = NULL""",
        new_id(),
        user_id,
    )
    return password
