"""Machines as libvirt domains: what is peculiar to them beyond the laws of the conformance suite."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from tests.dataplane.libvirt.cloud import Free, Library, until, vm_spec, volume_spec
from tests.dataplane.libvirt.conftest import GRACE_SECONDS
from tests.dataplane.libvirt.engine import PrivateLibvirt

from groundplane.contracts.faults import ProviderError
from groundplane.contracts.reports import State
from groundplane.contracts.specs import Nic, Power, VmSpec
from groundplane.dataplane.providers.libvirt import LibvirtCompute, LibvirtStorage

pytestmark = pytest.mark.real


async def new_vm(storage: LibvirtStorage, power: Power = "running") -> VmSpec:
    """A machine whose volume is there."""
    volume = volume_spec()
    await storage.ensure_volume(Free(), Library(), volume, 1)
    return vm_spec(volume, power=power)


async def running_vm(storage: LibvirtStorage, compute: LibvirtCompute) -> VmSpec:
    """A machine that runs."""
    vm = await new_vm(storage)
    await compute.ensure_vm(Free(), Library(), vm, 1)
    return vm


async def seen(compute: LibvirtCompute, vm_id: UUID) -> State | None:
    """What observe says of one machine."""
    return next((state for state in await compute.observe() if state.id == vm_id), None)


@asynccontextmanager
async def heard(compute: LibvirtCompute, vm_id: UUID) -> AsyncIterator[list[State]]:
    """What the events tell of one machine while inside."""
    told: list[State] = []

    async def listen() -> None:
        async for state in compute.events():
            if state.id == vm_id:
                told.append(state)  # noqa: PERF401 - heard while the iteration goes on

    listener = asyncio.create_task(listen())
    await asyncio.sleep(0.2)
    yield told
    listener.cancel()
    await asyncio.gather(listener, return_exceptions=True)


def kill_qemu(engine: PrivateLibvirt, vm_id: UUID) -> None:
    """Kill a machine's process."""
    pid = engine.qemu(vm_id)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


async def test_a_killed_qemu_is_a_crash(storage: LibvirtStorage, compute: LibvirtCompute, engine: PrivateLibvirt) -> None:
    vm = await running_vm(storage, compute)
    async with heard(compute, vm.id) as told:
        kill_qemu(engine, vm.id)
        await until(lambda: bool(told))
    assert told[0].observed == {
        "power": "stopped",
        "stopped_by": "crash",
        "reboots": 0,
        "hardware": vm.hardware_digest(),
    }
    assert await seen(compute, vm.id) == told[0]


async def test_destroy_and_undefine_by_hand_are_told(
    storage: LibvirtStorage, compute: LibvirtCompute, engine: PrivateLibvirt
) -> None:
    vm = await running_vm(storage, compute)
    async with heard(compute, vm.id) as told:
        engine.virsh("destroy", str(vm.id))
        await until(lambda: len(told) == 1)
        engine.virsh("undefine", str(vm.id))
        await until(lambda: len(told) == 2)
    assert (told[0].observed["power"], told[0].observed["stopped_by"]) == ("stopped", "host")
    assert not told[1].present


async def test_what_the_provider_does_itself_is_told_once(storage: LibvirtStorage, compute: LibvirtCompute) -> None:
    vm = await new_vm(storage)
    async with heard(compute, vm.id) as told:
        made = await compute.ensure_vm(Free(), Library(), vm, 1)
        await until(lambda: bool(told))
        await compute.remove_vm(Free(), vm.id, 2)
        await until(lambda: len(told) > 1)
        await asyncio.sleep(0.2)
    assert told == [made, State(kind="vm", id=vm.id, present=False, fence=2)]


async def test_libvirtd_dies_and_comes_back(storage: LibvirtStorage, compute: LibvirtCompute, engine: PrivateLibvirt) -> None:
    vm, lost, calm = [await running_vm(storage, compute) for _ in range(3)]
    async with heard(compute, vm.id) as told, heard(compute, lost.id) as told_lost, heard(compute, calm.id) as told_calm:
        engine.kill()
        facts = await compute.facts()
        with pytest.raises(ProviderError) as refused:
            await compute.ensure_vm(Free(), Library(), vm, 1)
        with pytest.raises(ProviderError):
            await storage.observe()
        kill_qemu(engine, lost.id)
        await asyncio.to_thread(engine.start)
        assert (await compute.ensure_vm(Free(), Library(), vm, 1)).observed["power"] == "running"
        await storage.observe()
        await until(lambda: bool(told_lost))
        engine.virsh("destroy", str(vm.id))
        await until(lambda: bool(told))
    assert (facts.reachable, bool(facts.reason)) == (False, True)
    assert (refused.value.fault.code, refused.value.fault.fault_class) == ("engine_unreachable", "transient")
    assert told_lost[0].observed["power"] == "stopped"
    assert told[0].observed["power"] == "stopped"
    assert told_calm == []


