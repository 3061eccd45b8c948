"""How a virtual machine comes to be what is wanted, and how it goes."""

from collections.abc import Sequence

from groundplane.contracts.specs import Disk, Nic, Seed
from groundplane.contracts.specs import VmSpec as EngineSpec
from groundplane.controlplane.compute.vm.admission import secret_id
from groundplane.controlplane.compute.vm.models import VmSpec
from groundplane.controlplane.jobs.job import Job, touched
from groundplane.controlplane.jobs.workflow import Absent, Ask, Move, Want, Workflow, done
from groundplane.controlplane.network.network import NETWORK, NetworkSpec
from groundplane.controlplane.network.port import PORT, PortSpec
from groundplane.controlplane.network.port import engine_spec as port_spec
from groundplane.controlplane.resources import store
from groundplane.controlplane.resources.resource import Resource
from groundplane.controlplane.storage.volume import VOLUME
from groundplane.controlplane.storage.volume import engine_spec as volume_spec
from groundplane.kernel.database import Tx


async def create(tx: Tx, job: Job) -> Move:
    """One task makes the volumes and ports that come with the machine, then the machine."""
    vm = await store.load(tx, job.resource_id)
    wants = [await _want(tx, child) for child in await _children(tx, job)]
    return _ask(vm, [*wants, await _machine(tx, vm)])


async def ensure(tx: Tx, job: Job) -> Move:
    """The host holds the machine as it should be."""
    vm = await store.load(tx, job.resource_id)
    return _ask(vm, [await _machine(tx, vm)])


async def remove(tx: Tx, job: Job) -> Move:
    """The machine goes first, then what came with it."""
    vm = await store.load(tx, job.resource_id)
    wants: list[Want] = [Absent("vm", vm.id)]
    for child in await _children(tx, job):
        if child.kind == VOLUME.name:
            wants.append(Absent("volume", child.id, (await volume_spec(tx, child))[1].pool))
        else:
            wants.append(Absent("port", child.id))
    return _ask(vm, wants)


async def _want(tx: Tx, child: Resource) -> Want:
    return (await volume_spec(tx, child))[1] if child.kind == VOLUME.name else port_spec(child)


async def _children(tx: Tx, job: Job) -> Sequence[Resource]:
    ids = sorted(set(await touched(tx, job.id)) - {job.resource_id})
    children = [await store.load(tx, child_id) for child_id in ids]
    return [child for child in children if child.deleted_at is None]


def _ask(vm: Resource, wants: Sequence[Want]) -> Ask:
    if vm.cluster_id is None or vm.host_id is None:
        raise LookupError(f"vm {vm.id} is on no host")
    return Ask(vm.cluster_id, str(vm.host_id), wants, then="done")


async def _machine(tx: Tx, vm: Resource) -> EngineSpec:
    spec = VmSpec.model_validate(vm.spec)
    disks = [await _disk(tx, disk.volume) for disk in spec.disks]
    nics = [await _nic(tx, nic.port) for nic in spec.nics]
    return EngineSpec(
        id=vm.id,
        name=spec.hostname,
        vcpus=spec.vcpus,
        memory_mib=spec.memory_mib,
        power=spec.power,
        reboots=spec.reboots,
        disks=tuple(disks),
        nics=tuple(nics),
        seed=Seed(
            instance_id=str(vm.id),
            hostname=spec.hostname,
            ssh_keys=tuple(spec.authorized_keys),
            user_data_secret_id=secret_id(spec),
        ),
        seed_pool=disks[0].pool,
    )


async def _disk(tx: Tx, text: str) -> Disk:
    volume = await store.load(tx, VOLUME.uuid(text))
    share, want = await volume_spec(tx, volume)
    # virtio-blk carries twenty characters of serial: the end of an id is its random part.
    return Disk(volume_id=want.id, pool=share.engine_name, serial=text[-20:])


async def _nic(tx: Tx, text: str) -> Nic:
    port = await store.load(tx, PORT.uuid(text))
    spec = PortSpec.model_validate(port.spec)
    network = await store.load(tx, NETWORK.uuid(spec.network))
    return Nic(port_id=port.id, mac=spec.mac, mtu=NetworkSpec.model_validate(network.spec).mtu)


CREATE = Workflow("vm.create", version=1, steps={"create": create, "done": done})
ENSURE = Workflow("vm.ensure", version=1, steps={"ensure": ensure, "done": done})
DELETE = Workflow("vm.delete", version=1, steps={"remove": remove, "done": done})
