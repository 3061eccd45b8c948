"""What agents of one cluster say of another cluster's jobs, machines, hosts and agents is set aside and told to operators."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from tests.controlplane.cloud import Cloud

from groundplane.contracts.reports import Bundle, Heartbeat, HostFacts, InventoryChunk, Report, Sighting, State
from groundplane.contracts.tasks import report_subject, reporting_cluster
from groundplane.controlplane.jobs.dispatcher import Said
from groundplane.controlplane.network.network import NETWORK, NetworkSpec
from groundplane.kernel.ids import new_id

STRANGER = new_id()


def test_the_sender_is_known_by_the_subject() -> None:
    assert reporting_cluster(report_subject(STRANGER)) == STRANGER
    for subject in ("gp.report", "gp.report.x", f"gp.task.{STRANGER}", f"gp.report.{STRANGER}.x"):
        assert reporting_cluster(subject) is None


async def _made(cloud: Cloud) -> tuple[UUID, Report]:
    """A network whose job waits for its report, and that report."""
    network = (await cloud.make(NETWORK, NetworkSpec())).resource
    return network.id, await cloud.carry_out(cloud.tasks.pop(0))


async def _hear(cloud: Cloud, *messages: Report | Sighting | Heartbeat | InventoryChunk | Bundle, sender: UUID | None) -> None:
    await cloud.inbox.apply([Said(message.model_dump_json().encode(), sender) for message in messages])


async def _set_aside(cloud: Cloud) -> int:
    count: int = await cloud.value("SELECT count(*) FROM report_set_aside")
    return count


@pytest.mark.parametrize("sender", [STRANGER, None])
async def test_a_report_about_another_clusters_job(cloud: Cloud, sender: UUID | None) -> None:
    network_id, report = await _made(cloud)
    await _hear(cloud, report, sender=sender)
    assert (await cloud.resource(network_id)).status == "creating"
    assert await cloud.incidents() >= {"report_set_aside"}
    assert "ForeignReportError" in await cloud.value("SELECT error FROM report_set_aside")
    await _hear(cloud, report, sender=cloud.cluster_id)
    assert (await cloud.resource(network_id)).status == "active"


async def test_a_foreign_report_holds_up_nobody_else(cloud: Cloud) -> None:
    first, report = await _made(cloud)
    second = (await cloud.make(NETWORK, NetworkSpec(), name="second")).resource.id
    other = await cloud.carry_out(cloud.tasks.pop(0))
    await cloud.inbox.apply(
        [Said(report.model_dump_json().encode(), STRANGER), Said(other.model_dump_json().encode(), cloud.cluster_id)]
    )
    assert (await cloud.resource(first)).status == "creating"
    assert (await cloud.resource(second)).status == "active"


async def test_a_foreign_report_within_a_bundle(cloud: Cloud) -> None:
    network_id, report = await _made(cloud)
    await _hear(cloud, Bundle(messages=(report,)), sender=STRANGER)
    assert (await cloud.resource(network_id)).status == "creating"
    assert await _set_aside(cloud) == 1


async def test_a_report_of_ones_own_job_with_anothers_machine_in_it(cloud: Cloud) -> None:
    network_id, report = await _made(cloud)
    foreign = new_id()
    await cloud.execute(
        """INSERT INTO resource (id, kind, name, status, spec, cluster_id, reason)
           VALUES ($1, 'network', 'theirs', 'active', '{}', $2, 'a test')""",
        foreign,
        STRANGER,
    )
    states = (*report.states, State(kind="network", id=foreign, fence=9))
    await _hear(cloud, report.model_copy(update={"states": states}), sender=cloud.cluster_id)
    assert (await cloud.resource(network_id)).status == "creating"
    assert await _set_aside(cloud) == 1


async def test_what_is_seen_elsewhere(cloud: Cloud) -> None:
    network_id, report = await _made(cloud)
    await _hear(cloud, report, sender=cloud.cluster_id)
    host_id = next(iter(cloud.hosts))
    now = datetime.now(UTC)
    facts = (HostFacts(host_id=host_id, reachable=False, reason="says a stranger"),)
    gone = State(kind="network", id=network_id, present=False)
    chunk = {"look_id": new_id(), "asked_at": now, "kinds": ("network",), "number": 0, "total": 1, "states": ()}
    await _hear(
        cloud,
        cloud.sighting("network", network_id).model_copy(update={"state": gone}),  # names the cluster that it is not from
        Sighting(cluster_id=STRANGER, scope="network", at=now, state=gone),
        Heartbeat(cluster_id=STRANGER, agent_id=new_id(), at=now, version="0", hosts=facts),
        Heartbeat(cluster_id=cloud.cluster_id, agent_id=new_id(), at=now, version="0", hosts=()),
        InventoryChunk.model_validate({**chunk, "cluster_id": STRANGER, "scope": str(host_id)}),
        InventoryChunk.model_validate({**chunk, "cluster_id": cloud.cluster_id, "scope": "network"}),
        sender=STRANGER,
    )
    assert await _set_aside(cloud) == 6
    assert await cloud.value("SELECT count(*) FROM host_seen") == 0
    assert await cloud.value("SELECT count(*) FROM drift") == 0
