"""A change that arrives when the resource is going, or gone, changes nothing."""

import pytest
from tests.controlplane.cloud import KINDS_BY_NAME, Cloud

from groundplane.controlplane.compute.ssh_key import SSH_KEY, SshKeyRequest
from groundplane.controlplane.fleet.host import HostUpdate
from groundplane.controlplane.resources.problems import ResourceNotFoundError

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPbnbRiXzEFm4uXGvdLGIx0dg0b3z8iN0QF3lUYc9Yw ann"


async def test_labels_of_what_was_deleted_since_it_was_read(cloud: Cloud) -> None:
    read = (await cloud.make(SSH_KEY, SshKeyRequest(public_key=KEY))).resource
    await cloud.delete(read.id)
    async with cloud.database.transaction() as tx:
        with pytest.raises(ResourceNotFoundError):
            await cloud.manager.update(tx, SSH_KEY, read, name="other", labels={"env": "prod"}, request=None, actor_id=None)
    assert (await cloud.resource(read.id)).name == "it"
    assert await cloud.value("SELECT count(*) FROM label") == 0


async def test_a_spec_of_what_was_deleted_since_it_was_read(cloud: Cloud) -> None:
    host, pool = await cloud.add_host("another")
    await cloud.delete(pool.id)
    await cloud.delete(host.id)
    async with cloud.database.transaction() as tx:
        with pytest.raises(ResourceNotFoundError):
            await cloud.manager.update(
                tx, KINDS_BY_NAME["host"], host, name=None, labels=None, request=HostUpdate(open=False), actor_id=None
            )
    assert (await cloud.resource(host.id)).status == "deleted"
