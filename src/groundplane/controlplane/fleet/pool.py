"""Pools: where a host keeps volumes, and how much of each is given away."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from groundplane.controlplane.fleet.host import HOST
from groundplane.controlplane.resources import references
from groundplane.controlplane.resources.fields import Name, Reference, Refers, Strict, example
from groundplane.controlplane.resources.kind import Column, Creation, Draft, Kind, one_by_one
from groundplane.controlplane.resources.problems import InUseError
from groundplane.controlplane.resources.resource import Resource
from groundplane.kernel.database import Tx


class PoolSpec(Strict):
    """A storage pool of a host. `engine_name` is what the storage engine calls it; `gib` may be given away."""

    model_config = example({"host": "host-7", "engine_name": "fast", "gib": 2000})

    host: Annotated[Reference, Refers("host")] = Field(description="The host that has it.")
    engine_name: Name = Field(description="What the storage engine calls it.")
    gib: Annotated[int, Field(ge=1, le=1 << 40, title="Size (GiB)", description="How much of it may be given away, in GiB.")]


async def admit(creation: Creation, draft: Draft, request: PoolSpec) -> PoolSpec:
    """Belongs to a host; its capacity begins with nothing given away."""
    host = await references.refer(creation.tx, HOST, None, request.host, field="host")
    draft.cluster_id, draft.host_id = host.cluster_id, host.id
    draft.links.append((host.id, "host"))
    place = {"host_id": host.id, "cluster_id": host.cluster_id}
    creation.tx.insert("pool_capacity", {"pool_id": draft.id, **place, "gib": request.gib})
    return request.model_copy(update={"host": HOST.public_id(host.id)})


async def release(tx: Tx, resources: Sequence[Resource]) -> None:
    """A pool with volumes or copies of images stays."""
    for resource in resources:
        # Held first: who places a volume holds it too, so that one on its way is counted.
        await tx.execute("SELECT FROM pool_capacity WHERE pool_id = $1 FOR UPDATE", resource.id)
        if await tx.value("SELECT count(*) FROM pool_share WHERE pool_id = $1", resource.id):
            raise InUseError("Volumes still lie in this pool. Delete them first.")
        if await tx.value("SELECT count(*) FROM image_copy WHERE pool_id = $1", resource.id):
            raise InUseError("Copies of images still lie in this pool. Delete the images first.")
        await tx.execute("DELETE FROM pool_capacity WHERE pool_id = $1", resource.id)


POOL = Kind(
    name="pool",
    plural="pools",
    title="Storage pool",
    title_plural="Storage pools",
    prefix="poo",
    service="fleet",
    namespace="ops",
    summary="Where a host keeps volumes.",
    spec=PoolSpec,
    create=PoolSpec,
    admit=one_by_one(admit),
    release=release,
    columns=(
        Column("spec.host", "Host"),
        Column("spec.gib", "Size", unit="GiB"),
    ),
)
