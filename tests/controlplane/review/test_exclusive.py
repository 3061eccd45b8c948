"""A disk belongs to one machine and a port to one card, whoever asks at the same moment, and however often."""

import asyncio

import pytest
from tests.controlplane.cloud import Cloud
from tests.controlplane.scenes import lay_network

from groundplane.controlplane.compute.vm import VM
from groundplane.controlplane.compute.vm.admission import TwiceError
from groundplane.controlplane.compute.vm.models import NicRequest, RootVolume, VmRequest
from groundplane.controlplane.network.port import PORT, PortRequest
from groundplane.controlplane.storage.volume import VOLUME, VolumeRequest


def _machine(*, root: str = "root-1", volumes: tuple[str, ...] = (), ports: tuple[str, ...] = ()) -> VmRequest:
    nics = [NicRequest(port=port) for port in ports]
    return VmRequest(vcpus=1, memory_mib=64, root_volume=RootVolume(volume=root), volumes=list(volumes), nics=nics)


async def _prepare(cloud: Cloud) -> None:
    await lay_network(cloud)
    await cloud.made(PORT, PortRequest(network="lan"), name="port")
    for name in ("root-1", "root-2", "data"):
        await cloud.made(VOLUME, VolumeRequest(size_gib=1), name=name)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (_machine(volumes=("data",)), _machine(root="root-2", volumes=("data",))),
        (_machine(), _machine(root="root-2", volumes=("root-1",))),
        (_machine(ports=("port",)), _machine(root="root-2", ports=("port",))),
    ],
    ids=["a data disk", "a root disk", "a port"],
)
async def test_two_machines_at_once_never_share(cloud: Cloud, first: VmRequest, second: VmRequest) -> None:
    await _prepare(cloud)
    answers = await asyncio.gather(
        cloud.make(VM, first, name="one"), cloud.make(VM, second, name="two"), return_exceptions=True
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["InUseError", "Outcome"]


@pytest.mark.parametrize(
    "request_",
    [_machine(volumes=("data", "data")), _machine(volumes=("root-1",)), _machine(ports=("port", "port"))],
    ids=["a disk twice", "the root disk as another", "a port twice"],
)
async def test_one_machine_never_has_the_same_thing_twice(cloud: Cloud, request_: VmRequest) -> None:
    await _prepare(cloud)
    with pytest.raises(TwiceError, match="is named twice"):
        await cloud.make(VM, request_)
