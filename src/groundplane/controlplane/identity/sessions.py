"""Sessions: what a login makes, and the refresh tokens by which it goes on. The tables session and refresh_token.

A refresh token is used once and gives its successor. One that comes again is stolen, or the thief's came first: the session
ends. Only who has just used it, from the same place, is answered again, with the very same successor: the answer may have
been lost, or two tabs of one browser asked at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from groundplane.controlplane.identity.problems import InvalidRefreshTokenError, RefreshTokenReusedError, SessionNotFoundError
from groundplane.controlplane.identity.secret_text import digest, new_secret, open_as_bearer, seal_for_bearer
from groundplane.controlplane.identity.users import User, get_user
from groundplane.kernel.database import Row, Tx
from groundplane.kernel.ids import new_id
from groundplane.kernel.where import Where

Method = Literal["password", "totp", "device", "sso"]

REPEATED_SECONDS = 10
"""For how long a used refresh token is answered again."""
KEPT_DAYS = 30
"""How long an expired session stays in the table."""
_LONGEST_AGENT = 300


@dataclass(frozen=True)
class Client:
    """From where somebody speaks: network address and user agent."""

    address: str | None
    user_agent: str = ""

    def __post_init__(self) -> None:
        """Keep of the user agent what can be shown and stored."""
        shown = "".join(char for char in self.user_agent if char.isprintable())
        object.__setattr__(self, "user_agent", shown[:_LONGEST_AGENT])


@dataclass(frozen=True)
class Lifetime:
    """How long sessions last: `idle` without a refresh, `longest` in all."""

    idle: timedelta
    longest: timedelta


@dataclass(frozen=True)
class Session:
    """A login that goes on until it expires or is ended."""

    id: UUID
    user_id: UUID
    method: Method
    address: str | None
    user_agent: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True)
class SessionGrant:
    """A user in a session, and the refresh token with which it goes on."""

    user: User
    session_id: UUID
    refresh_token: str
    expires_in: int


@dataclass(frozen=True)
class Refusal:
    """A refresh token that is not good, and the session that it ended, if it ended one."""

    error: InvalidRefreshTokenError
    session_id: UUID | None = None
    user_id: UUID | None = None


_COLUMNS = ", ".join(f"session.{item.name}" for item in fields(Session))


async def open_session(tx: Tx, user: User, client: Client, method: Method, lifetime: Lifetime) -> SessionGrant:
    """Begin a session of a user who proved to be who they are."""
    session_id, token = new_id(), new_secret()
    lives = min(lifetime.idle, lifetime.longest)
    await tx.execute(
        """INSERT INTO session (id, user_id, method, address, user_agent, expires_at)
           VALUES ($1, $2, $3, $4, $5, clock_timestamp() + $6::interval)""",
        session_id,
        user.id,
        method,
        client.address,
        client.user_agent,
        lives,
    )
    await tx.execute("INSERT INTO refresh_token (hash, session_id) VALUES ($1, $2)", digest(token), session_id)
    return SessionGrant(user, session_id, token, int(lives.total_seconds()))


async def refresh(tx: Tx, token: str, client: Client, lifetime: Lifetime) -> SessionGrant | Refusal:
    """The token's successor; a refusal when it is not good. A token that came before ends its session."""
    row = await tx.row(
        """SELECT session.id, session.user_id, session.address, session.user_agent, session.revoked_at,
                  session.expires_at <= clock_timestamp() AS expired, disabled_at, used_at, successor,
                  used_at > clock_timestamp() - make_interval(secs => $2) AS just_used
           FROM refresh_token JOIN session ON session.id = session_id JOIN user_account ON user_account.id = session.user_id
           WHERE hash = $1 FOR UPDATE OF refresh_token, session""",
        digest(token),
        float(REPEATED_SECONDS),
    )
    if row is None or row["revoked_at"] or row["expired"] or row["disabled_at"]:
        return Refusal(InvalidRefreshTokenError())
    if row["used_at"] is None:
        return await _rotate(tx, row, token, client, lifetime)
    again = await _told_again(tx, row, token, client)
    if again is not None:
        return SessionGrant(await get_user(tx, row["user_id"]), row["id"], again, await _remaining(tx, row["id"]))
    await end_session(tx, row["id"], user_id=row["user_id"], reason="refresh_token_reused")
    return Refusal(RefreshTokenReusedError(), row["id"], row["user_id"])


