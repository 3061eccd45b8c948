"""The SQL of the tables resource, label and link."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from groundplane.controlplane.resources.kind import Creation, Draft, Kind
from groundplane.controlplane.resources.problems import NameTakenError, ReferenceNotFoundError, ResourceNotFoundError
from groundplane.controlplane.resources.resource import COLUMNS, Resource, Status
from groundplane.kernel.database import Row, Tx
from groundplane.kernel.ids import parse_id


def insert(tx: Tx, kind: Kind, creation: Creation, draft: Draft, spec: Mapping[str, Any], *, status: Status) -> Resource:
    """Write the row, its labels and its links behind. Raises, when they are written, NameTakenError, ReferenceNotFoundError."""
    resource = Resource(
        id=draft.id, kind=kind.name, organization_id=draft.organization_id, project_id=draft.project_id, name=draft.name,
        status=status, wanted="present", labels=dict(creation.labels), spec=dict(spec), observed={},
        provider_reference=draft.provider_reference, cluster_id=draft.cluster_id, host_id=draft.host_id, generation=1,
        observed_generation=1 if status == "active" else 0, revision=1, fence=0, created_at=tx.now, updated_at=tx.now,
        deleted_at=None,
    )  # fmt: skip
    tx.insert(
        "resource",
        {**vars(resource), "scope_id": scope_of(kind, draft.organization_id, draft.project_id),
         "linkable": True, "spec_version": 1, "changed_by": creation.actor_id, "job_id": None, "reason": f"create {kind.name}"},
    )  # fmt: skip
    written = tx.unwritten("resource")
    tx.refuse({"resource_name": lambda _error: _one_of_them_taken(written)})
    write_labels(tx, kind, draft.id, draft.organization_id, creation.labels)
    for target_id, role in draft.links:
        link(tx, draft.id, target_id, role)
    return resource


def scope_of(kind: Kind, organization_id: UUID | None, project_id: UUID | None) -> UUID | None:
    """Where a kind's names are unique: in the project, in the organization, or everywhere."""
    if kind.name == "organization":
        return None
    return organization_id if kind.name == "project" else project_id


def name_taken(kind: str, name: str) -> NameTakenError:
    """The refusal of a name that a living resource has."""
    return NameTakenError(
        f"There is already a {kind.replace('_', ' ')} named {name!r}. Choose another name, or delete that one first.",
        context={"name": name},
    )


def _one_of_them_taken(rows: Sequence[Mapping[str, Any]]) -> NameTakenError:
    """The refusal of new rows: which of their names it was, PostgreSQL does not tell under row-level security."""
    first, *others = rows
    if not others:
        return name_taken(first["kind"], first["name"])
    return NameTakenError(
        f"There is already a {first['kind'].replace('_', ' ')} named {first['name']!r}, or something that has one of the names "
        f"made from it ({', '.join(row['name'] for row in others[:3])}). Choose another name.",
        context={"name": first["name"]},
    )


async def refuse_taken(tx: Tx, kind: Kind, scope_id: UUID | None, names: Sequence[str]) -> None:
    """Raise NameTakenError for the first of these names that a living resource of the kind has."""
    rows = await tx.fetch(
        """SELECT name FROM resource WHERE kind = $1 AND scope_id IS NOT DISTINCT FROM $2 AND deleted_at IS NULL
           AND name = ANY($3::text[])""",
        kind.name,
        scope_id,
        list(names),
    )
    taken = {row["name"] for row in rows}
    for name in names:
        if name in taken:
            raise name_taken(kind.name, name)


def write_labels(tx: Tx, kind: Kind, resource_id: UUID, organization_id: UUID | None, labels: Mapping[str, str]) -> None:
    """Write the searchable copy of a resource's labels behind; of one that has none yet."""
    for key, value in labels.items():
        row = {"resource_id": resource_id, "organization_id": organization_id, "kind": kind.name, "key": key, "value": value}
        tx.insert("label", row)


def link(tx: Tx, source_id: UUID, target_id: UUID, role: str) -> None:
    """`source` uses `target` as `role` from now on; the target cannot be deleted meanwhile. Written behind.

    Raises, when it is written, ReferenceNotFoundError: the target is going.
    """
    tx.insert("link", {"source_id": source_id, "target_id": target_id, "role": role, "target_linkable": True})
    roles = tx.read.setdefault("roles", {})
    roles[str(target_id)] = role
    tx.refuse({"link_target": lambda error: _going(error, roles)})


_ABSENT = re.compile(r"=\(([0-9a-f-]{36}), ")


def _going(error: Exception, roles: Mapping[str, str]) -> ReferenceNotFoundError:
    """PostgreSQL says which key there is not: (target, linkable)."""
    found = _ABSENT.search(str(getattr(error, "detail", "")))
    role = roles.get(found[1] if found else "", "target").replace("_", " ")
    return ReferenceNotFoundError(f"The {role} that the request refers to is being deleted. Choose another one.")