async def test_a_libvirtd_that_hangs_is_a_fact(compute: LibvirtCompute, engine: PrivateLibvirt) -> None:
    assert (await compute.facts()).reachable
    os.kill(engine.daemons["libvirtd"], signal.SIGSTOP)
    try:
        async with asyncio.timeout(3):
            facts = await compute.facts()
    finally:
        os.kill(engine.daemons["libvirtd"], signal.SIGCONT)
    assert (facts.reachable, facts.vcpus) == (False, 0)
    assert (await compute.facts()).reachable


async def test_nobody_listens_on_the_socket() -> None:
    compute = LibvirtCompute(
        uuid4(),
        "qemu+unix:///system?socket=/nonexistent",
        pools={"default": Path("/nonexistent/pool")},
        console_directory=Path("/nonexistent"),
        domain_type="qemu",
    )
    assert not (await compute.facts()).reachable
    with pytest.raises(ProviderError) as refused:
        await compute.observe()
    assert refused.value.fault.code == "engine_unreachable"
    await compute.close()


async def test_other_peoples_domains_are_not_ours(
    storage: LibvirtStorage, compute: LibvirtCompute, engine: PrivateLibvirt
) -> None:
    vm = await new_vm(storage, "stopped")
    await compute.ensure_vm(Free(), Library(), vm, 1)
    foreign = engine.folder / "foreign.xml"
    foreign.write_text(
        "<domain type='qemu'><name>foreign</name><memory>65536</memory><os><type arch='x86_64'>hvm</type></os></domain>"
    )
    engine.virsh("define", str(foreign))
    assert [state.id for state in await compute.observe()].count(vm.id) == 1
    assert all(state.observed["hardware"] for state in await compute.observe())
    engine.virsh("undefine", "foreign")


async def test_new_hardware_waits_for_a_restart(storage: LibvirtStorage, compute: LibvirtCompute) -> None:
    vm = await running_vm(storage, compute)
    larger = vm.model_copy(update={"memory_mib": 192})
    state = await compute.ensure_vm(Free(), Library(), larger, 2)
    assert (state.observed["hardware"], state.observed["restart_required"]) == (larger.hardware_digest(), True)
    rebooted = await compute.ensure_vm(Free(), Library(), larger.model_copy(update={"reboots": 1}), 3)
    assert "restart_required" not in rebooted.observed
    assert rebooted.observed["reboots"] == 1


async def test_nothing_is_left_of_a_machine(storage: LibvirtStorage, compute: LibvirtCompute, engine: PrivateLibvirt) -> None:
    vm = await running_vm(storage, compute)
    log, seed = engine.consoles / f"{vm.id}.log", engine.pools["default"] / f"seed-{vm.id}.iso"
    assert log.exists()
    assert seed.exists()
    await compute.remove_vm(Free(), vm.id, 2)
    assert not log.exists()
    assert not seed.exists()
    assert str(vm.id) not in engine.virsh("list", "--all", "--name").stdout


async def test_a_lost_seed_is_made_again_for_the_next_start(
    storage: LibvirtStorage, compute: LibvirtCompute, engine: PrivateLibvirt
) -> None:
    vm = await new_vm(storage, "stopped")
    await compute.ensure_vm(Free(), Library(), vm, 1)
    engine.virsh("vol-delete", f"seed-{vm.id}.iso", "default")
    state = await compute.ensure_vm(Free(), Library(), vm.model_copy(update={"power": "running"}), 2)
    assert state.observed["power"] == "running"


async def test_a_paused_machine_goes_on(storage: LibvirtStorage, compute: LibvirtCompute, engine: PrivateLibvirt) -> None:
    vm = await running_vm(storage, compute)
    engine.virsh("suspend", str(vm.id))
    paused = await seen(compute, vm.id)
    assert paused is not None
    assert paused.observed["power"] == "paused"
    assert (await compute.ensure_vm(Free(), Library(), vm, 2)).observed["power"] == "running"


async def test_a_card_without_a_bridge_is_worth_another_try(storage: LibvirtStorage, compute: LibvirtCompute) -> None:
    volume = volume_spec()
    await storage.ensure_volume(Free(), Library(), volume, 1)
    vm = vm_spec(volume, nics=(Nic(port_id=uuid4(), mac="52:54:00:00:00:01"),))
    with pytest.raises(ProviderError) as refused:
        await compute.ensure_vm(Free(), Library(), vm, 1)
    assert (refused.value.fault.code, refused.value.fault.fault_class) == ("not_ready", "transient")
    await compute.remove_vm(Free(), vm.id, 2)


