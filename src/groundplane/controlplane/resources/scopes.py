"""What belongs where, and whether it is there at all: what decisions about access start from."""

from collections.abc import Mapping, Sequence
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


async def living(tx: Tx, resource_ids: Sequence[UUID]) -> Mapping[UUID, bool]:
    """Tell of each resource whether it is still there; ids that never were, or are not yet, are left out."""
    rows = await tx.fetch("SELECT id, deleted_at IS NULL AS lives FROM resource WHERE id = ANY($1::uuid[])", list(resource_ids))
    return {row["id"]: row["lives"] for row in rows}


async def wanted_in_cluster(tx: Tx, resource_id: UUID, *, cluster_id: UUID) -> bool:
    """Tell whether this is a resource that is wanted, and lies in this cluster: its agents may need its secrets."""
    return bool(
        await tx.value(
            """SELECT EXISTS (SELECT FROM resource WHERE id = $1 AND cluster_id = $2 AND wanted = 'present'
                              AND deleted_at IS NULL)""",
            resource_id,
            cluster_id,
        )
    )


async def image_needed(tx: Tx, image_id: UUID, *, cluster_id: UUID) -> bool:
    """Tell whether this is a living image that a pool of this cluster may hold a copy of."""
    return bool(
        await tx.value(
            """SELECT EXISTS (SELECT FROM image_copy JOIN resource AS image ON image.id = image_id
                                                     JOIN resource AS pool ON pool.id = pool_id
                              WHERE image_id = $1 AND pool.cluster_id = $2 AND image.deleted_at IS NULL)""",
            image_id,
            cluster_id,
        )
    )
