"""The simulated engine survives its agents, is shared by them, and fails when it is told to."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from tests.dataplane.conformance.rigs import Library, Permit, listening, machine, refusal, subnet_on, until

from groundplane.contracts.faults import ProviderError
from groundplane.contracts.specs import Disk, NetworkSpec, Nic, PortSpec, VolumeSpec
from groundplane.dataplane.providers.provider import TOMBSTONE_SECONDS
from groundplane.dataplane.providers.simulated import (
    Injection,
    SimulatedCompute,
    SimulatedEngine,
    SimulatedNetwork,
    SimulatedStorage,
)

ENSURES_PER_SECOND = 5_000
CHILD = """
import asyncio, sys
from pathlib import Path
from uuid import UUID
from groundplane.contracts.specs import VolumeSpec
from groundplane.dataplane.providers.simulated import SimulatedEngine, SimulatedStorage
from tests.dataplane.conformance.rigs import Library, Permit

async def main(path, host, *volumes):
    storage = SimulatedStorage(SimulatedEngine(Path(path)), UUID(host))
    for volume in volumes:
        spec = VolumeSpec(id=UUID(volume), pool="default", size_bytes=1)
        await storage.ensure_volume(Permit(), Library(), spec, 1)
    print("done", flush=True)
    await asyncio.sleep(60)

asyncio.run(main(*sys.argv[1:]))
"""


def child(path: Path, host_id: UUID, *volume_ids: UUID) -> "subprocess.Popen[str]":
    """Another agent process, which ensures the volumes and then waits."""
    argv = [sys.executable, "-c", CHILD, str(path), str(host_id), *map(str, volume_ids)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([".", "src"])}
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment, cwd=Path(__file__).parents[3])


def volume(volume_id: UUID | None = None) -> VolumeSpec:
    """A volume of one byte."""
    return VolumeSpec(id=volume_id or uuid4(), pool="default", size_bytes=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the engine lies."""
    return tmp_path / "engine.sqlite"


@pytest.fixture
def engine(path: Path) -> Iterator[SimulatedEngine]:
    """An engine of this test alone."""
    engine = SimulatedEngine(path, seed=1)
    yield engine
    engine.close()


async def test_what_a_killed_agent_made_is_there(path: Path, engine: SimulatedEngine) -> None:
    host_id, volume_id = uuid4(), uuid4()
    with child(path, host_id, volume_id) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        process.kill()
    (row,) = engine.resources(scope=host_id)
    assert (row.key.id, row.fence, row.present) == (volume_id, 1, True)


async def test_processes_share_the_engine(path: Path, engine: SimulatedEngine) -> None:
    host_id = uuid4()
    volumes = [[uuid4() for _ in range(300)] for _ in range(3)]
    children = [child(path, host_id, *some) for some in volumes]
    for process in children:
        with process:
            assert process.stdout is not None
            assert process.stdout.readline() == "done\n"
            process.kill()
    assert {row.key.id for row in engine.resources(scope=host_id)} == {each for some in volumes for each in some}


async def test_a_thousand_hosts_in_one_thread(engine: SimulatedEngine) -> None:
    hosts = [SimulatedStorage(engine, uuid4()) for _ in range(1_000)]
    specs = [volume() for _ in range(5_000)]
    library, permit = Library(), Permit()
    started = time.process_time()
    for number, spec in enumerate(specs):
        await hosts[number % 1_000].ensure_volume(permit, library, spec, 1)
    # Processor time of this process, so that a busy machine does not fail it.
    assert len(specs) / (time.process_time() - started) >= ENSURES_PER_SECOND
    assert len(engine.resources(kind="volume")) == len(specs)


async def test_old_tombstones_are_forgotten(path: Path) -> None:
    now = [1_000_000.0]
    engine = SimulatedEngine(path, clock=lambda: now[0])
    storage = SimulatedStorage(engine, uuid4())
    spec = volume()
    await storage.remove(Permit(), "volume", spec.id, "default", 9)
    assert await refusal(storage.ensure_volume(Permit(), Library(), spec, 8)) == ("stale_fence", "permanent")
    now[0] += TOMBSTONE_SECONDS + 1
    assert (await storage.ensure_volume(Permit(), Library(), spec, 8)).present
    engine.close()


