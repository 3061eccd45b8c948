"""The table `drift`: one open row per resource that is not as it should be. Decides nothing."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from groundplane.controlplane.reconciler.assessment import Difference
from groundplane.controlplane.resources.resource import Resource
from groundplane.kernel.database import Tx

Source = Literal["event", "inventory"]

# A machine that falls over again and again is not set up at once each time: twice at once, then ever more slowly.
FLAPS_FREE = 2
FLAP_WINDOW = "10 minutes"


async def record(tx: Tx, resource: Resource, found: Difference, source: Source) -> bool:
    """Write that a resource differs; False when that was known. An open row of the resource is brought up to date.

    What a person decided about it was about what they saw: when it differs otherwise, that is over.
    """
    await _resolve_corrected(tx, resource.id)
    row = await tx.row(
        """INSERT INTO drift (resource_id, kind, organization_id, project_id, difference, fields, source, decision, next_at)
           SELECT $1, $2, $3, $4, $5, $6, $7, $8,
                  now() + make_interval(secs => CASE WHEN count(*) < $9 THEN 0 ELSE least(600, 2 ^ least(count(*), 10)) END)
           FROM drift WHERE resource_id = $1 AND detected_at > now() - $10::text::interval
           ON CONFLICT (resource_id) WHERE resolved_at IS NULL
           DO UPDATE SET difference = excluded.difference, fields = excluded.fields, decision = excluded.decision,
                         decided = NULL, decided_by = NULL, decided_by_kind = NULL, decided_at = NULL, decided_reason = NULL,
                         ignored_until = NULL
              WHERE (drift.difference, drift.fields) IS DISTINCT FROM (excluded.difference, excluded.fields)
           RETURNING (xmax = 0) AS inserted""",
        resource.id,
        resource.kind,
        resource.organization_id,
        resource.project_id,
        found.difference,
        found.fields,
        source,
        found.decision,
        FLAPS_FREE,
        FLAP_WINDOW,
    )
    return row is not None and bool(row["inserted"])


async def resolve_converged(tx: Tx) -> int:
    """Close what a job that began later has brought in order, and what was deleted; answers how many."""
    return await tx.execute(
        """UPDATE drift SET resolved_at = clock_timestamp()
           WHERE resolved_at IS NULL AND difference <> 'orphan'
             AND (EXISTS (SELECT FROM job WHERE job.resource_id = drift.resource_id AND job.state = 'SUCCEEDED'
                                            AND job.created_at > drift.detected_at)
                  OR EXISTS (SELECT FROM resource WHERE id = drift.resource_id AND deleted_at IS NOT NULL))"""
    )


async def resolve(tx: Tx, resource_id: UUID) -> None:
    """The resource is as it should be."""
    await tx.execute(
        "UPDATE drift SET resolved_at = clock_timestamp() WHERE resource_id = $1 AND resolved_at IS NULL", resource_id
    )


async def last_report(tx: Tx, resource_id: UUID) -> datetime | None:
    """When, by its own clock, an agent reported the last job of this resource; None when there was none."""
    at: datetime | None = await tx.value(
        """SELECT max((detail ->> 'at')::timestamptz) FROM job_event
           WHERE what = 'reported'
             AND job_id = (SELECT id FROM job WHERE resource_id = $1 AND ended_at IS NOT NULL ORDER BY id DESC LIMIT 1)""",
        resource_id,
    )
    return at


async def _resolve_corrected(tx: Tx, resource_id: UUID) -> None:
    """What a job has mended meanwhile is over, so that the same thing happening again is another row."""
    await tx.execute(
        """UPDATE drift SET resolved_at = clock_timestamp()
           WHERE resource_id = $1 AND resolved_at IS NULL
             AND EXISTS (SELECT FROM job WHERE job.resource_id = $1 AND job.state = 'SUCCEEDED'
                                           AND job.created_at > drift.detected_at)""",
        resource_id,
    )
