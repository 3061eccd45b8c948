"""Organizations: the tenants. Made by the platform's administrators."""

from collections.abc import Sequence

from groundplane.controlplane.resources.fields import Strict, Text
from groundplane.controlplane.resources.kind import Creation, Draft, Kind, one_by_one
from groundplane.controlplane.resources.problems import InUseError
from groundplane.controlplane.resources.resource import Resource
from groundplane.kernel.database import Tx
from groundplane.kernel.errors import GroundplaneError


class OrganizationSpec(Strict):
    """Nothing but its name yet."""

    description: Text = ""


async def admit(_creation: Creation, draft: Draft, request: OrganizationSpec) -> OrganizationSpec:
    """An organization belongs to itself, so that the same question finds it and what is in it."""
    if draft.organization_id is not None:
        raise GroundplaneError
    draft.organization_id = draft.id
    return request


async def release(tx: Tx, resources: Sequence[Resource]) -> None:
    """Refuse while an organization still has projects."""
    for resource in resources:
        living = await tx.value(
            "SELECT count(*) FROM resource WHERE organization_id = $1 AND id <> $1 AND deleted_at IS NULL", resource.id
        )
        if living:
            raise InUseError(f"Organization {resource.name} still has {living} resources. Delete its projects first.")


ORGANIZATION = Kind(
    name="organization",
    plural="organizations",
    prefix="org",
    service="identity",
    namespace="common",
    summary="A tenant: owns projects, users' roles and what they cost.",
    spec=OrganizationSpec,
    create=OrganizationSpec,
    admit=one_by_one(admit),
    release=release,
)
