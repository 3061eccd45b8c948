"""What a request about a virtual machine claims: a host, volumes, ports; and what is made and goes with it."""

from collections.abc import Sequence
from uuid import UUID

from groundplane.controlplane.compute.ssh_key import SSH_KEY
from groundplane.controlplane.compute.vm.models import DiskSpec, NicRequest, NicSpec, VmRequest, VmSpec, VmUpdate
from groundplane.controlplane.fleet import placement
from groundplane.controlplane.network.network import NETWORK
from groundplane.controlplane.network.port import PORT, PortRequest
from groundplane.controlplane.resources import store
from groundplane.controlplane.resources.kind import Creation, Kind
from groundplane.controlplane.resources.problems import InUseError
from groundplane.controlplane.resources.resource import Resource
from groundplane.controlplane.storage.volume import VOLUME, VolumeRequest
from groundplane.kernel.database import Tx
from groundplane.kernel.errors import InvalidRequestError
from groundplane.kernel.ids import format_id, parse_id

SECRET_PREFIX = "sec"  # noqa: S105  # the prefix of an id


class VolumesApartError(InvalidRequestError):
    """The volumes lie on different hosts, and a machine runs on one. Choose volumes of one host."""

    code = "volumes_apart"


class TwiceError(InvalidRequestError):
    """The request names a volume or a port twice. Name each once."""

    code = "named_twice"


async def admit(creation: Creation, request: VmRequest) -> VmSpec:
    """Places the machine, and makes the volume and ports that come with it by the same job."""
    tx = creation.tx
    volumes = [await _refer(creation, VOLUME, reference, "volumes") for reference in request.volumes]
    root = None
    if request.root_volume.volume is not None:
        root = await _refer(creation, VOLUME, request.root_volume.volume, "root_volume.volume")
    ports = [await _refer(creation, PORT, nic.port, "nics.port") if nic.port else None for nic in request.nics]
    await _take(tx, [*volumes, *([root] if root else []), *(port for port in ports if port)])
    creation.cluster_id = await _cluster(creation, request.nics, ports)
    share = await placement.place_machine(
        tx,
        creation.id,
        vcpus=request.vcpus,
        memory_mib=request.memory_mib,
        volume_gib=request.root_volume.size_gib or 0,
        host_id=_host_of([*volumes, *([root] if root else [])]),
        cluster_id=creation.cluster_id,
    )
    creation.host_id, creation.cluster_id = share.host_id, share.cluster_id
    disks = [await _root_disk(creation, request, root)]
    disks += [DiskSpec(volume=VOLUME.public_id(volume.id), owned=False) for volume in volumes]
    creation.links += [(volume.id, "disk") for volume in volumes]
    nics = [await _nic(creation, number, nic, ports[number]) for number, nic in enumerate(request.nics)]
    secret = None
    if request.user_data:
        plain = request.user_data.encode()
        secret_id = await creation.manager.keep_secret(tx, creation.id, creation.organization_id, plain)
        secret = format_id(SECRET_PREFIX, secret_id)
    return VmSpec(
        vcpus=request.vcpus,
        memory_mib=request.memory_mib,
        hostname=request.hostname or creation.name,
        disks=disks,
        nics=nics,
        authorized_keys=await _keys(creation, request.ssh_keys),
        user_data_secret=secret,
    )


async def revise(_tx: Tx, resource: Resource, request: VmUpdate) -> VmSpec:
    """Another wish for the power."""
    return VmSpec.model_validate(resource.spec).model_copy(update={"power": request.power})


async def owned(tx: Tx, vm: Resource) -> Sequence[Resource]:
    """The volumes and ports that were made with the machine and go with it."""
    spec = VmSpec.model_validate(vm.spec)
    texts = [(VOLUME, disk.volume) for disk in spec.disks if disk.owned]
    texts += [(PORT, nic.port) for nic in spec.nics if nic.owned]
    found = [await store.find(tx, kind, vm.project_id, text) for kind, text in texts]
    return [resource for resource in found if resource is not None]


async def release(tx: Tx, resource: Resource) -> None:
    """The host's share is free again."""
    await placement.release_machine(tx, resource.id)


async def _root_disk(creation: Creation, request: VmRequest, root: Resource | None) -> DiskSpec:
    wish = request.root_volume
    if root is None:
        volume_request = VolumeRequest(size_gib=wish.size_gib or 1, image=wish.image)
        root = await creation.manager.create_child(creation, VOLUME, volume_request, name=_part(creation.name, "root"))
    creation.links.append((root.id, "root"))
    return DiskSpec(volume=VOLUME.public_id(root.id), owned=wish.volume is None)


async def _nic(creation: Creation, number: int, nic: NicRequest, port: Resource | None) -> NicSpec:
    if port is None:
        request = PortRequest(network=nic.network or "", address=nic.address, security_groups=nic.security_groups)
        port = await creation.manager.create_child(creation, PORT, request, name=_part(creation.name, f"nic{number}"))
    creation.links.append((port.id, f"nic{number}"))
    return NicSpec(port=PORT.public_id(port.id), owned=nic.port is None)


def _part(name: str, suffix: str) -> str:
    return f"{name[: 62 - len(suffix)].rstrip('-')}-{suffix}"


async def _keys(creation: Creation, references: Sequence[str]) -> list[str]:
    keys = [
        await store.refer(creation.tx, SSH_KEY, creation.project_id, reference, field="ssh_keys") for reference in references
    ]
    return [key.spec["public_key"] for key in keys]


async def _refer(creation: Creation, kind: Kind, reference: str, field: str) -> Resource:
    return await store.refer(creation.tx, kind, creation.project_id, reference, field=field)


async def _take(tx: Tx, parts: Sequence[Resource]) -> None:
    """Volumes and ports belong to one machine: their rows are held, in one order, until the links to them stand.

    Raises TwiceError, InUseError.
    """
    ids = [part.id for part in parts]
    for part in parts:
        if ids.count(part.id) > 1:
            raise TwiceError(f"{part.name} is named twice. Name each volume and each port once.")
    await tx.fetch("SELECT FROM resource WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE", ids)
    row = await tx.row(
        """SELECT target_id, name FROM link JOIN resource ON resource.id = source_id
           WHERE target_id = ANY($1::uuid[]) AND kind = 'vm' LIMIT 1""",
        ids,
    )
    if row is not None:
        name = next(part.name for part in parts if part.id == row["target_id"])
        raise InUseError(f"{name} belongs to machine {row['name']}. Choose another one, or delete that machine first.")


async def _cluster(creation: Creation, nics: Sequence[NicRequest], ports: Sequence[Resource | None]) -> UUID | None:
    for nic, port in zip(nics, ports, strict=True):
        if port is not None:
            return port.cluster_id
        if nic.network is not None:
            network = await store.refer(creation.tx, NETWORK, creation.project_id, nic.network, field="nics.network")
            return network.cluster_id
    return None


def _host_of(volumes: Sequence[Resource]) -> UUID | None:
    hosts = {volume.host_id for volume in volumes}
    if len(hosts) > 1:
        raise VolumesApartError
    return hosts.pop() if hosts else None


def secret_id(spec: VmSpec) -> UUID | None:
    """The id of the machine's user data."""
    return parse_id(SECRET_PREFIX, spec.user_data_secret) if spec.user_data_secret else None
