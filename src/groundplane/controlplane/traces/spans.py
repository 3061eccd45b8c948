"""The SQL of the table `span` and its partitions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from groundplane.kernel.database import Tx
from groundplane.kernel.telemetry import Span

KEPT_HOURS = 24
"""How long a span can be read at least."""
LONGEST_TEXT = 200
MOST_ATTRIBUTES = 16


@dataclass(frozen=True)
class StoredSpan:
    """A span as its row says it."""

    span_id: str
    parent_id: str
    service: str
    name: str
    started_at: datetime
    microseconds: int
    error: str
    attributes: dict[str, Any]


def insert(tx: Tx, spans: Sequence[Span]) -> None:
    """Write spans behind."""
    for span in spans:
        tx.insert("span", _row(span))


def _row(span: Span) -> dict[str, Any]:
    attributes = list(span.attributes.items())[:MOST_ATTRIBUTES]
    return {
        "trace_id": UUID(span.trace_id),
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "service": span.service,
        "name": _storable(span.name),
        "started_at": datetime.fromtimestamp(span.started_ns / 1e9, UTC),
        "microseconds": (span.ended_ns - span.started_ns) // 1000,
        "error": _storable(span.error),
        "attributes": {_storable(name): _storable(value) if isinstance(value, str) else value for name, value in attributes},
        "organization_id": span.local.organization_id,
        "project_id": span.local.project_id,
    }


def _storable(text: str) -> str:
    """As much of it as is worth keeping, of characters that PostgreSQL takes."""
    return text[:LONGEST_TEXT].replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


async def spans_of_trace(
    tx: Tx, trace_id: str, *, since: datetime, project_id: UUID | None, limit: int
) -> Sequence[StoredSpan]:
    """A trace's spans that were stored `since` then, in the order of their beginnings; each once, though it was told twice.

    With a project, only its own: anybody may send the id of another's trace.
    """
    rows = await tx.fetch(
        """SELECT * FROM (
               SELECT DISTINCT ON (span_id)
                      span_id, parent_id, service, name, started_at, microseconds, error, attributes
               FROM span WHERE trace_id = $1 AND stored_at >= $2 AND ($3::uuid IS NULL OR project_id = $3)
               ORDER BY span_id, stored_at) AS each
           ORDER BY started_at, span_id LIMIT $4""",
        UUID(trace_id),
        since,
        project_id,
        limit,
    )
    return [StoredSpan(**dict(row)) for row in rows]


async def keep_partitions(tx: Tx) -> tuple[int, int]:
    """Make partitions ahead and drop those that are too old: how many of each. Raises LockNotAvailableError."""
    row = await tx.one("SELECT made, dropped FROM keep_span_partitions()")
    return row["made"], row["dropped"]
