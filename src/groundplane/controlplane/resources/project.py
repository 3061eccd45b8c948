"""Projects: where an organization's resources live, with a quota of their own."""

from groundplane.controlplane.resources import quota
from groundplane.controlplane.resources.fields import Strict, Text
from groundplane.controlplane.resources.kind import Creation, Kind
from groundplane.controlplane.resources.problems import InUseError
from groundplane.controlplane.resources.resource import Resource
from groundplane.kernel.database import Tx


class ProjectSpec(Strict):
    """Nothing but its name yet."""

    description: Text = ""


async def admit(creation: Creation, request: ProjectSpec) -> ProjectSpec:
    """A project belongs to itself as a resource does to its project; its quota begins with nothing used."""
    creation.project_id = creation.id
    if creation.organization_id is not None:
        creation.links.append((creation.organization_id, "organization"))
    await quota.open_account(creation.tx, creation.id)
    return request


async def release(tx: Tx, resource: Resource) -> None:
    """Refuse while anything lives in the project. Its account goes first: that waits for creates on their way."""
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
    admit=admit,
    release=release,
)
