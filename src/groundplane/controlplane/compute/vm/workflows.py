"""How a virtual machine comes to be what is wanted, and how it goes."""

from collections.abc import Sequence

from groundplane.contracts.specs import Disk, Nic, Seed
from groundplane.contracts.specs import VmSpec as EngineSpec
from groundplane.controlplane.compute.vm.admission import owned_ids, secret_id
from groundplane.controlplane.compute.vm.models import VmSpec
from groundplane.controlplane.jobs.job import Job, touched
from groundplane.controlplane.jobs.workflow import Absent, Ask, Move, Want, Workflow, done
from groundplane.controlplane.network.network import NETWORK, NetworkSpec
from groundplane.controlplane.network.port import PORT, PortSpec
from groundplane.controlplane.network.port import engine_spec as port_spec
from groundplane.controlplane.resources import store
from groundplane.controlplane.resources.resource import Resource
from groundplane.controlplane.storage.volume import VOLUME, images_of, pool_of
from groundplane.controlplane.storage.volume import engine_spec as volume_spec
from groundplane.kernel.database import Tx


async def create(tx: Tx, job: Job) -> Move:
    """One task makes the volumes and ports that come with the machine, then the machine."""
    vm = await store.load(tx, job.resource_id)
    parts = await _parts(tx, job, vm)
    images = await store.recall(tx, images_of(part for part in parts if part.kind == VOLUME.name))
    wants = [volume_spec(part, images) if part.kind == VOLUME.name else port_spec(part) for part in parts]
    return _ask(vm, [*wants, await _machine(tx, vm)])


async def ensure(tx: Tx, job: Job) -> Move:
    """The host holds the machine as it should be."""
    vm = await store.load(tx, job.resource_id)
    return _ask(vm, [await _machine(tx, vm)])


async def remove(tx: Tx, job: Job) -> Move:
    """The machine goes first, then what came with it."""
    vm = await store.load(tx, job.resource_id)
    parts = [
        Absent("volume", part.id, pool_of(part)) if part.kind == VOLUME.name else Absent("port", part.id)
        for part in await _parts(tx, job, vm)
    ]
    return _ask(vm, [Absent("vm", vm.id), *parts])


async def _parts(tx: Tx, job: Job, vm: Resource) -> Sequence[Resource]:
    """What came with the machine, as far as this job may change it: a correction holds the machine alone."""
    held = await touched(tx, job)
    ids = [each for each in owned_ids(VmSpec.model_validate(vm.spec)) if each in held]
    found = await store.recall(tx, ids)
    return [found[each] for each in ids if found[each].deleted_at is None]


def _ask(vm: Resource, wants: Sequence[Want]) -> Ask:
    if vm.cluster_id is None or vm.host_id is None:
        raise LookupError(f"vm {vm.id} is on no host")
    return Ask(vm.cluster_id, str(vm.host_id), wants, then="done")


async def _machine(tx: Tx, vm: Resource) -> EngineSpec:
    spec = VmSpec.model_validate(vm.spec)
    volume_ids = [VOLUME.uuid(disk.volume) for disk in spec.disks]
    port_ids = [PORT.uuid(nic.port) for nic in spec.nics]
    parts = await store.recall(tx, [*volume_ids, *port_ids])
    ports = {port_id: PortSpec.model_validate(parts[port_id].spec) for port_id in port_ids}
    networks = await store.recall(tx, {NETWORK.uuid(port.network) for port in ports.values()})
    disks = [
        # virtio-blk carries twenty characters of serial: the end of an id is its random part.
        Disk(volume_id=volume_id, pool=pool_of(parts[volume_id]), serial=disk.volume[-20:])
        for volume_id, disk in zip(volume_ids, spec.disks, strict=True)
    ]
    nics = [
        Nic(port_id=port_id, mac=port.mac, mtu=NetworkSpec.model_validate(networks[NETWORK.uuid(port.network)].spec).mtu)
        for port_id, port in ports.items()
    ]
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


CREATE = Workflow("vm.create", version=1, steps={"create": create, "done": done})
ENSURE = Workflow("vm.ensure", version=1, steps={"ensure": ensure, "done": done})
DELETE = Workflow("vm.delete", version=1, steps={"remove": remove, "done": done})
