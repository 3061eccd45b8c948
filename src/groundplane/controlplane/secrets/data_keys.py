"""The table data_key: an organization's current data key, and those on their way out. Only wrapped keys are stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from groundplane.kernel.database import Row, Tx
from groundplane.kernel.ids import new_id
from groundplane.kernel.keyring import Cipher
from groundplane.kernel.secrets import SecretBox, WrappedKey

WRAPPING = 7_301_981
"""Held, shared, by who wraps a key with what is the current key-encryption key, until that is committed."""

COLUMNS = """data_key.id AS data_key_id, data_key.organization_id AS data_key_organization,
             data_key.version AS data_key_version, data_key.wrapped, data_key.key_encryption_key_id"""


@dataclass(frozen=True)
class DataKey:
    """A data key that may be used."""

    id: UUID
    cipher: Cipher


def wrapped_key(row: Row) -> WrappedKey:
    """The data key in a row with COLUMNS."""
    context = _context(row["data_key_id"], row["data_key_organization"], row["data_key_version"])
    return WrappedKey(row["data_key_id"], row["key_encryption_key_id"], row["wrapped"], context)


async def current(tx: Tx, box: SecretBox, organization_id: UUID | None) -> DataKey:
    """The key that seals what is new of this organization, made at its first secret. It is not retired before `tx` ends."""
    known: DataKey | None = tx.read.get(("data_key", organization_id))
    if known is None:
        row = await _current(tx, organization_id)
        if row is None:
            await add(tx, box, organization_id, version=1)
            row = await _current(tx, organization_id)
        if row is None:
            raise LookupError(f"organization {organization_id} has no data key")
        known = DataKey(row["data_key_id"], await box.unwrap(wrapped_key(row)))
        tx.read["data_key", organization_id] = known
    return known


async def add(tx: Tx, box: SecretBox, organization_id: UUID | None, *, version: int) -> None:
    """A new current key, unless another transaction was faster. Who looks for the current one then finds either."""
    await tx.aside("SELECT pg_advisory_xact_lock_shared($1)", WRAPPING)
    key_id = new_id()
    key = await box.new_key(key_id, _context(key_id, organization_id, version))
    await tx.aside(
        """INSERT INTO data_key (id, organization_id, version, wrapped, key_encryption_key_id)
           VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING""",
        key_id,
        organization_id,
        version,
        key.wrapped,
        key.wrapped_by,
    )


async def store_rewrapped(tx: Tx, keys: Sequence[WrappedKey]) -> None:
    """The same keys, wrapped anew."""
    sql = "UPDATE data_key SET wrapped = $2, key_encryption_key_id = $3 WHERE id = $1"
    await tx.many(sql, [(key.id, key.wrapped, key.wrapped_by) for key in keys])


async def _current(tx: Tx, organization_id: UUID | None) -> Any:
    # Shared, so that a rotation which retires the key waits for whoever seals with it.
    rows = await tx.aside(
        f"""SELECT {COLUMNS} FROM data_key
            WHERE organization_id IS NOT DISTINCT FROM $1 AND retired_at IS NULL FOR SHARE""",  # noqa: S608  # our own columns
        organization_id,
    )
    return rows[0] if rows else None


def _context(key_id: UUID, organization_id: UUID | None, version: int) -> bytes:
    return f"data_key {key_id} {organization_id} {version}".encode()
