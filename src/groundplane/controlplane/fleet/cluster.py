"""Clusters: infrastructure that one set of agents serves."""

from groundplane.controlplane.resources.fields import Strict, Text, example
from groundplane.controlplane.resources.kind import Column, Kind


class ClusterSpec(Strict):
    """Nothing but its name yet."""

    model_config = example({"description": "Hall 2"})

    description: Text = ""


CLUSTER = Kind(
    name="cluster",
    plural="clusters",
    title="Cluster",
    title_plural="Clusters",
    prefix="clu",
    service="fleet",
    namespace="ops",
    summary="Infrastructure that one set of agents serves.",
    spec=ClusterSpec,
    create=ClusterSpec,
    columns=(Column("spec.description", "Description"),),
)