async def test_an_error_before_changes_nothing(engine: SimulatedEngine) -> None:
    storage = SimulatedStorage(engine, uuid4())
    engine.injections.add(Injection("error", verb="ensure", code="pool_full", fault_class="permanent", count=1))
    spec = volume()
    assert await refusal(storage.ensure_volume(Permit(), Library(), spec, 1)) == ("pool_full", "permanent")
    assert engine.resources(tombstones=True) == []
    assert (await storage.ensure_volume(Permit(), Library(), spec, 1)).present


async def test_an_error_after_hides_what_was_done(engine: SimulatedEngine) -> None:
    storage = SimulatedStorage(engine, uuid4())
    engine.injections.add(Injection("error_after", verb="ensure", kind="volume", count=1))
    spec = volume()
    assert await refusal(storage.ensure_volume(Permit(), Library(), spec, 1)) == ("simulated_fault", "transient")
    assert [row.key.id for row in engine.resources()] == [spec.id]


@pytest.mark.parametrize(("effect", "left"), [("crash_before", 0), ("crash_after", 1)])
async def test_a_crash_kills_the_agent(path: Path, engine: SimulatedEngine, effect: str, left: int) -> None:
    host_id = uuid4()
    engine._database.execute("INSERT INTO injection (effect, verb) VALUES (?, 'ensure')", (effect,))
    with child(path, host_id, uuid4()) as process:
        assert process.wait(30) == -signal.SIGKILL
    assert len(engine.resources(scope=host_id)) == left


async def test_a_fault_strikes_only_what_it_names(engine: SimulatedEngine) -> None:
    struck, spared = uuid4(), uuid4()
    spec = volume()
    engine.injections.add(Injection("error", scope=str(struck), resource_id=spec.id))
    with pytest.raises(ProviderError):
        await SimulatedStorage(engine, struck).ensure_volume(Permit(), Library(), spec, 1)
    await SimulatedStorage(engine, struck).ensure_volume(Permit(), Library(), volume(), 1)
    await SimulatedStorage(engine, spared).ensure_volume(Permit(), Library(), spec, 1)


async def test_a_fault_strikes_with_its_probability(engine: SimulatedEngine) -> None:
    storage = SimulatedStorage(engine, uuid4())
    engine.injections.add(Injection("error", verb="ensure", probability=0.3))
    outcomes = await asyncio.gather(
        *(storage.ensure_volume(Permit(), Library(), volume(), 1) for _ in range(1_000)), return_exceptions=True
    )
    failed = sum(isinstance(outcome, ProviderError) for outcome in outcomes)
    assert 200 < failed < 400
    assert len(engine.resources()) == 1_000 - failed


async def test_latency_is_drawn_and_taken_back(engine: SimulatedEngine) -> None:
    storage = SimulatedStorage(engine, uuid4())
    slow = engine.injections.add(Injection("latency", verb="ensure", seconds=0.2, sigma=0.1))
    started = time.monotonic()
    await storage.ensure_volume(Permit(), Library(), volume(), 1)
    assert time.monotonic() - started > 0.1
    engine.injections.clear(slow)
    started = time.monotonic()
    await storage.ensure_volume(Permit(), Library(), volume(), 1)
    assert time.monotonic() - started < 0.1


