"""The providers that the conformance suite runs on: the simulated one always, the real ones with the mark `real`."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from tests.dataplane.conformance import rigs
from tests.dataplane.conformance.rigs import ComputeRig, MakeSubject, NetworkRig, Reboots, StorageRig, Subject

from groundplane.contracts.specs import SpecKind
from groundplane.dataplane.providers.simulated import (
    SimulatedCompute,
    SimulatedEngine,
    SimulatedNetwork,
    SimulatedStorage,
)

HYPERVISORS = ["simulated"]
NETWORKS = ["simulated"]
STORED: dict[str, Callable[[StorageRig], Awaitable[Subject]]] = {"volume": rigs.new_volume, "image": rigs.new_image}
NETWORKED: dict[str, Callable[[NetworkRig], Awaitable[Subject]]] = {
    "network": rigs.new_network,
    "subnet": rigs.new_subnet,
    "security_group": rigs.new_security_group,
    "port": rigs.new_port,
}


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


@asynccontextmanager
async def _host(engine_name: str, request: pytest.FixtureRequest) -> AsyncIterator[ComputeRig]:
    if engine_name == "simulated":
        rig = _simulated_host(request.getfixturevalue("simulated_engine"))
    else:
        raise LookupError(engine_name)
    yield rig
    await rig.provider.close()
    await rig.storage.provider.close()


@asynccontextmanager
async def _network(engine_name: str, request: pytest.FixtureRequest) -> AsyncIterator[NetworkRig]:
    if engine_name == "simulated":
        rig = _simulated_network(request.getfixturevalue("simulated_engine"))
    else:
        raise LookupError(engine_name)
    yield rig
    await rig.provider.close()


@pytest.fixture
def simulated_engine(tmp_path: Path) -> Iterator[SimulatedEngine]:
    """An engine of this test alone."""
    engine = SimulatedEngine(tmp_path / "engine.sqlite")
    yield engine
    engine.close()


@pytest.fixture(params=HYPERVISORS)
async def compute(request: pytest.FixtureRequest) -> AsyncIterator[ComputeRig]:
    """A hypervisor with its storage."""
    async with _host(request.param, request) as rig:
        yield rig


@pytest.fixture(params=HYPERVISORS)
async def storage(request: pytest.FixtureRequest) -> AsyncIterator[StorageRig]:
    """A host's storage."""
    async with _host(request.param, request) as rig:
        yield rig.storage


@pytest.fixture(params=NETWORKS)
async def network(request: pytest.FixtureRequest) -> AsyncIterator[NetworkRig]:
    """A cluster's network engine."""
    async with _network(request.param, request) as rig:
        yield rig


@pytest.fixture(
    params=[(engine, kind) for engine in HYPERVISORS for kind in ("vm", *STORED)]
    + [(engine, kind) for engine in NETWORKS for kind in NETWORKED],
    ids="-".join,
)
async def make_subject(request: pytest.FixtureRequest) -> AsyncIterator[MakeSubject]:
    """Makes resources of one kind, for the laws that hold for all."""
    engine_name, kind = request.param
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
