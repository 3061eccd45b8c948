"""Whole looks: what is missing, too much or other than wanted; with what changed since the look began left out."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from pydantic import JsonValue
from tests.controlplane.cloud import Cloud
from tests.controlplane.scenes import boot_machine, lay_network, machine, prepare

from groundplane.contracts.specs import ImageSource, ImageSpec, NetworkSpec, SpecKind
from groundplane.controlplane.compute.vm import VM
from groundplane.controlplane.network.network import NETWORK
from groundplane.controlplane.network.network import NetworkSpec as NetworkRequest
from groundplane.controlplane.network.port import PORT
from groundplane.controlplane.network.security_group import SECURITY_GROUP, Rule, SecurityGroupSpec
from groundplane.controlplane.storage.volume import VOLUME, VolumeRequest
from groundplane.dataplane.providers.simulated import Injection
from groundplane.kernel.ids import new_id


async def _differences(cloud: Cloud) -> dict[UUID, str]:
    return {row["resource_id"]: row["difference"] for row in await cloud.open_drift()}


async def test_a_look_that_finds_everything_in_order_says_nothing(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    await cloud.look()
    before = await cloud.value("SELECT max(sequence) FROM revision")
    await cloud.look()
    assert not await cloud.open_drift()
    assert await cloud.value("SELECT count(*) FROM inventory_chunk") == 0
    assert await cloud.value("SELECT max(sequence) FROM revision") == before
    assert (await cloud.resource(vm.id)).observed["power"] == "running"


async def test_a_lost_event_is_found_by_the_next_look(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    cloud.engine.outside_destroy(vm.id)
    await cloud.look()
    (drift,) = await cloud.open_drift()
    assert (drift["resource_id"], drift["difference"], drift["source"]) == (vm.id, "wrong_state", "inventory")
    await cloud.correct()
    await cloud.run()
    assert (await cloud.resource(vm.id)).observed["power"] == "running"


async def test_every_kind_that_engines_hold_is_missed(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    group = await cloud.made(SECURITY_GROUP, SecurityGroupSpec())
    port, volume = await cloud.named(PORT, "it-nic0"), await cloud.named(VOLUME, "it-root")
    network = await cloud.named(NETWORK, "lan")
    everything = [
        ("vm", vm.id),
        ("port", port.id),
        ("security_group", group.id),
        ("network", network.id),
        ("volume", volume.id),
    ]
    for kind, resource_id in everything:
        cloud.engine.outside_delete(kind, resource_id)  # type: ignore[arg-type]  # names of kinds
    await cloud.look()
    assert await _differences(cloud) == {resource_id: "missing" for _, resource_id in everything}


async def test_corrections_in_any_order_bring_a_whole_cluster_back(cloud: Cloud) -> None:
    """A port needs its network: a correction that comes too early is tried again, or the next look starts another."""
    vm = await boot_machine(cloud)
    port, network = await cloud.named(PORT, "it-nic0"), await cloud.named(NETWORK, "lan")
    cloud.engine.outside_delete("vm", vm.id)
    cloud.engine.outside_delete("port", port.id)
    cloud.engine.outside_delete("network", network.id)
    await cloud.look()
    for _ in range(10):
        await cloud.correct()
        await cloud.settle()
        await cloud.look()
        await cloud.correct()
        if not await cloud.open_drift():
            break
        await cloud.pass_time(600)
    assert not await cloud.open_drift()
    assert cloud.holds("vm", vm.id)
    assert (await cloud.resource(vm.id)).status == "active"


async def test_what_changed_since_the_look_was_asked_for_is_left_out(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    asked_at = await cloud.now()
    cloud.engine.outside_destroy(vm.id)
    chunks = await cloud.chunks(asked_at=asked_at)
    await cloud.sees("vm", vm.id)
    await cloud.correct()
    await cloud.run()
    await cloud.correct()
    await cloud.report(*chunks)  # an old picture arrives late
    assert not await cloud.open_drift()
    assert (await cloud.resource(vm.id)).observed["power"] == "running"


async def test_what_a_job_is_changing_is_left_out(cloud: Cloud) -> None:
    await prepare(cloud)
    await cloud.make(VM, machine())
    await cloud.look()
    assert not await cloud.open_drift()


async def test_what_was_created_since_the_look_was_asked_for_is_no_orphan(cloud: Cloud) -> None:
    asked_at = await cloud.now()
    await boot_machine(cloud)
    await cloud.report(*await cloud.chunks(asked_at=asked_at))
    assert not await cloud.open_drift()


async def test_what_was_deleted_since_the_look_was_asked_for_is_no_orphan(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    chunks = await cloud.chunks()
    await cloud.deleted(vm.id)
    await cloud.report(*chunks)
    assert not await cloud.open_drift()


async def test_an_orphan_is_told_to_a_person_and_never_removed(cloud: Cloud) -> None:
    stranger = new_id()
    cloud.engine.outside_create(cloud.cluster_id, NetworkSpec(id=stranger))
    await cloud.look()
    (drift,) = await cloud.open_drift()
    assert (drift["resource_id"], drift["difference"], drift["decision"]) == (stranger, "orphan", "alert")
    assert await cloud.correct() == 0
    assert "drift_alert" in await cloud.incidents()
    await cloud.look()
    assert len(await cloud.open_drift()) == 1
    assert cloud.holds("network", stranger)

    cloud.engine.outside_delete("network", stranger)
    await cloud.look()
    assert not await cloud.open_drift()
    assert await cloud.incidents() == set()


async def test_what_came_back_after_it_was_deleted_is_an_orphan(cloud: Cloud) -> None:
    network = await cloud.made(NETWORK, NetworkRequest())
    await cloud.deleted(network.id)
    cloud.engine.outside_create(cloud.cluster_id, NetworkSpec(id=network.id))
    await cloud.look()
    assert await _differences(cloud) == {network.id: "orphan"}


async def test_a_pools_copy_of_an_image_is_no_orphan(cloud: Cloud) -> None:
    image = await cloud.image()
    await cloud.made(VOLUME, VolumeRequest(size_gib=1, image="image"))
    assert cloud.holds("image", image.id)
    await cloud.look()
    assert not await cloud.open_drift()


async def test_a_copy_of_an_image_that_nobody_knows_is_an_orphan(cloud: Cloud) -> None:
    stranger = new_id()
    (host_id,) = cloud.hosts
    source = ImageSource(image_id=stranger, sha256="0" * 64, size_bytes=1, format="raw")
    cloud.engine.outside_create(host_id, ImageSpec(id=stranger, pool="default", source=source), pool="default")
    await cloud.look()
    assert await _differences(cloud) == {stranger: "orphan"}


async def test_a_set_of_chunks_counts_only_when_it_is_whole(cloud: Cloud) -> None:
    await boot_machine(cloud)
    chunks = await cloud.chunks(size=1)
    assert len(chunks) > 3
    await cloud.report(*chunks[:-1])
    assert await cloud.value("SELECT count(*) FROM inventory_chunk") > 0
    assert not await cloud.open_drift()
    await cloud.report(chunks[0], chunks[-1])
    assert not await cloud.open_drift()

    await cloud.report(*(await cloud.chunks(size=1))[1:])  # the rest of another look is no substitute
    assert not await cloud.open_drift()
    await cloud.pass_time(301)
    await cloud.reconciler.forget_incomplete(cloud.database)
    assert await cloud.value("SELECT count(*) FROM inventory_chunk") == 0


async def test_chunks_that_arrive_at_once_are_compared_once(cloud: Cloud) -> None:
    """Two workers with one chunk each: neither may believe that the other's is still to come."""
    vm = await boot_machine(cloud)
    cloud.engine.outside_destroy(vm.id)
    chunks = await cloud.chunks(size=1)
    await asyncio.gather(*(cloud.report(chunk) for chunk in chunks))
    assert await _differences(cloud) == {vm.id: "wrong_state"}
    assert await cloud.value("SELECT count(*) FROM inventory_chunk") == 0