async def unlink(tx: Tx, source_id: UUID, target_ids: Collection[UUID]) -> None:
    """`source` uses these targets no more."""
    await tx.execute("DELETE FROM link WHERE source_id = $1 AND target_id = ANY($2::uuid[])", source_id, list(target_ids))


def absent(resource: Resource) -> dict[str, Any]:
    """What changes of a resource that shall be no more: nobody may link to it from now on."""
    return {"wanted": "absent", "linkable": False, "status": "deleting", "generation": resource.generation + 1}


async def load(tx: Tx, resource_id: UUID) -> Resource:
    """Any resource, deleted ones too. For steps and reports, which know that it is there."""
    if (fresh := tx.pending("resource", resource_id)) is not None:
        return Resource.from_row(fresh)
    row = await tx.one(f"SELECT {COLUMNS} FROM resource WHERE id = $1", resource_id)  # noqa: S608  # our own columns
    return Resource.from_row(row)


async def recall(tx: Tx, resource_ids: Collection[UUID]) -> Mapping[UUID, Resource]:
    """Resources as this transaction has seen them first; those that it has not are read, all at once.

    For what does not change, or not while the caller holds it.
    """
    found = {each: Resource.from_row(fresh) for each in resource_ids if (fresh := tx.pending("resource", each)) is not None}
    found |= {each: tx.read[each] for each in resource_ids if each in tx.read}
    if missing := [each for each in resource_ids if each not in found]:
        sql = f"SELECT {COLUMNS} FROM resource WHERE id = ANY($1::uuid[])"  # noqa: S608  # our own columns
        for row in await tx.fetch(sql, missing):
            found[row["id"]] = tx.read[row["id"]] = Resource.from_row(row)
    return found


# Found by its id and by nothing else (OFFSET keeps other conditions out of it): a statement is planned once, perhaps when there
# is little, and then another index seems as good, by which everything of a kind is read when there is much.
BY_ID = "(SELECT * FROM resource WHERE id = {} OFFSET 0) AS resource"


async def find(
    tx: Tx, kind: Kind, project_id: UUID | None, reference: str, *, organization_id: UUID | None = None
) -> Resource | None:
    """A living resource by public id or by name, within a project, an organization, or the platform (both None)."""
    resource_id = parse_id(kind.prefix, reference)
    where, values = ["kind = $1", "deleted_at IS NULL"], [kind.name, reference, resource_id]
    for column, value in (("project_id", project_id), ("organization_id", organization_id)):
        if value is not None:
            values.append(value)
            where.append(f"{column} = ${len(values)}")
    scope = scope_of(kind, organization_id, project_id)
    by_name = "name = $2 AND " + ("true" if kind.name == "project" and scope is None else "scope_id IS NULL")
    if scope is not None:
        values.append(scope)
        by_name = f"name = $2 AND scope_id = ${len(values)}"
    place = " AND ".join(where)
    row = await tx.row(
        f"""(SELECT {COLUMNS} FROM {BY_ID.format("$3")} WHERE {place})
            UNION ALL (SELECT {COLUMNS} FROM resource WHERE {by_name} AND {place}) LIMIT 1""",  # noqa: S608  # our own columns
        *values,
    )
    return Resource.from_row(row) if row else None


async def get(tx: Tx, kind: Kind, project_id: UUID | None, reference: str, *, organization_id: UUID | None = None) -> Resource:
    """Like `find`; raises ResourceNotFoundError."""
    resource = await find(tx, kind, project_id, reference, organization_id=organization_id)
    if resource is None:
        raise ResourceNotFoundError(f"There is no {kind.name.replace('_', ' ')} {reference!r} here. List what there is.")
    return resource


async def revision_found(tx: Tx, resource_id: UUID) -> int:
    """The revision that this transaction found a resource at, whatever it has changed of it since."""
    revision: int = await tx.value(
        """SELECT coalesce((SELECT min(revision) - 1 FROM revision WHERE entity = 'resource' AND entity_id = $1
                                   AND transaction_id = pg_current_xact_id()),
                           (SELECT revision FROM resource WHERE id = $1))""",
        resource_id,
    )
    return revision


async def journal(tx: Tx, resource_id: UUID, *, limit: int = 200) -> Sequence[Row]:
    """The resource's newest changes, oldest of them first: at, revision, changed_by, job_id, reason, state."""
    rows = await tx.fetch(
        """SELECT at, revision, changed_by, job_id, reason, state FROM revision
           WHERE entity = 'resource' AND entity_id = $1 ORDER BY sequence DESC LIMIT $2""",
        resource_id,
        limit,
    )
    return rows[::-1]
