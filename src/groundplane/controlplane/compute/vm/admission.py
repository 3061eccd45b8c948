"""What a request about a virtual machine claims: a host, volumes, ports; and what is made and goes with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any
from uuid import UUID

from groundplane.controlplane.compute.ssh_key import SSH_KEY
from groundplane.controlplane.compute.vm.models import DiskSpec, NicSpec, VmRequest, VmSpec, VmUpdate
from groundplane.controlplane.fleet import placement
from groundplane.controlplane.network.network import NETWORK
from groundplane.controlplane.network.port import PORT, PortRequest
from groundplane.controlplane.resources import references, store
from groundplane.controlplane.resources.kind import Creation, Draft, Wish
from groundplane.controlplane.resources.problems import InUseError
from groundplane.controlplane.resources.resource import Resource
from groundplane.controlplane.storage.image import IMAGE
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


class OneOnlyError(InvalidRequestError):
    """A volume, a port or an address that is there belongs to one machine. Leave them out, or ask for one machine."""

    code = "one_only"


@dataclass(frozen=True)
class _References:
    """What a request refers to. `ports` has None where a card gets a new port, `networks` where it does not."""

    root: Resource | None
    volumes: Sequence[Resource]
    ports: Sequence[Resource | None]
    networks: Sequence[Resource | None]
    keys: Sequence[Resource]

    @property
    def parts(self) -> Sequence[Resource]:
        """The volumes and ports that are there already and become the machine's own."""
        return [*([self.root] if self.root else []), *self.volumes, *(port for port in self.ports if port)]

    @property
    def disks(self) -> Sequence[Resource]:
        """The volumes of them."""
        return [part for part in self.parts if part.kind == VOLUME.name]


async def admit(creation: Creation, request: VmRequest) -> Sequence[VmSpec]:
    """Places the machines, and makes the volumes and ports that come with them by the same jobs."""
    found = await _look_up(creation, request)
    _take(creation, request, found)
    wish = placement.Machine(
        vcpus=request.vcpus,
        memory_mib=request.memory_mib,
        volume_gib=request.root_volume.size_gib or 0,
        host_id=_host_of(found.disks),
        cluster_id=next((each.cluster_id for each in (*found.disks, *found.ports, *found.networks) if each), None),
    )
    shares = await placement.place_machines(creation.tx, [draft.id for draft in creation.drafts], wish)
    for draft, share in zip(creation.drafts, shares, strict=True):
        draft.host_id, draft.cluster_id = share.host_id, share.cluster_id
    disks = await _disks(creation, request, found)
    nics = await _nics(creation, request, found)
    return [
        VmSpec(
            vcpus=request.vcpus,
            memory_mib=request.memory_mib,
            hostname=request.hostname or draft.name,
            disks=disks[number],
            nics=nics[number],
            authorized_keys=[key.spec["public_key"] for key in found.keys],
            user_data_secret=await _user_data(creation, draft, request),
        )
        for number, draft in enumerate(creation.drafts)
    ]


async def revise(_tx: Tx, resource: Resource, request: VmUpdate) -> VmSpec:
    """Another wish for the power."""
    return VmSpec.model_validate(resource.spec).model_copy(update={"power": request.power})


