"""The worker's two loops for jobs: look at those whose time has come, and apply what agents report, in batches."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import structlog

from groundplane.contracts.reports import MESSAGE, Bundle, Heartbeat, InventoryChunk, Report, Sighting
from groundplane.contracts.tasks import NETWORK_SCOPE
from groundplane.controlplane.jobs import job as jobs
from groundplane.controlplane.jobs import traffic
from groundplane.controlplane.jobs.engine import Engine
from groundplane.controlplane.jobs.job import COLUMNS, Job
from groundplane.kernel.database import Database, RetryableDatabaseError, Tx

log = structlog.get_logger()

DUE_AT_ONCE = 100
FORGET_SECONDS = 60.0
M = TypeVar("M")


async def resume_due(database: Database, engine: Engine) -> int:
    """Move every job whose time has come, each in its own savepoint; answers how many there were."""
    async with database.transaction() as tx:
        rows = await tx.fetch(
            f"""SELECT {COLUMNS} FROM job WHERE ended_at IS NULL AND held IS NULL AND next_at <= now()
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
        jobs.note(tx, job, "step_error")


async def release_held(database: Database, engine: Engine) -> int:
    """Let held jobs begin as far as traffic rules let them now, the oldest first; how many do. `resume_due` runs them."""
    async with database.transaction() as tx:
        held = await traffic.next_in_turn(tx)
        if held:
            await engine.traffic.forget()  # a rule that was ended a moment ago holds nobody
        return sum([await engine.release(tx, job) for job in held])


async def _release_held(database: Database, engine: Engine) -> None:
    """`release_held`, of which no defect may keep other jobs from moving."""
    try:
        await release_held(database, engine)
    except RetryableDatabaseError:
        raise
    except Exception:
        log.exception("traffic.round_failed")


async def _forget_rules(database: Database) -> None:
    async with database.transaction() as tx:
        await traffic.forget_expired(tx)


async def run_due(database: Database, engine: Engine, *, seconds: float = 0.2) -> None:
    """`release_held` and `resume_due` for ever."""
    forget_at = 0.0
    while True:
        try:
            if time.monotonic() >= forget_at:
                await _forget_rules(database)
                forget_at = time.monotonic() + FORGET_SECONDS
            await _release_held(database, engine)
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


Observation = Sighting | InventoryChunk | Heartbeat
Handler = Callable[[Tx, Sequence[Observation]], Awaitable[None]]


class ForeignReportError(Exception):
    """An agent spoke of what is not its cluster's."""


@dataclass(frozen=True)
class Said:
    """A message as it came from the agents of `cluster_id`, which the bus vouches for; None if from nobody's."""

    payload: bytes
    cluster_id: UUID | None


@dataclass(frozen=True)
class Inbox:
    """Applies the agents' messages: reports to jobs, all else to `observe`. One that cannot be applied is set aside."""

    database: Database
    engine: Engine
    observe: Handler

    async def apply(self, messages: Sequence[Said]) -> None:
        """All messages. Raises only if they must come again; what was applied then does no harm.

        Reports come first, since what is observed is news to them; each sort is applied together in one transaction.
        Should one of them break it, each gets a transaction of its own. What agents say of another cluster is set aside.
        """
        reports: list[tuple[bytes, Report]] = []
        others: list[tuple[bytes, Observation]] = []
        for payload, message in await self._own([(said, message) for said in messages for message in await self._read(said)]):
            if isinstance(message, Report):
                reports.append((payload, message))
            else:
                others.append((payload, message))
        await self._together(reports, self.engine.report)
        await self._together(others, self.observe)

    async def _together(self, messages: Sequence[tuple[bytes, M]], work: Callable[[Tx, Sequence[M]], Awaitable[None]]) -> None:
        if not messages:
            return
        try:
            async with self.database.transaction() as tx:
                await work(tx, [message for _, message in messages])
        except RetryableDatabaseError:
            raise
        except Exception as error:
            if len(messages) == 1:
                await self._set_aside(messages[0][0], error)
                return
            log.warning("messages.one_by_one", count=len(messages), exc_info=error)
            for each in messages:
                await self._together([each], work)

    async def _read(self, said: Said) -> Sequence[Report | Observation]:
        try:
            message = MESSAGE.validate_json(said.payload)
        except ValueError as error:
            await self._set_aside(said.payload, error)
            return ()
        return message.messages if isinstance(message, Bundle) else (message,)

    async def _own(self, heard: Sequence[tuple[Said, M]]) -> Sequence[tuple[bytes, M]]:
        """What is about the sender's own cluster, with its payload."""
        spoken = [(said, message, _subjects(message)) for said, message in heard]
        if not spoken:
            return ()
        async with self.database.transaction() as tx:
            places = await _clusters(tx, {subject for _, _, subjects in spoken for subject in subjects})
        own = []
        for said, message, subjects in spoken:
            named = {getattr(message, "cluster_id", said.cluster_id), *(places.get(each, said.cluster_id) for each in subjects)}
            if said.cluster_id is not None and named == {said.cluster_id}:
                own.append((said.payload, message))
            else:
                await self._set_aside(said.payload, ForeignReportError(f"sent by cluster {said.cluster_id}"))
        return own

    async def _set_aside(self, payload: bytes, error: Exception) -> None:
        log.error("report.set_aside", exc_info=error)
        async with self.database.transaction() as tx:
            await tx.execute(
                "INSERT INTO report_set_aside (message, error) VALUES ($1, $2)",
                {"text": _storable(payload.decode(errors="replace")[:100_000])},
                _storable(repr(error)),
            )


def _subjects(message: object) -> set[UUID]:
    """The jobs and resources that a message may change something of."""
    match message:
        case Report():
            return {message.task_id, message.agent_id, *(state.id for state in message.states)}
        case Sighting():
            return {message.state.id}
        case Heartbeat():
            return {message.agent_id, *(host.host_id for host in message.hosts)}
        case InventoryChunk():
            return set() if message.scope == NETWORK_SCOPE else {UUID(message.scope)}
    return set()


async def _clusters(tx: Tx, ids: Collection[UUID]) -> Mapping[UUID, UUID]:
    """The cluster of each of these jobs and resources that is in one."""
    rows = await tx.fetch(
        """SELECT id, cluster_id FROM job WHERE id = ANY($1::uuid[]) AND cluster_id IS NOT NULL
           UNION ALL SELECT id, cluster_id FROM resource WHERE id = ANY($1::uuid[]) AND cluster_id IS NOT NULL""",
        list(ids),
    )
    return {row["id"]: row["cluster_id"] for row in rows}
