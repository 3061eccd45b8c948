"""Moves jobs: starts them, runs their steps, applies reports, retries what is transient, and ends every one of them.

Everything happens in a caller's transaction; what goes to the bus goes after its commit, and can be lost without harm.
"""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog

from groundplane.contracts.faults import Fault
from groundplane.contracts.reports import Report, State
from groundplane.contracts.tasks import Ensure, Operation, Remove, Task
from groundplane.controlplane.jobs import job as jobs
from groundplane.controlplane.jobs.job import Job
from groundplane.controlplane.jobs.workflow import Absent, Ask, Done, Fail, Go, Move, Wait, Want, Workflow, Workflows
from groundplane.kernel.database import Tx
from groundplane.kernel.errors import ConflictError
from groundplane.kernel.ids import format_id, new_id
from groundplane.kernel.telemetry import current_trace, trace_scope

log = structlog.get_logger()

MOVES_AT_ONCE = 50
BACKOFF_BASE_SECONDS = 0.5
BACKOFF_CEILING_SECONDS = 60.0


class ChangeInProgressError(ConflictError):
    """Another job is changing this resource. Wait until it ended, or delete the resource."""

    code = "change_in_progress"


class ResourceStates(Protocol):
    """How jobs change resources without knowing them."""

    async def raise_fences(self, tx: Tx, resource_ids: Sequence[UUID]) -> Mapping[UUID, int]:
        """One more on each fence; the new ones."""

    async def apply(self, tx: Tx, job: Job, states: Sequence[State]) -> None:
        """What an agent found or made, in a report whose fence matched."""

    async def settle(self, tx: Tx, job: Job, touched: Sequence[UUID], fault: Fault | None) -> None:
        """The job ended: statuses, and what was held until absence was confirmed."""


