"""What the timeline of a resource reads of the tables resource, link and revision. Changes nothing."""

from collections.abc import Sequence
from uuid import UUID

from groundplane.controlplane.resources import store
from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.resource import COLUMNS, Resource
from groundplane.kernel.database import Row, Tx
from groundplane.kernel.ids import parse_id

A_FEW = 8
"""A request about one resource begins a job and supersedes a few; one that began more is a bulk request."""


async def find_ever(
    tx: Tx, kind: Kind, project_id: UUID | None, reference: str, *, organization_id: UUID | None = None
) -> Resource | None:
    """The living resource of this id or name; by its id also one that was deleted."""
    living = await store.find(tx, kind, project_id, reference, organization_id=organization_id)
    resource_id = parse_id(kind.prefix, reference)
    if living is not None or resource_id is None:
        return living
    row = await tx.row(
        f"""SELECT {COLUMNS} FROM resource
            WHERE id = $1 AND kind = $2 AND ($3::uuid IS NULL OR project_id = $3)
              AND ($4::uuid IS NULL OR organization_id = $4)""",  # noqa: S608  # our own columns
        resource_id,
        kind.name,
        project_id,
        organization_id,
    )
    return Resource.from_row(row) if row else None


async def changes(tx: Tx, resource_id: UUID, *, limit: int) -> Sequence[Row]:
    """The newest changes, oldest of them first: transaction, batch, at, revision, changed_by, job_id, reason, state.

    `batch` is the row's xmin: that of its transaction, or of a savepoint in it.
    """
    rows = await tx.fetch(
        """SELECT transaction_id::text AS transaction, xmin::text AS batch, at, revision, changed_by, job_id, reason, state
           FROM revision
           WHERE entity = 'resource' AND entity_id = $1 ORDER BY sequence DESC LIMIT $2""",
        resource_id,
        limit,
    )
    return rows[::-1]


async def jobs_beside(tx: Tx, resource_id: UUID, transactions: Sequence[str], *, limit: int) -> Sequence[UUID]:
    """The newest jobs that moved in these transactions, each a request's own, and are about this resource.

    What came with another resource has no job of its own: it was made, or given up, in the transaction of the other's.
    """
    rows = await tx.fetch(
        """WITH moved AS (
               SELECT transaction_id, entity_id, (state ->> 'resource_id')::uuid AS changed, max(sequence) AS newest
               FROM revision WHERE transaction_id = ANY($2::text[]::xid8[]) AND entity = 'job' GROUP BY 1, 2, 3),
           counted AS (SELECT transaction_id, count(*) AS jobs FROM moved GROUP BY 1)
           SELECT entity_id FROM moved JOIN counted USING (transaction_id)
           WHERE jobs <= $3 OR changed = $1 OR EXISTS (SELECT FROM link WHERE source_id = changed AND target_id = $1)
           GROUP BY entity_id ORDER BY max(newest) DESC LIMIT $4""",
        resource_id,
        list(transactions),
        A_FEW,
        limit,
    )
    return [row["entity_id"] for row in rows]


async def moves(tx: Tx, job_ids: Sequence[UUID]) -> Sequence[Row]:
    """In which transactions jobs moved, oldest first: job_id, transaction, batch and at (of the first move there)."""
    return await tx.fetch(
        """SELECT entity_id AS job_id, transaction_id::text AS transaction, min(xmin::text) AS batch, min(at) AS at
           FROM revision WHERE entity_id = ANY($1::uuid[]) AND entity = 'job'
           GROUP BY entity_id, transaction_id ORDER BY min(sequence)""",
        list(job_ids),
    )


async def name_of(tx: Tx, resource_id: UUID) -> str | None:
    """What a resource is or was called."""
    name: str | None = await tx.value("SELECT name FROM resource WHERE id = $1", resource_id)
    return name
