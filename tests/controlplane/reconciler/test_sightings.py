"""What engines tell at once: differences become drift and are corrected within a second, a guest's own wish is kept."""

import asyncio
from datetime import timedelta

from tests.controlplane.cloud import Cloud
from tests.controlplane.scenes import boot_machine

from groundplane.controlplane.compute.vm.models import VmUpdate
from groundplane.controlplane.network.port import PORT
from groundplane.controlplane.network.security_group import SECURITY_GROUP, SecurityGroupSpec
from groundplane.controlplane.resources.manager import CORRECTION
from groundplane.controlplane.storage.volume import VOLUME, VolumeRequest
from groundplane.dataplane.providers.simulated import Injection


async def test_a_machine_destroyed_behind_the_platforms_back_runs_again(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    cloud.engine.outside_destroy(vm.id)
    await cloud.sees("vm", vm.id)

    (drift,) = await cloud.open_drift()
    assert (drift["resource_id"], drift["difference"], drift["source"]) == (vm.id, "wrong_state", "event")
    assert drift["fields"] == {"power": {"wanted": "running", "observed": "stopped"}}
    assert (drift["kind"], drift["project_id"], drift["organization_id"]) == ("vm", cloud.project_id, cloud.organization_id)
    assert (await cloud.resource(vm.id)).observed["power"] == "stopped"

    assert await cloud.correct() == 1
    job = await cloud.last_job(vm.id)
    assert (job.reason, job.requested_by, job.workflow) == (CORRECTION, None, "vm.ensure")
    await cloud.run()
    assert (await cloud.resource(vm.id)).observed["power"] == "running"
    await cloud.correct()
    assert not await cloud.open_drift()
    assert await cloud.value("SELECT count(*) FROM drift WHERE resolved_at IS NOT NULL AND attempts = 1") == 1


async def test_a_correction_starts_within_a_moment_of_the_event(cloud: Cloud) -> None:
    """The worker's loop is woken by new drift: it does not wait for its next round."""
    vm = await boot_machine(cloud)
    loop = asyncio.get_running_loop()
    running = asyncio.create_task(cloud.reconciler.correct_for_ever(cloud.database))
    await asyncio.sleep(0.05)  # the first round is over, the next is half a second away
    cloud.task_out.clear()
    cloud.engine.outside_destroy(vm.id)
    started = loop.time()
    await cloud.sees("vm", vm.id)
    await asyncio.wait_for(cloud.task_out.wait(), 5)
    assert loop.time() - started < 0.3
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_vanished_is_made_again(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    cloud.engine.outside_delete("vm", vm.id)
    await cloud.sees("vm", vm.id)
    (drift,) = await cloud.open_drift()
    assert (drift["difference"], drift["decision"]) == ("missing", "correct")
    assert drift["fields"] == {"presence": {"wanted": "present", "observed": "absent"}}
    assert (await cloud.resource(vm.id)).observed == {}
    await cloud.correct()
    await cloud.run()
    assert cloud.holds("vm", vm.id)


async def test_a_volume_that_vanished_is_left_to_a_person(cloud: Cloud) -> None:
    """An empty disk in its place would hide that the data is lost."""
    volume = await cloud.made(VOLUME, VolumeRequest(size_gib=1))
    cloud.engine.outside_delete("volume", volume.id)
    await cloud.sees("volume", volume.id)
    (drift,) = await cloud.open_drift()
    assert (drift["difference"], drift["decision"]) == ("missing", "alert")
    assert await cloud.correct() == 0
    assert "drift_alert" in await cloud.incidents()


async def test_a_guest_that_powered_itself_off_stays_off(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    cloud.engine.outside_shutdown(vm.id)
    await cloud.sees("vm", vm.id)

    after = await cloud.resource(vm.id)
    assert after.spec["power"] == "stopped"
    assert after.observed["power"] == "stopped"
    assert (after.generation, after.observed_generation) == (vm.generation + 1, vm.generation + 1)
    assert not await cloud.open_drift()
    assert await cloud.correct() == 0
    reason = "SELECT count(*) FROM revision WHERE entity_id = $1 AND reason = 'the guest powered itself off'"
    assert await cloud.value(reason, vm.id) > 0
    open_spans = "SELECT count(*) FROM usage_span WHERE resource_id = $1 AND upper_inf(during)"
    assert await cloud.value(open_spans, vm.id) == 0


async def test_a_machine_that_crashed_is_drift(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    cloud.engine.outside_crash(vm.id)
    await cloud.sees("vm", vm.id)
    assert [row["difference"] for row in await cloud.open_drift()] == ["wrong_state"]
    assert (await cloud.resource(vm.id)).spec["power"] == "running"


async def test_a_machine_started_behind_the_platforms_back_is_stopped_again(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    await cloud.act(vm.id, "stop")
    await cloud.run()
    cloud.engine.outside_start(vm.id)
    await cloud.sees("vm", vm.id)
    await cloud.correct()
    await cloud.run()
    assert (await cloud.resource(vm.id)).observed["power"] == "stopped"


async def test_what_a_job_is_changing_is_not_drift(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    await cloud.act(vm.id, "reboot")
    task = cloud.tasks[0]
    await cloud.carry_out(task)  # the engine has seen the new fence
    cloud.engine.outside_destroy(vm.id)
    await cloud.sees("vm", vm.id)
    assert not await cloud.open_drift()
    await cloud.run()
    assert (await cloud.resource(vm.id)).observed["power"] == "running"


async def test_what_is_older_than_the_work_asked_for_is_not_believed(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    cloud.engine.outside_shutdown(vm.id)
    late = cloud.sighting("vm", vm.id)
    await cloud.sees("vm", vm.id)
    await cloud.act(vm.id, "start")
    await cloud.run()
    # At-least-once: it comes a second time; the fence tells, even when the agent's clock is ahead.
    for at in (late.at, late.at + timedelta(hours=1)):
        await cloud.report(late.model_copy(update={"at": at}))
        assert (await cloud.resource(vm.id)).spec["power"] == "running"
        assert not await cloud.open_drift()


async def test_what_happened_on_the_way_to_a_report_is_not_drift(cloud: Cloud) -> None:
    """During a reboot the machine is stopped for a moment; the event of it may come after the report."""
    vm = await boot_machine(cloud)
    await cloud.act(vm.id, "reboot")
    await cloud.run()
    on_the_way = cloud.sighting("vm", vm.id)
    state = on_the_way.state.model_copy(update={"observed": {"power": "stopped", "stopped_by": "guest"}})
    before = on_the_way.model_copy(update={"state": state, "at": on_the_way.at - timedelta(seconds=2)})
    await cloud.report(before)
    assert (await cloud.resource(vm.id)).spec["power"] == "running"
    assert not await cloud.open_drift()
    await cloud.report(before.model_copy(update={"at": on_the_way.at + timedelta(seconds=2)}))
    assert (await cloud.resource(vm.id)).spec["power"] == "stopped"


async def test_the_same_difference_told_twice_is_one_row(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    cloud.engine.outside_destroy(vm.id)
    await cloud.sees("vm", vm.id)
    await cloud.sees("vm", vm.id)
    assert await cloud.value("SELECT count(*) FROM drift") == 1


async def test_a_machine_that_falls_over_again_and_again_is_set_up_ever_more_slowly(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    for expected in (1, 1, 0):
        cloud.engine.outside_crash(vm.id)
        await cloud.sees("vm", vm.id)
        assert await cloud.correct() == expected
        await cloud.run()
    await cloud.pass_time(5)
    assert await cloud.correct() == 1


async def test_a_port_that_comes_up_is_news_and_nothing_else(cloud: Cloud) -> None:
    await boot_machine(cloud)
    port = await cloud.named(PORT, "it-nic0")
    await cloud.sees("port", port.id)
    assert (await cloud.resource(port.id)).observed["up"] is True
    assert not await cloud.open_drift()


async def test_news_of_what_a_job_is_changing_is_taken_in(cloud: Cloud) -> None:
    """A card comes up while the machine's own job still runs: nobody tells it a second time."""
    vm = await boot_machine(cloud)
    port = await cloud.named(PORT, "it-nic0")
    await cloud.change(vm.id, VmUpdate(power="stopped"))
    task = cloud.tasks.pop()
    report = await cloud.carry_out(task)
    await cloud.sees("vm", vm.id)
    await cloud.sees("port", port.id)
    assert (await cloud.resource(vm.id)).observed["power"] == "stopped"
    assert (await cloud.resource(port.id)).observed["up"] is False
    await cloud.report(report)
    assert (await cloud.resource(vm.id)).status == "active"


async def test_what_nobody_knows_is_no_news_by_event(cloud: Cloud) -> None:
    """Only a whole look tells an orphan from a create that is on its way."""
    vm = await boot_machine(cloud)
    sighting = cloud.sighting("vm", vm.id)
    stranger = sighting.state.model_copy(update={"id": cloud.agent_id})
    await cloud.report(sighting.model_copy(update={"state": stranger}))
    assert not await cloud.open_drift()
    assert await cloud.value("SELECT count(*) FROM report_set_aside") == 0


async def test_a_correction_that_fails_is_an_incident_until_one_goes_well(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    injection = cloud.engine.injections.add(
        Injection("error", verb="ensure", kind="vm", fault_class="permanent", code="broken_host", message="The host is broken.")
    )
    cloud.engine.outside_destroy(vm.id)
    await cloud.sees("vm", vm.id)
    await cloud.correct()
    await cloud.run()
    assert (await cloud.last_job(vm.id)).state == "FAILED"
    assert "correction_failed" in await cloud.incidents()
    assert len(await cloud.open_drift()) == 1
    assert await cloud.correct() == 0  # the next attempt waits

    cloud.engine.injections.clear(injection)
    await cloud.pass_time(11)
    assert await cloud.correct() == 1
    await cloud.run()
    await cloud.correct()
    assert (await cloud.resource(vm.id)).status == "active"
    assert not await cloud.open_drift()
    assert "correction_failed" not in await cloud.incidents()


async def test_a_correction_that_cannot_even_be_started_holds_up_nobody(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    group = await cloud.made(SECURITY_GROUP, SecurityGroupSpec())
    cloud.engine.outside_destroy(vm.id)
    cloud.engine.outside_delete("security_group", group.id)
    # A defect: where its disk lies is not known any more.
    await cloud.execute("UPDATE resource SET provider_reference = NULL, reason = 'a defect' WHERE kind = 'volume'")
    await cloud.look()
    assert await cloud.correct() == 2
    await cloud.run()
    assert cloud.holds("security_group", group.id)
    assert "correction_failed" in await cloud.incidents()


async def test_the_pause_between_corrections_doubles(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    cloud.engine.injections.add(Injection("error", verb="ensure", kind="vm", fault_class="permanent"))
    cloud.engine.outside_destroy(vm.id)
    await cloud.sees("vm", vm.id)
    for pause in (5, 10, 20):
        assert await cloud.correct() == 1
        await cloud.run()
        await cloud.pass_time(pause - 1)
        assert await cloud.correct() == 0
        await cloud.pass_time(2)


async def test_a_users_delete_takes_the_place_of_a_correction(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    cloud.engine.outside_destroy(vm.id)
    await cloud.sees("vm", vm.id)
    await cloud.correct()
    await cloud.deleted(vm.id)
    await cloud.correct()
    assert not await cloud.open_drift()
    assert not cloud.holds("vm", vm.id)
