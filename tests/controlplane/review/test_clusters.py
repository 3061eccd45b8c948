"""A cluster stays while anything is in it: once it is gone, nobody could take that away any more."""

import pytest
from pydantic import BaseModel
from tests.controlplane.cloud import Cloud

from groundplane.controlplane.network.network import NETWORK, NetworkSpec
from groundplane.controlplane.network.security_group import SECURITY_GROUP, SecurityGroupSpec
from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.problems import InUseError


@pytest.mark.parametrize(("kind", "request_"), [(NETWORK, NetworkSpec()), (SECURITY_GROUP, SecurityGroupSpec())])
async def test_a_cluster_with_networking_alone_stays(cloud: Cloud, kind: Kind, request_: BaseModel) -> None:
    made = await cloud.made(kind, request_, name="last")
    for row in await cloud.fetch("SELECT id FROM resource WHERE kind IN ('pool', 'host') ORDER BY kind DESC"):
        await cloud.delete(row["id"])
    with pytest.raises(InUseError, match="last"):
        await cloud.delete(cloud.cluster_id)
    await cloud.deleted(made.id)
    await cloud.delete(cloud.cluster_id)
