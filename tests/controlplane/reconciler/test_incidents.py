"""What a person should look at opens and closes by itself; and the brake, which keeps a mistake from being carried out."""

from typing import Any
from uuid import UUID

import pytest
from tests.controlplane.cloud import Cloud
from tests.controlplane.scenes import boot_machine, prepare

from groundplane.controlplane.fleet.agent import AGENT, AgentSpec
from groundplane.controlplane.fleet.cluster import CLUSTER
from groundplane.controlplane.fleet.oversight import drift_page, incident_page
from groundplane.controlplane.network.network import NETWORK, NetworkSpec
from groundplane.controlplane.network.security_group import SECURITY_GROUP, SecurityGroupSpec
from groundplane.controlplane.reconciler import correction


async def _incident(cloud: Cloud, code: str) -> Any:
    (row,) = await cloud.fetch("SELECT * FROM incident WHERE code = $1 AND closed_at IS NULL", code)
    return row


async def test_all_is_well_at_first(cloud: Cloud) -> None:
    await boot_machine(cloud)
    await cloud.heartbeat()
    assert await cloud.incidents() == set()


async def test_a_host_that_is_not_heard_of(cloud: Cloud) -> None:
    await cloud.heartbeat()
    assert await cloud.incidents() == set()
    await cloud.pass_time(31)
    assert await cloud.incidents() == {"host_unseen"}
    incident = await _incident(cloud, "host_unseen")
    (host_id,) = cloud.hosts
    assert incident["subject_id"] == host_id
    assert incident["context"]["name"] == "host-0"
    await cloud.incidents()
    assert (await _incident(cloud, "host_unseen"))["id"] == incident["id"]
    await cloud.heartbeat()
    assert await cloud.incidents() == set()


async def test_a_host_that_never_came(cloud: Cloud) -> None:
    (host_id,) = cloud.hosts
    await cloud.execute("UPDATE resource SET created_at = now() - interval '31 s', reason = 'a test' WHERE id = $1", host_id)
    assert await cloud.incidents() == {"host_unseen"}


async def test_a_host_whose_engine_does_not_answer(cloud: Cloud) -> None:
    await cloud.heartbeat(reachable=False)
    assert await cloud.incidents() == {"host_unreachable"}
    await cloud.heartbeat()
    assert await cloud.incidents() == set()


async def test_an_agent_that_is_not_heard_of(cloud: Cloud) -> None:
    spec = AgentSpec(cluster=CLUSTER.public_id(cloud.cluster_id))
    agent = (await cloud.make(AGENT, spec, project=False, organization=False)).resource
    cloud.agent_id = agent.id
    await cloud.heartbeat()
    assert await cloud.incidents() == set()
    await cloud.pass_time(31)
    assert await cloud.incidents() == {"agent_unseen", "host_unseen"}
    await cloud.heartbeat()
    assert await cloud.incidents() == set()


async def test_heartbeats_leave_no_trace_in_the_journal(cloud: Cloud) -> None:
    before = await cloud.value("SELECT max(sequence) FROM revision")
    await cloud.heartbeat()
    await cloud.heartbeat()
    assert await cloud.value("SELECT max(sequence) FROM revision") == before
    assert await cloud.value("SELECT count(*) FROM host_seen") == 1


async def test_a_job_that_nobody_ends(cloud: Cloud) -> None:
    network = (await cloud.make(NETWORK, NetworkSpec())).resource
    cloud.tasks.clear()
    await cloud.pass_time(3600)
    assert await cloud.incidents() == {"job_overdue"}
    await cloud.resume()  # a worker is there again
    assert await cloud.incidents() == {"job_timed_out"}  # until what it was for is there, or gone
    await cloud.look()
    await cloud.correct()
    await cloud.run()
    assert (await cloud.resource(network.id)).status == "active"
    assert await cloud.incidents() == set()


async def test_a_message_that_could_not_be_applied(cloud: Cloud) -> None:
    await cloud.hear(b"what is this")
    assert await cloud.incidents() == {"report_set_aside"}
    await cloud.execute("DELETE FROM report_set_aside")
    assert await cloud.incidents() == set()


