"""A job as its row says it, and the SQL of the tables `job`, `job_event` and `change_claim`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from groundplane.kernel.database import Row, Tx

JobState = Literal["PENDING", "RUNNING", "RETRYING", "SUCCEEDED", "FAILED"]


@dataclass
class Job:
    """One attempt at what is wanted of a resource. Mutable while a worker holds its row lock."""

    id: UUID
    workflow: str
    version: int
    organization_id: UUID | None
    project_id: UUID | None
    resource_id: UUID
    resource_kind: str
    parent_id: UUID | None
    state: JobState
    step: str
    attempt: int
    data: dict[str, Any]
    ask: dict[str, Any] | None
    ask_fence: int | None
    next_at: datetime | None
    step_deadline: datetime | None
    deadline: datetime
    error: dict[str, Any] | None
    requested_by: UUID | None
    reason: str
    trace: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def from_row(cls, row: Row) -> "Job":
        """The job of a row with every column of the table."""
        return cls(**dict(row))


COLUMNS = ", ".join(f"job.{name}" for name in Job.__dataclass_fields__)


async def insert(tx: Tx, job: Job) -> None:
    """Write a new job as it stands."""
    await tx.execute(
        """INSERT INTO job (id, workflow, version, organization_id, project_id, resource_id, resource_kind, parent_id,
                            state, step, data, deadline, requested_by, reason, trace, next_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, now())""",
        job.id,
        job.workflow,
        job.version,
        job.organization_id,
        job.project_id,
        job.resource_id,
        job.resource_kind,
        job.parent_id,
        job.state,
        job.step,
        job.data,
        job.deadline,
        job.requested_by,
        job.reason,
        job.trace,
    )


async def save(tx: Tx, job: Job) -> None:
    """Write what a move changed."""
    await tx.execute(
        """UPDATE job SET state = $2, step = $3, attempt = $4, data = $5, ask = $6, ask_fence = $7, next_at = $8,
                  step_deadline = $9, error = $10, started_at = coalesce(started_at, clock_timestamp()),
                  ended_at = CASE WHEN $2 IN ('SUCCEEDED', 'FAILED') THEN clock_timestamp() END
           WHERE id = $1""",
        job.id,
        job.state,
        job.step,
        job.attempt,
        job.data,
        job.ask,
        job.ask_fence,
        job.next_at,
        job.step_deadline,
        job.error,
    )


async def note(tx: Tx, job: Job, what: str, **detail: object) -> None:
    """Add a line to the job's own history."""
    await tx.execute(
        "INSERT INTO job_event (job_id, step, attempt, what, detail) VALUES ($1, $2, $3, $4, $5)",
        job.id,
        job.step,
        job.attempt,
        what,
        detail,
    )


async def lock(tx: Tx, job_id: UUID) -> Job | None:
    """The job, held until the transaction ends; None when there is none."""
    row = await tx.row(f"SELECT {COLUMNS} FROM job WHERE id = $1 FOR UPDATE", job_id)  # noqa: S608  # our own columns
    return Job.from_row(row) if row else None


async def get(tx: Tx, job_id: UUID) -> Job | None:
    """The job as it is now."""
    row = await tx.row(f"SELECT {COLUMNS} FROM job WHERE id = $1", job_id)  # noqa: S608  # our own columns
    return Job.from_row(row) if row else None


async def page(tx: Tx, *, project_id: UUID | None, resource_id: UUID | None, after: UUID | None, limit: int) -> Sequence[Job]:
    """The newest jobs first, `after` being the last id of the page before. None for a filter means all."""
    rows = await tx.fetch(
        f"""SELECT {COLUMNS} FROM job
            WHERE ($1::uuid IS NULL OR project_id = $1) AND ($2::uuid IS NULL OR resource_id = $2)
              AND ($3::uuid IS NULL OR id < $3)
            ORDER BY id DESC LIMIT $4""",  # noqa: S608  # our own columns
        project_id,
        resource_id,
        after,
        limit,
    )
    return [Job.from_row(row) for row in rows]


async def history(tx: Tx, job_id: UUID) -> Sequence[Row]:
    """What happened to a job, in order: at, step, attempt, what, detail."""
    return await tx.fetch("SELECT at, step, attempt, what, detail FROM job_event WHERE job_id = $1 ORDER BY number", job_id)


async def touched(tx: Tx, job_id: UUID) -> Sequence[UUID]:
    """The resources whose change this job holds."""
    return [row["resource_id"] for row in await tx.fetch("SELECT resource_id FROM change_claim WHERE job_id = $1", job_id)]


async def holder(tx: Tx, resource_id: UUID) -> Job | None:
    """The job that is changing this resource now."""
    row = await tx.row(
        f"SELECT {COLUMNS} FROM job JOIN change_claim ON job_id = job.id WHERE change_claim.resource_id = $1",  # noqa: S608
        resource_id,
    )
    return Job.from_row(row) if row else None