async def test_two_machines_do_not_share_a_disk(storage: LibvirtStorage, compute: LibvirtCompute) -> None:
    first = await running_vm(storage, compute)
    second = first.model_copy(update={"id": uuid4()})
    codes: list[str] = []
    while "disk_locked" not in codes and len(codes) < 5:
        with pytest.raises(ProviderError) as refused:
            await compute.ensure_vm(Free(), Library(), second, 1)
        codes.append(refused.value.fault.code)
    # On a busy machine libvirt can lose QEMU's last words: then it only says that QEMU has ended.
    assert codes[-1] == "disk_locked"
    assert set(codes) <= {"disk_locked", "engine_error"}
    await compute.remove_vm(Free(), second.id, 2)


async def test_a_hostile_name(storage: LibvirtStorage, compute: LibvirtCompute, engine: PrivateLibvirt) -> None:
    vm = (await new_vm(storage)).model_copy(update={"name": "</title><on_crash>\0\n&amp;\"'\ud800 ☃"})
    assert (await compute.ensure_vm(Free(), Library(), vm, 1)).observed["power"] == "running"
    title = engine.virsh("desc", "--title", str(vm.id)).stdout.strip()
    assert title == "</title><on_crash>&amp;\"' ☃"


async def test_a_guest_that_does_not_answer_is_cut_off_in_time(storage: LibvirtStorage, compute: LibvirtCompute) -> None:
    vm = await running_vm(storage, compute)
    async with asyncio.timeout(GRACE_SECONDS + 3):
        state = await compute.ensure_vm(Free(), Library(), vm.model_copy(update={"power": "stopped"}), 2)
    assert state.observed["power"] == "stopped"


KILLED = """
import asyncio, sys
from pathlib import Path
from uuid import uuid4
from tests.dataplane.libvirt.cloud import Free, Library
from groundplane.contracts.specs import VmSpec
from groundplane.dataplane.providers.libvirt import LibvirtCompute

async def main(uri, pool, consoles, vm):
    compute = LibvirtCompute(
        uuid4(), uri, pools={"default": Path(pool)}, console_directory=Path(consoles), domain_type="qemu"
    )
    await compute.facts()
    print("now", flush=True)
    await compute.ensure_vm(Free(), Library(), VmSpec.model_validate_json(vm), 1)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("milliseconds", [0, 3, 6, 9, 15, 60])
async def test_an_agent_killed_while_it_makes_a_machine(
    storage: LibvirtStorage, compute: LibvirtCompute, engine: PrivateLibvirt, milliseconds: int
) -> None:
    vm = await new_vm(storage)
    arguments = (engine.uri, str(engine.pools["default"]), str(engine.consoles), vm.model_dump_json())
    agent = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, *arguments, stdout=subprocess.PIPE)
    assert agent.stdout is not None
    assert await agent.stdout.readline() == b"now\n"
    await asyncio.sleep(milliseconds / 1000)
    agent.kill()
    await agent.wait()

    state = None
    while state is None:  # libvirtd ends what the dead agent had begun: then the domain is busy for a moment
        try:
            state = await compute.ensure_vm(Free(), Library(), vm, 1)
        except ProviderError as error:
            assert error.fault.fault_class == "transient", error.fault  # noqa: PT017 - the loop goes on with it
            await asyncio.sleep(0.1)
    assert state.observed["power"] == "running"
    assert engine.virsh("list", "--all", "--name").stdout.split().count(str(vm.id)) == 1
    await compute.remove_vm(Free(), vm.id, 2)
    assert not list(engine.pools["default"].glob(f"*{vm.id}*"))


async def test_a_log_that_was_cut_into_parts_is_read_as_one(compute: LibvirtCompute, engine: PrivateLibvirt) -> None:
    vm_id = uuid4()
    engine.consoles.mkdir(exist_ok=True)
    for name, content in ((".log.1", b"oldest "), (".log.0", b"older "), (".log", b"now")):
        (engine.consoles / f"{vm_id}{name}").write_bytes(content)
    assert await compute.console_log(vm_id, 0, 100) == b"oldest older now"
    assert await compute.console_log(vm_id, 5, 6) == b"t olde"
    assert await compute.console_log(vm_id, 14, 100) == b"ow"
    assert await compute.console_log(vm_id, 16, 100) == b""
    await compute.remove_vm(Free(), vm_id, 1)
    assert not list(engine.consoles.glob(f"{vm_id}*"))
