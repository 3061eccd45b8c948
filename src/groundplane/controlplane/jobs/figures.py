"""Figures of all jobs, for those who watch the house. Changes nothing."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from groundplane.kernel.database import Row, Tx


async def open_jobs(tx: Tx) -> Sequence[Row]:
    """How many jobs have not ended: state, kind, count."""
    return await tx.fetch(
        "SELECT state, resource_kind AS kind, count(*) AS count FROM job WHERE ended_at IS NULL GROUP BY state, resource_kind"
    )


async def all_open(tx: Tx) -> Row:
    """Of all that have not ended: past_deadline, pending, running, retrying, held, oldest_pending_seconds, seconds_behind."""
    return await tx.one(
        """SELECT count(*) FILTER (WHERE deadline < now()) AS past_deadline,
                  count(*) FILTER (WHERE state = 'PENDING') AS pending,
                  count(*) FILTER (WHERE state = 'RUNNING') AS running,
                  count(*) FILTER (WHERE state = 'RETRYING') AS retrying,
                  count(*) FILTER (WHERE held IS NOT NULL) AS held,
                  extract(epoch FROM now() - min(created_at) FILTER (WHERE state = 'PENDING' AND held IS NULL))::float8
                      AS oldest_pending_seconds,
                  coalesce(extract(epoch FROM now() - min(next_at) FILTER (WHERE held IS NULL AND next_at <= now())), 0)::float8
                      AS seconds_behind
           FROM job WHERE ended_at IS NULL"""
    )


async def seconds_behind(tx: Tx) -> float:
    """For how long the job has been due that waits longest to be looked at; 0 when none is due."""
    seconds: float = await tx.value(
        """SELECT coalesce(extract(epoch FROM now() - min(next_at)), 0)::float8
           FROM job WHERE ended_at IS NULL AND held IS NULL AND next_at <= now()"""
    )
    return seconds


async def counts(tx: Tx, *, project_id: UUID | None) -> Mapping[str, int]:
    """How many jobs of a project, or (None) of all, are in each open state; FAILED: those that ended so within a day."""
    rows = await tx.fetch(
        _COUNTS.format("AND project_id = $1") if project_id else _COUNTS.format(""), *filter(None, [project_id])
    )
    return {row["state"]: row["count"] for row in rows}


# All open jobs are few; those that a project ever had are not, and the index of these must not be chosen.
_COUNTS = """
    WITH open AS MATERIALIZED (SELECT state FROM job WHERE ended_at IS NULL {0})
    SELECT state, count(*) AS count FROM open GROUP BY state
    UNION ALL SELECT 'FAILED', count(*) FROM job WHERE state = 'FAILED' AND ended_at > now() - interval '1 day' {0}"""