@dataclass(frozen=True)
class Engine:
    """The job service. `publish` sends a task after the commit."""

    workflows: Workflows
    resources: ResourceStates
    publish: Callable[[Task], Awaitable[None]]

    async def start(
        self,
        tx: Tx,
        workflow: Workflow,
        *,
        resource_id: UUID,
        resource_kind: str,
        organization_id: UUID | None,
        project_id: UUID | None,
        touching: Sequence[UUID],
        requested_by: UUID | None,
        reason: str,
    ) -> Job:
        """Make a job, claim the change of all that it touches, and run it up to its first ask.

        Raises ChangeInProgressError when another job is changing one of them.
        """
        now = await self._now(tx)
        job = Job(
            id=new_id(),
            workflow=workflow.name,
            version=workflow.version,
            organization_id=organization_id,
            project_id=project_id,
            resource_id=resource_id,
            resource_kind=resource_kind,
            parent_id=None,
            state="PENDING",
            step=workflow.first,
            attempt=1,
            data={},
            ask=None,
            ask_fence=None,
            next_at=now,
            step_deadline=None,
            deadline=now + workflow.deadline,
            error=None,
            requested_by=requested_by,
            reason=reason,
            trace=current_trace(),
            created_at=now,
            started_at=None,
            ended_at=None,
        )
        await jobs.insert(tx, job)
        await self._claim(tx, job, touching)
        await jobs.note(tx, job, "entered")
        await self._run(tx, job)
        return job

    async def supersede(self, tx: Tx, job_id: UUID, *, reason: str) -> None:
        """End a job, if it has not ended: a newer wish takes its place. The next ask outfences its work."""
        job = await jobs.lock(tx, job_id)
        if job is None or job.ended_at is not None:
            return
        message = f"A newer wish took the place of this job: {reason}."
        fault = Fault(code="superseded", fault_class="permanent", message=message)
        await self._end(tx, job, fault)

    async def report(self, tx: Tx, report: Report) -> Job | None:
        """Apply a report; the job. None when it is not of the outstanding ask, and so means nothing any more."""
        job = await jobs.lock(tx, report.task_id)
        if job is None or job.ended_at is not None or job.ask is None or job.ask_fence != report.fence:
            return None
        with trace_scope(job.trace):
            if report.outcome == "progress":
                await self._postpone(tx, job)
                return job
            calls = [call.model_dump(mode="json") for call in report.calls]
            await jobs.note(tx, job, "reported", outcome=report.outcome, at=report.at, calls=calls)
            await self.resources.apply(tx, job, report.states)
            then = str(job.ask["then"])
            job.ask, job.ask_fence, job.step_deadline = None, None, None
            if report.fault is None:
                await self._enter(tx, job, then)
                await self._run(tx, job)
            else:
                await self._stumble(tx, job, report.fault)
        return job

    async def resume(self, tx: Tx, job: Job) -> None:
        """Look at a job whose time has come: try again, ask again, or end it. Its row is locked by the caller."""
        now = await self._now(tx)
        with trace_scope(job.trace):
            if now >= job.deadline:
                await self._end(tx, job, _deadline_exceeded(job))
            elif job.ask is not None and job.step_deadline is not None and now >= job.step_deadline:
                job.ask, job.ask_fence = None, None
                await self._stumble(tx, job, _step_too_slow(job))
            else:
                if job.ask is not None:
                    await jobs.note(tx, job, "unanswered")
                    job.attempt += 1
                elif job.state == "RETRYING":
                    job.attempt += 1
                await self._run(tx, job)

    async def _claim(self, tx: Tx, job: Job, touching: Sequence[UUID]) -> None:
        for resource_id in sorted(touching):
            claimed = await tx.execute(
                "INSERT INTO change_claim (resource_id, job_id) VALUES ($1, $2) ON CONFLICT DO NOTHING", resource_id, job.id
            )
            if not claimed:
                other = await jobs.holder(tx, resource_id)
                text = format_id("job", other.id) if other else "unknown"
                raise ChangeInProgressError(
                    f"Job {text} is changing this resource. Wait until it ended, or delete the resource.", context={"job": text}
                )

    async def _enter(self, tx: Tx, job: Job, step: str) -> None:
        job.step, job.attempt = step, 1
        await jobs.note(tx, job, "entered")

    async def _run(self, tx: Tx, job: Job) -> None:
        workflow = self.workflows[job.workflow, job.version]
        job.state = "RUNNING"
        for _ in range(MOVES_AT_ONCE):
            move: Move = await workflow.steps[job.step](tx, job)
            if isinstance(move, Go):
                await self._enter(tx, job, move.step)
                continue
            await self._stop(tx, job, move)
            return
        await self._end(tx, job, _endless(job))

    async def _stop(self, tx: Tx, job: Job, move: Ask | Wait | Done | Fail) -> None:
        if isinstance(move, Done):
            await self._end(tx, job, None)
        elif isinstance(move, Fail):
            await self._stumble(tx, job, move.fault)
        elif isinstance(move, Wait):
            job.ask, job.ask_fence = None, None
            job.next_at = min(await self._now(tx) + timedelta(seconds=move.seconds), job.deadline)
            await jobs.save(tx, job)
        else:
            await self._ask(tx, job, move)

    async def _ask(self, tx: Tx, job: Job, ask: Ask) -> None:
        now = await self._now(tx)
        fences = await self.resources.raise_fences(tx, sorted({job.resource_id, *(want.id for want in ask.wants)}))
        task = Task(
            id=job.id,
            fence=fences[job.resource_id],
            cluster_id=ask.cluster_id,
            scope=ask.scope,
            not_after=min(now + ask.hard, job.deadline),
            trace=current_trace(),
            operations=tuple(_operation(want, fences[want.id]) for want in ask.wants),
        )
        job.ask = {"then": ask.then, "idle": ask.idle.total_seconds(), "scope": ask.scope}
        job.ask_fence = task.fence
        job.step_deadline = task.not_after
        job.next_at = min(now + ask.idle, task.not_after)
        await jobs.save(tx, job)
        verbs = [f"{operation.verb} {want.kind}" for operation, want in zip(task.operations, ask.wants, strict=True)]
        await jobs.note(tx, job, "asked", operations=verbs, fence=task.fence)
        tx.after_commit.append(lambda: self.publish(task))

    async def _postpone(self, tx: Tx, job: Job) -> None:
        """Progress moves the idle deadline alone: the hard one and the job's own are met all the same."""
        idle = float(job.ask["idle"]) if job.ask else 0.0
        await tx.execute(
            "UPDATE job SET next_at = least(now() + make_interval(secs => $2), step_deadline, deadline) WHERE id = $1",
            job.id,
            idle,
        )

    async def _stumble(self, tx: Tx, job: Job, fault: Fault) -> None:
        workflow = self.workflows[job.workflow, job.version]
        now = await self._now(tx)
        pause = _backoff(job.attempt)
        if fault.fault_class == "permanent" or job.attempt >= workflow.tries or now + pause >= job.deadline:
            await self._end(tx, job, fault)
            return
        job.state, job.error = "RETRYING", fault.model_dump()
        job.next_at = now + pause
        await jobs.save(tx, job)
        await jobs.note(tx, job, "retrying", fault=fault.model_dump(), seconds=round(pause.total_seconds(), 3))

    async def _end(self, tx: Tx, job: Job, fault: Fault | None) -> None:
        job.state = "FAILED" if fault else "SUCCEEDED"
        job.error = fault.model_dump() if fault else None
        job.ask, job.ask_fence, job.next_at, job.step_deadline = None, None, None, None
        job.ended_at = await self._now(tx)
        await jobs.save(tx, job)
        await jobs.note(tx, job, job.state.lower(), **({"fault": fault.model_dump()} if fault else {}))
        touched = await jobs.touched(tx, job.id)
        await self.resources.settle(tx, job, touched, fault)
        await tx.execute("DELETE FROM change_claim WHERE job_id = $1", job.id)

    async def _now(self, tx: Tx) -> datetime:
        now: datetime = await tx.value("SELECT clock_timestamp()")
        return now.astimezone(UTC)


def _operation(want: Want, fence: int) -> Operation:
    if isinstance(want, Absent):
        return Remove(fence=fence, kind=want.kind, id=want.id, pool=want.pool)
    return Ensure(fence=fence, spec=want)


def _backoff(attempt: int) -> timedelta:
    """Exponential with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter")."""
    ceiling = min(BACKOFF_CEILING_SECONDS, BACKOFF_BASE_SECONDS * 2.0**attempt)
    return timedelta(seconds=random.uniform(0, ceiling))  # noqa: S311  # spreads load, guards nothing


def _deadline_exceeded(job: Job) -> Fault:
    last = f" The last error was: {job.error['message']}" if job.error else ""
    message = f"The job did not end by its deadline.{last} What was wanted stays wanted; delete the resource or try again."
    return Fault(code="deadline_exceeded", fault_class="permanent", message=message)


def _step_too_slow(job: Job) -> Fault:
    message = f"Step {job.step} did not end by its hard deadline."
    return Fault(code="step_deadline_exceeded", fault_class="transient", message=message)


def _endless(job: Job) -> Fault:
    message = f"Workflow {job.workflow} went through {MOVES_AT_ONCE} steps without coming to rest. This is a defect."
    return Fault(code="workflow_endless", fault_class="permanent", message=message)
