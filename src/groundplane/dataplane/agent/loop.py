"""Takes tasks from the cluster's consumer and sees each one through to its report. The acknowledgement comes last.

A task whose agent dies, loses its lease or cannot report comes again; since operations are idempotent, that is all right.
"""

import asyncio
import time
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from datetime import datetime
from typing import Literal
from uuid import UUID

import nats.errors
import structlog
from nats.aio.msg import Msg
from pydantic import BaseModel, ValidationError

from groundplane.contracts.faults import Fault, ProviderError, permanent, transient
from groundplane.contracts.reports import MOST_SPANS, Call, Report, SpanRecord, State
from groundplane.contracts.specs import SpecKind
from groundplane.contracts.tasks import NETWORK_SCOPE, TASKS_STREAM, Ensure, Operation, Scope, Task, task_consumer
from groundplane.dataplane.agent.context import TaskContext
from groundplane.dataplane.agent.drivers import NETWORK_KINDS, Drivers
from groundplane.dataplane.agent.identity import AgentIdentity
from groundplane.dataplane.agent.leases import Lease
from groundplane.dataplane.agent.queues import Queues, Shares
from groundplane.dataplane.agent.reporter import Reporter
from groundplane.dataplane.agent.works import Work, Works
from groundplane.dataplane.providers.provider import Channel
from groundplane.kernel.bus import Bus
from groundplane.kernel.ending import ending
from groundplane.kernel.telemetry import Span, child_span, current_span, current_trace, trace_scope

log = structlog.get_logger()

BATCH = 64
BEAT_SECONDS = 0.02
GIVE_UP_SECONDS = 0.5
ELSEWHERE_SECONDS = 1.0
"""After which a task that is not ours to do, or for which there is no room here, is offered again."""
PUBLISH_RETRY_SECONDS = 0.5

Outcome = Literal["done", "failed"]


class Envelope(BaseModel):
    """The part of a task that suffices to refuse it."""

    id: UUID
    fence: int
    trace: str = ""


