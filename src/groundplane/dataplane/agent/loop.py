"""Takes tasks from the cluster's consumer and sees each one through to its report. The acknowledgement comes last.

A task whose agent dies, loses its lease or cannot report comes again; since operations are idempotent, that is all right.
"""

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Literal
from uuid import UUID

import nats.errors
import structlog
from nats.aio.msg import Msg
from nats.js.client import JetStreamContext
from pydantic import BaseModel, ValidationError

from groundplane.contracts.faults import Fault, ProviderError, permanent, transient
from groundplane.contracts.reports import Call, Report, State
from groundplane.contracts.specs import SpecKind
from groundplane.contracts.tasks import TASKS_STREAM, Ensure, Operation, Task, task_consumer
from groundplane.dataplane.agent.context import TaskContext
from groundplane.dataplane.agent.drivers import Drivers
from groundplane.dataplane.agent.identity import AgentIdentity
from groundplane.dataplane.agent.leases import Lease
from groundplane.dataplane.agent.queues import Queues
from groundplane.dataplane.agent.reporter import Reporter
from groundplane.dataplane.providers.provider import Channel
from groundplane.kernel.bus import Bus
from groundplane.kernel.ending import ending
from groundplane.kernel.telemetry import current_trace, trace_scope

log = structlog.get_logger()

FETCH_SECONDS = 0.5
ELSEWHERE_SECONDS = 1.0
"""After which a task that is not ours to do is offered again."""
PROGRESS_SECONDS_AT_LEAST = 1.0
PUBLISH_RETRY_SECONDS = 0.5

Outcome = Literal["progress", "done", "failed"]


class Envelope(BaseModel):
    """The part of a task that suffices to refuse it."""

    id: UUID
    fence: int
    trace: str = ""


