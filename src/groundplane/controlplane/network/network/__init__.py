"""Networks: a layer 2 of a project's own."""

from typing import Annotated

from pydantic import Field

from groundplane.contracts.specs import NetworkSpec as EngineSpec
from groundplane.controlplane.fleet import placement
from groundplane.controlplane.jobs.job import Job
from groundplane.controlplane.jobs.workflow import Move, Workflow, done
from groundplane.controlplane.network.asking import ask_for, removal
from groundplane.controlplane.resources import store
from groundplane.controlplane.resources.fields import Strict, example
from groundplane.controlplane.resources.kind import Column, Creation, Draft, Kind, one_by_one
from groundplane.kernel.database import Tx


class NetworkSpec(Strict):
    """`mtu` in bytes: what guests are told; the default leaves room for Geneve on an underlay of 1500."""

    model_config = example({})

    mtu: Annotated[int, Field(ge=576, le=8942, description="The largest packet in bytes that guests are told of.")] = 1442


async def admit(creation: Creation, draft: Draft, request: NetworkSpec) -> NetworkSpec:
    """A network lives in one cluster."""
    draft.cluster_id = await placement.default_cluster(creation.tx)
    draft.links.append((draft.cluster_id, "cluster"))  # which stays, since its agents are the only road to this
    return request


async def ensure(tx: Tx, job: Job) -> Move:
    """The network engine holds the network."""
    network = await store.load(tx, job.resource_id)
    spec = NetworkSpec.model_validate(network.spec)
    want = EngineSpec(id=network.id, mtu=spec.mtu)
    return ask_for(network, want)


ENSURE = Workflow("network.ensure", version=1, steps={"ensure": ensure, "done": done})
DELETE = removal("network")

NETWORK = Kind(
    name="network",
    plural="networks",
    title="Network",
    title_plural="Networks",
    prefix="net",
    service="network",
    namespace="tenant",
    summary="A layer 2 network of the project's own.",
    spec=NetworkSpec,
    create=NetworkSpec,
    admit=one_by_one(admit),
    on_create=ENSURE,
    on_delete=DELETE,
    dimensions=("networks",),
    quota=lambda _spec: {"networks": 1},
    inventory=True,
    columns=(Column("spec.mtu", "MTU", unit="bytes"),),
)
