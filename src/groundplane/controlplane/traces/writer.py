"""Takes the spans of this process and writes them in batches. What is too much, or not taken, is dropped and counted."""

import asyncio
from collections import deque

import structlog

from groundplane.controlplane.traces import spans as rows
from groundplane.kernel.database import Database
from groundplane.kernel.metrics import SPANS_DROPPED
from groundplane.kernel.telemetry import Span

log = structlog.get_logger()

CAPACITY = 10_000
BATCH = 500
PAUSE_SECONDS = 1.0
WRITE_SECONDS = 10.0
KEEP_SECONDS = 300.0


class SpanWriter:
    """A sink for spans (`take`), and the loop that empties it (`run`)."""

    def __init__(self, database: Database, *, capacity: int = CAPACITY) -> None:
        self._database = database
        self._capacity = capacity
        self._waiting: deque[Span] = deque()

    def take(self, span: Span) -> None:
        """Remember it until it is written, if there is room."""
        if len(self._waiting) < self._capacity:
            self._waiting.append(span)
        else:
            SPANS_DROPPED.inc()

    async def run(self) -> None:
        """Write what gathers. Until cancelled; then call `flush` for the rest."""
        while True:
            await asyncio.sleep(PAUSE_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write all that waits now."""
        for _ in range(-(-len(self._waiting) // BATCH)):
            await self._write([self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))])

    async def _write(self, batch: list[Span]) -> None:
        try:
            async with asyncio.timeout(WRITE_SECONDS), self._database.transaction() as tx:
                rows.insert(tx, batch)
        except Exception as error:  # whatever it is, nobody may suffer from it
            SPANS_DROPPED.inc(len(batch))
            log.warning("spans.dropped", count=len(batch), error=repr(error))


async def keep_partitions_for_ever(database: Database) -> None:
    """`keep_partitions` every few minutes."""
    while True:
        try:
            async with database.transaction() as tx:
                made, dropped = await rows.keep_partitions(tx)
            log.debug("spans.partitions", made=made, dropped=dropped)
        except Exception as error:  # the next round does it
            log.warning("spans.partitions_failed", error=repr(error))
        await asyncio.sleep(KEEP_SECONDS)
