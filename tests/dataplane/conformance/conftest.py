"""The providers that the conformance suite runs on: the simulated one always, the real ones with the mark `real`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from _pytest.mark import ParameterSet
from tests.dataplane.conformance import rigs
from tests.dataplane.conformance.rigs import ComputeRig, MakeSubject, NetworkRig, Reboots, StorageRig, Subject

from groundplane.contracts.specs import SpecKind
from groundplane.dataplane.providers.simulated import (
    SimulatedCompute,
    SimulatedEngine,
    SimulatedNetwork,
    SimulatedStorage,
)

if TYPE_CHECKING:
    from tests.dataplane.libvirt.engine import PrivateLibvirt
    from tests.dataplane.ovn.engine import Northbound

LAST_FENCE = 1_000_000
HYPERVISORS = ["simulated", "libvirt"]
NETWORKS = ["simulated", "ovn"]
STORED: dict[str, Callable[[StorageRig], Awaitable[Subject]]] = {"volume": rigs.new_volume, "image": rigs.new_image}
NETWORKED: dict[str, Callable[[NetworkRig], Awaitable[Subject]]] = {
    "network": rigs.new_network,
    "subnet": rigs.new_subnet,
    "security_group": rigs.new_security_group,
    "port": rigs.new_port,
}


def _marked(names: list[str]) -> list[ParameterSet]:
    return [pytest.param(name, marks=() if name.startswith("simulated") else pytest.mark.real) for name in names]


class SimulatedReboots:
    """Counts by the engine's own number of boots."""

    def __init__(self, engine: SimulatedEngine, vm_id: UUID) -> None:
        self._engine = engine
        self._vm_id = vm_id
        self._before = max(1, self._boots())

    async def are(self, number: int) -> None:
        """See Reboots."""
        assert self._boots() - self._before == number

    def _boots(self) -> int:
        return sum(row.boots for row in self._engine.resources(kind="vm") if row.key.id == self._vm_id)


def _simulated_host(engine: SimulatedEngine) -> ComputeRig:
    host_id = uuid4()

    async def outside_delete(kind: SpecKind, resource_id: UUID) -> None:
        engine.outside_delete(kind, resource_id)

    async def outside_destroy(vm_id: UUID) -> None:
        engine.outside_destroy(vm_id)

    @asynccontextmanager
    async def reboots_of(vm_id: UUID) -> AsyncIterator[Reboots]:
        yield SimulatedReboots(engine, vm_id)

    storage = StorageRig(SimulatedStorage(engine, host_id), "default", outside_delete)
    return ComputeRig(SimulatedCompute(engine, host_id), storage, outside_delete, outside_destroy, reboots_of)


def _simulated_network(engine: SimulatedEngine) -> NetworkRig:
    async def outside_delete(kind: SpecKind, resource_id: UUID) -> None:
        engine.outside_delete(kind, resource_id)

    return NetworkRig(SimulatedNetwork(engine, uuid4()), outside_delete)


