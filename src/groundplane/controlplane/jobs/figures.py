"""Figures of all jobs, for those who watch the house. Changes nothing."""

from collections.abc import Sequence

from groundplane.kernel.database import Row, Tx


async def open_jobs(tx: Tx) -> Sequence[Row]:
    """How many jobs have not ended: state, kind, count."""
    return await tx.fetch(
        "SELECT state, resource_kind AS kind, count(*) AS count FROM job WHERE ended_at IS NULL GROUP BY state, resource_kind"
    )


async def seconds_behind(tx: Tx) -> float:
    """For how long the job has been due that waits longest to be looked at; 0 when none is due."""
    seconds: float = await tx.value(
        """SELECT coalesce(extract(epoch FROM now() - min(next_at)), 0)::float8
           FROM job WHERE ended_at IS NULL AND held IS NULL AND next_at <= now()"""
    )
    return seconds
