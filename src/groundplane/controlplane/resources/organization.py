"""Organizations: the tenants. Made by the platform's administrators."""

from collections.abc import Sequence

from groundplane.controlplane.resources import quota
from groundplane.controlplane.resources.fields import Strict, Text, example
from groundplane.controlplane.resources.kind import Column, Creation, Draft, Kind, one_by_one
from groundplane.controlplane.resources.problems import InUseError
from groundplane.controlplane.resources.resource import Resource
from groundplane.kernel.database import Tx
from groundplane.kernel.errors import GroundplaneError


class OrganizationSpec(Strict):
    """Nothing but its name yet."""

    model_config = example({"description": "Makers of fine things"})

    description: Text = ""


async def admit(creation: Creation, draft: Draft, request: OrganizationSpec) -> OrganizationSpec:
    """An organization belongs to itself, so that the same question finds it and what is in it; nothing of its quota is used."""
    if draft.organization_id is not None:
        raise GroundplaneError
    draft.organization_id = draft.id
    quota.open_account(creation.tx, draft.id, draft.id)
    return request


async def release(tx: Tx, resources: Sequence[Resource]) -> None:
    """Refuse while an organization still has projects. Those that were deleted can be restored no more."""
    for resource in resources:
        living = await tx.value(
            "SELECT count(*) FROM resource WHERE organization_id = $1 AND id <> $1 AND deleted_at IS NULL", resource.id
        )
        if living:
            raise InUseError(f"Organization {resource.name} still has {living} resources. Delete its projects first.")
        await quota.end_account(tx, resource.id)


ORGANIZATION = Kind(
    name="organization",
    plural="organizations",
    title="Organization",
    title_plural="Organizations",
    prefix="org",
    service="identity",
    namespace="common",
    summary="A tenant: owns projects, users' roles and what they cost, with a quota for all projects together.",
    spec=OrganizationSpec,
    create=OrganizationSpec,
    admit=one_by_one(admit),
    release=release,
    columns=(Column("spec.description", "Description"),),
)
