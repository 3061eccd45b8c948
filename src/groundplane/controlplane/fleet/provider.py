"""Providers: which engine carries out compute, storage or network in a cluster."""

from typing import Literal

from groundplane.controlplane.fleet.cluster import CLUSTER
from groundplane.controlplane.resources import store
from groundplane.controlplane.resources.fields import Reference, Strict
from groundplane.controlplane.resources.kind import Creation, Draft, Kind, one_by_one


class ProviderSpec(Strict):
    """One engine of one cluster."""

    cluster: Reference
    service: Literal["compute", "storage", "network"]
    driver: Literal["libvirt", "ovn", "simulated"]


async def admit(creation: Creation, draft: Draft, request: ProviderSpec) -> ProviderSpec:
    """Belongs to a cluster."""
    cluster = await store.refer(creation.tx, CLUSTER, None, request.cluster, field="cluster")
    draft.cluster_id = cluster.id
    draft.links.append((cluster.id, "cluster"))
    return request.model_copy(update={"cluster": CLUSTER.public_id(cluster.id)})


PROVIDER = Kind(
    name="provider",
    plural="providers",
    prefix="prv",
    service="fleet",
    namespace="ops",
    summary="The engine that carries out compute, storage or network in a cluster.",
    spec=ProviderSpec,
    create=ProviderSpec,
    admit=one_by_one(admit),
)
