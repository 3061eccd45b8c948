"""Hosts: the servers that virtual machines run on, and how much of each is given away."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from groundplane.controlplane.fleet.cluster import CLUSTER
from groundplane.controlplane.resources import references
from groundplane.controlplane.resources.fields import Reference, Refers, Strict, example
from groundplane.controlplane.resources.kind import Column, Creation, Draft, Kind, one_by_one
from groundplane.controlplane.resources.problems import InUseError
from groundplane.controlplane.resources.resource import Resource
from groundplane.kernel.database import CheckViolationError, Tx

Vcpus = Annotated[int, Field(ge=1, le=100_000, description="Virtual CPUs that may be given away on this host.")]
MemoryMib = Annotated[int, Field(ge=64, le=1 << 30, description="Memory in MiB that may be given away on this host.")]


class HostSpec(Strict):
    """A server of a cluster. `open` is whether new machines are placed on it."""

    model_config = example({"cluster": "hall-2", "vcpus": 64, "memory_mib": 262144})

    cluster: Annotated[Reference, Refers("cluster")] = Field(description="Where it belongs.")
    vcpus: Vcpus
    memory_mib: MemoryMib
    open: bool = Field(default=True, description="New machines are placed on it.")


class HostUpdate(Strict):
    """What may change while machines run on it."""

    vcpus: Vcpus | None = Field(default=None, description="Virtual CPUs that may be given away on this host.")
    memory_mib: MemoryMib | None = Field(default=None, description="Memory in MiB that may be given away on this host.")
    open: bool | None = Field(default=None, description="New machines are placed on it.")


async def admit(creation: Creation, draft: Draft, request: HostSpec) -> HostSpec:
    """Belongs to a cluster; its capacity begins with nothing given away."""
    cluster = await references.refer(creation.tx, CLUSTER, None, request.cluster, field="cluster")
    draft.cluster_id, draft.host_id = cluster.id, draft.id
    draft.links.append((cluster.id, "cluster"))
    capacity = {"open": request.open, "vcpus": request.vcpus, "memory_mib": request.memory_mib}
    creation.tx.insert("host_capacity", {"host_id": draft.id, "cluster_id": cluster.id, **capacity})
    return request.model_copy(update={"cluster": CLUSTER.public_id(cluster.id)})


async def revise(tx: Tx, resource: Resource, request: HostUpdate) -> HostSpec:
    """Capacity may not fall below what is given away already."""
    changes = request.model_dump(exclude_none=True)
    spec = HostSpec.model_validate({**resource.spec, **changes})
    try:
        async with tx.savepoint():
            await tx.execute(
                "UPDATE host_capacity SET open = $2, vcpus = $3, memory_mib = $4 WHERE host_id = $1",
                resource.id,
                spec.open,
                spec.vcpus,
                spec.memory_mib,
            )
    except CheckViolationError as error:
        raise InUseError("Machines on this host hold more than that. Delete some, or ask for more.") from error
    return spec


async def release(tx: Tx, resources: Sequence[Resource]) -> None:
    """A host with machines or pools stays: links of its pools and placements refuse."""
    for resource in resources:
        # Held first: who places a machine holds it too, so that one on its way is counted.
        await tx.execute("SELECT FROM host_capacity WHERE host_id = $1 FOR UPDATE", resource.id)
        if await tx.value("SELECT count(*) FROM placement WHERE host_id = $1", resource.id):
            raise InUseError("Machines still run on this host. Delete them first.")
        await tx.execute("DELETE FROM host_capacity WHERE host_id = $1", resource.id)


HOST = Kind(
    name="host",
    plural="hosts",
    title="Host",
    title_plural="Hosts",
    prefix="hst",
    service="fleet",
    namespace="ops",
    summary="A server that virtual machines run on.",
    spec=HostSpec,
    create=HostSpec,
    update=HostUpdate,
    admit=one_by_one(admit),
    revise=revise,
    release=release,
    columns=(
        Column("spec.cluster", "Cluster"),
        Column("spec.vcpus", "vCPUs"),
        Column("spec.memory_mib", "Memory", unit="MiB"),
        Column("spec.open", "Open"),
    ),
)
