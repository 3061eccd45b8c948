"""What the network kinds share when they ask agents: where a resource's infrastructure is."""

from uuid import UUID

from groundplane.controlplane.resources.resource import Resource


def cluster_of(resource: Resource) -> UUID:
    """The cluster that holds a placed resource."""
    if resource.cluster_id is None:
        raise LookupError(f"{resource.kind} {resource.id} is in no cluster")
    return resource.cluster_id
