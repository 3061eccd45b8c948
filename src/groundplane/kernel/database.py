"""PostgreSQL through asyncpg: a pool, transactions, and what is to happen after a commit. SQL stands where it is used."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import asyncpg
import structlog
from pydantic_core import to_json

log = structlog.get_logger()

Row = asyncpg.Record
UniqueViolationError = asyncpg.UniqueViolationError
ForeignKeyViolationError = asyncpg.ForeignKeyViolationError
ExclusionViolationError = asyncpg.ExclusionViolationError
CheckViolationError = asyncpg.CheckViolationError
RetryableDatabaseError = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server hung up between two commands
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    OSError,
)
"""What a caller that can repeat its whole transaction repeats it after."""


@dataclass
class Tx:
    """One open transaction. Whoever opened it commits; nobody else does. `after_commit` runs once it is durable."""

    connection: Any
    after_commit: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    async def fetch(self, sql: str, *values: object) -> Sequence[Row]:
        """All rows."""
        rows: Sequence[Row] = await self.connection.fetch(sql, *values)
        return rows

    async def row(self, sql: str, *values: object) -> Row | None:
        """The first row, or None."""
        row: Row | None = await self.connection.fetchrow(sql, *values)
        return row

    async def one(self, sql: str, *values: object) -> Row:
        """The first row; LookupError when there is none."""
        row: Row | None = await self.connection.fetchrow(sql, *values)
        if row is None:
            raise LookupError(sql)
        return row

    async def value(self, sql: str, *values: object) -> Any:
        """The first column of the first row, or None."""
        return await self.connection.fetchval(sql, *values)

    async def execute(self, sql: str, *values: object) -> int:
        """Carry out a statement; answers how many rows it touched."""
        tag: str = await self.connection.execute(sql, *values)
        count = tag.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def many(self, sql: str, values: Sequence[Sequence[object]]) -> None:
        """The same statement for each tuple of values, in one round trip."""
        if values:
            await self.connection.executemany(sql, values)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """What happens inside is undone alone if it raises, and so is what it wanted done after the commit."""
        mark = len(self.after_commit)
        try:
            async with self.connection.transaction():
                yield
        except BaseException:
            del self.after_commit[mark:]
            raise


class Database:
    """A pool of connections to PostgreSQL 18."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    @classmethod
    async def connect(cls, url: str, *, size: int = 16) -> Self:
        """Open the pool; raises asyncpg's errors or OSError when the server does not answer."""
        pool = await asyncpg.create_pool(
            url, min_size=1, max_size=size, init=_prepare, reset=_keep_session, command_timeout=60, statement_cache_size=512
        )
        return cls(pool)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """Commit when the block ends, roll back when it raises; then do what was to be done after the commit."""
        async with self._pool.acquire() as connection:
            tx = Tx(connection)
            async with connection.transaction():
                yield tx
        for action in tx.after_commit:
            try:
                await action()
            except Exception:  # the row is the truth: what is lost here is asked again from it
                log.warning("after_commit.failed", exc_info=True)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()


async def _prepare(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: b"\x01" + to_json(value),
        decoder=lambda value: json.loads(value[1:]),
    )


async def _keep_session(_connection: Any) -> None:
    """Sessions are only ever changed by SET LOCAL, so there is nothing to reset and a round trip is saved."""
