"""How the network kinds ask their cluster's agents: all of them in the one scope that the whole cluster shares."""

from groundplane.contracts.specs import NetworkingSpec, SpecKind
from groundplane.contracts.tasks import NETWORK_SCOPE
from groundplane.controlplane.jobs.job import Job
from groundplane.controlplane.jobs.workflow import Absent, Ask, Move, Workflow, done
from groundplane.controlplane.resources import store
from groundplane.controlplane.resources.resource import Resource
from groundplane.kernel.database import Tx


def ask_for(resource: Resource, want: NetworkingSpec | Absent) -> Ask:
    """Ask the agents of the resource's own cluster. LookupError when it is in none."""
    if resource.cluster_id is None:
        raise LookupError(f"{resource.kind} {resource.id} is in no cluster")
    return Ask(resource.cluster_id, NETWORK_SCOPE, [want], then="done")


def removal(kind: SpecKind) -> Workflow:
    """The workflow by which the network engine comes to hold nothing of a resource."""

    async def remove(tx: Tx, job: Job) -> Move:
        resource = await store.load(tx, job.resource_id)
        return ask_for(resource, Absent(kind, resource.id))

    return Workflow(f"{kind}.delete", version=1, steps={"remove": remove, "done": done})
