"""What many tests begin with: machines with all that they need, made and running."""

from tests.controlplane.cloud import Cloud

from groundplane.controlplane.compute.vm import VM
from groundplane.controlplane.compute.vm.models import NicRequest, RootVolume, VmRequest
from groundplane.controlplane.network.network import NETWORK, NetworkSpec
from groundplane.controlplane.network.subnet import SUBNET, SubnetRequest
from groundplane.controlplane.resources.resource import Resource


async def lay_network(cloud: Cloud, *, name: str = "lan", cidr: str = "10.0.0.0/24") -> Resource:
    """A network with one subnet of the same name."""
    network = await cloud.made(NETWORK, NetworkSpec(), name=name)
    await cloud.made(SUBNET, SubnetRequest(network=name, cidr=cidr), name=name)
    return network


def machine(
    *, image: str = "image", network: str | None = "lan", vcpus: int = 1, memory_mib: int = 512, user_data: str | None = None
) -> VmRequest:
    """A request for a small machine with a disk of 1 GiB."""
    return VmRequest(
        vcpus=vcpus,
        memory_mib=memory_mib,
        root_volume=RootVolume(image=image, size_gib=1),
        nics=[NicRequest(network=network)] if network else [],
        user_data=user_data,
    )


async def prepare(cloud: Cloud) -> None:
    """An image and a network."""
    await cloud.image()
    await lay_network(cloud)


async def boot_machine(cloud: Cloud, *, name: str = "it") -> Resource:
    """A running machine, with the image and network that it needs."""
    await prepare(cloud)
    return await cloud.made(VM, machine(), name=name)
