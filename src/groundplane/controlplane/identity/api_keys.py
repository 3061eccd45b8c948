"""API keys: `gp_` and an id, 256 random bits, a checksum. For users and service accounts. The table api_key.

Only the hash of the random bits is stored. What was checked is remembered for a few seconds; ending a key ends that too.
"""

import base64
import hashlib
import secrets
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Literal
from uuid import UUID

from groundplane.controlplane.identity.actor import Actor
from groundplane.controlplane.identity.problems import (
    ApiKeyNotFoundError,
    InvalidTokenError,
    ServiceAccountNotFoundError,
    SessionEndedError,
    TokenExpiredError,
)
from groundplane.kernel.clock import Clock, system_clock
from groundplane.kernel.database import Database, Row, Tx
from groundplane.kernel.ids import format_id, new_id, parse_id
from groundplane.kernel.where import Where

PREFIX = "gp_"
REMEMBERED_SECONDS = 5.0
USE_WRITTEN_SECONDS = 60
_MOST_REMEMBERED = 4096
_ID = 29  # `gp_` and 26 characters
_SECRET = 52
_CHECKSUM = 7

OwnerKind = Literal["user", "service_account"]


@dataclass(frozen=True)
class KeyOwner:
    """Whose key it is; a service account's organization is known."""

    kind: OwnerKind
    id: UUID
    organization_id: UUID | None = None


@dataclass(frozen=True)
class ApiKey:
    """A key as it may be shown. `scopes` None: good for all that its owner may do."""

    id: UUID
    organization_id: UUID | None
    user_id: UUID | None
    service_account_id: UUID | None
    name: str
    scopes: Sequence[str] | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


_COLUMNS = ", ".join(item.name for item in fields(ApiKey))


async def create_api_key(
    tx: Tx,
    owner: KeyOwner,
    *,
    name: str,
    scopes: Sequence[str] | None = None,
    expires_at: datetime | None = None,
    created_by: UUID | None = None,
) -> tuple[ApiKey, str]:
    """Make a key; the text is told only now."""
    key_id, secret = new_id(), _base32(secrets.token_bytes(32))
    text = format_id("gp", key_id) + secret
    row = await tx.one(
        f"""INSERT INTO api_key (id, organization_id, user_id, service_account_id, name, secret_hash, scopes, expires_at,
                                 created_by)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING {_COLUMNS}""",  # noqa: S608  # our own columns
        key_id,
        owner.organization_id,
        owner.id if owner.kind == "user" else None,
        owner.id if owner.kind == "service_account" else None,
        name,
        hashlib.sha256(secret.encode()).digest(),
        None if scopes is None else list(scopes),
        expires_at,
        created_by,
    )
    return ApiKey(**row), text + _checksum(text)


async def list_api_keys(
    tx: Tx, owner: KeyOwner, *, name: str | None = None, after: UUID | None = None, limit: int = 50
) -> Sequence[ApiKey]:
    """The owner's keys that are not revoked, of this name if one is given, oldest first.

    `after` is the last id of the page before.
    """
    where = Where()
    where.equal(**{_of(owner): owner.id, "organization_id": owner.organization_id, "name": name})
    where.clauses += ["revoked_at IS NULL"]
    where.after(after)
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM api_key {where.sql} ORDER BY id LIMIT {where.place(limit)}",  # noqa: S608  # our own columns
        *where.values,
    )
    return [ApiKey(**row) for row in rows]


async def revoke_api_key(tx: Tx, owner: KeyOwner, key_id: UUID) -> ApiKey:
    """End one of the owner's keys. Raises ApiKeyNotFoundError."""
    row = await tx.row(
        f"""UPDATE api_key SET revoked_at = clock_timestamp()
            WHERE id = $1 AND {_of(owner)} = $2 AND organization_id IS NOT DISTINCT FROM $3::uuid AND revoked_at IS NULL
            RETURNING {_COLUMNS}""",  # noqa: S608  # our own columns
        key_id,
        owner.id,
        owner.organization_id,
    )
    if row is None:
        raise ApiKeyNotFoundError
    return ApiKey(**row)


async def require_service_account(tx: Tx, service_account_id: UUID, organization_id: UUID) -> None:
    """Return if the organization has this service account and it is not disabled. Raises ServiceAccountNotFoundError."""
    found = "SELECT 1 FROM service_account WHERE id = $1 AND organization_id = $2 AND disabled_at IS NULL"
    if not await tx.value(found, service_account_id, organization_id):
        raise ServiceAccountNotFoundError(
            "There is no such service account here, or it is disabled. List the service accounts."
        )


def _of(owner: KeyOwner) -> str:
    return "user_id" if owner.kind == "user" else "service_account_id"


