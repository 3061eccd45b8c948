"""What a task costs the agent, in processor time of its process: `python -m tests.dataplane.agent.cost plain|full [TASKS]`.

`plain` tasks ensure one machine, `full` ones a volume, a port and a machine, on ten simulated hosts. What else the machine
does at that time shows in the figure: compare runs of the same minute.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from uuid import UUID, uuid4

import psutil
from tests.dataplane.agent.guarded import GuardedServer
from tests.dataplane.agent.world import World
from tests.dataplane.conformance.rigs import Library, Permit, machine, subnet_on

from groundplane.contracts.specs import Disk, NetworkSpec, Nic, PortSpec, SubnetSpec, VolumeSpec
from groundplane.contracts.tasks import Ensure, Operation
from groundplane.dataplane.providers.simulated import SimulatedEngine, SimulatedNetwork, SimulatedStorage

HOSTS = 10
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
AT_ONCE = 256


async def main(kind: str, count: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="gp-cost-", ignore_cleanup_errors=True) as home:
        server = GuardedServer(Path(home))
        server.start()
        bus = await server.connect_all_mighty()
        path = Path(home) / "engine.sqlite"
        world = World(server, bus, path, SimulatedEngine(path), host_ids=[uuid4() for _ in range(HOSTS)])
        await world.open()
        subnet, disks = await _furnish(world)
        process = world.start_process()
        assert process.stdout is not None
        await asyncio.to_thread(process.stdout.readline)
        await asyncio.sleep(1)
        watched = psutil.Process(process.pid)
        slots = asyncio.Semaphore(AT_ONCE)

        async def ask(number: int) -> None:
            host_id = world.host_ids[number % HOSTS]
            operations = _plain(disks[host_id]) if kind == "plain" else _full(subnet)
            async with slots:
                await world.ask(*operations, scope=str(host_id), seconds=600, trace=TRACE)

        def ended() -> int:
            return sum(message.type == "report" and message.outcome != "progress" for message in world.heard)

        before, began = sum(watched.cpu_times()[:2]), time.monotonic()
        await asyncio.gather(*(ask(number) for number in range(count)))
        while ended() < count:  # noqa: ASYNC110  # read once, at the end
            await asyncio.sleep(0.05)
        seconds = time.monotonic() - began
        milliseconds = (sum(watched.cpu_times()[:2]) - before) * 1_000 / count
        failed = [message for message in world.heard if message.type == "report" and message.fault]
        sys.stdout.write(f"{kind}: {milliseconds:.3f} ms of CPU a task, {count / seconds:.0f} tasks/s, {len(failed)} failed\n")
        await world.close()
        await bus.close()
        server.kill()


async def _furnish(world: World) -> tuple[SubnetSpec, dict[UUID, VolumeSpec]]:
    """A network with a subnet, and a volume on each host."""
    subnet = subnet_on(uuid4())
    network = SimulatedNetwork(world.engine, world.cluster_id)
    await network.ensure(Permit(), NetworkSpec(id=subnet.network_id), 1)
    await network.ensure(Permit(), subnet, 1)
    disks = {host_id: _volume() for host_id in world.host_ids}
    for host_id, disk in disks.items():
        await SimulatedStorage(world.engine, host_id).ensure_volume(Permit(), Library(), disk, 1)
    return subnet, disks


def _volume() -> VolumeSpec:
    return VolumeSpec(id=uuid4(), pool="default", size_bytes=1 << 30)


def _plain(disk: VolumeSpec) -> list[Operation]:
    return [Ensure(fence=1, spec=machine(Disk(volume_id=disk.id, pool=disk.pool, serial="root")))]


def _full(subnet: SubnetSpec) -> list[Operation]:
    disk = _volume()
    port = PortSpec(id=uuid4(), network_id=subnet.network_id, subnet_id=subnet.id, mac="02:00:00:00:00:05", address="10.7.0.5")
    vm = machine(Disk(volume_id=disk.id, pool=disk.pool, serial="root"))
    vm = vm.model_copy(update={"nics": (Nic(port_id=port.id, mac=port.mac),)})
    return [Ensure(fence=1, spec=spec) for spec in (disk, port, vm)]


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5_000))
