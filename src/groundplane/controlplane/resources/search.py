"""Resources by what somebody types: an id, the beginning of a name, a label. Reads only, by indexes, and not all that match.

Within a project, or (None) on the whole platform.
"""

from collections.abc import Sequence
from uuid import UUID

from groundplane.kernel.database import Row, Tx
from groundplane.kernel.where import AFTER_Z

FOUND = "resource.id, resource.kind, resource.name, resource.status, resource.project_id, resource.organization_id"
MOST_LABELLED = 5000
"""So many resources of a kind that have a label are looked at, those of the organization's other projects included."""


async def by_id(tx: Tx, kind: str, resource_id: UUID, *, project_id: UUID | None) -> Sequence[Row]:
    """The resource of this id."""
    return await tx.fetch(
        f"""SELECT {FOUND} FROM resource WHERE id = $1 AND kind = $2 AND deleted_at IS NULL
            AND ($3::uuid IS NULL OR project_id = $3)""",  # noqa: S608  # our own columns
        resource_id,
        kind,
        project_id,
    )


async def by_name(tx: Tx, kinds: Sequence[str], prefix: str, *, project_id: UUID | None, limit: int) -> Sequence[Row]:
    """Resources whose name begins so, `limit` of each kind."""
    within = "AND scope_id = $5 AND project_id = $5" if project_id else ""
    order = "ORDER BY scope_id, name" if project_id else ""  # as the index of names has it
    return await tx.fetch(
        f"""SELECT found.* FROM unnest($1::text[]) AS of (kind) CROSS JOIN LATERAL (
                SELECT {FOUND} FROM resource WHERE resource.kind = of.kind AND deleted_at IS NULL {within}
                AND name >= $2 AND name < $3 {order} LIMIT $4) AS found""",  # noqa: S608  # our own columns
        list(kinds),
        prefix,
        prefix + AFTER_Z,
        limit,
        *([project_id] if project_id else []),
    )


async def by_label(
    tx: Tx,
    kinds: Sequence[str],
    key: str,
    value: str | None,
    *,
    project_id: UUID | None,
    organization_id: UUID | None,
    limit: int,
) -> Sequence[Row]:
    """Resources with this label, whatever its value if that is None; `limit` of each kind."""
    values: list[object] = [list(kinds), key, limit]
    of_label, within = "", ""
    if value is not None:
        values.append(value)
        of_label += f" AND value = ${len(values)}"
    if project_id is not None:
        values += [organization_id, project_id]
        of_label += f" AND organization_id = ${len(values) - 1}"
        within = f"AND project_id = ${len(values)}"
    return await tx.fetch(
        f"""SELECT found.* FROM unnest($1::text[]) AS of (kind) CROSS JOIN LATERAL (
                SELECT {FOUND} FROM (SELECT resource_id FROM label WHERE label.kind = of.kind AND key = $2 {of_label}
                                     LIMIT {MOST_LABELLED}) AS led
                JOIN resource ON resource.id = resource_id WHERE deleted_at IS NULL {within} LIMIT $3) AS found""",  # noqa: S608
        *values,
    )
