"""The tasks that are here, from their arrival to their report: kept ours, told of while they last, and stopped when asked.

One ticker for all of them, since most tasks are over before there is anything to tell.
"""

import asyncio
import time
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

import nats.errors
import structlog
from nats.aio.msg import Msg
from pydantic import ValidationError

from groundplane.contracts.reports import Report
from groundplane.contracts.tasks import Scope, Stop, Task, stop_subject
from groundplane.dataplane.agent.context import TaskContext
from groundplane.dataplane.agent.identity import AgentIdentity
from groundplane.dataplane.agent.queues import Place
from groundplane.dataplane.agent.reporter import Reporter
from groundplane.kernel.bus import Bus
from groundplane.kernel.ending import ending

log = structlog.get_logger()

PROGRESS_SECONDS_AT_LEAST = 1.0
TICKS_A_PERIOD = 4
"""How often the ticker looks within the time after which a task says that it lives."""


@dataclass(eq=False, slots=True)
class Work:
    """One task that is here. `scopes` are those whose engines it needs.

    `told_at` is when it came, or said last that it lives, by the monotonic clock.
    """

    message: Msg
    task: Task
    scopes: AbstractSet[Scope]
    context: TaskContext
    place: Place
    trace: str
    started_at: datetime | None = None
    told: int = 0
    told_at: float = field(default_factory=time.monotonic)
    telling: bool = False

    def stop(self) -> None:
        """End it at its next check; now, if it waits for its turn."""
        self.context.stop()
        self.place.awake.set()


class Works:
    """Everything that is here."""

    def __init__(self, bus: Bus, identity: AgentIdentity, reporter: Reporter) -> None:
        self._bus = bus
        self._identity = identity
        self._reporter = reporter
        self._here: set[Work] = set()

    @contextmanager
    def here(self, work: Work) -> Iterator[None]:
        """The work is tended inside."""
        self._here.add(work)
        try:
            yield
        finally:
            self._here.discard(work)

    async def tend(self) -> None:
        """Tell of all that lasts, and heed stops. Until cancelled."""
        subscription = await self._bus.nats.subscribe(stop_subject(self._identity.cluster_id), cb=self._stop)
        try:
            async with asyncio.TaskGroup() as group:
                while not ending():
                    await asyncio.sleep(self._identity.progress_seconds / TICKS_A_PERIOD)
                    for work in [work for work in self._here if self._is_due(work)]:
                        work.telling = True
                        group.create_task(self._tell(work))
        finally:
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()

    async def _stop(self, message: Msg) -> None:
        try:
            stop = Stop.model_validate_json(message.data)
        except ValidationError:
            log.warning("stop.unreadable")
            return
        for work in self._here:
            if work.task.id == stop.task_id and work.task.fence <= stop.fence:
                log.info("task.stopped", task=str(stop.task_id), fence=work.task.fence)
                work.stop()

    def _is_due(self, work: Work) -> bool:
        if work.telling:
            return False
        silent = time.monotonic() - work.told_at
        return silent >= self._identity.progress_seconds or (work.context.moved and silent >= PROGRESS_SECONDS_AT_LEAST)

    async def _tell(self, work: Work) -> None:
        """Keep the message ours, and say that the work goes on."""
        work.context.moved = False
        work.told += 1
        task = work.task
        report = Report(
            task_id=task.id,
            fence=task.fence,
            outcome="progress",
            agent_id=self._identity.agent_id,
            at=self._identity.clock(),
            trace=work.trace,
            started_at=work.started_at,
        )
        # The message's own number of delivery is in it, or a second run's progress would be dropped as known.
        delivery = work.message.metadata.num_delivered
        try:
            with suppress(nats.errors.Error, TimeoutError):
                await work.message.in_progress()
                await self._reporter.say(report, f"{task.id}:{task.fence}:progress:{delivery}:{work.told}")
        finally:
            work.told_at = time.monotonic()
            work.telling = False
