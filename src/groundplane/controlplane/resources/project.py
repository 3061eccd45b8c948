"""Projects: where an organization's resources live, with a quota of their own.

One that was deleted is nowhere to be seen, but keeps its quota account, closed, and its role bindings: until the undo window is
over, it can be restored.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from groundplane.controlplane.resources import quota, store
from groundplane.controlplane.resources.fields import Strict, Text, example
from groundplane.controlplane.resources.kind import Column, Creation, Draft, Kind, one_by_one
from groundplane.controlplane.resources.problems import InUseError, NotDeletedError, ResourceNotFoundError
from groundplane.controlplane.resources.resource import COLUMNS, Resource
from groundplane.kernel.database import Tx, UniqueViolationError


class ProjectSpec(Strict):
    """Nothing but its name yet."""

    model_config = example({"description": "The web shop"})

    description: Text = ""


async def admit(creation: Creation, draft: Draft, request: ProjectSpec) -> ProjectSpec:
    """A project belongs to itself as a resource does to its project; its quota begins with nothing used."""
    draft.project_id = draft.id
    if draft.organization_id is not None:
        draft.links.append((draft.organization_id, "organization"))
    quota.open_account(creation.tx, draft.id, draft.organization_id)
    return request


async def release(tx: Tx, resources: Sequence[Resource]) -> None:
    """Refuse while anything lives in a project. Its account is closed first: that waits for creates on their way."""
    for resource in resources:
        await quota.close_account(tx, resource.id)
        living = await tx.value(
            "SELECT count(*) FROM resource WHERE project_id = $1 AND id <> $1 AND deleted_at IS NULL", resource.id
        )
        if living:
            raise InUseError(f"Project {resource.name} still holds {living} resources. Delete them first.")


PROJECT = Kind(
    name="project",
    plural="projects",
    title="Project",
    title_plural="Projects",
    prefix="prj",
    service="identity",
    namespace="common",
    summary="A place for resources within an organization, with a quota of its own.",
    spec=ProjectSpec,
    create=ProjectSpec,
    admit=one_by_one(admit),
    release=release,
    columns=(Column("spec.description", "Description"),),
)


# The undo window is what the setting says at the moment of the question, counted from the deletion.
_RESTORABLE = """FROM resource JOIN quota_usage ON quota_usage.scope_id = resource.id
                 WHERE resource.kind = 'project' AND resource.deleted_at IS NOT NULL AND NOT open"""


async def deleted_page(
    tx: Tx, organization_id: UUID, *, window: timedelta, after: UUID | None, limit: int
) -> Sequence[Resource]:
    """An organization's deleted projects that can be restored, oldest first, `after` being the last id of the page before."""
    rows = await tx.fetch(
        f"""SELECT {COLUMNS} {_RESTORABLE} AND quota_usage.organization_id = $1 AND deleted_at > now() - $2::interval
                AND ($3::uuid IS NULL OR resource.id > $3) ORDER BY resource.id LIMIT $4""",
        organization_id,
        window,
        after,
        limit,
    )
    return [Resource.from_row(row) for row in rows]


async def restore(tx: Tx, organization_id: UUID, project_id: UUID, *, window: timedelta, actor_id: UUID | None) -> Resource:
    """Bring a deleted project back: empty, with its labels, its limits and its role bindings.

    Raises NotDeletedError, NameTakenError, and ResourceNotFoundError for one that never was, or was deleted too long ago.
    """
    row = await tx.row(
        f"""SELECT {COLUMNS}, deleted_at > now() - $3::interval AND EXISTS (
                       SELECT FROM quota_usage WHERE scope_id = resource.id AND NOT open) AS restorable
            FROM resource WHERE id = $1 AND kind = 'project' AND organization_id = $2 FOR UPDATE""",  # noqa: S608
        project_id,
        organization_id,
        window,
    )
    if row is not None and row["deleted_at"] is None:
        raise NotDeletedError
    if row is None or not row["restorable"]:
        raise ResourceNotFoundError("There is no deleted project of this id to restore. List them with ?deleted=true.")
    project = Resource.from_row(row)
    await _live_again(tx, project, actor_id)
    await quota.reopen_account(tx, project.id)
    store.write_labels(tx, PROJECT, project.id, organization_id, project.labels)
    store.link(tx, project.id, organization_id, "organization")
    return await store.load(tx, project.id)


async def _live_again(tx: Tx, project: Resource, actor_id: UUID | None) -> None:
    try:
        async with tx.savepoint():
            await tx.execute(
                """UPDATE resource SET deleted_at = NULL, status = 'active', wanted = 'present', linkable = true,
                          generation = generation + 1, observed_generation = generation + 1, changed_by = $2,
                          reason = 'restore project' WHERE id = $1""",
                project.id,
                actor_id,
            )
    except UniqueViolationError as error:
        raise store.name_taken(PROJECT.name, project.name) from error


async def purge(tx: Tx, *, window: timedelta, limit: int = 100) -> Sequence[Resource]:
    """End the accounts of projects whose undo window is over: nobody can restore them any more. Those that it ended."""
    rows = await tx.fetch(
        f"""SELECT {COLUMNS} {_RESTORABLE} AND deleted_at <= now() - $1::interval
            ORDER BY resource.id LIMIT $2 FOR UPDATE OF resource SKIP LOCKED""",
        window,
        limit,
    )
    gone = [Resource.from_row(row) for row in rows]
    for project in gone:
        tx.update("resource", project.id, {"reason": "undo window over", "changed_by": None})
        await quota.end_account(tx, project.id)
    return gone
