"""The worker's two loops for jobs: look at those whose time has come, and apply what agents report, in batches."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from groundplane.contracts.reports import MESSAGE, Heartbeat, InventoryChunk, Report, Sighting
from groundplane.controlplane.jobs import job as jobs
from groundplane.controlplane.jobs.engine import Engine
from groundplane.controlplane.jobs.job import COLUMNS, Job
from groundplane.kernel.database import Database, RetryableDatabaseError, Tx

log = structlog.get_logger()

DUE_AT_ONCE = 100


async def resume_due(database: Database, engine: Engine) -> int:
    """Move every job whose time has come, each in its own savepoint; answers how many there were."""
    async with database.transaction() as tx:
        rows = await tx.fetch(
            f"""SELECT {COLUMNS} FROM job WHERE ended_at IS NULL AND next_at <= now()
                ORDER BY next_at LIMIT $1 FOR UPDATE SKIP LOCKED""",  # noqa: S608  # our own columns
            DUE_AT_ONCE,
        )
        for row in rows:
            await _resume(tx, engine, Job.from_row(row))
    return len(rows)


async def _resume(tx: Tx, engine: Engine, job: Job) -> None:
    try:
        async with tx.savepoint():
            await engine.resume(tx, job)
    except RetryableDatabaseError:
        raise
    except Exception:
        log.exception("job.step_failed", job=str(job.id), workflow=job.workflow, step=job.step)
        await tx.execute("UPDATE job SET next_at = now() + interval '5 seconds' WHERE id = $1", job.id)
        await jobs.note(tx, job, "step_error")


async def run_due(database: Database, engine: Engine, *, seconds: float = 0.2) -> None:
    """`resume_due` for ever."""
    while True:
        try:
            found = await resume_due(database, engine)
        except RetryableDatabaseError as error:
            log.warning("jobs.database", error=repr(error))
            found = 0
            await asyncio.sleep(1)
        if found < DUE_AT_ONCE:
            await asyncio.sleep(seconds)


def _storable(text: str) -> str:
    """PostgreSQL's text holds every character but this one."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


Handler = Callable[[Tx, Sighting | InventoryChunk | Heartbeat], Awaitable[None]]


@dataclass(frozen=True)
class Inbox:
    """Applies the agents' messages: reports to jobs, all else to `observe`. One that cannot be applied is set aside."""

    database: Database
    engine: Engine
    observe: Handler

    async def apply(self, payloads: Sequence[bytes]) -> None:
        """All messages, each in its own savepoint. Raises only if they must come again; what was applied then does no harm.

        A transaction ends with a job: what the job gives back is what every create of the project waits for, so it must be
        the last that is taken, and taken in one order.
        """
        waiting = deque(payloads)
        while waiting:
            async with self.database.transaction() as tx:
                while waiting and not await self._ends_job(tx, waiting.popleft()):
                    pass

    async def _ends_job(self, tx: Tx, payload: bytes) -> bool:
        try:
            async with tx.savepoint():
                message = MESSAGE.validate_json(payload)
                if isinstance(message, Report):
                    job = await self.engine.report(tx, message)
                    return job is not None and job.ended_at is not None
                await self.observe(tx, message)
        except RetryableDatabaseError:
            raise
        except Exception as error:
            log.exception("report.set_aside")
            await tx.execute(
                "INSERT INTO report_set_aside (message, error) VALUES ($1, $2)",
                {"text": _storable(payload.decode(errors="replace")[:100_000])},
                _storable(repr(error)),
            )
        return False
