"""What people see of the whole: drift, incidents, who was heard of last; and the limits that operators set.

Reads what others write. Decides and corrects nothing.
"""

from collections.abc import Sequence
from uuid import UUID

from groundplane.kernel.database import Row, Tx


async def drift_page(
    tx: Tx, *, project_id: UUID | None = None, open_only: bool = True, after: UUID | None = None, limit: int = 50
) -> Sequence[Row]:
    """Drift with its resource's name, newest first, `after` being the last id of the page before. No project means all."""
    return await tx.fetch(
        """SELECT drift.id, drift.resource_id, drift.kind, resource.name, drift.organization_id, drift.project_id,
                  difference, fields, source, decision, attempts, next_at, drift.job_id, detected_at, resolved_at
           FROM drift LEFT JOIN resource ON resource.id = drift.resource_id
           WHERE ($1::uuid IS NULL OR drift.project_id = $1) AND (NOT $2 OR resolved_at IS NULL)
             AND ($3::uuid IS NULL OR drift.id < $3)
           ORDER BY drift.id DESC LIMIT $4""",
        project_id,
        open_only,
        after,
        limit,
    )


async def incident_page(tx: Tx, *, open_only: bool = True, after: UUID | None = None, limit: int = 50) -> Sequence[Row]:
    """Incidents, newest first, as drift is paged. `subject_kind` says what `subject_id` is the id of; None if of nothing."""
    return await tx.fetch(
        """SELECT incident.id, code, subject_id, detail, context, opened_at, closed_at,
                  CASE WHEN resource.id IS NOT NULL THEN resource.kind
                       WHEN EXISTS (SELECT FROM job WHERE job.id = subject_id) THEN 'job'
                       WHEN EXISTS (SELECT FROM report_set_aside WHERE report_set_aside.id = subject_id) THEN 'report'
                       ELSE context ->> 'kind' END AS subject_kind
           FROM incident LEFT JOIN resource ON resource.id = subject_id
           WHERE (NOT $1 OR closed_at IS NULL) AND ($2::uuid IS NULL OR incident.id < $2)
           ORDER BY incident.id DESC LIMIT $3""",
        open_only,
        after,
        limit,
    )


async def host_health_page(tx: Tx, *, after: UUID | None = None, limit: int = 50) -> Sequence[Row]:
    """Every living host, oldest first: when it and its agent were heard of, and what the agent saw of it.

    `silent_seconds` are by the database's clock. A host that was never heard of has None for all of that.
    """
    return await tx.fetch(
        """SELECT resource.id, resource.name, resource.cluster_id, host_seen.seen_at, facts,
                  extract(epoch FROM clock_timestamp() - host_seen.seen_at)::float8 AS silent_seconds,
                  host_seen.agent_id, agent_seen.seen_at AS agent_seen_at, agent_seen.version AS agent_version,
                  extract(epoch FROM clock_timestamp() - agent_seen.seen_at)::float8 AS agent_silent_seconds
           FROM resource LEFT JOIN host_seen ON host_seen.host_id = resource.id LEFT JOIN agent_seen USING (agent_id)
           WHERE kind = 'host' AND deleted_at IS NULL AND ($1::uuid IS NULL OR resource.id > $1)
           ORDER BY resource.id LIMIT $2""",
        after,
        limit,
    )
