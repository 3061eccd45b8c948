"""What should be, per kind, in the words of an engine: the complete input of a provider's `ensure`."""

import hashlib
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from groundplane.contracts.wire import Wire

Power = Literal["running", "stopped"]
Protocol = Literal["tcp", "udp", "icmp", "any"]


class ImageSource(Wire):
    """The bytes that a volume starts from; an agent fetches them over its own channel and checks them."""

    image_id: UUID
    sha256: str
    size_bytes: int
    format: Literal["qcow2", "raw"]


class ImageSpec(Wire):
    """A pool's own copy of an image: volumes are copy-on-write clones of it."""

    kind: Literal["image"] = "image"
    id: UUID
    pool: str
    source: ImageSource


class VolumeSpec(Wire):
    """A disk of `size_bytes` in the storage pool `pool`, empty or a copy-on-write clone of an image in the same pool."""

    kind: Literal["volume"] = "volume"
    id: UUID
    pool: str
    size_bytes: int
    source: ImageSource | None = None


class NetworkSpec(Wire):
    """A layer 2 network; `mtu` in bytes is what its guests are told."""

    kind: Literal["network"] = "network"
    id: UUID
    mtu: int = 1442


class SubnetSpec(Wire):
    """An IPv4 range of a network, served by DHCP. `gateway` is the address of the DHCP server and default route."""

    kind: Literal["subnet"] = "subnet"
    id: UUID
    network_id: UUID
    cidr: str
    gateway: str
    dns_servers: tuple[str, ...] = ()
    mtu: int = 1442
    lease_seconds: int = 3600


class Rule(Wire):
    """One allowed kind of traffic; what no rule allows is dropped. Replies are always allowed.

    `remote` is a CIDR, or the id of a security group whose members' addresses are meant, or None for everywhere.
    """

    direction: Literal["ingress", "egress"]
    protocol: Protocol = "any"
    port_min: int | None = None
    port_max: int | None = None
    remote_cidr: str | None = None
    remote_group_id: UUID | None = None


class SecurityGroupSpec(Wire):
    """A named set of rules that ports join."""

    kind: Literal["security_group"] = "security_group"
    id: UUID
    rules: tuple[Rule, ...] = ()


class PortSpec(Wire):
    """A network card's place on a network: its promised address, its MAC and its security groups.

    A port in no group is open; a port in at least one group is closed but for what its groups' rules allow (and DHCP).
    """

    kind: Literal["port"] = "port"
    id: UUID
    network_id: UUID
    subnet_id: UUID
    mac: str
    address: str
    security_group_ids: tuple[UUID, ...] = ()


class Disk(Wire):
    """A volume as a machine's disk; the first one is what it boots from. Guests find it by `serial`, not by name."""

    volume_id: UUID
    pool: str
    serial: str


class Nic(Wire):
    """A port as a machine's network card."""

    port_id: UUID
    mac: str
    mtu: int = 1442


class Seed(Wire):
    """What the guest learns of itself at its first boot, handed over as a NoCloud disk labelled `cidata`.

    `user_data_secret_id` names a secret that only the agent's channel gives out.
    """

    instance_id: str
    hostname: str
    ssh_keys: tuple[str, ...] = ()
    user_data_secret_id: UUID | None = None


class VmSpec(Wire):
    """A virtual machine. `reboots` counts the reboots asked for so far: an engine that has done fewer reboots once.

    A wish and not a command, so that a message that comes twice does not reboot twice.
    """

    kind: Literal["vm"] = "vm"
    id: UUID
    name: str
    vcpus: int
    memory_mib: int
    power: Power = "running"
    reboots: int = 0
    disks: tuple[Disk, ...]
    nics: tuple[Nic, ...] = ()
    seed: Seed
    seed_pool: str

    def hardware_digest(self) -> str:
        """Sixteen hex digits over what a running domain cannot change: all but the power, the reboots and the name."""
        body = self.model_dump_json(exclude={"power", "reboots", "name"})
        return hashlib.sha256(body.encode()).hexdigest()[:16]


StorageSpec = ImageSpec | VolumeSpec
NetworkingSpec = NetworkSpec | SubnetSpec | SecurityGroupSpec | PortSpec
Spec = Annotated[StorageSpec | NetworkingSpec | VmSpec, Field(discriminator="kind")]
SpecKind = Literal["image", "volume", "network", "subnet", "security_group", "port", "vm"]
