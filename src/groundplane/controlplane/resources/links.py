"""What stands between resources: who uses whom, as what. Reads only, and no more than it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from groundplane.kernel.database import Row, Tx


async def uses(tx: Tx, resource_id: UUID) -> Sequence[Row]:
    """What a resource links to, which is not much: role, id, kind, name and status of each."""
    return _in_order(await tx.fetch(_ENDS.format(near="source_id", far="target_id"), resource_id))


async def users(tx: Tx, resource_id: UUID, *, limit: int) -> Sequence[Row]:
    """What links to a resource: role, id, kind, name and status of each; any of them, if there are more than `limit`."""
    return _in_order(await tx.fetch(f"{_ENDS.format(near='target_id', far='source_id')} LIMIT $2", resource_id, limit))


_ENDS = """SELECT role, resource.id, kind, name, status FROM link JOIN resource ON resource.id = {far}
           WHERE {near} = $1 AND deleted_at IS NULL"""


def _in_order(rows: Sequence[Row]) -> Sequence[Row]:
    return sorted(rows, key=lambda row: (row["kind"], row["name"], row["role"]))


@dataclass(frozen=True)
class Topology:
    """Resources (id, kind, name, status), and the links between them (source_id, target_id, role)."""

    nodes: Sequence[Row]
    links: Sequence[Row]
    truncated: bool


# OFFSET 0: each resource is asked for its own links, by the index that begins with it.
LINKS_OF = """SELECT found.* FROM unnest($1::uuid[]) AS node (id) CROSS JOIN LATERAL (
                  SELECT source_id, target_id, role FROM link WHERE source_id = node.id OFFSET 0) AS found"""


async def topology(tx: Tx, project_id: UUID, kinds: Sequence[str], *, limit: int) -> Topology:
    """All of a project's resources of these kinds; if they are more than `limit`, some of each kind, its oldest."""
    nodes = await _oldest_of_each(tx, project_id, kinds, each=limit + 1, limit=limit + 1)
    truncated = len(nodes) > limit
    if truncated:
        nodes = await _oldest_of_each(tx, project_id, kinds, each=-(-limit // len(kinds)), limit=limit)
    ids = {node["id"] for node in nodes}
    links = await tx.fetch(LINKS_OF, list(ids))
    return Topology(nodes, [link for link in links if link["target_id"] in ids], truncated)


async def _oldest_of_each(tx: Tx, project_id: UUID, kinds: Sequence[str], *, each: int, limit: int) -> Sequence[Row]:
    return await tx.fetch(
        """SELECT found.* FROM unnest($2::text[]) AS of (kind) CROSS JOIN LATERAL (
               SELECT id, kind, name, status FROM resource
               WHERE project_id = $1 AND resource.kind = of.kind AND deleted_at IS NULL ORDER BY id LIMIT $3) AS found
           LIMIT $4""",
        project_id,
        list(kinds),
        each,
        limit,
    )
