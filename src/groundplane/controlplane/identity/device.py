"""The device flow (RFC 8628): a program without a browser asks, a person who is logged in approves. Table device_authorization.

Only the hash of the device code is stored. A user code is short, so whoever types wrong ones waits (see lockout).
"""

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from groundplane.controlplane.identity.problems import (
    AccessDeniedError,
    AuthorizationPendingError,
    DeviceFlowError,
    ExpiredTokenError,
    InvalidGrantError,
    SlowDownError,
    UserCodeNotFoundError,
)
from groundplane.controlplane.identity.secret_text import digest, new_secret
from groundplane.controlplane.identity.sessions import Client, Lifetime, SessionGrant, open_session
from groundplane.controlplane.identity.users import get_user
from groundplane.kernel.database import Row, Tx
from groundplane.kernel.ids import new_id

EXPIRES_SECONDS = 600
INTERVAL_SECONDS = 5
_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628, 6.1: no vowels, so that no words come out
_LENGTH = 8


@dataclass(frozen=True)
class DeviceCodes:
    """What the device gets: its own secret, and what the person types."""

    device_code: str = field(repr=False)
    user_code: str


@dataclass(frozen=True)
class Device:
    """Which device asks to be let in, as far as it can be told."""

    id: UUID
    address: str | None
    user_agent: str


@dataclass(frozen=True)
class WaitingDevice:
    """Which device asks, as far as it can be told, since when and until when."""

    address: str | None
    user_agent: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class NotYet:
    """Why the device gets nothing, or nothing yet."""

    error: DeviceFlowError


async def ask_for_device(tx: Tx, client: Client) -> DeviceCodes:
    """Begin: codes that are good for ten minutes."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    codes = DeviceCodes(new_secret(), f"{letters[:4]}-{letters[4:]}")
    await tx.execute(
        """INSERT INTO device_authorization (id, device_hash, user_code, address, user_agent, expires_at, interval_seconds)
           VALUES ($1, $2, $3, $4, $5, clock_timestamp() + make_interval(secs => $6), $7)""",
        new_id(),
        digest(codes.device_code),
        letters,
        client.address,
        client.user_agent,
        float(EXPIRES_SECONDS),
        INTERVAL_SECONDS,
    )
    return codes


async def waiting_device(tx: Tx, user_code: str) -> WaitingDevice:
    """The device that shows this code and waits for somebody's decision. Raises UserCodeNotFoundError."""
    row = await tx.row(
        """SELECT address, user_agent, created_at, expires_at FROM device_authorization
           WHERE user_code = $1 AND state = 'pending' AND expires_at > clock_timestamp()""",
        _letters(user_code),
    )
    if row is None:
        raise UserCodeNotFoundError
    return WaitingDevice(**row)


async def approve_device(tx: Tx, user_code: str, user_id: UUID) -> Device:
    """Let the device in as this user. Raises UserCodeNotFoundError."""
    return await _decide(tx, user_code, user_id, "approved")


async def deny_device(tx: Tx, user_code: str, user_id: UUID) -> Device:
    """Keep the device out. Raises UserCodeNotFoundError."""
    return await _decide(tx, user_code, user_id, "denied")


async def _decide(tx: Tx, user_code: str, user_id: UUID, state: str) -> Device:
    row = await tx.row(
        """UPDATE device_authorization SET state = $2, user_id = $3
           WHERE user_code = $1 AND state = 'pending' AND expires_at > clock_timestamp() RETURNING id, address, user_agent""",
        _letters(user_code),
        state,
        user_id,
    )
    if row is None:
        raise UserCodeNotFoundError
    return Device(**row)


def _letters(user_code: str) -> str:
    """A user code as it is stored, however it was typed."""
    return re.sub(r"[^A-Z]", "", user_code.upper())


async def poll_device(tx: Tx, device_code: str, client: Client, lifetime: Lifetime) -> SessionGrant | NotYet:
    """What the device gets when it asks: once, a session of who approved it."""
    row = await tx.row(
        """SELECT id, state, user_id, expires_at <= clock_timestamp() AS expired,
                  coalesce(polled_at > clock_timestamp() - make_interval(secs => interval_seconds), false) AS too_soon
           FROM device_authorization WHERE device_hash = $1 FOR UPDATE""",
        digest(device_code),
    )
    if row is None or row["state"] == "redeemed":
        return NotYet(InvalidGrantError())
    if row["expired"]:
        return NotYet(ExpiredTokenError())
    if row["state"] == "denied":
        return NotYet(AccessDeniedError())
    if row["state"] == "pending":
        return NotYet(await _pending(tx, row))
    user = await get_user(tx, row["user_id"])
    if user.disabled_at is not None:
        return NotYet(AccessDeniedError())
    await tx.execute("UPDATE device_authorization SET state = 'redeemed' WHERE id = $1", row["id"])
    return await open_session(tx, user, client, "device", lifetime)


async def _pending(tx: Tx, row: Row) -> DeviceFlowError:
    """Whoever asks too often has to ask five seconds more seldom from then on (RFC 8628, 3.5)."""
    await tx.execute(
        """UPDATE device_authorization SET polled_at = clock_timestamp(),
                  interval_seconds = interval_seconds + CASE WHEN $2 THEN 5 ELSE 0 END WHERE id = $1""",
        row["id"],
        row["too_soon"],
    )
    return SlowDownError() if row["too_soon"] else AuthorizationPendingError()


async def forget_old_devices(tx: Tx) -> int:
    """Delete what has expired long enough that nobody asks any more; how many."""
    return await tx.execute("DELETE FROM device_authorization WHERE expires_at < now() - interval '1 hour'")
