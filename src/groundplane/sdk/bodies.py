"""What the platform is sent. Imported by type checkers alone. Made from docs/openapi by `groundplane openapi`: do not edit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NotRequired, TypedDict


class AgentSpec(TypedDict):
    """Serves one cluster."""

    cluster: str
    """Where it belongs."""


class ClusterSpec(TypedDict):
    """Nothing but its name yet."""

    description: NotRequired[str]
    """Free text for people."""


class CodeProof(TypedDict):
    """A code of the device, or a recovery code."""

    code: str
    """Of the device, or a recovery code."""


class HostSpec(TypedDict):
    """A server of a cluster. `open` is whether new machines are placed on it."""

    cluster: str
    """Where it belongs."""
    vcpus: int
    """Virtual CPUs that may be given away on this host."""
    memory_mib: int
    """Memory in MiB that may be given away on this host."""
    open: NotRequired[bool]
    """New machines are placed on it."""


class HostUpdate(TypedDict):
    """What may change while machines run on it."""

    vcpus: NotRequired[int | None]
    """Virtual CPUs that may be given away on this host."""
    memory_mib: NotRequired[int | None]
    """Memory in MiB that may be given away on this host."""
    open: NotRequired[bool | None]
    """New machines are placed on it."""


class NetworkSpec(TypedDict):
    """`mtu` in bytes: what guests are told; the default leaves room for Geneve on an underlay of 1500."""

    mtu: NotRequired[int]
    """The largest packet in bytes that guests are told of."""


class NicRequest(TypedDict):
    """A new port on a network, which goes with the machine; or a port that is there."""

    network: NotRequired[str | None]
    """Where the new port is made."""
    address: NotRequired[str | None]
    """The new port's IPv4 address; a free one if not said."""
    security_groups: NotRequired[Sequence[str]]
    """Which groups the new port is in; without any, only replies and DHCP pass."""
    port: NotRequired[str | None]
    """The port that is there, instead of a new one."""


class OrganizationSpec(TypedDict):
    """Nothing but its name yet."""

    description: NotRequired[str]
    """Free text for people."""


class PasswordProof(TypedDict):
    """The password: who only got hold of a token has none."""

    password: str
    """12 to 256 characters."""


class PoolSpec(TypedDict):
    """A storage pool of a host. `engine_name` is what the storage engine calls it; `gib` may be given away."""

    host: str
    """The host that has it."""
    engine_name: str
    """What the storage engine calls it."""
    gib: int
    """How much of it may be given away, in GiB."""


class PortRequest(TypedDict):
    """On a network (its oldest subnet with room) or on a given subnet; with a given address or a free one."""

    network: str
    """Where the port is."""
    subnet: NotRequired[str | None]
    """Where its address is from; the network's oldest subnet with room if not said."""
    address: NotRequired[str | None]
    """Its IPv4 address; a free one if not said."""
    security_groups: NotRequired[Sequence[str]]
    """Which groups it is in; without any, only replies and DHCP pass."""


class PortUpdate(TypedDict):
    """Which security groups the port is in; the list replaces the one before."""

    security_groups: Sequence[str]
    """Which groups it is in, instead of those of before."""


class ProjectSpec(TypedDict):
    """Nothing but its name yet."""

    description: NotRequired[str]
    """Free text for people."""


class ProviderSpec(TypedDict):
    """One engine of one cluster."""

    cluster: str
    """Where it belongs."""
    service: Literal["compute", "storage", "network"]
    """What it carries out."""
    driver: Literal["libvirt", "ovn", "simulated"]
    """The engine."""


class QuotaLimits(TypedDict):
    """Limits by dimension. null: without limit."""

    images: NotRequired[int | None]
    volumes: NotRequired[int | None]
    volume_gib: NotRequired[int | None]
    networks: NotRequired[int | None]
    security_groups: NotRequired[int | None]
    ports: NotRequired[int | None]
    ssh_keys: NotRequired[int | None]
    secrets: NotRequired[int | None]
    vms: NotRequired[int | None]
    vcpus: NotRequired[int | None]
    memory_mib: NotRequired[int | None]


class RootVolume(TypedDict):
    """What the machine boots from: a new volume from an image, which goes with the machine; or a volume that is there."""

    image: NotRequired[str | None]
    """What the new volume is a copy of."""
    size_gib: NotRequired[int | None]
    """Size of the new volume in GiB."""
    volume: NotRequired[str | None]
    """The volume that is there, instead of a new one."""


class Rule(TypedDict):
    """One kind of traffic that is allowed. `remote` is a range, `self` (members of this group), or null: everywhere."""

    direction: Literal["ingress", "egress"]
    """Towards the port, or from it."""
    protocol: NotRequired[Literal["tcp", "udp", "icmp", "any"]]
    """Which traffic."""
    port_min: NotRequired[int | None]
    """The first port, of tcp or udp; any if not said."""
    port_max: NotRequired[int | None]
    """The last port; the first one alone if not said."""
    remote: NotRequired[str | None]
    """Whom with: a range as in 10.0.0.0/24, `self` for members of this group; everybody if not said."""


class SecretRequest(TypedDict):
    """A value; for an update, the next version's."""

    value: str
    """What is secret: at most 64 KiB as UTF-8. It is never answered."""


class SecurityGroupSpec(TypedDict):
    """At most 100 rules; without any, only replies and DHCP pass."""

    rules: NotRequired[Sequence[Rule]]
    """What is allowed."""


class SshKeyRequest(TypedDict):
    """The one line of a `.pub` file."""

    public_key: str
    """As in `ssh-ed25519 AAAA… you@there`."""


class SubnetRequest(TypedDict):
    """`gateway` is the range's first host address unless said otherwise."""

    network: str
    """The network whose addresses these are."""
    cidr: str
    """An IPv4 range, as in 10.0.0.0/24."""
    gateway: NotRequired[str | None]
    """The range's first host address if not said."""
    dns_servers: NotRequired[Sequence[str]]
    """What guests ask for names."""


class VmRequest(TypedDict):
    """A machine to be made and started. `user_data` is kept as a secret and handed to the guest once."""

    vcpus: int
    """Virtual CPUs."""
    memory_mib: int
    """Memory in MiB."""
    root_volume: RootVolume
    """What the machine boots from."""
    volumes: NotRequired[Sequence[str]]
    """Volumes that are there, as further disks."""
    nics: NotRequired[Sequence[NicRequest]]
    """The machine's network cards."""
    ssh_keys: NotRequired[Sequence[str]]
    """Who is let in by SSH."""
    user_data: NotRequired[str | None]
    """What cloud-init is handed in the guest: kept as a secret, never answered."""
    hostname: NotRequired[str | None]
    """What the guest calls itself; its name if not said."""


class VmUpdate(TypedDict):
    """Whether it should run. Other changes of a machine come later."""

    power: Literal["running", "stopped"]
    """Whether the machine should run."""


class VolumeRequest(TypedDict):
    """Empty, or a copy of an image."""

    size_gib: int
    """Size in GiB."""
    image: NotRequired[str | None]
    """What it is a copy of; empty if not said."""


class VolumeUpdate(TypedDict):
    """Volumes grow; they never shrink."""

    size_gib: int
    """Size in GiB."""
