"""What belongs where, and whether it is there at all: what decisions about access start from."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from groundplane.kernel.database import Question, Tx
from groundplane.kernel.session import TENANT_ROLE

_ENTER = f"""
    SELECT set_config('groundplane.organization', coalesce(organization_id::text, ''), true) AS organization,
           set_config('role', CASE WHEN organization_id IS NULL THEN 'none' ELSE '{TENANT_ROLE}' END, true) AS role
    FROM (SELECT coalesce({{0}}::uuid, (SELECT organization_id FROM resource WHERE id = {{1}}::uuid AND kind = 'project'))
          AS organization_id) AS entered"""  # noqa: S608  # our own words


def entering(organization_id: UUID | None, project_id: UUID | None) -> Question:
    """Lets the transaction into this organization, or that of this project: from the next statement on it sees no other's rows.

    What it answers is of no use. Neither is the platform itself, which sees everything.
    """
    return Question(_ENTER, (organization_id, project_id))


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
