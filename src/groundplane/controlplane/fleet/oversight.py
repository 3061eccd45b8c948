"""What people see of the whole: drift, incidents, who was heard of last; and the limits that operators set.

Reads what others write. Decides and corrects nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from groundplane.kernel.database import Row, Tx
from groundplane.kernel.where import Where


async def drift_page(
    tx: Tx,
    *,
    project_id: UUID | None = None,
    open_only: bool = True,
    resource_id: UUID | None = None,
    kind: str | None = None,
    difference: str | None = None,
    decision: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> Sequence[Row]:
    """Drift with its resource's name, newest first, `after` being the last id of the page before. None means any."""
    where = Where()
    where.equal(**{"drift.project_id": project_id, "drift.resource_id": resource_id, "drift.kind": kind})
    where.equal(difference=difference, **{"drift_decision(drift)": decision})
    where.made(since, until, at="detected_at", row_id="drift.id")
    where.clauses += ["resolved_at IS NULL"] if open_only else []
    where.before(after, column="drift.id")
    return await _drift_rows(tx, where, limit=limit)


async def drift_row(tx: Tx, drift_id: UUID) -> Row:
    """One of the rows of `drift_page`, which is there."""
    where = Where()
    where.equal(**{"drift.id": drift_id})
    return (await _drift_rows(tx, where, limit=1))[0]


async def _drift_rows(tx: Tx, where: Where, *, limit: int) -> Sequence[Row]:
    return await tx.fetch(
        f"""SELECT drift.id, drift.resource_id, drift.kind, resource.name, drift.organization_id, drift.project_id,
                  difference, fields, source, drift_decision(drift) AS decision, attempts, next_at, drift.job_id, detected_at,
                  resolved_at, decided_by, decided_by_kind, decided_at, decided_reason, ignored_until
           FROM drift LEFT JOIN resource ON resource.id = drift.resource_id
           {where.sql} ORDER BY drift.id DESC LIMIT {where.place(limit)}""",  # noqa: S608  # our own columns
        *where.values,
    )


async def open_drift(tx: Tx, *, project_id: UUID | None) -> int:
    """How much drift of a project, or (None) of the platform, is open and not ignored."""
    where = Where()
    where.clauses += ["resolved_at IS NULL", "drift_decision(drift) <> 'ignore'"]
    where.equal(project_id=project_id)
    count: int = await tx.value(f"SELECT count(*) FROM drift {where.sql}", *where.values)  # noqa: S608  # our own columns
    return count


async def incident_page(
    tx: Tx,
    *,
    open_only: bool = True,
    code: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> Sequence[Row]:
    """Incidents, newest first, as drift is paged. `subject_kind` says what `subject_id` is the id of; None if of nothing."""
    where = Where()
    where.equal(code=code)
    where.made(since, until, at="opened_at", row_id="incident.id")
    where.clauses += ["closed_at IS NULL"] if open_only else []
    where.before(after, column="incident.id")
    return await tx.fetch(
        f"""SELECT incident.id, code, subject_id, detail, context, opened_at, closed_at,
                  CASE WHEN resource.id IS NOT NULL THEN resource.kind
                       WHEN EXISTS (SELECT FROM job WHERE job.id = subject_id) THEN 'job'
                       WHEN EXISTS (SELECT FROM report_set_aside WHERE report_set_aside.id = subject_id) THEN 'report'
                       ELSE context ->> 'kind' END AS subject_kind
           FROM incident LEFT JOIN resource ON resource.id = subject_id
           {where.sql} ORDER BY incident.id DESC LIMIT {where.place(limit)}""",  # noqa: S608  # our own columns
        *where.values,
    )


async def host_health_page(
    tx: Tx, *, cluster_id: UUID | None = None, name: str | None = None, after: UUID | None = None, limit: int = 50
) -> Sequence[Row]:
    """Every living host, oldest first: when it and its agent were heard of, what the agent saw of it, and how much is claimed.

    `silent_seconds` are by the database's clock. A host that was never heard of has None for all of that.
    """
    where = Where()
    where.clauses += ["kind = 'host'", "deleted_at IS NULL"]
    where.equal(**{"resource.cluster_id": cluster_id, "name": name})
    where.after(after, column="resource.id")
    return await tx.fetch(
        f"""SELECT resource.id, resource.name, resource.cluster_id, host_seen.seen_at, facts,
                  extract(epoch FROM clock_timestamp() - host_seen.seen_at)::float8 AS silent_seconds,
                  host_seen.agent_id, agent_seen.seen_at AS agent_seen_at, agent_seen.version AS agent_version,
                  extract(epoch FROM clock_timestamp() - agent_seen.seen_at)::float8 AS agent_silent_seconds,
                  open, vcpus, vcpus_used, memory_mib, memory_used, pools.gib, pools.gib_used
           FROM resource LEFT JOIN host_seen ON host_seen.host_id = resource.id LEFT JOIN agent_seen USING (agent_id)
                LEFT JOIN host_capacity ON host_capacity.host_id = resource.id
                CROSS JOIN LATERAL (
                    SELECT coalesce(sum(gib), 0)::bigint AS gib, coalesce(sum(gib_used), 0)::bigint AS gib_used
                    FROM pool_capacity WHERE pool_capacity.host_id = resource.id) AS pools
           {where.sql} ORDER BY resource.id LIMIT {where.place(limit)}""",  # noqa: S608  # our own columns
        *where.values,
    )


async def machines_of_host(tx: Tx, host_id: UUID, *, after: UUID | None = None, limit: int = 50) -> Sequence[Row]:
    """The machines that hold a share of the host, oldest first, with the names of their projects and organizations."""
    where = Where()
    where.equal(**{"placement.host_id": host_id})
    where.after(after, column="placement.resource_id")
    return await tx.fetch(
        f"""SELECT vm.id, vm.name, vm.status, vm.observed ->> 'power' AS power, placed.vcpus, placed.memory_mib, vm.created_at,
                  vm.project_id, project.name AS project_name, vm.organization_id, organization.name AS organization_name
           FROM (SELECT resource_id, vcpus, memory_mib FROM placement
                 {where.sql} ORDER BY resource_id LIMIT {where.place(limit)}) AS placed
                JOIN resource AS vm ON vm.id = placed.resource_id
                LEFT JOIN resource AS project ON project.id = vm.project_id
                LEFT JOIN resource AS organization ON organization.id = vm.organization_id
           ORDER BY placed.resource_id""",  # noqa: S608  # our own columns
        *where.values,
    )