@dataclass(frozen=True)
class KeyBearer:
    """Who bears a key, and which."""

    key_id: UUID
    actor: Actor
    expires_at: datetime | None


@dataclass
class ApiKeys:
    """Says who bears a key. One for each api process: remembers what it looked up, and when keys were used."""

    clock: Clock = system_clock
    _known: dict[bytes, tuple[float, KeyBearer]] = field(default_factory=dict)
    _used: dict[UUID, datetime] = field(default_factory=dict)
    _written: dict[UUID, float] = field(default_factory=dict)

    async def verify(self, database: Database, token: str) -> KeyBearer:
        """Who bears the key. A key that was ended within the last seconds may still be remembered: see Revocations.

        Raises InvalidTokenError, TokenExpiredError, SessionEndedError.
        """
        parts = _parse(token)
        if parts is None:
            raise InvalidTokenError
        remembered = hashlib.sha256(token.encode()).digest()
        until, bearer = self._known.get(remembered, (0.0, None))
        if bearer is None or until < time.monotonic():
            bearer = await self._look_up(database, *parts)
            self._remember(remembered, bearer)
        if bearer.expires_at is not None and bearer.expires_at <= self.clock():
            raise TokenExpiredError("The API key has expired. Make a new one.")
        self._used[bearer.key_id] = self.clock()
        return bearer

    async def _look_up(self, database: Database, key_id: UUID, secret: str) -> KeyBearer:
        async with database.transaction() as tx:
            row = await tx.row(
                """SELECT secret_hash, scopes, expires_at, revoked_at, service_account_id, user_account.id AS user_id, email,
                          disabled_at FROM api_key LEFT JOIN user_account ON user_account.id = user_id
                   WHERE api_key.id = $1""",
                key_id,
            )
            if row is None or not secrets.compare_digest(row["secret_hash"], hashlib.sha256(secret.encode()).digest()):
                raise InvalidTokenError
            if row["revoked_at"] is not None:
                raise SessionEndedError
            actor = await _service_account(tx, row) if row["service_account_id"] else _user(row)
        return KeyBearer(key_id, actor, row["expires_at"])

    def _remember(self, remembered: bytes, bearer: KeyBearer) -> None:
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[remembered] = (time.monotonic() + REMEMBERED_SECONDS, bearer)

    async def write_uses(self, database: Database) -> None:
        """Write when keys were used, each at most once a minute."""
        now = time.monotonic()
        due = {key: at for key, at in self._used.items() if self._written.get(key, -1e9) + USE_WRITTEN_SECONDS <= now}
        if not due:
            return
        async with database.transaction() as tx:
            await tx.execute(
                """UPDATE api_key SET last_used_at = used.at
                   FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::timestamptz[]) AS at ORDER BY 1) AS used
                   WHERE api_key.id = used.id
                     AND (last_used_at IS NULL OR last_used_at < used.at - make_interval(secs => $3))""",
                list(due),
                list(due.values()),
                USE_WRITTEN_SECONDS - 5.0,  # another process may have written it; a little less, as our clocks differ
            )
        recent = {key: at for key, at in self._written.items() if at + USE_WRITTEN_SECONDS > now}
        self._written = recent | dict.fromkeys(due, now)
        self._used = {key: at for key, at in self._used.items() if key not in due or at > due[key]}


def _user(row: Row) -> Actor:
    if row["disabled_at"] is not None:
        raise InvalidTokenError("The user of this API key is disabled. Ask an administrator.")
    return Actor(row["user_id"], "user", row["email"], _scopes(row))


async def _service_account(tx: Tx, row: Row) -> Actor:
    account = await tx.row("SELECT name, disabled_at FROM service_account WHERE id = $1", row["service_account_id"])
    if account is None or account["disabled_at"] is not None:
        raise InvalidTokenError("The service account of this API key is gone or disabled. Ask an owner of the organization.")
    return Actor(row["service_account_id"], "service_account", account["name"], _scopes(row))


def _scopes(row: Row) -> tuple[str, ...] | None:
    return None if row["scopes"] is None else tuple(row["scopes"])


def _parse(token: str) -> tuple[UUID, str] | None:
    """The id and the secret, if the checksum fits: a mistyped key is refused without a look into the database."""
    text, checksum = token[:-_CHECKSUM], token[-_CHECKSUM:]
    if len(token) != _ID + _SECRET + _CHECKSUM or not token.isascii() or checksum != _checksum(text):
        return None
    key_id = parse_id("gp", text[:_ID])
    return (key_id, text[_ID:]) if key_id else None


def _checksum(text: str) -> str:
    return _base32(zlib.crc32(text.encode()).to_bytes(4, "big"))


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()
