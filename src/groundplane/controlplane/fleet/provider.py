"""Providers: which engine carries out compute, storage or network in a cluster."""

from typing import Annotated, Literal

from pydantic import Field

from groundplane.controlplane.fleet.cluster import CLUSTER
from groundplane.controlplane.resources import references
from groundplane.controlplane.resources.fields import Reference, Refers, Strict, example
from groundplane.controlplane.resources.kind import Column, Creation, Draft, Kind, one_by_one


class ProviderSpec(Strict):
    """One engine of one cluster."""

    model_config = example({"cluster": "hall-2", "service": "compute", "driver": "libvirt"})

    cluster: Annotated[Reference, Refers("cluster")] = Field(description="Where it belongs.")
    service: Literal["compute", "storage", "network"] = Field(description="What it carries out.")
    driver: Literal["libvirt", "ovn", "simulated"] = Field(description="The engine.")


async def admit(creation: Creation, draft: Draft, request: ProviderSpec) -> ProviderSpec:
    """Belongs to a cluster."""
    cluster = await references.refer(creation.tx, CLUSTER, None, request.cluster, field="cluster")
    draft.cluster_id = cluster.id
    draft.links.append((cluster.id, "cluster"))
    return request.model_copy(update={"cluster": CLUSTER.public_id(cluster.id)})


PROVIDER = Kind(
    name="provider",
    plural="providers",
    title="Provider",
    title_plural="Providers",
    prefix="prv",
    service="fleet",
    namespace="ops",
    summary="The engine that carries out compute, storage or network in a cluster.",
    spec=ProviderSpec,
    create=ProviderSpec,
    admit=one_by_one(admit),
    columns=(
        Column("spec.cluster", "Cluster"),
        Column("spec.service", "Service"),
        Column("spec.driver", "Driver"),
    ),
)
