"""What we write on our rows in OVN so as to know them again: whose they are, what they are, and the highest fence seen."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

from groundplane.contracts.specs import PortSpec, SpecKind

TABLES: Final[dict[SpecKind, str]] = {
    "network": "Logical_Switch",
    "subnet": "DHCP_Options",
    "security_group": "Port_Group",
    "port": "Logical_Switch_Port",
}
KINDS: Final[dict[str, SpecKind]] = {table: kind for kind, table in TABLES.items()}

# A tombstone is a row of the DNS table that no switch refers to, which OVN lets lie. As a row, unlike as a key in
# NB_Global's one map, it costs the same however many there are, and a transaction can be made to depend on just it.
TOMBSTONES: Final = "DNS"

_NAMESPACE = uuid5(NAMESPACE_URL, "groundplane:ovn")
_CLUSTER, _KIND, _ID, _FENCE = "groundplane:cluster", "groundplane:kind", "groundplane:id", "groundplane:fence"
_NETWORK, _SUBNET, _GROUPS = "groundplane:network", "groundplane:subnet", "groundplane:groups"
_BURIED_AT = "groundplane:buried-at"
_TOMBSTONE = "tombstone"


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a port belongs. Kept with the port, so that a subnet or group that was lost gets its ports back."""

    network: UUID
    subnet: UUID
    groups: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What is remembered of a removed resource; `at` is in seconds since 1970."""

    id: UUID
    fence: int
    at: int


def labels(cluster: UUID, kind: SpecKind, resource_id: UUID, fence: int) -> dict[str, str]:
    """The external_ids of a resource's row."""
    return {_CLUSTER: str(cluster), _KIND: kind, _ID: str(resource_id), _FENCE: str(fence)}


def port_labels(spec: PortSpec) -> dict[str, str]:
    """What a port's row has besides: its placement."""
    groups = " ".join(sorted(str(group) for group in spec.security_group_ids))
    return {_NETWORK: str(spec.network_id), _SUBNET: str(spec.subnet_id), _GROUPS: groups}


def tombstone_labels(cluster: UUID, resource_id: UUID, fence: int, at: int) -> dict[str, str]:
    """The external_ids of a tombstone's row."""
    return {
        _CLUSTER: str(cluster),
        _KIND: _TOMBSTONE,
        _ID: str(resource_id),
        _FENCE: str(fence),
        _BURIED_AT: str(at),
    }


def read_fence(found: Mapping[str, str]) -> int:
    """The fence written on a row; 0 when somebody wiped it off."""
    return _number(found.get(_FENCE))


def read_owner(found: Mapping[str, str], cluster: UUID, kind: SpecKind) -> UUID | None:
    """The id of the resource whose row this is, or None for a row that is not one of ours of this kind."""
    if found.get(_CLUSTER) != str(cluster) or found.get(_KIND) != kind:
        return None
    return _uuid(found.get(_ID))


def read_placement(found: Mapping[str, str]) -> Placement | None:
    """A port's placement, or None when its labels do not say."""
    network, subnet = _uuid(found.get(_NETWORK)), _uuid(found.get(_SUBNET))
    if network is None or subnet is None:
        return None
    groups = frozenset(group for word in found.get(_GROUPS, "").split() if (group := _uuid(word)))
    return Placement(network, subnet, groups)


def read_tombstone(found: Mapping[str, str], cluster: UUID) -> Tombstone | None:
    """The tombstone that a row is, or None for a row that is something else."""
    resource_id = _uuid(found.get(_ID))
    if found.get(_CLUSTER) != str(cluster) or found.get(_KIND) != _TOMBSTONE or resource_id is None:
        return None
    return Tombstone(resource_id, read_fence(found), _number(found.get(_BURIED_AT)))


def tombstone_uuid(resource_id: UUID) -> UUID:
    """The row of a resource's tombstone. Not the resource's own id: ovs tells rows apart by UUID without the table."""
    return uuid5(_NAMESPACE, f"tombstone {resource_id}")


def closed_group_uuid(network_id: UUID) -> UUID:
    """The row of the port group that closes those ports of a network that are in a security group."""
    return uuid5(_NAMESPACE, f"closed {network_id}")


def closed_group_name(network_id: UUID) -> str:
    """That port group's name: a word of OVN's match language."""
    return f"closed_{network_id.hex}"


def group_name(security_group_id: UUID) -> str:
    """A security group's port group's name; OVN keeps its members' addresses in the address set `NAME_ip4`."""
    return f"sg_{security_group_id.hex}"


def _uuid(text: str | None) -> UUID | None:
    return UUID(text) if text and re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) else None


def _number(text: str | None) -> int:
    return int(text) if text and re.fullmatch(r"\d{1,19}", text) else 0
