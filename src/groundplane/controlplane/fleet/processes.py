"""Which processes live, api, worker and agents: each says so itself, and when it was heard of is by the database's clock."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import Literal
from uuid import UUID

import structlog

from groundplane.kernel.database import Database, RetryableDatabaseError, Row, Tx
from groundplane.kernel.ids import new_id

log = structlog.get_logger()

ProcessKind = Literal["api", "worker"]

BEAT_SECONDS = 10.0
SHOWN_MINUTES = 10
"""So long after its last word a process that ended without one is still told of."""
MOST = 1000
VERSION = version("groundplane")


@asynccontextmanager
async def seen(database: Database, kind: ProcessKind) -> AsyncIterator[None]:
    """Inside, this process says that it lives; leaving, it takes that back."""
    process_id = new_id()
    beating = asyncio.create_task(_beat_for_ever(database, process_id, kind))
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        with suppress(*RetryableDatabaseError, TimeoutError):  # others see by its silence that it is gone
            async with database.transaction() as tx:
                await tx.execute("DELETE FROM process_seen WHERE id = $1", process_id)


async def _beat_for_ever(database: Database, process_id: UUID, kind: ProcessKind) -> None:
    while True:
        try:
            async with database.transaction() as tx:
                await _beat(tx, process_id, kind)
        except (*RetryableDatabaseError, TimeoutError) as error:
            log.warning("process.not_seen", error=repr(error))
        except Exception:  # a process that works must not end because it could not say so
            log.exception("process.not_seen")
        await asyncio.sleep(BEAT_SECONDS)


async def _beat(tx: Tx, process_id: UUID, kind: ProcessKind) -> None:
    await tx.execute(
        """INSERT INTO process_seen (id, kind, place, version) VALUES ($1, $2, $3, $4)
           ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp()""",
        process_id,
        kind,
        f"{socket.gethostname()}:{os.getpid()}",
        VERSION,
    )
    await tx.execute("DELETE FROM process_seen WHERE seen_at < now() - interval '1 day'")


async def processes(tx: Tx) -> Sequence[Row]:
    """Those that live, or were heard of lately, and every agent that there should be: kind, id, name, version, started_at,
    last_seen and silent_seconds. An agent does not say since when it runs; one that never came was never seen.
    """
    return await tx.fetch(
        """SELECT kind, id, place AS name, version, started_at, seen_at AS last_seen,
                  extract(epoch FROM clock_timestamp() - seen_at)::float8 AS silent_seconds
           FROM process_seen WHERE seen_at > now() - make_interval(mins => $1)
           UNION ALL
           (SELECT 'agent', resource.id, name, version, NULL, seen_at,
                   extract(epoch FROM clock_timestamp() - seen_at)::float8
            FROM resource LEFT JOIN agent_seen ON agent_id = resource.id
            WHERE kind = 'agent' AND deleted_at IS NULL ORDER BY resource.id LIMIT $2)
           ORDER BY 1, 2 LIMIT $2""",
        SHOWN_MINUTES,
        MOST,
    )
