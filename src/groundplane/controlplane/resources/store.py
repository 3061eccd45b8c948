"""The SQL of the tables resource, label and link."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from groundplane.controlplane.resources.kind import Creation, Kind
from groundplane.controlplane.resources.problems import NameTakenError, ReferenceNotFoundError, ResourceNotFoundError
from groundplane.controlplane.resources.resource import COLUMNS, Resource
from groundplane.kernel.database import ForeignKeyViolationError, Row, Tx, UniqueViolationError
from groundplane.kernel.ids import parse_id


async def insert(tx: Tx, creation: Creation, kind: Kind, spec: Mapping[str, Any], *, status: str, reason: str) -> Resource:
    """Write the row, its labels and its links. Raises NameTakenError."""
    scope_id = creation.project_id if kind.name != "project" else creation.organization_id
    if kind.name == "organization":
        scope_id = None
    try:
        async with tx.savepoint():
            row = await tx.one(
                f"""INSERT INTO resource (id, kind, organization_id, project_id, scope_id, name, status, labels, spec,
                        cluster_id, host_id, provider_reference, observed_generation, changed_by, reason)
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
                    RETURNING {COLUMNS}""",  # noqa: S608  # our own columns
                creation.id,
                kind.name,
                creation.organization_id,
                creation.project_id,
                scope_id,
                creation.name,
                status,
                creation.labels,
                spec,
                creation.cluster_id,
                creation.host_id,
                creation.provider_reference,
                1 if status == "active" else 0,
                creation.actor_id,
                reason,
            )
    except UniqueViolationError as error:
        raise name_taken(kind, creation.name) from error
    await write_labels(tx, kind, creation.id, creation.organization_id, creation.labels)
    for target_id, role in creation.links:
        await link(tx, creation.id, target_id, role)
    return Resource.from_row(row)


def name_taken(kind: Kind, name: str) -> NameTakenError:
    """The refusal of a name that a living resource has."""
    return NameTakenError(
        f"There is already a {kind.name.replace('_', ' ')} named {name!r}. Choose another name, or delete that one first.",
        context={"name": name},
    )


async def write_labels(tx: Tx, kind: Kind, resource_id: UUID, organization_id: UUID | None, labels: Mapping[str, str]) -> None:
    """Replace the searchable copy of a resource's labels."""
    await tx.execute("DELETE FROM label WHERE resource_id = $1", resource_id)
    await tx.many(
        "INSERT INTO label (resource_id, organization_id, kind, key, value) VALUES ($1, $2, $3, $4, $5)",
        [(resource_id, organization_id, kind.name, key, value) for key, value in labels.items()],
    )


async def link(tx: Tx, source_id: UUID, target_id: UUID, role: str) -> None:
    """`source` uses `target` as `role` from now on; the target cannot be deleted meanwhile.

    Raises ReferenceNotFoundError when the target is going; the transaction is of no more use then.
    """
    try:
        await tx.execute(
            "INSERT INTO link (source_id, target_id, role) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            source_id,
            target_id,
            role,
        )
    except ForeignKeyViolationError as error:
        raise ReferenceNotFoundError(
            f"The {role.replace('_', ' ')} that the request refers to is being deleted. Choose another one."
        ) from error


async def unlink(tx: Tx, source_id: UUID, target_id: UUID | None = None) -> None:
    """`source` uses `target` (or anything at all) no more."""
    await tx.execute("DELETE FROM link WHERE source_id = $1 AND ($2::uuid IS NULL OR target_id = $2)", source_id, target_id)


async def users_of(tx: Tx, resource_id: UUID) -> Sequence[Row]:
    """Who links to a resource: id, kind, name and role of each."""
    return await tx.fetch(
        """SELECT resource.id, kind, name, role FROM link JOIN resource ON resource.id = source_id
           WHERE target_id = $1 ORDER BY kind, name LIMIT 20""",
        resource_id,
    )


async def uses(tx: Tx, resource_id: UUID) -> Sequence[Row]:
    """What a resource links to: id, kind, name and role of each."""
    return await tx.fetch(
        """SELECT resource.id, kind, name, role FROM link JOIN resource ON resource.id = target_id
           WHERE source_id = $1 ORDER BY kind, name""",
        resource_id,
    )


