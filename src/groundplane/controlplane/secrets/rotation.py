"""Rotation of both sorts of keys, in small transactions, while everything runs. Killed and begun again, it goes on."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from groundplane.controlplane.secrets import data_keys
from groundplane.controlplane.secrets.data_keys import WRAPPING, wrapped_key
from groundplane.controlplane.secrets.store import SELECT, SecretStore, sealed
from groundplane.kernel.database import Database, Tx
from groundplane.kernel.secrets import SecretBox

BATCH = 200
_BEGINNING = 7_301_980
_PAUSE_SECONDS = 0.1


@dataclass(frozen=True)
class Progress:
    """How far a rotation is: `done` of `total` secrets resealed, or data keys wrapped anew."""

    what: Literal["secrets", "data keys"]
    done: int
    total: int


Tell = Callable[[Progress], None]


@dataclass(frozen=True)
class Rotation:
    """Rotates keys of an installation. Several at a time do no harm: they share the work."""

    database: Database
    box: SecretBox
    batch: int = BATCH

    async def rotate_data_keys(self, tell: Tell) -> bool:
        """A new data key for every organization, and every secret sealed by it; old data keys are gone at the end.

        A rotation that did not end is ended instead: then False.
        """
        fresh = await self._renew_data_keys()
        await self._reseal_all(tell)
        return fresh

    async def rotate_key_encryption_key(self, tell: Tell) -> bool:
        """A new key-encryption key, and every data key wrapped by it; old ones are put aside at the end.

        With keys of the environment the first of them is the new one. A rotation that did not end is ended instead: False.
        """
        fresh = self.box.ring.renew()
        await self._reseal_all(tell)  # envelopes of before are sealed by the key-encryption key itself
        retired = False
        while not retired:
            await self._until_none_left("data keys", _WRAPPED_BY_OTHERS, self._rewrap_batch, tell, self.box.ring.current().id)
            retired = await self._retire()
        return fresh

    async def _renew_data_keys(self) -> bool:
        """Retire the current keys and make new ones, all at once; False while there are retired ones from before."""
        async with self.database.transaction() as tx:
            await tx.execute("SELECT pg_advisory_xact_lock($1)", _BEGINNING)
            if await tx.value("SELECT EXISTS (SELECT FROM data_key WHERE retired_at IS NOT NULL)"):
                return False
            rows = await tx.fetch(
                """UPDATE data_key SET retired_at = clock_timestamp() WHERE retired_at IS NULL
                   RETURNING organization_id, version"""
            )
            for row in rows:
                await data_keys.add(tx, self.box, row["organization_id"], version=row["version"] + 1)
        return True

    async def _reseal_all(self, tell: Tell) -> None:
        await self._until_none_left("secrets", _TO_RESEAL, self._reseal_batch, tell)
        async with self.database.transaction() as tx:
            await tx.execute(
                """DELETE FROM data_key WHERE retired_at IS NOT NULL
                   AND NOT EXISTS (SELECT FROM secret WHERE data_key_id = data_key.id)"""
            )

    async def _reseal_batch(self, tx: Tx) -> int:
        await tx.over_many()
        # Who else holds a row is about to be done with it: it is met at the next look.
        rows = await tx.fetch(f"{SELECT} WHERE {_OLD} ORDER BY secret.id LIMIT $1 FOR UPDATE OF secret SKIP LOCKED", self.batch)
        store = SecretStore(self.box)
        changes = [await store.reseal(tx, sealed(row)) for row in rows]
        await tx.many("UPDATE secret SET data_key_id = $2, envelope = $3 WHERE id = $1", changes)
        return len(rows)

    async def _rewrap_batch(self, tx: Tx) -> int:
        rows = await tx.fetch(
            f"""SELECT {data_keys.COLUMNS} FROM data_key WHERE key_encryption_key_id <> $1 ORDER BY id LIMIT $2
                FOR UPDATE SKIP LOCKED""",  # noqa: S608  # our own columns
            self.box.ring.current().id,
            self.batch,
        )
        await data_keys.store_rewrapped(tx, [await self.box.rewrap(wrapped_key(row)) for row in rows])
        return len(rows)

    async def _until_none_left(
        self,
        what: Literal["secrets", "data keys"],
        count: str,
        take_batch: Callable[[Tx], Awaitable[int]],
        tell: Tell,
        *values: object,
    ) -> None:
        done, left = 0, await self._count(count, *values)
        tell(Progress(what, 0, left))
        while left:
            async with self.database.transaction() as tx:
                taken = await take_batch(tx)
            done += taken
            left = await self._count(count, *values)
            tell(Progress(what, done, done + left))
            if not taken:
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _count(self, sql: str, *values: object) -> int:
        async with self.database.transaction() as tx:
            await tx.over_many()
            return int(await tx.value(sql, *values))

    async def _retire(self) -> bool:
        """Put old key-encryption keys aside, if nobody needs them, nor is about to; otherwise False."""
        async with self.database.transaction() as tx:
            await tx.execute("SELECT pg_advisory_xact_lock($1)", WRAPPING)
            if await tx.value(_WRAPPED_BY_OTHERS, self.box.ring.current().id):
                return False  # a key was made in the moment before the new one was there
            self.box.ring.retire()
        return True


_OLD = """(data_key_id IS NULL OR data_key_id = ANY(ARRAY(SELECT id FROM data_key WHERE retired_at IS NOT NULL)))"""
_TO_RESEAL = f"SELECT count(*) FROM secret WHERE {_OLD}"  # noqa: S608  # our own words
_WRAPPED_BY_OTHERS = "SELECT count(*) FROM data_key WHERE key_encryption_key_id <> $1"
