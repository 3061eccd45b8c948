"""How many resources there are, in which statuses, and how many machines run: without looking at all of them.

The accounts of the quota know the totals, open jobs what is changing, and `resource_apart` what is not well; the rest is
active, and runs.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from groundplane.controlplane.resources.kind import Kind
from groundplane.kernel.database import Row, Tx

RUNNING = "running"


@dataclass
class Tally:
    """The resources of a kind. `powers` are those of machines: running, stopped, …; None where nobody knows."""

    total: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    powers: Counter[str | None] = field(default_factory=Counter)


async def tallies(tx: Tx, kinds: Iterable[Kind], *, project_id: UUID | None) -> Mapping[str, Tally]:
    """By kind; of a project, or (None) of the whole platform."""
    asked = {kind.name: kind for kind in kinds}
    dimensions = {dimension: kind.name for kind in asked.values() if (dimension := _dimension(kind))}
    uncounted = [name for name in asked if name not in dimensions.values()]
    sql = _OF_PROJECT if project_id else _OF_ALL
    rows = await tx.fetch(sql, uncounted, *([project_id] if project_id else []))
    found = {name: Tally() for name in asked}
    for row in rows:
        name = dimensions.get(row["of"], row["of"])
        if name in found and row["status"] is None:
            found[name].total = row["count"]
    _spread(found, [row for row in rows if row["status"] is not None and row["of"] in found])
    return found


def _dimension(kind: Kind) -> str | None:
    """The dimension of the quota that counts the kind's resources one by one: `vms`, `security_groups`."""
    name = kind.plural.replace("-", "_")
    return name if name in kind.dimensions else None


def _spread(found: Mapping[str, Tally], unusual: Sequence[Row]) -> None:
    for row in unusual:
        found[row["of"]].statuses[row["status"]] += row["count"]
        found[row["of"]].powers[row["power"]] += row["count"]
    for tally in found.values():
        usual = max(0, tally.total - tally.statuses.total())
        tally.statuses["active"] += usual
        tally.powers[RUNNING] += usual
        tally.total = tally.statuses.total()


_TALLY = """
    WITH open AS MATERIALIZED (SELECT id FROM job WHERE ended_at IS NULL {of_job})
    SELECT kind AS of, status, power, count(*) AS count FROM resource_apart {apart} GROUP BY kind, status, power
    UNION ALL
    SELECT kind, status, observed ->> 'power', count(*)
    FROM open JOIN change_claim ON job_id = open.id JOIN resource ON resource.id = change_claim.resource_id
    WHERE status <> 'active' AND deleted_at IS NULL
      AND NOT EXISTS (SELECT FROM resource_apart WHERE resource_apart.resource_id = resource.id)
    GROUP BY kind, status, observed ->> 'power'
    UNION ALL
    SELECT key, NULL, NULL, sum(value::bigint)::bigint FROM quota_usage CROSS JOIN jsonb_each_text(used)
    WHERE {account} GROUP BY key
    UNION ALL
    SELECT uncounted.kind, NULL, NULL, found.count FROM unnest($1::text[]) AS uncounted (kind) CROSS JOIN LATERAL (
        SELECT count(*) FROM resource WHERE resource.kind = uncounted.kind AND deleted_at IS NULL {of_resource}) AS found"""

_OF_PROJECT = _TALLY.format(
    of_job="AND project_id = $2", apart="WHERE project_id = $2", account="scope_id = $2", of_resource="AND project_id = $2"
)
_OF_ALL = _TALLY.format(of_job="", apart="", account="scope_id = organization_id", of_resource="")