async def _many_networks(cloud: Cloud, count: int) -> list[UUID]:
    for number in range(count):
        await cloud.make(SECURITY_GROUP, SecurityGroupSpec(), name=f"group-{number}")
    await cloud.run()
    rows = await cloud.fetch("SELECT id FROM resource WHERE kind = 'security_group' ORDER BY id")
    return [row["id"] for row in rows]


async def test_a_brake_keeps_a_mistake_from_being_carried_out_at_once(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    count = correction.BRAKE_FLOOR + 5
    for group_id in await _many_networks(cloud, count):
        cloud.engine.outside_delete("security_group", group_id)
    await cloud.look()
    assert len(await cloud.open_drift()) == count
    assert "correction_brake" in await cloud.incidents()

    assert await cloud.correct() == correction.BRAKE_FLOOR
    await cloud.run()
    assert await cloud.correct() == 0
    assert "correction_brake" in await cloud.incidents()
    await cloud.pass_time(30)
    assert await cloud.correct() == 0

    await cloud.pass_time(31)
    assert await cloud.correct() == 5
    await cloud.run()
    await cloud.correct()
    assert not await cloud.open_drift()
    assert "correction_brake" not in await cloud.incidents()


async def test_the_brake_of_one_cluster_does_not_hold_another(cloud: Cloud) -> None:
    groups = await _many_networks(cloud, correction.BRAKE_FLOOR + 1)
    for group_id in groups:
        cloud.engine.outside_delete("security_group", group_id)
    await cloud.look()
    assert await cloud.correct() == correction.BRAKE_FLOOR
    await cloud.run()
    # The one that is left moves to a cluster of its own.
    left = (await cloud.open_drift())[-1]["resource_id"]
    elsewhere = (await cloud.make(CLUSTER, CLUSTER.spec(), name="elsewhere", project=False, organization=False)).resource
    await cloud.execute("UPDATE resource SET cluster_id = $2, reason = 'a test' WHERE id = $1", left, elsewhere.id)
    assert await cloud.correct() == 1


async def test_drift_is_listed_by_project_newest_first_in_pages(cloud: Cloud) -> None:
    groups = await _many_networks(cloud, 3)
    for group_id in groups:
        cloud.engine.outside_delete("security_group", group_id)
    await cloud.look()
    async with cloud.database.transaction() as tx:
        page = await drift_page(tx, project_id=cloud.project_id, limit=2)
        rest = await drift_page(tx, project_id=cloud.project_id, after=page[-1]["id"], limit=2)
        nobody = await drift_page(tx, project_id=cloud.organization_id)
    assert len(page) == 2
    assert {row["resource_id"] for row in [*page, *rest]} == set(groups)
    assert [row["id"] for row in [*page, *rest]] == sorted((row["id"] for row in [*page, *rest]), reverse=True)
    assert not nobody
    assert page[0]["name"].startswith("group-")

    await cloud.correct()
    await cloud.run()
    await cloud.correct()
    async with cloud.database.transaction() as tx:
        assert not await drift_page(tx, project_id=cloud.project_id)
        assert len(await drift_page(tx, project_id=None, open_only=False)) == 3


async def test_incidents_are_listed_newest_first_in_pages(cloud: Cloud) -> None:
    await cloud.hear(b"one", b"two")
    await cloud.incidents()
    async with cloud.database.transaction() as tx:
        (newest,) = await incident_page(tx, limit=1)
        (oldest,) = await incident_page(tx, after=newest["id"])
    assert newest["id"] > oldest["id"]
    await cloud.execute("DELETE FROM report_set_aside")
    await cloud.incidents()
    async with cloud.database.transaction() as tx:
        assert not await incident_page(tx)
        assert len(await incident_page(tx, open_only=False)) == 2


async def test_no_two_corrections_run_for_one_resource(cloud: Cloud) -> None:
    await prepare(cloud)
    (group_id,) = await _many_networks(cloud, 1)
    cloud.engine.outside_delete("security_group", group_id)
    await cloud.look()
    assert await cloud.correct() == 1
    await cloud.pass_time(7)
    assert await cloud.correct() == 0
    await cloud.look()
    assert await cloud.correct() == 0
