"""What the worker tells a real nats-server of clusters and of void keys."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from tests.controlplane.cloud import Cloud
from tests.dataplane.agent.guarded import GuardedServer

from groundplane.contracts.rights import inbox_prefix
from groundplane.contracts.tasks import TASKS_STREAM, TASKS_SUBJECTS, task_consumer
from groundplane.controlplane.fleet import enrolment
from groundplane.controlplane.fleet.accounts import AccountKeeper, ConsumerKeeper
from groundplane.controlplane.fleet.agent import AGENT, AgentSpec
from groundplane.controlplane.fleet.cluster import CLUSTER, ClusterSpec
from groundplane.kernel.bus import Bus
from groundplane.kernel.nats_tokens import Nkey

LIFETIME_SECONDS = 600


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[GuardedServer]:
    server = GuardedServer(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def keeper(cloud: Cloud, server: GuardedServer) -> AsyncIterator[AccountKeeper]:
    system = await server.connect("system")
    yield AccountKeeper(server.keys, cloud.database, system, LIFETIME_SECONDS)
    await system.close()


async def _agent(cloud: Cloud, server: GuardedServer, name: str) -> tuple[UUID, Bus]:
    """An enrolled agent on the bus."""
    spec = AgentSpec(cluster=CLUSTER.public_id(cloud.cluster_id))
    agent_id = (await cloud.make(AGENT, spec, name=name, project=False, organization=False)).resource.id
    key = Nkey.generate("user")
    async with cloud.database.transaction() as tx:
        token, _ = await enrolment.invite(tx, agent_id, seconds=60)
        await enrolment.enrol(tx, token, key.public)
    path = server.agent_file(agent_id, cloud.cluster_id, key)
    return agent_id, await Bus.connect(server.url, name, credentials=path, inbox_prefix=inbox_prefix(agent_id))


async def test_a_revoked_agent_and_a_deleted_one_are_cut_off_and_their_colleague_is_not(
    cloud: Cloud, server: GuardedServer, keeper: AccountKeeper
) -> None:
    await keeper.tell()
    revoked_id, revoked = await _agent(cloud, server, "revoked")
    deleted_id, deleted = await _agent(cloud, server, "deleted")
    _, colleague = await _agent(cloud, server, "colleague")
    async with cloud.database.transaction() as tx:
        await enrolment.revoke(tx, revoked_id)
    await keeper.tell()
    await asyncio.wait_for(revoked.closed.wait(), 5)
    assert not deleted.closed.is_set()
    await cloud.execute(
        "UPDATE resource SET deleted_at = now(), status = 'deleted', reason = 'a test' WHERE id = $1", deleted_id
    )
    await keeper.tell()
    await asyncio.wait_for(deleted.closed.wait(), 5)
    await colleague.nats.flush()
    assert not colleague.closed.is_set()
    await colleague.close()


async def test_agents_of_a_cluster_that_operators_add_find_their_consumer(cloud: Cloud, server: GuardedServer) -> None:
    """Under the worker's own rights."""
    everything = await server.connect_all_mighty()
    await everything.ensure_stream(TASKS_STREAM, TASKS_SUBJECTS)
    worker = await server.connect("worker")
    keeper = ConsumerKeeper(cloud.database, worker)
    await keeper.make()
    added = await cloud.make(CLUSTER, ClusterSpec(), name="added", project=False, organization=False)
    await keeper.make()
    for cluster_id in (cloud.cluster_id, added.resource.id):
        assert (await everything.js.consumer_info(TASKS_STREAM, task_consumer(cluster_id))).config.ack_wait == 12
    await worker.close()
    await everything.close()
