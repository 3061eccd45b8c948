"""Which requests led to something: reads the table audit_event for the timeline of one resource."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from groundplane.controlplane.audit.trail import COLUMNS, AuditEvent
from groundplane.kernel.database import Tx


async def requests_of_traces(
    tx: Tx, resource_ids: Sequence[UUID], traces: Sequence[str], *, limit: int
) -> Sequence[AuditEvent]:
    """The newest requests about these resources that were allowed and carry one of these traceparents, newest first."""
    rows = await tx.fetch(
        f"""SELECT {COLUMNS} FROM audit_event
            WHERE resource_id = ANY($1::uuid[]) AND trace = ANY($2::text[]) AND outcome = 'allowed'
            ORDER BY id DESC LIMIT $3""",  # noqa: S608  # our own columns
        list(resource_ids),
        list(traces),
        limit,
    )
    return [AuditEvent(**row) for row in rows]


async def refusals_of_name(
    tx: Tx,
    action: str,
    name: str,
    *,
    organization_id: UUID | None,
    project_id: UUID | None,
    before: datetime | None = None,
    limit: int = 50,
) -> Sequence[AuditEvent]:
    """Requests of this action for something of this name in exactly this place that were refused, newest first.

    The name is `name` in the event's detail. `before`: only those that came before that.
    """
    project = "project_id = $3" if project_id is not None else "project_id IS NULL AND $3::uuid IS NULL"
    rows = await tx.fetch(
        f"""SELECT {COLUMNS} FROM audit_event
            WHERE {project} AND detail ->> 'name' = $2 AND outcome = 'failed' AND action = $1
              AND organization_id IS NOT DISTINCT FROM $4 AND ($5::timestamptz IS NULL OR at < $5)
            ORDER BY id DESC LIMIT $6""",  # noqa: S608  # our own columns
        action,
        name,
        project_id,
        organization_id,
        before,
        limit,
    )
    return [AuditEvent(**row) for row in rows]


async def batches(tx: Tx, events: Sequence[AuditEvent]) -> Mapping[UUID, str]:
    """The xmin of each event's row: that of its transaction, or of a savepoint in it."""
    ids = [event.id for event in events]
    rows = await tx.fetch("SELECT id, xmin::text AS batch FROM audit_event WHERE id = ANY($1::uuid[])", ids)
    return {row["id"]: row["batch"] for row in rows}
