"""Whole inventories, staged in chunks and compared by set-based SQL once the set is complete.

Left out is what a job is changing, and what changed since the look was asked for: both are told by their own reports.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from groundplane.contracts.reports import InventoryChunk
from groundplane.contracts.tasks import NETWORK_SCOPE
from groundplane.controlplane.reconciler import drift
from groundplane.controlplane.reconciler.assessment import Difference, Wish, assess
from groundplane.controlplane.reconciler.sightings import follow
from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.resource import COLUMNS, Resource
from groundplane.controlplane.resources.states import StateKeeper
from groundplane.kernel.database import Tx

_LOOK = """
    look AS MATERIALIZED (
        SELECT DISTINCT ON (seen.kind, seen.id) seen.kind, seen.id, seen.observed
        FROM inventory_chunk CROSS JOIN jsonb_to_recordset(states)
             AS seen (kind text, id uuid, present boolean, observed jsonb)
        WHERE look_id = $1 AND scope = $2 AND seen.present
    )
"""
_COMPARABLE = """
    resource.deleted_at IS NULL AND resource.status IN ('active', 'error') AND resource.updated_at < $4
    AND NOT EXISTS (SELECT FROM change_claim WHERE change_claim.resource_id = resource.id)
"""


@dataclass(frozen=True)
class _Finding:
    """A resource that is not as it was last seen. `seen` is None when the engine holds nothing of it."""

    resource: Resource
    seen: Mapping[str, Any] | None
    found: Difference | Wish | None


async def stage(tx: Tx, chunk: InventoryChunk) -> bool:
    """Keep a chunk; True when its set is complete."""
    # Two chunks that are stored at once would each believe that the other is missing.
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"{chunk.look_id}{chunk.scope}")
    await tx.execute(
        """INSERT INTO inventory_chunk (look_id, scope, number, total, states) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT DO NOTHING""",
        chunk.look_id,
        chunk.scope,
        chunk.number,
        chunk.total,
        [state.model_dump(mode="json") for state in chunk.states],
    )
    sql = "SELECT count(*) FROM inventory_chunk WHERE look_id = $1 AND scope = $2"
    staged: int = await tx.value(sql, chunk.look_id, chunk.scope)
    return staged == chunk.total


async def compare(tx: Tx, kinds: Mapping[str, Kind], states: StateKeeper, chunk: InventoryChunk) -> bool:
    """Compare a complete set, of which `chunk` is any part, and throw it away; True when it told of something new."""
    column, place = _place(chunk)
    compared = [name for name in chunk.kinds if name in kinds and kinds[name].inventory]
    findings = await _find(tx, kinds, chunk, column, place, compared)
    differing = [finding.resource.id for finding in findings if isinstance(finding.found, Difference)]
    await _resolve_unseen(tx, chunk, column, place, compared, differing)  # before news makes rows too young to compare
    news = False
    for finding in await _still_true(tx, chunk, findings):
        news |= await _take_in(tx, states, finding)
    await _record_orphans(tx, chunk, place)
    await _resolve_orphans(tx, chunk, place)
    await tx.execute("DELETE FROM inventory_chunk WHERE look_id = $1 AND scope = $2", chunk.look_id, chunk.scope)
    return news


async def forget_incomplete(tx: Tx) -> None:
    """Throw away the sets of which parts never came."""
    await tx.execute("DELETE FROM inventory_chunk WHERE received < now() - interval '5 minutes'")


def _place(chunk: InventoryChunk) -> tuple[str, UUID]:
    """The column by which a scope's resources are found, and its value."""
    return ("cluster_id", chunk.cluster_id) if chunk.scope == NETWORK_SCOPE else ("host_id", UUID(chunk.scope))