async def _rotate(tx: Tx, row: Row, token: str, client: Client, lifetime: Lifetime) -> SessionGrant:
    successor = new_secret()
    await tx.execute(
        "UPDATE refresh_token SET used_at = clock_timestamp(), successor = $2 WHERE hash = $1",
        digest(token),
        seal_for_bearer(successor, token),
    )
    await tx.execute("INSERT INTO refresh_token (hash, session_id) VALUES ($1, $2)", digest(successor), row["id"])
    await tx.execute(
        """UPDATE session SET last_used_at = clock_timestamp(), address = $2, user_agent = $3,
                  expires_at = least(clock_timestamp() + $4::interval, created_at + $5::interval) WHERE id = $1""",
        row["id"],
        client.address,
        client.user_agent,
        lifetime.idle,
        lifetime.longest,
    )
    return SessionGrant(await get_user(tx, row["user_id"]), row["id"], successor, await _remaining(tx, row["id"]))


async def _told_again(tx: Tx, row: Row, token: str, client: Client) -> str | None:
    """The successor of a token that was used just now, by the same client, and is itself not used yet."""
    if not row["just_used"] or (row["address"], row["user_agent"]) != (client.address, client.user_agent):
        return None
    successor = open_as_bearer(row["successor"], token)
    if successor is None or await tx.value("SELECT used_at FROM refresh_token WHERE hash = $1", digest(successor)):
        return None
    return successor


async def _remaining(tx: Tx, session_id: UUID) -> int:
    seconds = "SELECT extract(epoch FROM expires_at - clock_timestamp())::int FROM session WHERE id = $1"
    return max(0, int(await tx.value(seconds, session_id)))


async def list_sessions(
    tx: Tx,
    user_id: UUID,
    *,
    method: Method | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> Sequence[Session]:
    """A user's living sessions, oldest first, begun so and then if that is said; `after` is the last id of the page before."""
    where = Where()
    where.equal(user_id=user_id, method=method)
    where.made(since, until)
    where.after(after)
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM session {where.sql} AND revoked_at IS NULL AND expires_at > clock_timestamp()
            ORDER BY id LIMIT {where.place(limit)}""",  # noqa: S608  # our own
        *where.values,
    )
    return [Session(**row) for row in rows]


async def end_session(tx: Tx, session_id: UUID, *, user_id: UUID, reason: str) -> Session:
    """End a living session of this user. Raises SessionNotFoundError."""
    row = await tx.row(
        f"""UPDATE session SET revoked_at = clock_timestamp(), revoked_reason = $3
            WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL RETURNING {_COLUMNS}""",  # noqa: S608  # our own columns
        session_id,
        user_id,
        reason,
    )
    if row is None:
        raise SessionNotFoundError
    return Session(**row)


async def end_sessions(tx: Tx, user_id: UUID, *, reason: str, except_for: UUID | None = None) -> Sequence[UUID]:
    """End all living sessions of a user, but for one; answers their ids."""
    rows = await tx.fetch(
        """UPDATE session SET revoked_at = clock_timestamp(), revoked_reason = $2
           WHERE user_id = $1 AND revoked_at IS NULL AND id IS DISTINCT FROM $3::uuid RETURNING id""",
        user_id,
        reason,
        except_for,
    )
    return [row["id"] for row in rows]


async def forget_old_sessions(tx: Tx) -> int:
    """Delete sessions that expired long ago; how many."""
    return await tx.execute("DELETE FROM session WHERE expires_at < now() - make_interval(days => $1)", KEPT_DAYS)