class LibvirtReboots:
    """Counts the resets that QEMU was told to do. The firmware then adds one of its own, which libvirt's event counts too."""

    def __init__(self, told: asyncio.StreamReader) -> None:
        self._told = told
        self._count = 0

    async def are(self, number: int) -> None:
        """See Reboots."""
        while self._count < number and await self._hears_one(5.0):
            self._count += 1
        if await self._hears_one(0.3):  # one too many would come now
            self._count += 1
        assert self._count == number

    async def _hears_one(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                while b'"guest":false' not in (line := await self._told.readline()):
                    assert b"RESET" in line or not line.strip(), line
                    assert not self._told.at_eof()
        except TimeoutError:
            return False
        return True


def _libvirt_host(engine: "PrivateLibvirt") -> ComputeRig:
    # Not for those who have no libvirt: the simulated engine needs none.
    from groundplane.dataplane.providers.libvirt import LibvirtCompute, LibvirtStorage  # noqa: PLC0415

    async def outside_delete(kind: SpecKind, resource_id: UUID) -> None:
        if kind == "vm":
            engine.virsh("destroy", str(resource_id), check=False)
            engine.virsh("undefine", str(resource_id))
        else:
            name = f"{resource_id}.qcow2" if kind == "volume" else f"image-{resource_id}.raw"
            engine.virsh("vol-delete", "--pool", "default", name)

    async def outside_destroy(vm_id: UUID) -> None:
        engine.virsh("destroy", str(vm_id))

    @asynccontextmanager
    async def reboots_of(vm_id: UUID) -> AsyncIterator[Reboots]:
        argv = ["virsh", "-c", engine.uri, "qemu-monitor-event", "--event", "RESET", "--loop"]
        told = await asyncio.create_subprocess_exec("stdbuf", "-oL", *argv, stdout=asyncio.subprocess.PIPE)
        await asyncio.sleep(0.5)  # until it listens
        assert told.stdout is not None
        yield LibvirtReboots(told.stdout)
        told.kill()
        await told.communicate()

    host_id = uuid4()
    compute = LibvirtCompute(
        host_id,
        engine.uri,
        pools=engine.pools,
        console_directory=engine.consoles,
        domain_type="qemu",
        grace_seconds=0.5,  # an empty disk never answers
    )
    storage = LibvirtStorage(host_id, engine.uri, pools=engine.pools)
    rig = StorageRig(storage, "default", outside_delete, tells_deletion=False)
    return ComputeRig(compute, rig, outside_delete, outside_destroy, reboots_of)


def _ovn_network(northbound: "Northbound") -> NetworkRig:
    from groundplane.dataplane.providers.ovn import OvnNetwork  # noqa: PLC0415

    async def outside_delete(kind: SpecKind, resource_id: UUID) -> None:
        northbound.delete(kind, resource_id)

    return NetworkRig(OvnNetwork(uuid4(), northbound.remote), outside_delete)


@asynccontextmanager
async def _host(engine_name: str, request: pytest.FixtureRequest) -> AsyncIterator[ComputeRig]:
    if engine_name == "simulated":
        rig = _simulated_host(request.getfixturevalue("simulated_engine"))
    else:
        rig = _libvirt_host(request.getfixturevalue("libvirt_engine"))
    yield rig
    await _clear(rig)
    await rig.provider.close()
    await rig.storage.provider.close()


async def _clear(rig: ComputeRig) -> None:
    """Machines first, clones before their images."""
    for state in await rig.provider.observe():
        await rig.remove(state.id, LAST_FENCE)
    for kind in ("volume", "image"):
        for state in await rig.storage.provider.observe():
            if state.kind == kind:
                await rig.storage.remove(state.kind, state.id, LAST_FENCE)


@asynccontextmanager
async def _network(engine_name: str, request: pytest.FixtureRequest) -> AsyncIterator[NetworkRig]:
    if engine_name == "simulated":
        rig = _simulated_network(request.getfixturevalue("simulated_engine"))
    else:
        rig = _ovn_network(request.getfixturevalue("ovn_northbound"))
    yield rig
    await rig.provider.close()


@pytest.fixture(scope="session")
def libvirt_engine() -> "Iterator[PrivateLibvirt]":
    """libvirtd in a namespace of its own."""
    from tests.dataplane.libvirt.engine import private_libvirt  # noqa: PLC0415

    with private_libvirt() as engine:
        yield engine


@pytest.fixture(scope="session")
def ovn_northbound() -> "Iterator[Northbound]":
    """A northbound database of OVN."""
    from tests.dataplane.ovn.engine import northbound  # noqa: PLC0415

    with northbound() as database:
        yield database


@pytest.fixture
def simulated_engine(tmp_path: Path) -> Iterator[SimulatedEngine]:
    """An engine of this test alone."""
    engine = SimulatedEngine(tmp_path / "engine.sqlite")
    yield engine
    engine.close()


@pytest.fixture(params=_marked(HYPERVISORS))
async def compute(request: pytest.FixtureRequest) -> AsyncIterator[ComputeRig]:
    """A hypervisor with its storage."""
    async with _host(request.param, request) as rig:
        yield rig


@pytest.fixture(params=_marked(HYPERVISORS))
async def storage(request: pytest.FixtureRequest) -> AsyncIterator[StorageRig]:
    """A host's storage."""
    async with _host(request.param, request) as rig:
        yield rig.storage


@pytest.fixture(params=_marked(NETWORKS))
async def network(request: pytest.FixtureRequest) -> AsyncIterator[NetworkRig]:
    """A cluster's network engine."""
    async with _network(request.param, request) as rig:
        yield rig


@pytest.fixture(
    params=_marked(
        [f"{engine}-{kind}" for engine in HYPERVISORS for kind in ("vm", *STORED)]
        + [f"{engine}-{kind}" for engine in NETWORKS for kind in NETWORKED]
    )
)
async def make_subject(request: pytest.FixtureRequest) -> AsyncIterator[MakeSubject]:
    """Makes resources of one kind, for the laws that hold for all."""
    engine_name, _, kind = request.param.partition("-")
    if kind in NETWORKED:
        async with _network(engine_name, request) as network_rig:
            yield lambda: NETWORKED[kind](network_rig)
    else:
        async with _host(engine_name, request) as host_rig:
            yield lambda: rigs.new_vm(host_rig) if kind == "vm" else STORED[kind](host_rig.storage)


@pytest.fixture
async def subject(make_subject: MakeSubject) -> Subject:
    """One resource that is not made yet."""
    return await make_subject()