async def _find(
    tx: Tx, kinds: Mapping[str, Kind], chunk: InventoryChunk, column: str, place: UUID, compared: Sequence[str]
) -> Sequence[_Finding]:
    """What is missing, failed before, is news, or must be compared in its kind's own words."""
    rows = await tx.fetch(
        f"""WITH {_LOOK}
            SELECT {COLUMNS}, look.observed AS seen
            FROM resource LEFT JOIN look ON look.id = resource.id AND look.kind = resource.kind
            WHERE resource.{column} = $3 AND {_COMPARABLE} AND resource.kind = ANY($5::text[])
              AND (look.id IS NULL OR resource.status = 'error' OR resource.wanted = 'absent'
                   OR look.observed IS DISTINCT FROM resource.observed OR resource.kind = ANY($6::text[]))
            ORDER BY resource.id""",  # noqa: S608  # our own columns
        chunk.look_id,
        chunk.scope,
        place,
        chunk.asked_at,
        list(compared),
        [name for name in compared if kinds[name].differs is not Kind.differs],
    )
    findings = []
    for row in rows:
        resource, seen = Resource.from_row(row), row["seen"]
        found = assess(kinds[resource.kind], resource, seen)
        if found is not None or seen != resource.observed:
            findings.append(_Finding(resource, seen, found))
    return findings


async def _still_true(tx: Tx, chunk: InventoryChunk, findings: Sequence[_Finding]) -> Sequence[_Finding]:
    """The findings whose resources nobody has changed or is changing, held until the transaction ends."""
    rows = await tx.fetch(
        """SELECT id FROM resource WHERE id = ANY($1::uuid[]) AND updated_at < $2
           AND NOT EXISTS (SELECT FROM change_claim WHERE resource_id = resource.id)
           ORDER BY id FOR UPDATE SKIP LOCKED""",
        [finding.resource.id for finding in findings],
        chunk.asked_at,
    )
    held = {row["id"] for row in rows}
    return [finding for finding in findings if finding.resource.id in held]


async def _take_in(tx: Tx, states: StateKeeper, finding: _Finding) -> bool:
    resource, found, seen = finding.resource, finding.found, finding.seen or {}
    if isinstance(found, Wish):
        await follow(tx, states, resource, found, seen)
        return False
    if resource.wanted == "present":
        await states.observe(tx, resource, seen, reason="inventory")
    return found is not None and await drift.record(tx, resource, found, "inventory")


async def _resolve_unseen(
    tx: Tx, chunk: InventoryChunk, column: str, place: UUID, compared: Sequence[str], differing: Sequence[UUID]
) -> None:
    """Close the drift of resources that were compared and are as they should be."""
    await tx.execute(
        f"""UPDATE drift SET resolved_at = clock_timestamp() FROM resource
            WHERE drift.resolved_at IS NULL AND drift.difference <> 'orphan' AND drift.detected_at < $4
              AND drift.resource_id <> ALL($3::uuid[]) AND resource.id = drift.resource_id
              AND resource.{column} = $1 AND resource.kind = ANY($2::text[]) AND {_COMPARABLE}""",  # noqa: S608
        place,
        list(compared),
        list(differing),
        chunk.asked_at,
    )


async def _record_orphans(tx: Tx, chunk: InventoryChunk, place: UUID) -> None:
    """What an engine holds and nobody knows, or everybody knows as gone. Nothing removes it but a person."""
    await tx.execute(
        f"""WITH {_LOOK}
            INSERT INTO drift (resource_id, kind, organization_id, project_id, difference, fields, source, decision)
            SELECT look.id, look.kind, known.organization_id, known.project_id, 'orphan',
                   jsonb_build_object('presence', jsonb_build_object('wanted', 'absent', 'observed', 'present'),
                                      'place', jsonb_build_object('wanted', NULL, 'observed', $3::text)),
                   'inventory', 'alert'
            FROM look LEFT JOIN resource AS known ON known.id = look.id
            WHERE known.id IS NULL OR known.deleted_at < $4
            ON CONFLICT DO NOTHING""",  # noqa: S608  # our own words
        chunk.look_id,
        chunk.scope,
        str(place),
        chunk.asked_at,
    )


async def _resolve_orphans(tx: Tx, chunk: InventoryChunk, place: UUID) -> None:
    await tx.execute(
        f"""WITH {_LOOK}
            UPDATE drift SET resolved_at = clock_timestamp()
            WHERE resolved_at IS NULL AND difference = 'orphan' AND detected_at < $4
              AND kind = ANY($5::text[]) AND fields -> 'place' ->> 'observed' = $3
              AND NOT EXISTS (SELECT FROM look WHERE look.id = drift.resource_id AND look.kind = drift.kind)""",  # noqa: S608
        chunk.look_id,
        chunk.scope,
        str(place),
        chunk.asked_at,
        list(chunk.kinds),
    )
