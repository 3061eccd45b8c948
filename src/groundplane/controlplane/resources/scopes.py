"""Which organization a project lies in, and whether an organization is there: what an authorization decision starts from."""

from uuid import UUID

from groundplane.kernel.database import Tx


async def organization_of_project(tx: Tx, project_id: UUID) -> UUID | None:
    """The organization of a living project; None when there is no such project."""
    organization_id: UUID | None = await tx.value(
        "SELECT organization_id FROM resource WHERE id = $1 AND kind = 'project' AND deleted_at IS NULL", project_id
    )
    return organization_id


async def organization_exists(tx: Tx, organization_id: UUID) -> bool:
    """Tell whether this is a living organization."""
    sql = "SELECT EXISTS (SELECT FROM resource WHERE id = $1 AND kind = 'organization' AND deleted_at IS NULL)"
    return bool(await tx.value(sql, organization_id))
