"""Pages of the resources of a kind: which, in which order, from where on. A page reads about as many rows as it answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.resource import COLUMNS, Resource
from groundplane.controlplane.resources.selectors import Term
from groundplane.controlplane.resources.store import scope_of
from groundplane.kernel.database import Tx
from groundplane.kernel.where import Where

Sort = Literal["created_at", "-created_at", "name", "-name"]
"""The oldest first, the newest first, by name, and by name backwards."""

FEW = 5000
"""So many rows are sorted for a page; of more, a page is found by walking an index that has their order."""


@dataclass(frozen=True)
class Filters:
    """Which resources of a kind a list is about; None means any. `labels` are terms that must all hold.

    name_prefix                     what the name begins with
    created_after, created_before   by `created_at`, the first included, the second not
    uses                            what links to this resource
    """

    labels: Sequence[Term] = ()
    name: str | None = None
    name_prefix: str | None = None
    status: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    uses: UUID | None = None
    cluster_id: UUID | None = None
    host_id: UUID | None = None


async def page(
    tx: Tx,
    kind: Kind,
    *,
    project_id: UUID | None,
    organization_id: UUID | None = None,
    organization_ids: Sequence[UUID] | None = None,
    filters: Filters = Filters(),
    sort: Sort = "created_at",
    after: UUID | str | None = None,
    limit: int = 50,
) -> Sequence[Resource]:
    """Living resources of a kind in an order, `after` being the last id of the page before, or, by name, its last name.

    `organization_id` is the project's: who knows it, says it, and labels are found by it.
    """
    down, by_name = sort.startswith("-"), sort.endswith("name")
    scope = _Scope(kind, project_id, organization_id)
    where = Where()
    source = await _source(tx, scope, filters, where, by_name=by_name, down=down)
    column = "resource.name" if by_name else source.row_id
    where.clauses += [f"resource.kind = {where.place(kind.name)}", "resource.deleted_at IS NULL"]
    if by_name or filters.name is not None or filters.name_prefix is not None:
        where.clauses += scope.clauses(where)  # as the index of names has it
    if filters.name_prefix is not None:
        where.clauses.append(where.begins(filters.name_prefix, column="resource.name"))
    (where.before if down else where.after)(after, column=column)
    where.equal(project_id=project_id, name=filters.name, status=filters.status)
    where.equal(cluster_id=filters.cluster_id, host_id=filters.host_id)
    where.made(filters.created_after, filters.created_before, row_id=source.row_id)
    if organization_ids is not None:
        where.clauses.append(f"resource.organization_id = ANY({where.place(list(organization_ids))}::uuid[])")
    if filters.uses is not None:
        place = where.place(filters.uses)
        where.clauses.append(f"EXISTS (SELECT FROM link WHERE source_id = resource.id AND target_id = {place})")
    where.clauses += [term.sql(where.place) for term in filters.labels if term is not source.term]
    # The index of names has the scope before them, and that a scope of NULL is a single one the planner does not know.
    order = _order("resource.scope_id", column, down=down) if by_name else _order(column, down=down)
    sql = f"SELECT {COLUMNS} FROM {source.sql} {where.sql} ORDER BY {order} LIMIT {where.place(limit)}"  # noqa: S608  # our own
    return [Resource.from_row(row) for row in await tx.fetch(sql, *where.values)]


def _order(*columns: str, down: bool) -> str:
    return ", ".join(f"{each} DESC" if down else each for each in columns)


@dataclass(frozen=True)
class _Scope:
    """Where a list is, in the words of the index of names and in those of the index of labels."""

    kind: Kind
    project_id: UUID | None
    organization_id: UUID | None

    def clauses(self, where: Where) -> list[str]:
        """What the rows of the scope have; nothing for projects of whichever organization."""
        scope_id = scope_of(self.kind, self.organization_id, self.project_id)
        if scope_id is not None:
            return [f"resource.scope_id = {where.place(scope_id)}"]
        return [] if self.kind.name == "project" else ["resource.scope_id IS NULL"]

    def named(self, prefix: str, where: Where) -> str:
        """The rows whose name begins so."""
        clauses = [f"resource.kind = {where.place(self.kind.name)}", "resource.deleted_at IS NULL", *self.clauses(where)]
        return f"resource WHERE {' AND '.join([*clauses, where.begins(prefix, column='resource.name')])}"

    def labelled(self, term: Term, where: Where) -> str:
        """The labels that are so."""
        of = {"organization_id": self.organization_id, "kind": self.kind.name, "key": term.key, "value": term.values[0]}
        return "label WHERE " + " AND ".join(f"label.{column} = {where.place(value)}" for column, value in of.items())


@dataclass(frozen=True)
class _Source:
    """What a page is read from, as `resource`; `term` is the one that it has dealt with."""

    sql: str = "resource"
    row_id: str = "resource.id"
    term: Term | None = None


# The planner knows no tenant's labels and names: left alone it reads all of a project to find what few have, or gathers and
# sorts all that many have, for one page. So it is told. In the order of an index, what leads is read in that order, which a
# subquery that sorts keeps; where few match, these are gathered (OFFSET 0 keeps the subquery for itself) and sorted.
IN_ORDER = "SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off"


async def _source(tx: Tx, scope: _Scope, filters: Filters, where: Where, *, by_name: bool, down: bool) -> _Source:
    prefix = filters.name_prefix
    term = next((term for term in filters.labels if term.single), None) if scope.organization_id else None
    if prefix is not None and not by_name and await _are_few(tx, lambda where: scope.named(prefix, where)):
        return _Source(f"(SELECT resource.* FROM {scope.named(prefix, where)} OFFSET 0) AS resource")  # noqa: S608  # our own
    if term is not None and by_name and await _are_few(tx, lambda where: scope.labelled(term, where)):
        labels = f"(SELECT resource_id FROM {scope.labelled(term, where)} OFFSET 0) AS led"  # noqa: S608  # our own
        found = f"{labels} JOIN resource ON resource.id = led.resource_id"
        return _Source(f"(SELECT resource.* FROM {found} OFFSET 0) AS resource", term=term)  # noqa: S608  # our own
    if by_name or down or filters.labels or prefix is not None:
        await tx.execute(IN_ORDER)
    if term is None or by_name:
        return _Source()
    labels = f"(SELECT resource_id FROM {scope.labelled(term, where)} ORDER BY {_order('resource_id', down=down)}) AS led"  # noqa: S608  # our own
    return _Source(f"{labels} JOIN resource ON resource.id = led.resource_id", "led.resource_id", term)


async def _are_few(tx: Tx, rows: Callable[[Where], str]) -> bool:
    where = Where()
    sql = f"SELECT count(*) FROM (SELECT FROM {rows(where)} LIMIT {FEW + 1}) AS few"  # noqa: S608  # our own
    ((count,),) = await tx.fetch(sql, *where.values)
    return bool(count <= FEW)
