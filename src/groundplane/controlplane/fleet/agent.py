"""Agents: the processes that serve a cluster. Their credential is made by the operators."""

from typing import Annotated

from pydantic import Field

from groundplane.controlplane.fleet.cluster import CLUSTER
from groundplane.controlplane.resources import references
from groundplane.controlplane.resources.fields import Reference, Refers, Strict, example
from groundplane.controlplane.resources.kind import Column, Creation, Draft, Kind, one_by_one


class AgentSpec(Strict):
    """Serves one cluster."""

    model_config = example({"cluster": "hall-2"})

    cluster: Annotated[Reference, Refers("cluster")] = Field(description="Where it belongs.")


async def admit(creation: Creation, draft: Draft, request: AgentSpec) -> AgentSpec:
    """Belongs to a cluster."""
    cluster = await references.refer(creation.tx, CLUSTER, None, request.cluster, field="cluster")
    draft.cluster_id = cluster.id
    draft.links.append((cluster.id, "cluster"))
    return AgentSpec(cluster=CLUSTER.public_id(cluster.id))


AGENT = Kind(
    name="agent",
    plural="agents",
    title="Agent",
    title_plural="Agents",
    prefix="agt",
    service="fleet",
    namespace="ops",
    summary="A process that carries out a cluster's tasks on its engines.",
    spec=AgentSpec,
    create=AgentSpec,
    admit=one_by_one(admit),
    columns=(Column("spec.cluster", "Cluster"),),
)
