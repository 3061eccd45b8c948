"""Each promise of ComputeProvider."""

from uuid import UUID, uuid4

from tests.dataplane.conformance.rigs import ComputeRig, listening, machine, refusal, until

from groundplane.contracts.reports import State
from groundplane.contracts.specs import Disk, Power, VmSpec


def _with(spec: VmSpec, **changes: object) -> VmSpec:
    return spec.model_copy(update=changes)


async def _observed(rig: ComputeRig, vm_id: UUID) -> State:
    (state,) = [state for state in await rig.provider.observe() if state.id == vm_id]
    return state


async def test_a_machine_runs(compute: ComputeRig) -> None:
    spec = await compute.vm()
    state = await compute.ensure(spec)
    assert state.observed["power"] == "running"
    assert state.observed["reboots"] == 0
    assert state.observed["hardware"] == spec.hardware_digest()


async def test_a_machine_can_be_made_stopped(compute: ComputeRig) -> None:
    state = await compute.ensure(await compute.vm("stopped"))
    assert state.observed["power"] == "stopped"


async def test_power_follows_the_wish(compute: ComputeRig) -> None:
    spec = await compute.vm()
    wishes: list[Power] = ["running", "stopped", "stopped", "running"]
    for fence, power in enumerate(wishes, start=1):
        state = await compute.ensure(_with(spec, power=power), fence)
        assert state.observed["power"] == power
        assert await _observed(compute, spec.id) == state


async def test_a_stop_that_was_asked_for_is_the_hosts(compute: ComputeRig) -> None:
    spec = await compute.vm()
    await compute.ensure(spec)
    state = await compute.ensure(_with(spec, power="stopped"), 2)
    assert state.observed["stopped_by"] == "host"


async def test_a_reboot_is_done_once_however_often_it_is_told(compute: ComputeRig) -> None:
    spec = await compute.vm()
    await compute.ensure(spec)
    async with compute.reboots_of(spec.id) as reboots:
        for _ in range(3):
            state = await compute.ensure(_with(spec, reboots=1), 2)
            assert state.observed["reboots"] == 1
            assert state.observed["power"] == "running"
        await reboots.are(1)
        state = await compute.ensure(_with(spec, reboots=2), 3)
        assert state.observed["reboots"] == 2
        await reboots.are(2)


async def test_a_machine_made_anew_does_not_repeat_old_reboots(compute: ComputeRig) -> None:
    spec = _with(await compute.vm(), reboots=4)
    async with compute.reboots_of(spec.id) as reboots:
        state = await compute.ensure(spec)
        assert state.observed["reboots"] == 4
        await compute.ensure(spec)
        await reboots.are(0)


async def test_a_reboot_wished_for_a_stopped_machine_is_its_next_start(compute: ComputeRig) -> None:
    spec = await compute.vm("stopped")
    await compute.ensure(spec)
    state = await compute.ensure(_with(spec, reboots=1), 2)
    assert (state.observed["power"], state.observed["reboots"]) == ("stopped", 1)


async def test_new_hardware_is_there_after_the_next_start(compute: ComputeRig) -> None:
    spec = await compute.vm()
    await compute.ensure(spec)
    larger = _with(spec, memory_mib=128)
    await compute.ensure(_with(larger, power="stopped"), 2)
    state = await compute.ensure(larger, 3)
    assert state.observed["power"] == "running"
    assert state.observed["hardware"] == larger.hardware_digest()


async def test_new_hardware_waits_for_the_next_start(compute: ComputeRig) -> None:
    spec = await compute.vm()
    await compute.ensure(spec)
    larger = _with(spec, memory_mib=128)
    state = await compute.ensure(larger, 2)
    assert (state.observed["power"], state.observed["restart_required"]) == ("running", True)
    assert await _observed(compute, spec.id) == state
    state = await compute.ensure(_with(larger, reboots=1), 3)
    assert "restart_required" not in state.observed
    assert state.observed["hardware"] == larger.hardware_digest()


async def test_a_new_name_is_not_new_hardware(compute: ComputeRig) -> None:
    spec = await compute.vm()
    made = await compute.ensure(spec)
    async with compute.reboots_of(spec.id) as reboots:
        renamed = await compute.ensure(_with(spec, name="renamed"), 2)
        assert renamed.observed == made.observed
        await reboots.are(0)


async def test_a_missing_volume_is_worth_another_try(compute: ComputeRig) -> None:
    spec = machine(Disk(volume_id=uuid4(), pool=compute.storage.pool, serial="root"))
    assert await refusal(compute.ensure(spec)) == ("not_ready", "transient")
    assert all(state.id != spec.id for state in await compute.provider.observe())


async def test_a_pulled_plug_is_told_and_mended(compute: ComputeRig) -> None:
    spec = await compute.vm()
    await compute.ensure(spec)

    def told() -> bool:
        return any(state.id == spec.id and state.observed.get("power") == "stopped" for state in heard)

    async with listening(compute.provider) as heard:
        await compute.outside_destroy(spec.id)
        await until(told, heard)
    stopped = await _observed(compute, spec.id)
    assert (stopped.observed["power"], stopped.fence) == ("stopped", 1)
    mended = await compute.ensure(spec, 2)
    assert mended.observed["power"] == "running"


async def test_user_data_is_asked_for_once(compute: ComputeRig) -> None:
    secret_id = uuid4()
    library = compute.storage.library
    library.secrets[secret_id] = b"#!/bin/sh\necho hello\n"
    spec = await compute.vm(secret_id=secret_id)
    await compute.ensure(spec)
    await compute.ensure(spec)
    await compute.ensure(_with(spec, power="stopped"), 2)
    await compute.ensure(spec, 3)
    assert library.asked_secrets.count(secret_id) == 1


async def test_a_running_machines_disk_is_not_removed(compute: ComputeRig) -> None:
    spec = await compute.vm()
    await compute.ensure(spec)
    volume_id = spec.disks[0].volume_id
    assert await refusal(compute.storage.remove("volume", volume_id, 2)) == ("in_use", "transient")
    await compute.ensure(_with(spec, power="stopped"), 2)
    assert not (await compute.storage.remove("volume", volume_id, 2)).present


async def test_volumes_stay_when_their_machine_goes(compute: ComputeRig) -> None:
    spec = await compute.vm()
    await compute.ensure(spec)
    await compute.remove(spec.id, 2)
    volumes = {state.id for state in await compute.storage.provider.observe()}
    assert spec.disks[0].volume_id in volumes


async def test_a_stopped_machine_is_removed_too(compute: ComputeRig) -> None:
    spec = await compute.vm("stopped")
    await compute.ensure(spec)
    await compute.remove(spec.id, 2)
    assert all(state.id != spec.id for state in await compute.provider.observe())


async def test_a_console_is_read_by_pieces(compute: ComputeRig) -> None:
    spec = await compute.vm()
    await compute.ensure(spec)
    whole = await compute.provider.console_log(spec.id, 0, 1 << 20)
    assert await compute.provider.console_log(spec.id, 0, 10) == whole[:10]
    assert await compute.provider.console_log(spec.id, len(whole) + 100_000, 10) == b""
    assert await compute.provider.console_log(uuid4(), 0, 10) == b""


async def test_facts_count_machines(compute: ComputeRig) -> None:
    before = await compute.provider.facts()
    assert before.reachable
    assert before.vcpus > 0
    assert before.memory_mib > 0
    assert before.virtualization
    await compute.ensure(await compute.vm())
    after = await compute.provider.facts()
    assert after.vms == before.vms + 1
