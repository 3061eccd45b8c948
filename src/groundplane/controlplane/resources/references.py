"""What requests refer to, by public id or by name: looked for at once, and for requests that come together in one question."""

from asyncio import Future
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from groundplane.controlplane.resources.kind import Kind, Wish
from groundplane.controlplane.resources.problems import ReferenceNotFoundError
from groundplane.controlplane.resources.resource import COLUMNS, Resource
from groundplane.controlplane.resources.store import BY_ID
from groundplane.kernel.database import Database, Tx
from groundplane.kernel.ids import parse_id
from groundplane.kernel.together import Together

# What attaches it, as the unique index `link_attachment` understands that.
_HOLDER = """(SELECT holder.name FROM link JOIN resource AS holder ON holder.id = source_id
              WHERE target_id = found.id AND (role = 'root' OR role = 'disk' OR role LIKE 'nic%') LIMIT 1)"""


@dataclass(frozen=True)
class Found:
    """What a wish stands for, and the name of what that is attached to; None while it is free."""

    resource: Resource
    holder: str | None


@dataclass(frozen=True)
class Sought:
    """What one request refers to: in its project, or on the platform (None)."""

    project_id: UUID | None
    wishes: Sequence[Wish]


class References:
    """What requests that come together refer to, found in one question for all that ask at one time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._together = Together(self._find)

    def of(self, sought: Sought) -> Future[Sequence[Found | None]]:
        """What there is of each wish now, to be waited for."""
        return self._together.ask(sought)

    async def _find(self, asked: Sequence[Sought]) -> Sequence[Sequence[Found | None]]:
        if not any(sought.wishes for sought in asked):
            return [()] * len(asked)
        async with self._database.reading() as tx:
            return await _find(tx, asked)


def know(tx: Tx, sought: Sought, found: Sequence[Found | None]) -> None:
    """Let the transaction know what was found before it began, of its own organization: it does not ask again.

    Row-level security is the asker's there, and did not see to that.
    """
    for each in found:
        if each is not None and each.resource.organization_id != tx.within:
            raise LookupError(f"{each.resource.kind} {each.resource.id} is not of organization {tx.within}")
    _remember(tx, sought, found)


async def refer(tx: Tx, kind: Kind, project_id: UUID | None, reference: str, *, field: str) -> Resource:
    """What a request's field refers to: it must be there and wanted. Raises ReferenceNotFoundError."""
    (resource,) = await refer_all(tx, project_id, [Wish(kind, reference, field)])
    return resource


async def refer_all(tx: Tx, project_id: UUID | None, wishes: Sequence[Wish]) -> Sequence[Resource]:
    """What all fields of a request refer to, in one question; what this transaction knows is not asked again.

    Raises ReferenceNotFoundError for the first that is not there.
    """
    known = _known(tx)
    asked = [wish for wish in wishes if (project_id, wish.kind.name, wish.reference) not in known]
    if asked:
        sought = Sought(project_id, asked)
        (found,) = await _find(tx, [sought])
        _remember(tx, sought, found)
    return [_wanted(wish, known[project_id, wish.kind.name, wish.reference]) for wish in wishes]


def holder_of(tx: Tx, resource: Resource) -> str | None:
    """The name of the resource that something which was referred to is attached to; None while it is free."""
    holder: str | None = tx.read["holders"][resource.id]
    return holder


def _known(tx: Tx) -> dict[tuple[UUID | None, str, str], Found | None]:
    known: dict[tuple[UUID | None, str, str], Found | None] = tx.read.setdefault("references", {})
    return known


def _remember(tx: Tx, sought: Sought, found: Sequence[Found | None]) -> None:
    known, holders = _known(tx), tx.read.setdefault("holders", {})
    for wish, each in zip(sought.wishes, found, strict=True):
        known[sought.project_id, wish.kind.name, wish.reference] = each
        if each is not None:
            tx.read[each.resource.id] = each.resource
            holders[each.resource.id] = each.holder


def _wanted(wish: Wish, found: Found | None) -> Resource:
    if found is not None and found.resource.wanted == "present":
        return found.resource
    noun = wish.kind.name.replace("_", " ")
    raise ReferenceNotFoundError(
        f"{wish.field}: there is no {noun} {wish.reference!r} in this project. Create it first, or correct the reference.",
        context={"field": wish.field, "kind": wish.kind.name, "reference": wish.reference},
    )


async def _find(tx: Tx, asked: Sequence[Sought]) -> Sequence[Sequence[Found | None]]:
    """What each asks for; all of them in projects, or all on the platform."""
    wishes = [(sought.project_id, wish) for sought in asked for wish in sought.wishes]
    rows = await tx.fetch(
        _ON_PLATFORM if wishes[0][0] is None else _IN_PROJECTS,
        [project_id for project_id, _ in wishes],
        [wish.kind.name for _, wish in wishes],
        [wish.reference for _, wish in wishes],
        [parse_id(wish.kind.prefix, wish.reference) for _, wish in wishes],
    )
    by_number = {row["number"]: Found(Resource.from_row(row), row["holder"]) for row in rows}
    found = iter([by_number.get(number) for number, _ in enumerate(wishes, 1)])
    return [list(islice(found, len(sought.wishes))) for sought in asked]


def _find_sql(within: str, scope: str) -> str:
    return f"""
        SELECT number, {_HOLDER} AS holder, found.* FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[])
             WITH ORDINALITY AS wish (of_project, of_kind, of_name, of_id, number)
        CROSS JOIN LATERAL (
            (SELECT {COLUMNS} FROM {BY_ID.format("of_id")} WHERE kind = of_kind AND deleted_at IS NULL AND {within})
            UNION ALL
            (SELECT {COLUMNS} FROM resource WHERE kind = of_kind AND name = of_name AND deleted_at IS NULL AND {scope})
            LIMIT 1) AS found
        WHERE of_project IS NULL OR found.project_id = of_project"""  # noqa: S608  # our own columns


_IN_PROJECTS = _find_sql("project_id = of_project", "scope_id = of_project")
_ON_PLATFORM = _find_sql("true", "scope_id IS NULL")
