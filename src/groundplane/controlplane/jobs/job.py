"""A job as its row says it, and the SQL of the tables `job`, `job_event` and `change_claim`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from groundplane.kernel.database import Row, Tx
from groundplane.kernel.where import Where

JobState = Literal["PENDING", "RUNNING", "RETRYING", "SUCCEEDED", "FAILED"]
Verb = Literal["create", "update", "delete", "correct", "bulk"]


@dataclass(kw_only=True)
class Job:
    """One attempt at what is wanted. Mutable while its row lock is held.

    Once it is to be cancelled, `undo_workflow` says what undoes it, and `undoing` that this has begun. `held`, of a job that a
    traffic rule keeps from beginning: {rule, action, reason}; `next_at` is then the rule's expiry.
    """

    id: UUID
    workflow: str
    version: int
    verb: Verb
    organization_id: UUID | None
    project_id: UUID | None
    resource_id: UUID
    resource_kind: str
    cluster_id: UUID | None = None
    parent_id: UUID | None = None
    state: JobState = "PENDING"
    step: str
    attempt: int = 1
    data: dict[str, Any] = field(default_factory=dict)
    ask: dict[str, Any] | None = None
    ask_fence: int | None = None
    next_at: datetime | None
    step_deadline: datetime | None = None
    deadline: datetime
    error: dict[str, Any] | None = None
    requested_by: UUID | None
    reason: str
    trace: str
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    undo_workflow: str | None = None
    undo_version: int | None = None
    undoing: bool = False
    held: dict[str, Any] | None = None

    @classmethod
    def from_row(cls, row: Row) -> "Job":
        """The job of a row with every column of the table."""
        return cls(**dict(row))

    @property
    def to_undo(self) -> bool:
        """Is it to be undone, once its agent has stopped?"""
        return self.undo_workflow is not None and not self.undoing


_NAMES = tuple(Job.__dataclass_fields__)
COLUMNS = ", ".join(f"job.{name}" for name in _NAMES)
_MOVING = (
    "state", "step", "attempt", "data", "ask", "ask_fence", "next_at", "step_deadline", "deadline", "error", "started_at",
    "ended_at", "cancel_requested_at", "undo_workflow", "undo_version", "undoing",
    "cluster_id", "held",
)  # fmt: skip


def insert(tx: Tx, job: Job) -> None:
    """Write a new job behind; `save` still changes it."""
    tx.insert("job", {name: getattr(job, name) for name in _NAMES})


def save(tx: Tx, job: Job) -> None:
    """Write behind what a move changed."""
    tx.update("job", job.id, {name: getattr(job, name) for name in _MOVING})


def note(tx: Tx, job: Job, what: str, **detail: object) -> None:
    """Add a line to the job's own history."""
    tx.insert("job_event", {"job_id": job.id, "step": job.step, "attempt": job.attempt, "what": what, "detail": detail})


def claim(tx: Tx, job: Job, resource_ids: Collection[UUID]) -> None:
    """Hold the change of resources, all of whose rows the caller has locked or made, until the job ends."""
    tx.read["claims", job.id] = frozenset(resource_ids)
    for resource_id in sorted(resource_ids):
        tx.insert("change_claim", {"resource_id": resource_id, "job_id": job.id})


async def lock(tx: Tx, job_ids: Collection[UUID]) -> Mapping[UUID, Job]:
    """The jobs that there are of these, held in the order of their ids until the transaction ends."""
    sql = f"SELECT {COLUMNS} FROM job WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE"  # noqa: S608  # our own columns
    return {row["id"]: Job.from_row(row) for row in await tx.fetch(sql, list(job_ids))}


async def get(tx: Tx, job_id: UUID) -> Job | None:
    """The job as it is now."""
    row = await tx.row(f"SELECT {COLUMNS} FROM job WHERE id = $1", job_id)  # noqa: S608  # our own columns
    return Job.from_row(row) if row else None


async def page(
    tx: Tx,
    *,
    project_id: UUID | None = None,
    resource_id: UUID | None = None,
    parent_id: UUID | None = None,
    state: str | None = None,
    verb: str | None = None,
    resource_kind: str | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> Sequence[Job]:
    """The newest jobs first, `after` being the last id of the page before. None for a filter means all."""
    where = Where()
    where.equal(project_id=project_id, resource_id=resource_id, parent_id=parent_id)
    where.equal(state=state, verb=verb, resource_kind=resource_kind)
    where.made(created_after, created_before)
    where.before(after)
    sql = f"SELECT {COLUMNS} FROM job {where.sql} ORDER BY id DESC LIMIT {where.place(limit)}"  # noqa: S608  # our own columns
    return [Job.from_row(row) for row in await tx.fetch(sql, *where.values)]


async def history(tx: Tx, job_id: UUID) -> Sequence[Row]:
    """What happened to a job, in order: at, step, attempt, what, detail."""
    return await tx.fetch("SELECT at, step, attempt, what, detail FROM job_event WHERE job_id = $1 ORDER BY number", job_id)


async def touched(tx: Tx, job: Job) -> Collection[UUID]:
    """The resources whose change the job holds: no other may be asked for in its name."""
    if (claimed := tx.read.get(("claims", job.id))) is not None:
        return set(claimed)
    rows = await tx.fetch("SELECT resource_id FROM change_claim WHERE job_id = $1", job.id)
    return {row["resource_id"] for row in rows}


async def holder(tx: Tx, resource_id: UUID) -> Job | None:
    """The job that is changing this resource now."""
    row = await tx.row(
        f"SELECT {COLUMNS} FROM job JOIN change_claim ON job_id = job.id WHERE change_claim.resource_id = $1",  # noqa: S608
        resource_id,
    )
    return Job.from_row(row) if row else None


async def children(tx: Tx, parent_id: UUID) -> Mapping[str, int]:
    """How many jobs of a parent are in each state."""
    rows = await tx.fetch("SELECT state, count(*) FROM job WHERE parent_id = $1 GROUP BY state", parent_id)
    return {row["state"]: row["count"] for row in rows}


async def open_children(tx: Tx, parent_id: UUID) -> Sequence[UUID]:
    """The jobs of a parent that have not ended."""
    rows = await tx.fetch("SELECT id FROM job WHERE parent_id = $1 AND ended_at IS NULL ORDER BY id", parent_id)
    return [row["id"] for row in rows]


async def first_failure(tx: Tx, parent_id: UUID) -> Mapping[str, Any] | None:
    """The error of the first job of a parent that failed."""
    error: Mapping[str, Any] | None = await tx.value(
        "SELECT error FROM job WHERE parent_id = $1 AND state = 'FAILED' ORDER BY id LIMIT 1", parent_id
    )
    return error


async def past_deadline(tx: Tx) -> int:
    """How many jobs have not ended though their deadline has passed: none, unless no worker runs."""
    count: int = await tx.value("SELECT count(*) FROM job WHERE ended_at IS NULL AND deadline < now()")
    return count


async def wake_parents(tx: Tx, parent_ids: Collection[UUID]) -> None:
    """Let parents look at once whose last child ended here. One that somebody holds looks by itself a little later."""
    await tx.execute(
        """UPDATE job SET next_at = now() WHERE id IN (
               SELECT id FROM job AS parent WHERE id = ANY($1::uuid[]) AND ended_at IS NULL
                AND NOT EXISTS (SELECT FROM job WHERE parent_id = parent.id AND ended_at IS NULL)
               ORDER BY id FOR UPDATE SKIP LOCKED)""",
        sorted(parent_ids),
    )
