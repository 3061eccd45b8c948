"""The journal as a stream: every change of a resource or job, once, in an order that stays.

Rows are numbered when they are written and seen when their transaction commits, which is another order. So the stream is
ordered by transaction, then by sequence, and readers go no further than the oldest transaction that may still commit
(`pg_snapshot_xmin`): below that nothing is added any more. Reads only.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from groundplane.kernel.database import Row, Tx


class Position(NamedTuple):
    """Where a reader is: behind this row. Sequence 0 is before all rows of the transaction."""

    transaction: int
    sequence: int

    @classmethod
    def of(cls, row: Row) -> "Position":
        """Behind this row of `changes`."""
        return cls(int(row["transaction"]), row["sequence"])


async def horizon(tx: Tx) -> Position:
    """How far can be read now. It never goes back."""
    return Position(int(await tx.value("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")), 0)


async def changes(
    tx: Tx, *, after: Position, until: Position, limit: int, project_ids: Sequence[UUID] | None = None
) -> Sequence[Row]:
    """The next changes behind `after`, up to `until` and not beyond it; of these projects, None: of everything.

    All: transaction, sequence, entity, id, organization_id, project_id, at, changed_by, job_id. A resource: kind, name,
    status, revision, deleted. A job: workflow, state, step, resource_kind, resource_id. Name and status are those of the
    change if it changed them, else those of now. OFFSET 0: each resource is found by its key, however few there were when
    the plan was made.
    """
    return await tx.fetch(
        """SELECT transaction_id::text AS transaction, sequence, entity, entity_id AS id, revision.organization_id,
                  revision.project_id, at, revision.changed_by, revision.job_id, revision.kind, revision.revision,
                  coalesce(state ->> 'name', resource.name) AS name,
                  coalesce(state ->> 'status', resource.status) AS status,
                  CASE WHEN state ? 'deleted_at' THEN state ->> 'deleted_at' IS NOT NULL
                       ELSE resource.deleted_at IS NOT NULL END AS deleted,
                  state ->> 'state' AS state, state ->> 'step' AS step, (state ->> 'resource_id')::uuid AS resource_id,
                  (SELECT resource_kind FROM job WHERE entity = 'job' AND job.id = entity_id) AS resource_kind
           FROM revision LEFT JOIN LATERAL (
                    SELECT name, status, deleted_at FROM resource WHERE entity = 'resource' AND resource.id = entity_id OFFSET 0
                ) AS resource ON true
           WHERE (transaction_id, sequence) > ($1::text::xid8, $2) AND (transaction_id, sequence) <= ($3::text::xid8, $4)
             AND entity IN ('resource', 'job') AND ($5::uuid[] IS NULL OR revision.project_id = ANY ($5))
           ORDER BY transaction_id, sequence LIMIT $6""",
        *_text(after),
        *_text(until),
        list(project_ids) if project_ids is not None else None,
        limit,
    )


async def distance(tx: Tx, *, after: Position, until: Position, most: int) -> int:
    """How many rows of the journal, whoever's, are between the two; counts no further than `most`."""
    rows: int = await tx.value(
        """SELECT count(*) FROM (
               SELECT FROM revision
               WHERE (transaction_id, sequence) > ($1::text::xid8, $2) AND (transaction_id, sequence) <= ($3::text::xid8, $4)
               LIMIT $5) AS between_them""",
        *_text(after),
        *_text(until),
        most,
    )
    return rows


def _text(position: Position) -> tuple[str, int]:
    """As a statement takes it: asyncpg has no words for xid8."""
    return str(position.transaction), position.sequence
