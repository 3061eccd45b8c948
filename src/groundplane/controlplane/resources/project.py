"""Projects: where an organization's resources live, with a quota of their own."""

from collections.abc import Sequence

from groundplane.controlplane.resources import quota
from groundplane.controlplane.resources.fields import Strict, Text
from groundplane.controlplane.resources.kind import Creation, Draft, Kind, one_by_one
from groundplane.controlplane.resources.problems import InUseError
from groundplane.controlplane.resources.resource import Resource
from groundplane.kernel.database import Tx


class ProjectSpec(Strict):
    """Nothing but its name yet."""

    description: Text = ""


async def admit(creation: Creation, draft: Draft, request: ProjectSpec) -> ProjectSpec:
    """A project belongs to itself as a resource does to its project; its quota begins with nothing used."""
    draft.project_id = draft.id
    if draft.organization_id is not None:
        draft.links.append((draft.organization_id, "organization"))
    quota.open_account(creation.tx, draft.id)
    return request


async def release(tx: Tx, resources: Sequence[Resource]) -> None:
    """Refuse while anything lives in a project. Its account goes first: that waits for creates on their way."""
    for resource in resources:
        await tx.execute("DELETE FROM quota_usage WHERE scope_id = $1", resource.id)
        living = await tx.value(
            "SELECT count(*) FROM resource WHERE project_id = $1 AND id <> $1 AND deleted_at IS NULL", resource.id
        )
        if living:
            raise InUseError(f"Project {resource.name} still holds {living} resources. Delete them first.")


PROJECT = Kind(
    name="project",
    plural="projects",
    prefix="prj",
    service="identity",
    namespace="common",
    summary="A place for resources within an organization, with a quota of its own.",
    spec=ProjectSpec,
    create=ProjectSpec,
    admit=one_by_one(admit),
    release=release,
)