async def restore(_tx: Tx, resource: Resource, reached: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is counted is not taken back: a reboot that was done is done."""
    return {**reached, "reboots": resource.spec["reboots"]}


async def owned(tx: Tx, vm: Resource) -> Sequence[Resource]:
    """The volumes and ports that were made with the machine and go with it."""
    found = await store.recall(tx, owned_ids(VmSpec.model_validate(vm.spec)))
    return [resource for resource in found.values() if resource.deleted_at is None]


def owned_ids(spec: VmSpec) -> Sequence[UUID]:
    """The ids of what comes and goes with the machine: volumes first."""
    volumes = [VOLUME.uuid(disk.volume) for disk in spec.disks if disk.owned]
    return [*volumes, *(PORT.uuid(nic.port) for nic in spec.nics if nic.owned)]


async def release(tx: Tx, resources: Sequence[Resource]) -> None:
    """The hosts' shares are free again."""
    await placement.release_machines(tx, [resource.id for resource in resources])


def refers(request: VmRequest) -> Sequence[Wish]:
    """Everything that the request names."""
    return list(chain.from_iterable(_named(request).values()))


def _named(request: VmRequest) -> Mapping[str, Sequence[Wish]]:
    root, nics = request.root_volume, request.nics
    return {
        "root": [Wish(VOLUME, root.volume, "root_volume.volume")] if root.volume else [],
        "image": [Wish(IMAGE, root.image, "root_volume.image")] if root.image else [],
        "volumes": [Wish(VOLUME, name, "volumes") for name in request.volumes],
        "ports": [Wish(PORT, nic.port, "nics.port") for nic in nics if nic.port],
        "networks": [Wish(NETWORK, nic.network, "nics.network") for nic in nics if nic.network],
        "keys": [Wish(SSH_KEY, name, "ssh_keys") for name in request.ssh_keys],
    }


async def _look_up(creation: Creation, request: VmRequest) -> _References:
    """Everything that the request names, in one question."""
    named, nics = _named(request), request.nics
    found = iter(await references.refer_all(creation.tx, creation.project_id, list(chain.from_iterable(named.values()))))
    of = {name: [next(found) for _ in group] for name, group in named.items()}
    ports, networks = iter(of["ports"]), iter(of["networks"])
    return _References(
        root=of["root"][0] if of["root"] else None,
        volumes=of["volumes"],
        ports=[next(ports) if nic.port else None for nic in nics],
        networks=[next(networks) if nic.network else None for nic in nics],
        keys=of["keys"],
    )


async def _disks(creation: Creation, request: VmRequest, found: _References) -> Sequence[list[DiskSpec]]:
    """The disks of each machine, what it boots from first."""
    if found.root is not None:
        roots = [found.root.id for _ in creation.drafts]
    else:
        wish = VolumeRequest(size_gib=request.root_volume.size_gib or 1, image=request.root_volume.image)
        parts = await creation.manager.create_parts(creation, VOLUME, wish, suffix="root")
        roots = [part.id for part in parts]
    for draft, root_id in zip(creation.drafts, roots, strict=True):
        draft.links += [(root_id, "root"), *((volume.id, "disk") for volume in found.volumes)]
    others = [DiskSpec(volume=VOLUME.public_id(volume.id), owned=False) for volume in found.volumes]
    return [[DiskSpec(volume=VOLUME.public_id(root_id), owned=found.root is None), *others] for root_id in roots]


async def _nics(creation: Creation, request: VmRequest, found: _References) -> Sequence[list[NicSpec]]:
    """The cards of each machine."""
    cards: list[list[NicSpec]] = [[] for _ in creation.drafts]
    for number, (nic, port) in enumerate(zip(request.nics, found.ports, strict=True)):
        if port is not None:
            port_ids = [port.id for _ in creation.drafts]
        else:
            wish = PortRequest(network=nic.network or "", address=nic.address, security_groups=nic.security_groups)
            parts = await creation.manager.create_parts(creation, PORT, wish, suffix=f"nic{number}")
            port_ids = [part.id for part in parts]
        for draft, port_id, mine in zip(creation.drafts, port_ids, cards, strict=True):
            draft.links.append((port_id, f"nic{number}"))
            mine.append(NicSpec(port=PORT.public_id(port_id), owned=port is None))
    return cards


async def _user_data(creation: Creation, draft: Draft, request: VmRequest) -> str | None:
    if not request.user_data:
        return None
    return format_id(SECRET_PREFIX, await creation.manager.keep_secret(creation.tx, draft, request.user_data.encode()))


def _take(creation: Creation, request: VmRequest, found: _References) -> None:
    """Volumes and ports belong to one machine: a link that attaches them is unique.

    Raises OneOnlyError, TwiceError, InUseError.
    """
    parts = found.parts
    if len(creation.drafts) > 1 and (parts or request.hostname or any(nic.address for nic in request.nics)):
        raise OneOnlyError
    ids = [part.id for part in parts]
    for part in parts:
        if ids.count(part.id) > 1:
            raise TwiceError(f"{part.name} is named twice. Name each volume and each port once.")
        if holder := references.holder_of(creation.tx, part):
            raise InUseError(f"{part.name} belongs to machine {holder}. Choose another one, or delete that machine first.")
    creation.tx.refuse({"link_attachment": lambda _error: InUseError(
        "A volume or a port of the request was just given to another machine. Choose another one.")})  # fmt: skip


def _host_of(volumes: Sequence[Resource]) -> UUID | None:
    hosts = {volume.host_id for volume in volumes}
    if len(hosts) > 1:
        raise VolumesApartError
    return hosts.pop() if hosts else None


def secret_id(spec: VmSpec) -> UUID | None:
    """The id of the machine's user data."""
    return parse_id(SECRET_PREFIX, spec.user_data_secret) if spec.user_data_secret else None
