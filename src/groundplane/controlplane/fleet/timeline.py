"""What the timeline of a resource reads of drift, and of the shares of hosts and pools. Changes nothing."""

from collections.abc import Sequence
from uuid import UUID

from groundplane.kernel.database import Row, Tx


async def drift_of(tx: Tx, resource_id: UUID, *, limit: int) -> Sequence[Row]:
    """How the resource was found to differ, the newest findings, oldest of them first."""
    rows = await tx.fetch(
        """SELECT difference, fields, source, drift_decision(drift) AS decision, attempts, next_at, job_id, detected_at,
                  resolved_at, decided, decided_by, decided_at, decided_reason, ignored_until FROM drift
           WHERE resource_id = $1 ORDER BY detected_at DESC LIMIT $2""",
        resource_id,
        limit,
    )
    return rows[::-1]


async def host_share(tx: Tx, resource_id: UUID) -> Row | None:
    """What the resource holds of a host: host_id, host, vcpus, memory_mib."""
    return await tx.row(
        """SELECT placement.host_id, name AS host, vcpus, memory_mib
           FROM placement JOIN resource ON resource.id = placement.host_id WHERE resource_id = $1""",
        resource_id,
    )


async def pool_share(tx: Tx, resource_id: UUID) -> Row | None:
    """What the resource holds of a pool: pool_id, pool, gib."""
    return await tx.row(
        "SELECT pool_id, name AS pool, gib FROM pool_share JOIN resource ON resource.id = pool_id WHERE resource_id = $1",
        resource_id,
    )
