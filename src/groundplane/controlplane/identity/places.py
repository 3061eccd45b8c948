"""Where somebody may go: the organizations and projects in which any of their bindings gives them anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from groundplane.controlplane.identity.access import HOLDS, MINE, OF_ACCOUNT
from groundplane.controlplane.identity.actor import Actor
from groundplane.kernel.database import Row, Tx
from groundplane.kernel.where import Where


@dataclass(frozen=True)
class Places:
    """What there is for somebody. Projects have id, name, organization_id, organization_name; organizations id and name.

    platform   a role on the whole platform shows them everything
    truncated  there is more than was asked for
    """

    projects: Sequence[Row]
    organizations: Sequence[Row]
    platform: bool
    truncated: bool


async def places_of(tx: Tx, actor: Actor, *, name_prefix: str | None, limit: int) -> Places:
    """At most `limit` projects, and as many organizations, by name; whose names begin so, if that is said.

    A role in a project shows its organization too, as one of which nothing else is seen. Three queries.
    """
    mine = OF_ACCOUNT if actor.kind == "service_account" else MINE
    held = await tx.fetch(
        f"SELECT DISTINCT organization_id, project_id FROM role_binding WHERE {mine} AND {HOLDS}",  # noqa: S608  # our own
        actor.id,
    )
    platform = any(row["organization_id"] is None for row in held)
    whole = {row["organization_id"] for row in held if row["project_id"] is None}
    single = {row["project_id"] for row in held if row["project_id"] is not None}
    projects = await _projects(tx, None if platform else (whole, single), name_prefix, limit + 1)
    seen = None if platform else {row["organization_id"] for row in held}
    organizations = await _organizations(tx, seen, name_prefix, limit + 1)
    truncated = max(len(projects), len(organizations)) > limit
    return Places(projects[:limit], organizations[:limit], platform, truncated)


async def _projects(tx: Tx, of: tuple[set[UUID], set[UUID]] | None, name_prefix: str | None, limit: int) -> Sequence[Row]:
    """Living projects: those of these organizations, and these; None for all."""
    where = Where()
    where.clauses += ["project.kind = 'project'", "project.deleted_at IS NULL", "organization.deleted_at IS NULL"]
    if of is not None:
        whole, single = of
        theirs, them = where.place(list(whole)), where.place(list(single))
        where.clauses.append(f"(project.scope_id = ANY ({theirs}::uuid[]) OR project.id = ANY ({them}::uuid[]))")
    if name_prefix is not None:
        where.clauses.append(f"starts_with(project.name, {where.place(name_prefix)})")
    return await tx.fetch(
        f"""SELECT project.id, project.name, organization.id AS organization_id, organization.name AS organization_name
            FROM resource AS project JOIN resource AS organization ON organization.id = project.organization_id
            {where.sql} ORDER BY organization.name, project.name LIMIT {where.place(limit)}""",  # noqa: S608  # our own
        *where.values,
    )


async def _organizations(tx: Tx, of: set[UUID] | None, name_prefix: str | None, limit: int) -> Sequence[Row]:
    """Living organizations among these; None for all."""
    where = Where()
    where.clauses += ["kind = 'organization'", "scope_id IS NULL", "deleted_at IS NULL"]
    if of is not None:
        where.clauses.append(f"id = ANY ({where.place(list(of))}::uuid[])")
    if name_prefix is not None:
        where.clauses.append(f"starts_with(name, {where.place(name_prefix)})")
    return await tx.fetch(
        f"SELECT id, name FROM resource {where.sql} ORDER BY name LIMIT {where.place(limit)}",  # noqa: S608  # our own
        *where.values,
    )
