"""Figures of all jobs, for those who watch the house. Changes nothing."""

from collections.abc import Sequence

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