async def test_a_hang_lasts_until_the_caller_gives_up(engine: SimulatedEngine) -> None:
    storage = SimulatedStorage(engine, uuid4())
    engine.injections.add(Injection("hang", verb="ensure"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(storage.ensure_volume(Permit(), Library(), volume(), 1), 0.2)
    assert engine.resources() == []


async def test_a_host_can_be_out_of_reach(engine: SimulatedEngine) -> None:
    host = SimulatedCompute(engine, uuid4())
    assert (await host.facts()).reachable
    engine.injections.add(Injection("error", verb="facts", message="No route to the host."))
    facts = await host.facts()
    assert (facts.reachable, facts.reason) == (False, "No route to the host.")


async def test_a_lost_event_is_only_in_the_inventory(engine: SimulatedEngine) -> None:
    host_id = uuid4()
    storage = SimulatedStorage(engine, host_id)
    lost, told = volume(), volume()
    for spec in (lost, told):
        await storage.ensure_volume(Permit(), Library(), spec, 1)
    engine.injections.add(Injection("lost_event", verb="event", resource_id=lost.id))
    async with listening(storage) as heard:
        engine.outside_delete("volume", lost.id)
        engine.outside_delete("volume", told.id)
        await until(lambda: bool(heard), heard)
    assert [state.id for state in heard] == [told.id]
    assert list(await storage.observe()) == []
    await storage.close()


async def test_events_reach_every_agent(path: Path, engine: SimulatedEngine) -> None:
    host_id = uuid4()
    elsewhere = SimulatedEngine(path)
    spec = volume()
    mine, other = SimulatedStorage(engine, host_id), SimulatedStorage(elsewhere, host_id)
    stranger = SimulatedStorage(elsewhere, uuid4())
    await mine.ensure_volume(Permit(), Library(), spec, 1)
    async with listening(mine) as first, listening(other) as second, listening(stranger) as third:
        elsewhere.outside_delete("volume", spec.id)
        await until(lambda: bool(first and second), [*first, *second])
    assert third == []
    elsewhere.close()


async def test_a_port_is_up_while_a_running_machine_uses_it(engine: SimulatedEngine) -> None:
    host_id = uuid4()
    network, storage, compute = (
        SimulatedNetwork(engine, uuid4()),
        SimulatedStorage(engine, host_id),
        SimulatedCompute(engine, host_id),
    )
    subnet = subnet_on(uuid4())
    await network.ensure(Permit(), NetworkSpec(id=subnet.network_id), 1)
    await network.ensure(Permit(), subnet, 1)
    disk = volume()
    await storage.ensure_volume(Permit(), Library(), disk, 1)
    port = PortSpec(id=uuid4(), network_id=subnet.network_id, subnet_id=subnet.id, mac="02:00:00:00:00:05", address="10.7.0.5")
    spec = machine(Disk(volume_id=disk.id, pool="default", serial="root"))
    spec = spec.model_copy(update={"nics": (Nic(port_id=port.id, mac=port.mac),)})
    assert await refusal(compute.ensure_vm(Permit(), Library(), spec, 1)) == ("not_ready", "transient")

    async with listening(network) as heard:
        assert (await network.ensure(Permit(), port, 1)).observed["up"] is False
        await compute.ensure_vm(Permit(), Library(), spec, 1)
        await until(lambda: [state.observed["up"] for state in heard] == [True], heard)
        assert b"10.7.0.5" in await compute.console_log(spec.id, 0, 10_000)
        engine.outside_delete("port", port.id)
        assert (await network.ensure(Permit(), port, 2)).observed["up"] is True
        engine.outside_shutdown(spec.id)
        await until(lambda: heard[-1].observed.get("up") is False, heard)
    (row,) = engine.resources(kind="vm")
    assert row.observed["stopped_by"] == "guest"
    await network.close()


async def test_a_console_says_that_it_is_simulated(engine: SimulatedEngine) -> None:
    host_id = uuid4()
    disk = volume()
    await SimulatedStorage(engine, host_id).ensure_volume(Permit(), Library(), disk, 1)
    compute = SimulatedCompute(engine, host_id)
    spec = machine(Disk(volume_id=disk.id, pool="default", serial="root"))
    await compute.ensure_vm(Permit(), Library(), spec, 1)
    first = await compute.console_log(spec.id, 0, 1 << 20)
    assert b"simulated" in first
    await compute.ensure_vm(Permit(), Library(), spec.model_copy(update={"reboots": 1}), 2)
    both = await compute.console_log(spec.id, 0, 1 << 20)
    assert both.startswith(first)
    assert b"boot 2" in both