async def test_two_workers_correct_once(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    cloud.engine.outside_destroy(vm.id)
    await cloud.look()
    assert sum(await asyncio.gather(*(cloud.correct() for _ in range(5)))) == 1
    assert len(cloud.tasks) == 1


async def test_a_scope_that_was_not_looked_at_is_not_missed(cloud: Cloud) -> None:
    await boot_machine(cloud)
    host, _ = await cloud.add_host("other")
    chunks = await cloud.chunks()
    await cloud.report(*[chunk for chunk in chunks if chunk.scope == str(host.id)])
    assert not await cloud.open_drift()


async def test_a_kind_that_the_agent_could_not_see_is_not_missed(cloud: Cloud) -> None:
    await boot_machine(cloud)
    for chunk in await cloud.chunks():
        states = tuple(state for state in chunk.states if state.kind != "vm")
        kinds = tuple(kind for kind in chunk.kinds if kind != "vm")
        await cloud.report(chunk.model_copy(update={"states": states, "kinds": kinds}))
    assert not await cloud.open_drift()


async def test_news_is_taken_in(cloud: Cloud) -> None:
    await boot_machine(cloud)
    port = await cloud.named(PORT, "it-nic0")
    assert (await cloud.resource(port.id)).observed["up"] is False  # as it was when it was made
    await cloud.look()
    assert (await cloud.resource(port.id)).observed["up"] is True
    assert not await cloud.open_drift()


async def test_a_guest_that_powered_itself_off_unheard_stays_off(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    cloud.engine.outside_shutdown(vm.id)
    await cloud.look()
    assert (await cloud.resource(vm.id)).spec["power"] == "stopped"
    assert not await cloud.open_drift()


async def test_drift_that_is_over_by_itself_is_closed_by_the_next_look(cloud: Cloud) -> None:
    volume = await cloud.made(VOLUME, VolumeRequest(size_gib=1))
    found = cloud.engine.find_anywhere("volume", volume.id)
    assert found is not None
    chunks = await cloud.chunks()
    gone = [chunk.model_copy(update={"states": ()}) for chunk in chunks]
    await cloud.report(*gone)
    assert await _differences(cloud) == {volume.id: "missing"}
    await cloud.look()
    assert not await cloud.open_drift()
    assert (await cloud.resource(volume.id)).observed == found.observed


async def test_a_look_from_before_the_drift_does_not_close_it(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    chunks = await cloud.chunks()
    cloud.engine.outside_destroy(vm.id)
    await cloud.sees("vm", vm.id)
    await cloud.report(*chunks)
    assert len(await cloud.open_drift()) == 1


async def test_a_create_that_failed_is_tried_again(cloud: Cloud) -> None:
    """What is wanted stays wanted after a job failed."""
    injection = cloud.engine.injections.add(Injection("error", verb="ensure", kind="volume", fault_class="permanent"))
    outcome = await cloud.make(VOLUME, VolumeRequest(size_gib=1))
    await cloud.run()
    assert (await cloud.resource(outcome.resource.id)).status == "error"
    cloud.engine.injections.clear(injection)
    await cloud.look()
    (drift,) = await cloud.open_drift()
    assert (drift["difference"], drift["decision"]) == ("missing", "correct")  # there never was any data in it
    await cloud.correct()
    await cloud.run()
    assert (await cloud.resource(outcome.resource.id)).status == "active"


async def test_an_update_that_failed_is_tried_again(cloud: Cloud) -> None:
    group = await cloud.made(SECURITY_GROUP, SecurityGroupSpec())
    injection = cloud.engine.injections.add(Injection("error", verb="ensure", kind="security_group", fault_class="permanent"))
    await cloud.change(group.id, SecurityGroupSpec(rules=[Rule(direction="egress")]))
    await cloud.run()
    cloud.engine.injections.clear(injection)
    await cloud.look()
    (drift,) = await cloud.open_drift()
    assert drift["fields"] == {"status": {"wanted": "active", "observed": "error"}}
    await cloud.correct()
    await cloud.run()
    after = await cloud.resource(group.id)
    assert (after.status, after.observed_generation) == ("active", after.generation)


@pytest.mark.parametrize("effect", ["error", "error_after"])
async def test_a_delete_that_failed_is_tried_again_and_frees_its_claims_only_then(cloud: Cloud, effect: str) -> None:
    """Whether the engine still holds it or not: a look that found nothing is no confirmation by the engine itself."""
    volume = await cloud.made(VOLUME, VolumeRequest(size_gib=1))
    injection = cloud.engine.injections.add(
        Injection(effect, verb="remove", kind="volume", fault_class="permanent")  # type: ignore[arg-type]  # parametrized
    )
    await cloud.delete(volume.id)
    await cloud.run()
    assert (await cloud.resource(volume.id)).status == "error"
    assert await cloud.value("SELECT count(*) FROM pool_share") == 1
    cloud.engine.injections.clear(injection)
    await cloud.look()
    assert await _differences(cloud) == {volume.id: "wrong_state"}
    await cloud.correct()
    await cloud.run()
    assert (await cloud.resource(volume.id)).status == "deleted"
    assert await cloud.value("SELECT count(*) FROM pool_share") == 0
    await cloud.correct()
    assert not await cloud.open_drift()


async def test_a_look_of_the_network_does_not_miss_another_clusters_networks(cloud: Cloud) -> None:
    network = await lay_network(cloud)
    chunks = await cloud.chunks()
    other = [chunk.model_copy(update={"cluster_id": new_id(), "states": ()}) for chunk in chunks]
    await cloud.report(*other)
    assert not await cloud.open_drift()
    assert (await cloud.resource(network.id)).status == "active"


async def test_drift_of_another_time_is_another_row(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    for _ in range(2):
        cloud.engine.outside_destroy(vm.id)
        await cloud.look()
        await cloud.correct()
        await cloud.run()
    rows = await cloud.fetch("SELECT detected_at, resolved_at FROM drift WHERE resource_id = $1 ORDER BY id", vm.id)
    assert [row["resolved_at"] is None for row in rows] == [False, True]
    assert rows[1]["detected_at"] - rows[0]["detected_at"] > timedelta(0)


async def test_another_address_than_was_promised_is_corrected(cloud: Cloud) -> None:
    await boot_machine(cloud)
    port = await cloud.named(PORT, "it-nic0")
    _tamper(cloud, "port", port.id, address="10.0.0.99")
    await cloud.look()
    (drift,) = await cloud.open_drift()
    assert (drift["difference"], drift["decision"]) == ("modified", "correct")
    assert drift["fields"] == {"address": {"wanted": port.spec["address"], "observed": "10.0.0.99"}}
    await cloud.correct()
    await cloud.run()
    assert (await cloud.resource(port.id)).observed["address"] == port.spec["address"]


async def test_a_volume_that_is_smaller_than_wanted_is_corrected_and_a_larger_one_left(cloud: Cloud) -> None:
    small = await cloud.made(VOLUME, VolumeRequest(size_gib=2), name="small")
    large = await cloud.made(VOLUME, VolumeRequest(size_gib=2), name="large")
    _tamper(cloud, "volume", small.id, size_bytes=1 << 30)
    _tamper(cloud, "volume", large.id, size_bytes=3 << 30)
    await cloud.look()
    assert await _differences(cloud) == {small.id: "modified"}
    await cloud.correct()
    await cloud.run()
    assert (await cloud.resource(small.id)).observed["size_bytes"] == 2 << 30
    assert (await cloud.resource(large.id)).observed["size_bytes"] == 3 << 30


def _tamper(cloud: Cloud, kind: SpecKind, resource_id: UUID, **observed: JsonValue) -> None:
    """Somebody changes what an engine holds, and no event tells of it."""
    found = cloud.engine.find_anywhere(kind, resource_id)
    assert found is not None
    cloud.engine._update(found, {**found.observed, **observed})
