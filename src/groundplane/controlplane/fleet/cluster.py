"""Clusters: infrastructure that one set of agents serves."""

from groundplane.controlplane.resources.fields import Strict
from groundplane.controlplane.resources.kind import Kind


class ClusterSpec(Strict):
    """Nothing but its name yet."""

    description: str = ""


CLUSTER = Kind(
    name="cluster",
    plural="clusters",
    prefix="clu",
    service="fleet",
    namespace="ops",
    summary="Infrastructure that one set of agents serves.",
    spec=ClusterSpec,
    create=ClusterSpec,
)