class Loop:
    """The agent's work, while the lease is held. Give `run` one call per lease, and `works` their tending all the time."""

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
        self.works = Works(bus, identity, reporter)
        self._bus = bus
        self._identity = identity
        self._drivers = drivers
        self._lease = lease
        self._channel = channel
        self._reporter = reporter
        self._queues = Queues()
        self._shares = Shares(per_host=identity.in_flight_per_host, of_network=identity.in_flight_of_network)
        self._running: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Take and carry out tasks until `stop`. Work that is not finished by then goes on."""
        self._stopping.clear()
        taking = asyncio.create_task(self._take())
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({taking, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (taking, stopped):
                task.cancel()
            await asyncio.wait({taking, stopped})
        if not taking.cancelled():
            taking.result()

    def stop(self) -> None:
        """Take no more tasks; `run` returns, and what was fetched and not begun is handed back."""
        self._stopping.set()

    @property
    def in_flight(self) -> int:
        """How many tasks are here now."""
        return len(self._running)

    async def drain(self, seconds: float) -> None:
        """Give running work so long to finish, then give it up: its tasks come again, here or elsewhere."""
        if self._running and seconds > 0:
            await asyncio.wait(self._running, timeout=seconds)
        for work in self._running:
            work.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=GIVE_UP_SECONDS)

    async def _take(self) -> None:
        consumer = task_consumer(self._identity.cluster_id)
        async with aclosing(self._bus.consume(TASKS_STREAM, consumer, batch=BATCH)) as lists:
            async for messages in lists:
                began = time.monotonic()
                await self._begin_all(messages)
                # The first is begun at once; while more come in, they are taken several at a time.
                await asyncio.sleep(max(0.0, began + BEAT_SECONDS - time.monotonic()))

    async def _begin_all(self, messages: Sequence[Msg]) -> None:
        """As many as there is room for; the others wait a moment, and then not here."""
        patience = time.monotonic() + ELSEWHERE_SECONDS
        waiting = deque(messages)
        try:
            while waiting and await self._finds_room(patience):
                self._begin(waiting.popleft())
        finally:
            with suppress(nats.errors.Error):
                for message in waiting:
                    await message.nak(delay=ELSEWHERE_SECONDS)

    async def _finds_room(self, until: float) -> bool:
        while len(self._running) >= self._identity.in_flight:
            self._room.clear()
            try:
                async with asyncio.timeout(until - time.monotonic()):
                    await self._room.wait()
            except TimeoutError:
                return False
        return True

    def _begin(self, message: Msg) -> None:
        work = asyncio.create_task(self._see_through(message))
        self._running.add(work)
        work.add_done_callback(self._end)

    def _end(self, work: "asyncio.Task[None]") -> None:
        self._running.discard(work)
        self._room.set()

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
        if self._stopping.is_set() or not self._lease.held():
            return False
        if not self._drivers.serves(task.scope):
            return self._identity.clock() > task.not_after  # nobody may carry it out any more
        resource_ids = {_target(operation)[1] for operation in task.operations}
        scopes = _scopes(task)
        if self._queues.is_crowded(resource_ids) or self._shares.are_taken(scopes):
            return False  # or one slow resource or host would take all the room
        # Not taken back at the end: each task has a context of its own.
        structlog.contextvars.bind_contextvars(task=str(task.id), fence=task.fence)
        context = TaskContext(self._lease, task.not_after, self._identity.clock)
        with (
            trace_scope(task.trace, "agent.task", {"groundplane.scope": task.scope}) as trace,
            self._queues.place(resource_ids) as place,
        ):
            work = Work(message, task, scopes, context, place, trace)
            with self.works.here(work):
                return await self._carry_out(work)

    async def _carry_out(self, work: Work) -> bool:
        """Wait for the turn, call the providers, report."""
        task = work.task
        states: list[State] = []
        calls: list[Call] = []
        with self._shares.share(work.scopes):
            await work.place.awake.wait()
            fault = await self._operate(work, states, calls)
        _end_span(fault)
        if fault is not None and fault.code == "lease_lost":
            return False  # whoever holds the lease now gets the task
        outcome: Outcome = "failed" if fault else "done"
        report = self._report(task, outcome, states=tuple(states), calls=tuple(calls), fault=fault, started_at=work.started_at)
        return await self._say(report, f"{task.id}:{task.fence}:{outcome}")

    async def _operate(self, work: Work, states: list[State], calls: list[Call]) -> Fault | None:
        """Carry out the operations in order; answers the fault of the first that failed."""
        task, context = work.task, work.context
        now = self._identity.clock()
        try:
            context.check()
            work.started_at = now
            async with asyncio.timeout((task.not_after - now).total_seconds()) as limit:
                for operation in task.operations:
                    context.check()
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

    def _report(
        self,
        task: Task | Envelope,
        outcome: Outcome,
        *,
        states: tuple[State, ...] = (),
        calls: tuple[Call, ...] = (),
        fault: Fault | None = None,
        started_at: datetime | None = None,
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
            started_at=started_at,
            spans=_told(),
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
                if report.fault:
                    log.info("task.failed", fault=report.fault.code)
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


def _scopes(task: Task) -> set[Scope]:
    """Whose engines the task needs: its host's, and the network's when it has something to do there."""
    needs_network = any(_target(operation)[0] in NETWORK_KINDS for operation in task.operations)
    return {task.scope, NETWORK_SCOPE} if needs_network else {task.scope}


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
        with child_span(f"{operation.verb} {kind}", {"groundplane.resource": str(resource_id)}):
            yield
    finally:
        milliseconds = (time.perf_counter() - started) * 1_000
        calls.append(Call(verb=operation.verb, kind=kind, id=resource_id, milliseconds=milliseconds))


def _end_span(fault: Fault | None) -> None:
    """End the task's span before its report is made, which takes it along."""
    span = current_span()
    if span is not None:
        span.end(fault.code if fault else "")


def _told() -> tuple[SpanRecord, ...]:
    """What the report tells the trace: the newest spans, which the task's own ends."""
    span = current_span()
    return tuple(map(_span_record, span.local.ended[-MOST_SPANS:])) if span is not None else ()


def _span_record(span: Span) -> SpanRecord:
    return SpanRecord(
        span_id=span.span_id,
        parent_id=span.parent_id,
        name=span.name,
        started_ns=span.started_ns,
        nanoseconds=span.ended_ns - span.started_ns,
        error=span.error,
        attributes=span.attributes,
    )


def _unexpected(error: Exception) -> Fault:
    """An error that a provider should have mapped. Its message stays in the log: it may hold what is not the user's."""
    # format_exception prints no local variables, as a rendering of exc_info might: secrets are among them.
    log.error("task.unexpected_error", error="".join(traceback.format_exception(error)))
    return transient("agent_error", f"The agent met an error it does not know: {type(error).__name__}.").fault
