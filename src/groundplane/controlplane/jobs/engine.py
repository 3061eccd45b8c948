"""Moves jobs: starts them, runs their steps, applies reports, retries what is transient, undoes what is cancelled, and ends
every one of them.

Everything happens in a caller's transaction; what goes to the bus goes after its commit, and can be lost without harm.
"""

import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from groundplane.contracts.faults import Fault
from groundplane.contracts.reports import Report, State
from groundplane.contracts.tasks import Ensure, Operation, Remove, Stop, Task
from groundplane.controlplane.jobs import job as jobs
from groundplane.controlplane.jobs.job import Job, Verb
from groundplane.controlplane.jobs.tracing import job_scope, keep_spans, step_attributes
from groundplane.controlplane.jobs.traffic import RULE_PREFIX, Rule, Traffic
from groundplane.controlplane.jobs.workflow import Absent, Ask, Done, Fail, Go, Move, Wait, Want, Workflow, Workflows
from groundplane.kernel.database import Tx
from groundplane.kernel.errors import ConflictError, NotFoundError
from groundplane.kernel.ids import format_id, new_id
from groundplane.kernel.metrics import REPORTS_APPLIED
from groundplane.kernel.telemetry import child_span, child_traceparent, current_span, current_trace, within

MOVES_AT_ONCE = 50
BACKOFF_BASE_SECONDS = 0.5
STOP_SECONDS = 15.0
"""How long a cancelled job waits for its agent to say that it stopped: longer than any lease lasts unrenewed."""


class ChangeInProgressError(ConflictError):
    """Another job is changing this resource. Wait until it ended, or delete the resource."""

    code = "change_in_progress"


class JobNotFoundError(NotFoundError):
    """There is no such job here. List the jobs."""


class JobEndedError(ConflictError):
    """The job has ended already. Read it to see how."""

    code = "job_ended"


class NotCancellableError(ConflictError):
    """What this job does cannot be undone. Let it end, or delete the resource."""

    code = "not_cancellable"


