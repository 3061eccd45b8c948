"""What the timeline of a resource reads of the tables job and job_event. Changes nothing."""

from collections.abc import Sequence
from uuid import UUID

from groundplane.controlplane.jobs.job import COLUMNS, Job
from groundplane.kernel.database import Row, Tx


async def jobs_about(tx: Tx, resource_id: UUID, others: Sequence[UUID], *, limit: int) -> Sequence[Job]:
    """The newest jobs that changed this resource, newest first: its own, their parents, its claim's, and `others`."""
    rows = await tx.fetch(
        f"""WITH own AS (SELECT id, parent_id FROM job WHERE resource_id = $1 ORDER BY id DESC LIMIT $3)
            SELECT {COLUMNS} FROM job WHERE id IN (
                SELECT id FROM own UNION SELECT parent_id FROM own WHERE parent_id IS NOT NULL
                UNION SELECT job_id FROM change_claim WHERE resource_id = $1 UNION SELECT unnest($2::uuid[]))
            ORDER BY id DESC LIMIT $3""",  # noqa: S608  # our own columns
        resource_id,
        list(others),
        limit,
    )
    return [Job.from_row(row) for row in rows]


async def events(tx: Tx, job_ids: Sequence[UUID], *, limit: int) -> Sequence[Row]:
    """The newest lines of these jobs' histories, oldest of them first: job_id, number, batch, at, step, attempt, what, detail.

    `age` is how many seconds ago that was, by the database's clock; `batch` is the row's xmin: that of its transaction, or of a
    savepoint in it.
    """
    rows = await tx.fetch(
        """SELECT line.*, extract(epoch FROM clock_timestamp() - line.at)::float8 AS age
           FROM unnest($1::uuid[]) AS wanted (id) CROSS JOIN LATERAL (
               SELECT job_id, number, xmin::text AS batch, at, step, attempt, what, detail
               FROM job_event WHERE job_id = wanted.id
               ORDER BY number DESC LIMIT $2) AS line
           ORDER BY line.number DESC LIMIT $2""",
        list(job_ids),
        limit,
    )
    return rows[::-1]