class Loop:
    """The agent's work, while the lease is held. Give `run` one call per lease."""

    def __init__(
        self,
        bus: Bus,
        identity: AgentIdentity,
        *,
        drivers: Drivers,
        lease: Lease,
        channel: Channel,
        reporter: Reporter,
    ) -> None:
        self._bus = bus
        self._identity = identity
        self._drivers = drivers
        self._lease = lease
        self._channel = channel
        self._reporter = reporter
        self._queues = Queues()
        self._running: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def run(self) -> None:
        """Take and carry out tasks until `stop` or the lease's end. Work that is not finished by then goes on."""
        self._stopping = False
        slots = asyncio.Semaphore(self._identity.in_flight)
        subscription = await self._bus.js.pull_subscribe_bind(
            consumer=task_consumer(self._identity.cluster_id), stream=TASKS_STREAM
        )
        try:
            while not self._stopping and self._lease.held():
                await slots.acquire()
                message = await self._fetch(subscription)
                if message is None:
                    slots.release()
                    continue
                work = asyncio.create_task(self._see_through(message))
                self._running.add(work)
                work.add_done_callback(self._running.discard)
                work.add_done_callback(lambda _work: slots.release())
        finally:
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()

    def stop(self) -> None:
        """Take no more tasks; `run` returns within FETCH_SECONDS."""
        self._stopping = True

    async def drain(self, seconds: float) -> None:
        """Give running work so long to finish, then give it up: its tasks come again, here or elsewhere."""
        if self._running and seconds > 0:
            await asyncio.wait(self._running, timeout=seconds)
        for work in self._running:
            work.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=FETCH_SECONDS)

    async def _fetch(self, subscription: JetStreamContext.PullSubscription) -> Msg | None:
        """One task. One by one on purpose: nats-py's fetch of several holds the first back until the time is up."""
        try:
            (message,) = await subscription.fetch(1, timeout=FETCH_SECONDS)
        except TimeoutError:
            return None
        except nats.errors.Error as error:
            log.warning("tasks.not_fetched", error=repr(error))
            await asyncio.sleep(PUBLISH_RETRY_SECONDS)
            return None
        return message

    async def _see_through(self, message: Msg) -> None:
        try:
            finished = await self._answer(message)
        except asyncio.CancelledError:
            finished = False
        except Exception:
            log.error("task.lost", error=traceback.format_exc())  # noqa: TRY400 - exc_info would print locals
            finished = False
        with suppress(nats.errors.Error):
            if finished:
                await message.ack()
            else:
                await message.nak(delay=ELSEWHERE_SECONDS)

    async def _answer(self, message: Msg) -> bool:
        """Has the task come to its end, so that it need not come again?"""
        try:
            task = Task.model_validate_json(message.data)
        except ValidationError as error:
            return await self._refuse_unreadable(message, error)
        if self._stopping or not self._lease.held():
            return False
        if not self._drivers.serves(task.scope):
            return self._identity.clock() > task.not_after  # nobody may carry it out any more
        resource_ids = {_target(operation)[1] for operation in task.operations}
        if self._queues.is_crowded(resource_ids):
            return False  # or one slow resource would take all the slots
        context = TaskContext(self._lease, task.not_after, self._identity.clock)
        with trace_scope(task.trace), structlog.contextvars.bound_contextvars(task=str(task.id), fence=task.fence):
            async with self._beating(message, task, context), self._queues.turn(resource_ids):
                return await self._carry_out(task, context)

    async def _carry_out(self, task: Task, context: TaskContext) -> bool:
        states: list[State] = []
        calls: list[Call] = []
        fault = await self._operate(task, context, states, calls)
        if fault is not None and fault.code == "lease_lost":
            return False  # whoever holds the lease now gets the task
        outcome: Outcome = "failed" if fault else "done"
        report = self._report(task, outcome, states=tuple(states), calls=tuple(calls), fault=fault)
        return await self._say(report, f"{task.id}:{task.fence}:{outcome}")

    async def _operate(self, task: Task, context: TaskContext, states: list[State], calls: list[Call]) -> Fault | None:
        """Carry out the operations in order; answers the fault of the first that failed."""
        left = (task.not_after - self._identity.clock()).total_seconds()
        try:
            context.check()
            async with asyncio.timeout(left) as limit:
                for operation in task.operations:
                    with _timed(operation, calls):
                        states.append(await self._drivers.carry_out(task.scope, operation, context, self._channel))
        except ProviderError as error:
            return error.fault
        except TimeoutError as error:
            if limit.expired():
                return transient("too_late", "The engine did not answer before the task's last moment.").fault
            return _unexpected(error)
        except Exception as error:  # whatever a provider did not map must not end the agent
            return _unexpected(error)
        return None

    @asynccontextmanager
    async def _beating(self, message: Msg, task: Task, context: TaskContext) -> AsyncIterator[None]:
        beat = asyncio.create_task(self._beat(message, task, context))
        try:
            yield
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)

    async def _beat(self, message: Msg, task: Task, context: TaskContext) -> None:
        """Keep the message ours, and say that the work goes on: on a period, and when the provider says so."""
        number = 0
        while not ending():
            with suppress(TimeoutError):
                await asyncio.wait_for(context.moved.wait(), self._identity.progress_seconds)
            context.moved.clear()
            number += 1
            # The message's own number of delivery is in it, or a second run's progress would be dropped as known.
            delivery = message.metadata.num_delivered
            with suppress(nats.errors.Error, TimeoutError):
                await message.in_progress()
                await self._reporter.say(self._report(task, "progress"), f"{task.id}:{task.fence}:progress:{delivery}:{number}")
            await asyncio.sleep(PROGRESS_SECONDS_AT_LEAST)

    def _report(
        self,
        task: Task | Envelope,
        outcome: Outcome,
        *,
        states: tuple[State, ...] = (),
        calls: tuple[Call, ...] = (),
        fault: Fault | None = None,
    ) -> Report:
        return Report(
            task_id=task.id,
            fence=task.fence,
            outcome=outcome,
            agent_id=self._identity.agent_id,
            at=self._identity.clock(),
            states=states,
            calls=calls,
            fault=fault,
            trace=current_trace(),
        )

    async def _say(self, report: Report, message_id: str) -> bool:
        """Publish until it is stored or the lease is lost."""
        while self._lease.held() and not ending():
            try:
                await self._reporter.say(report, message_id)
            except (nats.errors.Error, TimeoutError) as error:
                log.warning("report.not_sent", error=repr(error))
                await asyncio.sleep(PUBLISH_RETRY_SECONDS)
            else:
                log.info("task.reported", outcome=report.outcome, fault=report.fault and report.fault.code)
                return True
        return False

    async def _refuse_unreadable(self, message: Msg, error: ValidationError) -> bool:
        """A task that this release does not understand is refused if it can be named, and dropped if not."""
        log.error("task.unreadable", subject=message.subject, errors=error.error_count())
        try:
            envelope = Envelope.model_validate_json(message.data)
        except ValidationError:
            return True
        fault = permanent("task_unreadable", "The agent does not understand this task. Update the agent.").fault
        with trace_scope(envelope.trace):
            report = self._report(envelope, "failed", fault=fault)
            return await self._say(report, f"{envelope.id}:{envelope.fence}:failed")


def _target(operation: Operation) -> tuple[SpecKind, UUID]:
    """What an operation is about."""
    if isinstance(operation, Ensure):
        return operation.spec.kind, operation.spec.id
    return operation.kind, operation.id


@contextmanager
def _timed(operation: Operation, calls: list[Call]) -> Iterator[None]:
    """Note how long the call took, whether it went well or not."""
    kind, resource_id = _target(operation)
    started = time.perf_counter()
    try:
        yield
    finally:
        milliseconds = (time.perf_counter() - started) * 1_000
        calls.append(Call(verb=operation.verb, kind=kind, id=resource_id, milliseconds=milliseconds))


def _unexpected(error: Exception) -> Fault:
    """An error that a provider should have mapped. Its message stays in the log: it may hold what is not the user's."""
    # format_exception prints no local variables, as a rendering of exc_info might: secrets are among them.
    log.error("task.unexpected_error", error="".join(traceback.format_exception(error)))
    return transient("agent_error", f"The agent met an error it does not know: {type(error).__name__}.").fault