class ResourceStates(Protocol):
    """How jobs change resources without knowing them."""

    async def raise_fences(self, tx: Tx, resource_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """One more on each fence; the new ones."""

    async def hold(self, tx: Tx, job_ids: Collection[UUID]) -> "Held":
        """Lock, in one order, all that these jobs may change."""


class Held(Protocol):
    """The resources of some jobs, locked, and what becomes of them: told as it happens, whole once `close` was called."""

    def apply(self, job: Job, states: Sequence[State]) -> None:
        """What an agent found or made, in a report whose fence matched."""

    def settle(self, job: Job, fault: Fault | None) -> None:
        """The job ended: what is wanted is reached, or a fault came between."""

    async def take_back(self, job: Job, requested_by: UUID | None) -> Workflow:
        """Take back the job's wish; the workflow that brings the engines to where that is so. Raises NotCancellableError."""

    async def close(self) -> None:
        """Meter what is used now, and give back what was held until absence was confirmed."""


@dataclass(frozen=True)
class Start:
    """A job that is to be. It will hold the change of all that it touches; all their rows are locked, or new."""

    workflow: Workflow
    verb: Verb
    resource_id: UUID
    resource_kind: str
    organization_id: UUID | None
    project_id: UUID | None
    touching: Collection[UUID]
    requested_by: UUID | None
    reason: str
    cluster_id: UUID | None = None
    parent_id: UUID | None = None


class Outbox(Protocol):
    """The way to the agents, taken after the commit."""

    async def ask(self, task: Task) -> None:
        """Send a task."""

    async def stop(self, cluster_id: UUID, stop: Stop) -> None:
        """Say that a task should end."""


@dataclass(frozen=True)
class Engine:
    """The job service."""

    workflows: Workflows
    resources: ResourceStates
    outbox: Outbox
    traffic: Traffic = field(default_factory=Traffic)

    async def start(self, tx: Tx, wish: Start) -> Job:
        """Make a job, claim the change of all that it touches, and run it up to its first ask, unless a traffic rule holds it.

        Raises RejectedByRuleError.
        """
        job = Job(
            id=new_id(),
            workflow=wish.workflow.name,
            version=wish.workflow.version,
            verb=wish.verb,
            organization_id=wish.organization_id,
            project_id=wish.project_id,
            resource_id=wish.resource_id,
            resource_kind=wish.resource_kind,
            cluster_id=wish.cluster_id,
            parent_id=wish.parent_id,
            step=wish.workflow.first,
            next_at=tx.now,
            deadline=tx.now + wish.workflow.deadline,
            requested_by=wish.requested_by,
            reason=wish.reason,
            trace=current_trace() or child_traceparent(),
            created_at=tx.now,
        )
        rule = await self.traffic.admit(tx, job)
        jobs.insert(tx, job)
        jobs.claim(tx, job, wish.touching)
        jobs.note(tx, job, "entered")
        if rule is None:
            await self._alone(tx, job, self._run)
        else:
            self._keep_waiting(tx, job, rule)
        return job

    async def release(self, tx: Tx, job: Job) -> bool:
        """Let a held job begin, if every rule lets it. Its row is locked by the caller; whoever looks at due jobs runs it."""
        with job_scope(job, "job.release"):
            rule = await self.traffic.holder(tx, job)
            if rule is None:
                job.held, job.next_at, job.deadline = None, tx.now, tx.now + _allowance(job)
                jobs.save(tx, job)
                jobs.note(tx, job, "released")
            elif job.held is None or job.held["rule"] != str(rule.id):
                self._keep_waiting(tx, job, rule)
        return rule is None

    async def supersede(self, tx: Tx, job_id: UUID, *, reason: str) -> None:
        """End a job, if it has not ended: a newer wish takes its place. The next ask outfences its work."""
        job = (await jobs.lock(tx, [job_id])).get(job_id)
        if job is None or job.ended_at is not None:
            return
        message = f"A newer wish took the place of this job: {reason}."
        fault = Fault(code="superseded", fault_class="permanent", message=message)
        await self._alone(tx, job, lambda turn, _job: self._end(turn, job, fault))

    async def report(self, tx: Tx, reports: Sequence[Report]) -> None:
        """Apply reports, in their order. One that is not of the outstanding ask means nothing any more."""
        found = await jobs.lock(tx, {report.task_id for report in reports})
        current = {job.id for job in found.values() for report in reports if _answers(report, job)}
        if not current:
            return
        turn = Turn(tx, self.resources)
        await turn.hold(current)
        for report in reports:
            job = found.get(report.task_id)
            if job is not None and _answers(report, job):
                with job_scope(job, "report.apply"):
                    keep_spans(report)
                    await self._apply(turn, job, report)
                REPORTS_APPLIED.labels(report.outcome).inc()
        await turn.close()

    async def resume(self, tx: Tx, job: Job) -> None:
        """Look at a job whose time has come: try again, ask again, undo, or end it. Its row is locked by the caller."""
        with job_scope(job, "job.resume"):
            await self._alone(tx, job, self._resume)

    async def cancel(self, tx: Tx, job_id: UUID, *, requested_by: UUID | None) -> Job:
        """Have a job undone: at once, or when its agent said that it stopped. Ends FAILED with code `cancelled`.

        Raises JobNotFoundError, JobEndedError, NotCancellableError. A second cancel changes nothing.
        """
        job = (await jobs.lock(tx, [job_id])).get(job_id)
        if job is None:
            raise JobNotFoundError
        if job.ended_at is not None:
            raise JobEndedError(f"The job has ended already: it is {job.state}. Nothing was cancelled.")
        if job.cancel_requested_at is not None:
            return job
        job.cancel_requested_at = tx.now
        jobs.note(tx, job, "cancelling", requested_by=requested_by)
        if job.verb == "bulk":
            jobs.save(tx, job)
            for child_id in await jobs.open_children(tx, job.id):
                await self.cancel(tx, child_id, requested_by=requested_by)
        else:
            await self._alone(tx, job, lambda turn, _job: self._take_back(turn, job, requested_by))
        return job

    async def retry_now(self, tx: Tx, job: Job) -> Job:
        """Let a job that waits for its next try not wait any longer. Its row is locked by the caller."""
        job.next_at = tx.now
        jobs.save(tx, job)
        jobs.note(tx, job, "retry_requested")
        return job

    def _keep_waiting(self, tx: Tx, job: Job, rule: Rule) -> None:
        """The job waits for a rule: at most until that expires. Only from then on can it be late."""
        job.deadline, job.next_at = rule.expires_at + _allowance(job), rule.expires_at
        job.held = {"rule": str(rule.id), "action": rule.action, "reason": rule.reason}
        jobs.save(tx, job)
        jobs.note(tx, job, "held", rule=format_id(RULE_PREFIX, rule.id), reason=rule.reason, until=rule.expires_at)

    # One job's next move.

    async def _alone(self, tx: Tx, job: Job, move: Callable[["Turn", Job], Awaitable[None]]) -> None:
        turn = Turn(tx, self.resources)
        await move(turn, job)
        await turn.close()

    async def _apply(self, turn: "Turn", job: Job, report: Report) -> None:
        if report.outcome == "progress":
            self._postpone(turn, job)
            return
        calls = [call.model_dump(mode="json") for call in report.calls]
        fault = report.fault.model_dump() if report.fault else None
        jobs.note(
            turn.tx, job, "reported", outcome=report.outcome, at=report.at, started_at=report.started_at,
            agent_id=report.agent_id, calls=calls, fault=fault,
        )  # fmt: skip
        (await turn.hold([job.id])).apply(job, report.states)
        then = str(job.ask["then"]) if job.ask else job.step
        job.ask, job.ask_fence, job.step_deadline = None, None, None
        if job.to_undo:
            await self._undo(turn, job)
        elif report.fault is None:
            self._enter(turn.tx, job, then)
            await self._run(turn, job)
        else:
            await self._stumble(turn, job, report.fault)

    async def _resume(self, turn: "Turn", job: Job) -> None:
        now = turn.tx.now
        if now >= job.deadline:
            await self._end(turn, job, _deadline_exceeded(job))
        elif job.to_undo:
            await self._undo(turn, job)
        elif job.ask is not None and job.step_deadline is not None and now >= job.step_deadline:
            job.ask, job.ask_fence = None, None
            await self._stumble(turn, job, _step_too_slow(job))
        else:
            if job.ask is not None:
                jobs.note(turn.tx, job, "unanswered")
                job.attempt += 1
            elif job.state == "RETRYING":
                job.attempt += 1
            await self._run(turn, job)

    def _enter(self, tx: Tx, job: Job, step: str) -> None:
        job.step, job.attempt = step, 1
        jobs.note(tx, job, "entered")

    def _workflow(self, job: Job) -> Workflow:
        if job.undoing and job.undo_workflow is not None and job.undo_version is not None:
            return self.workflows[job.undo_workflow, job.undo_version]
        return self.workflows[job.workflow, job.version]

    async def _run(self, turn: "Turn", job: Job) -> None:
        workflow = self._workflow(job)
        job.state, job.held = "RUNNING", None
        job.started_at = job.started_at or turn.tx.now
        for _ in range(MOVES_AT_ONCE):
            with child_span(f"{workflow.name} {job.step}", step_attributes(job)):
                move: Move = await workflow.steps[job.step](turn.tx, job)
                if not isinstance(move, Go):
                    await self._stop(turn, job, move)
                    return
            self._enter(turn.tx, job, move.step)
        await self._end(turn, job, _endless(job))

    async def _stop(self, turn: "Turn", job: Job, move: Ask | Wait | Done | Fail) -> None:
        if isinstance(move, Done):
            await self._end(turn, job, None)
        elif isinstance(move, Fail):
            await self._stumble(turn, job, move.fault)
        elif isinstance(move, Wait):
            job.ask, job.ask_fence = None, None
            job.next_at = min(turn.tx.now + timedelta(seconds=move.seconds), job.deadline)
            jobs.save(turn.tx, job)
        else:
            await self._ask(turn.tx, job, move)

    async def _ask(self, tx: Tx, job: Job, ask: Ask) -> None:
        fences = await self.resources.raise_fences(tx, {job.resource_id, *(want.id for want in ask.wants)})
        task = Task(
            id=job.id,
            fence=fences[job.resource_id],
            cluster_id=ask.cluster_id,
            scope=ask.scope,
            not_after=min(tx.now + ask.hard, job.deadline),
            trace=current_trace(),
            operations=tuple(_operation(want, fences[want.id]) for want in ask.wants),
        )
        job.cluster_id = ask.cluster_id
        job.ask = {"then": ask.then, "idle": ask.idle.total_seconds(), "scope": ask.scope}
        job.ask_fence = task.fence
        job.step_deadline = task.not_after
        job.next_at = min(tx.now + ask.idle, task.not_after)
        jobs.save(tx, job)
        verbs = [f"{operation.verb} {want.kind}" for operation, want in zip(task.operations, ask.wants, strict=True)]
        jobs.note(tx, job, "asked", operations=verbs, fence=task.fence)
        asking = current_span()

        async def send() -> None:
            with within(asking):
                await self.outbox.ask(task)

        tx.after_commit.append(send)

    def _postpone(self, turn: "Turn", job: Job) -> None:
        """Progress moves the idle deadline alone: the hard one and the job's own are met all the same."""
        if not job.to_undo:  # whose agent has only so long to stop
            idle = timedelta(seconds=float(job.ask["idle"]) if job.ask else 0.0)
            job.next_at = _earliest(turn.tx.now + idle, job.step_deadline, job.deadline)
            jobs.save(turn.tx, job)

    async def _stumble(self, turn: "Turn", job: Job, fault: Fault) -> None:
        """Try again later if that may help. What is being undone is tried until it is done, or the job's deadline."""
        workflow = self._workflow(job)
        pause = _backoff(job.attempt, workflow.longest_pause)
        hopeless = fault.fault_class == "permanent" or job.attempt >= workflow.tries
        if (hopeless and not job.undoing) or turn.tx.now + pause >= job.deadline:
            await self._end(turn, job, fault if not job.undoing else _undo_incomplete(fault))
            return
        job.state, job.error = "RETRYING", fault.model_dump()
        job.next_at = turn.tx.now + pause
        jobs.save(turn.tx, job)
        jobs.note(turn.tx, job, "retrying", fault=fault.model_dump(), seconds=round(pause.total_seconds(), 3))

    async def _end(self, turn: "Turn", job: Job, fault: Fault | None) -> None:
        """The end: `fault` None says that what was wanted is reached, by the work itself or by its undo."""
        shown = _cancelled() if fault is None and job.undoing else fault
        job.state = "FAILED" if shown else "SUCCEEDED"
        job.error = shown.model_dump() if shown else None
        job.ask, job.ask_fence, job.next_at, job.step_deadline, job.held = None, None, None, None, None
        job.ended_at = turn.tx.now
        jobs.save(turn.tx, job)
        jobs.note(turn.tx, job, job.state.lower(), **({"fault": shown.model_dump()} if shown else {}))
        (await turn.hold([job.id])).settle(job, fault)
        turn.ended.append(job)

    # Cancelling: the wish is taken back at once; what was done is undone when nobody is at work on it any more.

    async def _take_back(self, turn: "Turn", job: Job, requested_by: UUID | None) -> None:
        workflow = await (await turn.hold([job.id])).take_back(job, requested_by)
        job.undo_workflow, job.undo_version = workflow.name, workflow.version
        cluster_id, fence = job.cluster_id, job.ask_fence
        if fence is None or cluster_id is None:
            await self._undo(turn, job)
            return
        stop = Stop(task_id=job.id, fence=fence)
        turn.tx.after_commit.append(lambda: self.outbox.stop(cluster_id, stop))
        job.next_at = _earliest(turn.tx.now + timedelta(seconds=STOP_SECONDS), job.step_deadline, job.deadline)
        jobs.save(turn.tx, job)

    async def _undo(self, turn: "Turn", job: Job) -> None:
        job.undoing = True
        workflow = self._workflow(job)
        job.ask, job.ask_fence, job.step_deadline = None, None, None
        job.deadline = turn.tx.now + workflow.deadline
        job.step, job.attempt, job.data = workflow.first, 1, {}
        jobs.note(turn.tx, job, "undoing", workflow=workflow.name)
        await self._run(turn, job)


class Turn:
    """One go at some jobs in one transaction: what they hold, and which of them ended."""

    def __init__(self, tx: Tx, resources: ResourceStates) -> None:
        self.tx = tx
        self.ended: list[Job] = []
        self._resources = resources
        self._held: Held | None = None

    async def hold(self, job_ids: Collection[UUID]) -> Held:
        """What the jobs of this turn may change, locked at the first call."""
        if self._held is None:
            self._held = await self._resources.hold(self.tx, job_ids)
        return self._held

    async def close(self) -> None:
        """Finish what became of it all."""
        if self._held is not None:
            await self._held.close()
        if parents := {job.parent_id for job in self.ended if job.parent_id is not None}:
            self.tx.last.append(lambda: jobs.wake_parents(self.tx, parents))


def _answers(report: Report, job: Job) -> bool:
    """Is the report of the job's outstanding ask?"""
    return job.ended_at is None and job.ask is not None and job.id == report.task_id and job.ask_fence == report.fence


def _operation(want: Want, fence: int) -> Operation:
    if isinstance(want, Absent):
        return Remove(fence=fence, kind=want.kind, id=want.id, pool=want.pool)
    return Ensure(fence=fence, spec=want)


def _allowance(job: Job) -> timedelta:
    """How long a job that has not begun may take, once it does."""
    return job.deadline - (job.next_at or job.created_at)


def _earliest(*moments: datetime | None) -> datetime:
    return min(moment for moment in moments if moment is not None)


def _backoff(attempt: int, longest: timedelta) -> timedelta:
    """Exponential with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter")."""
    ceiling = min(longest.total_seconds(), BACKOFF_BASE_SECONDS * 2.0 ** min(attempt, 30))
    return timedelta(seconds=random.uniform(0, ceiling))  # noqa: S311  # spreads load, guards nothing


def _deadline_exceeded(job: Job) -> Fault:
    last = f" The last error was: {job.error['message']}" if job.error else ""
    if job.undoing:
        return _undo_incomplete(Fault(code="deadline_exceeded", fault_class="permanent", message=last.strip() or "No answer."))
    message = f"The job did not end by its deadline.{last} What was wanted stays wanted; delete the resource or try again."
    return Fault(code="deadline_exceeded", fault_class="permanent", message=message)


def _undo_incomplete(fault: Fault) -> Fault:
    message = (
        f"The job was cancelled, but what it had done was not undone by its deadline: {fault.message} "
        "The platform goes on undoing it by itself."
    )
    return Fault(code="undo_incomplete", fault_class="permanent", message=message)


def _cancelled() -> Fault:
    message = "The job was cancelled, and what it had done was undone. Ask again if you want it after all."
    return Fault(code="cancelled", fault_class="permanent", message=message)


def _step_too_slow(job: Job) -> Fault:
    message = f"Step {job.step} did not end by its hard deadline."
    return Fault(code="step_deadline_exceeded", fault_class="transient", message=message)


def _endless(job: Job) -> Fault:
    message = f"Workflow {job.workflow} went through {MOVES_AT_ONCE} steps without coming to rest. This is a defect."
    return Fault(code="workflow_endless", fault_class="permanent", message=message)