async def load(tx: Tx, resource_id: UUID) -> Resource:
    """Any resource, deleted ones too. For steps and reports, which know that it is there."""
    row = await tx.one(f"SELECT {COLUMNS} FROM resource WHERE id = $1", resource_id)  # noqa: S608  # our own columns
    return Resource.from_row(row)


async def find(
    tx: Tx, kind: Kind, project_id: UUID | None, reference: str, *, organization_id: UUID | None = None
) -> Resource | None:
    """A living resource by public id or by name, within a project, an organization, or the platform (both None)."""
    resource_id = parse_id(kind.prefix, reference)
    # The name is looked for too when it has the shape of an id: names may be anything that fits.
    row = await tx.row(
        f"""SELECT {COLUMNS} FROM resource
            WHERE kind = $1 AND deleted_at IS NULL AND ($3::uuid IS NULL OR project_id = $3)
              AND ($5::uuid IS NULL OR organization_id = $5)
              AND (id = $4 OR name = $2) ORDER BY id = $4 DESC LIMIT 1""",  # noqa: S608  # our own columns
        kind.name,
        reference,
        project_id,
        resource_id,
        organization_id,
    )
    return Resource.from_row(row) if row else None


async def get(tx: Tx, kind: Kind, project_id: UUID | None, reference: str, *, organization_id: UUID | None = None) -> Resource:
    """Like `find`; raises ResourceNotFoundError."""
    resource = await find(tx, kind, project_id, reference, organization_id=organization_id)
    if resource is None:
        raise ResourceNotFoundError(f"There is no {kind.name.replace('_', ' ')} {reference!r} here. List what there is.")
    return resource


async def refer(tx: Tx, kind: Kind, project_id: UUID | None, reference: str, *, field: str) -> Resource:
    """What a request's field refers to: it must be there and wanted. Raises ReferenceNotFoundError."""
    resource = await find(tx, kind, project_id, reference)
    if resource is None or resource.wanted == "absent":
        noun = kind.name.replace("_", " ")
        raise ReferenceNotFoundError(
            f"{field}: there is no {noun} {reference!r} in this project. Create it first, or correct the reference.",
            context={"field": field, "kind": kind.name, "reference": reference},
        )
    return resource


async def page(
    tx: Tx,
    kind: Kind,
    *,
    project_id: UUID | None,
    organization_ids: Sequence[UUID] | None = None,
    selector: Sequence[tuple[str, str]] = (),
    name: str | None = None,
    status: str | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> Sequence[Resource]:
    """Living resources of a kind, oldest first, `after` being the last id of the page before.

    `selector` are labels that must all be equal; None for a filter means any.
    """
    clauses = ["kind = $1", "deleted_at IS NULL"]
    values: list[object] = [kind.name]

    def add(clause: str, *more: object) -> None:
        first = len(values) + 1
        values.extend(more)
        clauses.append(clause.format(*range(first, first + len(more))))

    if project_id is not None:
        add("project_id = ${}", project_id)
    if organization_ids is not None:
        add("organization_id = ANY(${}::uuid[])", list(organization_ids))
    if name is not None:
        add("name = ${}", name)
    if status is not None:
        add("status = ${}", status)
    if after is not None:
        add("id > ${}", after)
    for key, value in selector:
        add("EXISTS (SELECT FROM label WHERE resource_id = resource.id AND key = ${} AND value = ${})", key, value)
    values.append(limit)
    sql = f"SELECT {COLUMNS} FROM resource WHERE {' AND '.join(clauses)} ORDER BY id LIMIT ${len(values)}"  # noqa: S608
    return [Resource.from_row(row) for row in await tx.fetch(sql, *values)]


async def journal(tx: Tx, resource_id: UUID, *, limit: int = 200) -> Sequence[Row]:
    """The resource's newest changes, oldest of them first: at, revision, changed_by, job_id, reason, state."""
    rows = await tx.fetch(
        """SELECT at, revision, changed_by, job_id, reason, state FROM revision
           WHERE entity = 'resource' AND entity_id = $1 ORDER BY sequence DESC LIMIT $2""",
        resource_id,
        limit,
    )
    return rows[::-1]
