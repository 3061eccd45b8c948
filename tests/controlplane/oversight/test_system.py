"""How the platform itself is: what lives, what waits, and what cannot be known is not told."""

import asyncio
from datetime import datetime
from typing import Any

import nats.errors
import pytest
from tests.controlplane.gateway.conftest import Api, Json

from groundplane.contracts.tasks import REPORTS_STREAM, REPORTS_SUBJECTS, TASKS_STREAM, TASKS_SUBJECTS, task_subject
from groundplane.controlplane.fleet import processes
from groundplane.controlplane.fleet.accounts import lay_consumer
from groundplane.controlplane.fleet.agent import AGENT, AgentSpec
from groundplane.controlplane.fleet.cluster import CLUSTER
from groundplane.controlplane.network.network import NETWORK, NetworkSpec
from groundplane.kernel.bus import Bus
from groundplane.kernel.ids import new_id
from groundplane.processes.migrate import WORKER_CONSUMER

PATH = "/api/ops/v1/system"


async def _system(api: Api) -> Json:
    answer = await api.call("GET", PATH)
    assert answer.status_code == 200, answer.text
    body: Json = answer.json()
    return body


async def test_a_process_is_seen_while_it_lives(api: Api) -> None:
    database = api.cloud.database
    async with processes.seen(database, "worker"), processes.seen(database, "api"):
        async with asyncio.timeout(5):
            while len(found := (await _system(api))["processes"]) < 2:  # noqa: ASYNC110  # as others look
                await asyncio.sleep(0.02)
        assert [(each["kind"], each["alive"]) for each in found] == [("api", True), ("worker", True)]
        assert {each["version"] for each in found} == {processes.VERSION, (await _system(api))["version"]}
        assert all(each["id"].startswith("prc_") for each in found)
        await api.cloud.execute("UPDATE process_seen SET seen_at = now() - interval '31 s' WHERE kind = 'worker'")
        assert [each["alive"] for each in (await _system(api))["processes"]] == [True, False]
        await api.cloud.execute("UPDATE process_seen SET seen_at = now() - interval '11 minutes' WHERE kind = 'worker'")
        assert [each["kind"] for each in (await _system(api))["processes"]] == ["api"]
    assert (await _system(api))["processes"] == []


async def test_a_process_says_so_again_and_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "BEAT_SECONDS", 0.02)
    await api.cloud.execute(
        """INSERT INTO process_seen (id, kind, place, version, seen_at)
           VALUES ($1, 'api', 'gone:1', '0', now() - interval '2 days')""",
        new_id(),
    )
    async with processes.seen(api.cloud.database, "worker"):
        seen: set[datetime] = set()
        async with asyncio.timeout(5):
            while len(seen) < 3:
                seen |= {row["seen_at"] for row in await api.cloud.fetch("SELECT * FROM process_seen WHERE kind = 'worker'")}
        rows = await api.cloud.fetch("SELECT kind FROM process_seen")
    assert [row["kind"] for row in rows] == ["worker"]


async def test_agents_are_told_of_also_those_that_never_came(api: Api) -> None:
    spec = AgentSpec(cluster=CLUSTER.public_id(api.cloud.cluster_id))
    agent = (await api.cloud.make(AGENT, spec, name="one", project=False, organization=False)).resource
    (never,) = (await _system(api))["processes"]
    assert never == {
        "kind": "agent", "id": AGENT.public_id(agent.id), "name": "one", "version": None, "started_at": None,
        "last_seen": None, "alive": False,
    }  # fmt: skip
    api.cloud.agent_id = agent.id
    await api.cloud.heartbeat()
    (came,) = (await _system(api))["processes"]
    assert (came["alive"], came["version"]) == (True, "0")
    assert came["last_seen"] is not None


async def test_what_waits_on_the_bus(api: Api, bus: Bus) -> None:
    await bus.ensure_stream(TASKS_STREAM, TASKS_SUBJECTS)
    await bus.ensure_stream(REPORTS_STREAM, REPORTS_SUBJECTS)
    await bus.ensure_consumer(REPORTS_STREAM, WORKER_CONSUMER, REPORTS_SUBJECTS)
    cluster, gone = api.cloud.cluster_id, new_id()
    await lay_consumer(bus, cluster)
    await lay_consumer(bus, gone)
    none = {"waiting": 0, "in_flight": 0, "oldest_seconds": None}
    name = (await api.cloud.resource(cluster)).name
    of_cluster = {"queue": "tasks", "cluster": CLUSTER.public_id(cluster), "cluster_name": name}
    of_workers = {"queue": "reports", "cluster": None, "cluster_name": None}
    assert (await _system(api))["queues"] == [of_workers | none, of_cluster | none]

    for number in range(3):
        await bus.publish(task_subject(cluster, str(new_id())), b"{}", f"{new_id()}:{number}")
    await asyncio.sleep(0.3)
    consumer = await bus.js.pull_subscribe_bind(f"agent-{cluster}", TASKS_STREAM)
    (taken,) = await consumer.fetch(1)
    _, queue = (await _system(api))["queues"]
    assert (queue["waiting"], queue["in_flight"]) == (2, 1)
    assert 0.2 < queue["oldest_seconds"] < 30
    await taken.ack_sync()
    _, queue = (await _system(api))["queues"]
    assert (queue["waiting"], queue["in_flight"]) == (2, 0)


async def test_what_the_bus_does_not_tell_is_not_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> None:
        raise nats.errors.TimeoutError

    monkeypatch.setattr(api.services.bus.js, "consumers_info", away)
    system = await _system(api)
    assert system["queues"] is None
    assert system["database"]["bytes"] > 1_000_000


async def test_jobs_and_the_database(api: Api) -> None:
    system = await _system(api)
    assert system["jobs"] == {
        "past_deadline": 0, "pending": 0, "running": 0, "retrying": 0, "held": 0, "oldest_pending_seconds": None,
        "seconds_behind": 0.0,
    }  # fmt: skip
    assert 0 < system["database"]["latency_ms"] < 1000
    assert 1 <= system["database"]["connections"] <= system["database"]["connections_max"]
    await api.cloud.make(NETWORK, NetworkSpec(), name="one")
    await api.cloud.make(NETWORK, NetworkSpec(), name="two")
    await api.cloud.execute(
        """UPDATE job SET state = 'PENDING', created_at = now() - interval '40 s', next_at = now() - interval '7 s'
           WHERE id = (SELECT id FROM job WHERE ended_at IS NULL ORDER BY id LIMIT 1)"""
    )
    await api.cloud.execute("UPDATE job SET deadline = now() - interval '1 s' WHERE state = 'RUNNING'")
    jobs = (await _system(api))["jobs"]
    assert (jobs["pending"], jobs["running"], jobs["past_deadline"]) == (1, 1, 1)
    assert 40 <= jobs["oldest_pending_seconds"] < 60
    assert 7 <= jobs["seconds_behind"] < 27


async def test_who_is_no_operator_is_not_told(api: Api) -> None:
    owner = await api.as_("owner", api.cloud.organization_id)
    assert (await owner.call("GET", PATH)).status_code == 403
    auditor = await api.as_("auditor")
    assert (await auditor.call("GET", PATH)).status_code == 200
