"""What the worker tells a real nats-server of clusters and of void keys."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from tests.controlplane.cloud import Cloud
from tests.dataplane.agent.guarded import GuardedServer

from groundplane.contracts.rights import inbox_prefix
from groundplane.contracts.tasks import (
    REPORTS_STREAM,
    REPORTS_SUBJECTS,
    TASKS_STREAM,
    TASKS_SUBJECTS,
    report_subject,
    task_consumer,
)
from groundplane.controlplane.fleet import accounts, enrolment
from groundplane.controlplane.fleet.accounts import AccountKeeper, BusKeys, ConsumerKeeper, credentials_file
from groundplane.controlplane.fleet.agent import AGENT, AgentSpec
from groundplane.controlplane.fleet.cluster import CLUSTER, ClusterSpec
from groundplane.kernel.bus import Bus
from groundplane.kernel.nats_tokens import Nkey, Rights, claims_of
from groundplane.kernel.news import Announcer, heard

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


async def test_api_and_worker_hear_of_news_and_see_the_queues(cloud: Cloud, server: GuardedServer) -> None:
    """Under their own rights."""
    everything = await server.connect_all_mighty()
    await everything.ensure_stream(TASKS_STREAM, TASKS_SUBJECTS)
    await everything.ensure_stream(REPORTS_STREAM, REPORTS_SUBJECTS)
    await everything.ensure_consumer(REPORTS_STREAM, "worker", REPORTS_SUBJECTS)
    await everything.publish(report_subject(cloud.cluster_id), b"{}", "one")
    api, worker = await server.connect("api"), await server.connect("worker")
    for bus in (api, worker):
        (queue,) = await bus.queues(REPORTS_STREAM)
        assert (queue.consumer, queue.waiting, queue.in_flight) == ("worker", 1, 0)
        assert queue.oldest_at is not None
    wake = asyncio.Event()
    async with heard(api, wake):
        await api.nats.flush()
        for bus in (worker, api):
            Announcer(bus)()
            await asyncio.wait_for(wake.wait(), 5)
            wake.clear()
    assert server.violations == []
    for bus in (api, worker, everything):
        await bus.close()


def test_a_credential_of_another_release_gets_the_rights_of_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = BusKeys.of_directory(tmp_path)
    with monkeypatch.context() as before:
        before.setitem(accounts.PROCESS_RIGHTS, "api", Rights(("gp.task.>",), ("_INBOX.>",)))
        keys.keep_credentials(tmp_path)
    files = {process: credentials_file(tmp_path, process) for process in accounts.PROCESS_RIGHTS}
    old = {process: path.read_text() for process, path in files.items()}
    keys.keep_credentials(tmp_path)
    assert {process for process, path in files.items() if path.read_text() != old[process]} == {"api"}
    assert files["api"].stat().st_mode & 0o777 == 0o600
    claims = claims_of(files["api"].read_text().splitlines()[1])
    assert "gp.changed" in claims["nats"]["sub"]["allow"]
