"""The table secret: keep, open and destroy values, sealed. Whoever may open one decides elsewhere; nothing here logs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from groundplane.controlplane.secrets.data_keys import COLUMNS, current, wrapped_key
from groundplane.kernel.database import Row, Tx
from groundplane.kernel.errors import ConflictError, NotFoundError
from groundplane.kernel.ids import new_id
from groundplane.kernel.secrets import SecretBox, WrappedKey

MOST_VERSIONS = 16
"""How many versions of a secret are kept: a new one takes the oldest one's place."""


class SecretVersionNotFoundError(NotFoundError):
    """There is no such version of the secret: it never was, or it was destroyed. List the versions that there are."""

    code = "secret_version_not_found"


class CurrentVersionError(ConflictError):
    """This is the secret's current version. Give the secret a new value first, or delete the secret."""

    code = "current_version"


@dataclass(frozen=True)
class Version:
    """A version that is kept; its number counts up from 1."""

    version: int
    created_at: datetime


@dataclass(frozen=True)
class Sealed:
    """A secret as it lies in its row. `key` None: an envelope of before there were data keys of organizations."""

    id: UUID
    resource_id: UUID
    organization_id: UUID | None
    version: int
    envelope: bytes = field(repr=False)
    key: WrappedKey | None = field(repr=False)


@dataclass(frozen=True)
class SecretStore:
    """Secrets of resources, in versions. A resource has one secret; its id is what may travel."""

    box: SecretBox

    async def keep(self, tx: Tx, resource_id: UUID, organization_id: UUID | None, plain: bytes, *, version: int = 1) -> UUID:
        """Seal a value behind, as this version of the resource's secret. The caller holds the resource, or makes it."""
        secret_id = new_id()
        key = await current(tx, self.box, organization_id)
        bound_to = _binding(secret_id, resource_id, organization_id, version)
        row = {"id": secret_id, "resource_id": resource_id, "organization_id": organization_id, "version": version,
               "data_key_id": key.id, "envelope": "\\x" + key.cipher.encrypt(plain, bound_to).hex()}  # fmt: skip
        tx.insert("secret", {**row, "created_at": tx.now})
        return secret_id

    async def keep_next(self, tx: Tx, resource_id: UUID, organization_id: UUID | None, plain: bytes) -> int:
        """Seal a value as the next version, and answer its number. The caller holds the resource."""
        versions = await self.versions(tx, resource_id)
        version = versions[-1].version + 1 if versions else 1
        await self.keep(tx, resource_id, organization_id, plain, version=version)
        await tx.execute("DELETE FROM secret WHERE resource_id = $1 AND version <= $2", resource_id, version - MOST_VERSIONS)
        return version

    async def versions(self, tx: Tx, resource_id: UUID) -> Sequence[Version]:
        """The versions that are kept, oldest first; the last one is the current one."""
        sql = "SELECT version, created_at FROM secret WHERE resource_id = $1 ORDER BY version"
        return [Version(**row) for row in await tx.fetch(sql, resource_id)]

    async def of_resource(self, tx: Tx, resource_id: UUID, version: int | None = None) -> Sealed:
        """A version of the resource's secret; None: the current one. Raises SecretVersionNotFoundError."""
        row = await tx.row(
            f"{SELECT} WHERE secret.resource_id = $1 AND ($2::int IS NULL OR secret.version = $2) "
            "ORDER BY secret.version DESC LIMIT 1",
            resource_id,
            version,
        )
        if row is None:
            raise SecretVersionNotFoundError
        return sealed(row)

    async def find(self, tx: Tx, secret_id: UUID) -> Sealed | None:
        """The secret of this id."""
        row = await tx.row(f"{SELECT} WHERE secret.id = $1", secret_id)
        return sealed(row) if row else None

    async def open(self, secret: Sealed) -> bytes:
        """The plain value. Raises SecretUnreadableError, KeyMissingError."""
        if secret.key is None:
            return self.box.open(secret.envelope, secret.id.bytes)
        cipher = await self.box.unwrap(secret.key)
        return cipher.decrypt(secret.envelope, _binding(secret.id, secret.resource_id, secret.organization_id, secret.version))

    async def reseal(self, tx: Tx, secret: Sealed) -> tuple[UUID, UUID, bytes]:
        """The same value under the organization's current key: id, data_key_id and envelope of the row."""
        key = await current(tx, self.box, secret.organization_id)
        bound_to = _binding(secret.id, secret.resource_id, secret.organization_id, secret.version)
        return secret.id, key.id, key.cipher.encrypt(await self.open(secret), bound_to)

    async def destroy(self, tx: Tx, resource_id: UUID, version: int) -> None:
        """Forget an old version for ever. The caller holds the resource.

        Raises CurrentVersionError, SecretVersionNotFoundError.
        """
        kept = [each.version for each in await self.versions(tx, resource_id)]
        if version not in kept:
            raise SecretVersionNotFoundError
        if version == kept[-1]:
            raise CurrentVersionError
        await tx.execute("DELETE FROM secret WHERE resource_id = $1 AND version = $2", resource_id, version)


SELECT = f"""SELECT secret.id, secret.resource_id, secret.organization_id, secret.version, secret.envelope, {COLUMNS}
              FROM secret LEFT JOIN data_key ON data_key.id = secret.data_key_id"""  # noqa: S608  # our own columns


def sealed(row: Row) -> Sealed:
    """A row of the table secret, joined with its data key."""
    key = wrapped_key(row) if row["data_key_id"] is not None else None
    return Sealed(row["id"], row["resource_id"], row["organization_id"], row["version"], row["envelope"], key)


def _binding(secret_id: UUID, resource_id: UUID, organization_id: UUID | None, version: int) -> bytes:
    """What a ciphertext is bound to: a row, its owner, its tenant, its version."""
    return f"secret {secret_id} {resource_id} {organization_id} {version}".encode()
