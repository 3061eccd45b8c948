"""Starts the jobs that bring engines back to what is wanted, under a brake. Never two at once for a resource."""

from collections.abc import Mapping
from uuid import UUID

import structlog

from groundplane.controlplane.fleet.decisions import correction_started
from groundplane.controlplane.jobs.engine import ChangeInProgressError
from groundplane.controlplane.reconciler import drift
from groundplane.controlplane.resources.manager import CORRECTION, ResourceManager
from groundplane.controlplane.resources.resource import COLUMNS, Resource
from groundplane.kernel.database import RetryableDatabaseError, Row, Tx

log = structlog.get_logger()

BRAKE_FLOOR = 20
BRAKE_PART = 10
"""At most this many corrections a minute and cluster, or one in so many of its resources, whichever is more."""
AT_ONCE = 50
"""Of those, so many of a cluster in one transaction, which holds what it starts until it commits."""

# PostgreSQL's uuidv7 makes ids of any time, so that the last minute's jobs are a range of the primary key.
LOAD = f"""
    SELECT due.cluster_id, due.count AS due,
           greatest({BRAKE_FLOOR}, (SELECT count(*) FROM resource
                                    WHERE resource.cluster_id = due.cluster_id AND deleted_at IS NULL) / {BRAKE_PART})
           - (SELECT count(*) FROM job JOIN resource ON resource.id = job.resource_id
              WHERE job.id > uuidv7('-2 minutes'::interval) AND job.created_at > now() - interval '1 minute'
                AND job.reason = '{CORRECTION}' AND resource.cluster_id IS NOT DISTINCT FROM due.cluster_id) AS allowed
    FROM (SELECT resource.cluster_id, count(*) FROM drift JOIN resource ON resource.id = drift.resource_id
          WHERE resolved_at IS NULL AND drift_decision(drift) = 'correct' AND next_at <= now()
            AND NOT EXISTS (SELECT FROM change_claim WHERE change_claim.resource_id = drift.resource_id)
          GROUP BY resource.cluster_id) AS due
"""  # noqa: S608  # our own words
"""Per cluster: corrections that are due, and how many may be started now."""


async def correct(tx: Tx, manager: ResourceManager) -> int:
    """Close what is in order again, and start the corrections that are due; answers how many were started."""
    if not await tx.value("SELECT pg_try_advisory_xact_lock(hashtextextended('groundplane.correct', 0))"):
        return 0  # another worker is at it, and two would brake too late
    await drift.resolve_converged(tx)
    allowed = {row["cluster_id"]: row["allowed"] for row in await tx.fetch(LOAD)}
    if not any(count > 0 for count in allowed.values()):
        return 0
    return sum([await _begin(tx, manager, row) for row in await _due(tx, allowed)])


async def _due(tx: Tx, allowed: Mapping[UUID | None, int]) -> list[Row]:
    """The longest overdue of each cluster, as many as may be started; whatever somebody else holds is left out."""
    rows = [
        await tx.fetch(
            f"""SELECT drift.id AS drift_id, {COLUMNS} FROM drift JOIN resource ON resource.id = drift.resource_id
                WHERE resolved_at IS NULL AND drift_decision(drift) = 'correct' AND next_at <= now() AND deleted_at IS NULL
                  AND resource.cluster_id IS NOT DISTINCT FROM $1
                  AND NOT EXISTS (SELECT FROM change_claim WHERE change_claim.resource_id = drift.resource_id)
                ORDER BY next_at LIMIT $2 FOR UPDATE SKIP LOCKED""",  # noqa: S608  # our own columns
            cluster_id,
            min(count, AT_ONCE),
        )
        for cluster_id, count in allowed.items()
        if count > 0
    ]
    return [row for page in rows for row in page]


async def _begin(tx: Tx, manager: ResourceManager, row: Row) -> int:
    resource = Resource.from_row(row)
    try:
        async with tx.savepoint():
            job = await manager.correct(tx, manager.kinds[resource.kind], resource)
    except ChangeInProgressError:
        return 0
    except RetryableDatabaseError:
        raise
    except Exception:
        log.exception("reconciler.correction_not_started", resource=str(resource.id), kind=resource.kind)
        job = None
    await correction_started(tx, row["drift_id"], job.id if job else None)
    return 1
