"""Ports: a network card's place on a network, with an address that is promised at admission."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from groundplane.contracts.specs import PortSpec as EngineSpec
from groundplane.controlplane.jobs.job import Job
from groundplane.controlplane.jobs.workflow import Move, Workflow, done
from groundplane.controlplane.network.asking import ask_for, removal
from groundplane.controlplane.network.network import NETWORK
from groundplane.controlplane.network.security_group import SECURITY_GROUP
from groundplane.controlplane.network.subnet import SUBNET, Address, SubnetSpec
from groundplane.controlplane.resources import references, store
from groundplane.controlplane.resources.fields import Id, Reference, Refers, Stored, Strict, example
from groundplane.controlplane.resources.kind import Column, Creation, Kind, Wish
from groundplane.controlplane.resources.resource import Resource
from groundplane.kernel.database import CollidedError, Tx
from groundplane.kernel.errors import ConflictError, InvalidRequestError


class AddressTakenError(ConflictError):
    """Another port has this address. Choose another one, or leave it out."""

    code = "address_taken"


class NoAddressError(ConflictError):
    """Every address of the subnet is taken. Delete a port, or add a subnet to the network."""

    code = "no_address"


class NoSubnetError(ConflictError):
    """The network has no subnet to take an address from. Create a subnet first."""

    code = "no_subnet"


class AddressOutsideError(InvalidRequestError):
    """The address must be a host address of the subnet, other than its gateway."""

    code = "address_outside"


class OneAddressError(InvalidRequestError):
    """Many ports cannot have one address. Leave the address out, or ask for one port."""

    code = "one_address"


SecurityGroups = Annotated[list[Annotated[Reference, Refers("security_group")]], Field(max_length=10)]


class PortRequest(Strict):
    """On a network (its oldest subnet with room) or on a given subnet; with a given address or a free one."""

    model_config = example({"network": "lan", "security_groups": ["web"]})

    network: Annotated[Reference, Refers("network")] = Field(description="Where the port is.")
    subnet: Annotated[Reference, Refers("subnet")] | None = Field(
        default=None, description="Where its address is from; the network's oldest subnet with room if not said."
    )
    address: Address | None = Field(default=None, description="Its IPv4 address; a free one if not said.")
    security_groups: SecurityGroups = Field(
        default=[], description="Which groups it is in; without any, only replies and DHCP pass."
    )


class PortUpdate(Strict):
    """Which security groups the port is in; the list replaces the one before."""

    security_groups: SecurityGroups = Field(description="Which groups it is in, instead of those of before.")


class PortSpec(Strict):
    """What should be, with everything decided. `mac` and `address` never change."""

    network: Annotated[Id, Refers("network")] = Field(description="Where it is.")
    subnet: Annotated[Id, Refers("subnet")] = Field(description="Where its address is from.")
    address: str = Field(description="Its IPv4 address.")
    mac: str = Field(description="Its hardware address.")
    security_groups: list[Annotated[Id, Refers("security_group")]] = Field(default=[], description="Which groups it is in.")


class PortObserved(Stored):
    """`up`: a card sits on the port and is connected."""

    up: bool = Field(default=False, description="A card sits on it and is connected.")


async def admit(creation: Creation, request: PortRequest) -> Sequence[PortSpec]:
    """Claims addresses and MACs, so that what is promised is what the guest gets."""
    if request.address is not None and len(creation.drafts) > 1:
        raise OneAddressError
    wishes = [Wish(NETWORK, request.network, "network")]
    wishes += [Wish(SECURITY_GROUP, name, "security_groups") for name in dict.fromkeys(request.security_groups)]
    network, *groups = await references.refer_all(creation.tx, creation.project_id, wishes)
    subnet, addresses = await _claim_addresses(creation, network, request)
    group_ids = list(dict.fromkeys(group.id for group in groups))
    links = [(network.id, "network"), (subnet.id, "subnet"), *((group_id, "security_group") for group_id in group_ids)]
    specs = []
    for draft, (address, mac) in zip(creation.drafts, addresses, strict=True):
        draft.cluster_id = network.cluster_id
        draft.links += links
        specs.append(
            PortSpec(
                network=NETWORK.public_id(network.id),
                subnet=SUBNET.public_id(subnet.id),
                address=str(address),
                mac=mac,
                security_groups=[SECURITY_GROUP.public_id(group_id) for group_id in group_ids],
            )
        )
    return specs


async def revise(tx: Tx, resource: Resource, request: PortUpdate) -> PortSpec:
    """Other groups: their links move with them."""
    spec = PortSpec.model_validate(resource.spec)
    wishes = [Wish(SECURITY_GROUP, name, "security_groups") for name in request.security_groups]
    groups = await references.refer_all(tx, resource.project_id, wishes)
    return await _regroup(tx, resource, spec, list(dict.fromkeys(group.id for group in groups)))


async def restore(tx: Tx, resource: Resource, reached: Mapping[str, Any]) -> Mapping[str, Any]:
    """Back into the groups of before, as far as there are any more."""
    before = [SECURITY_GROUP.uuid(text) for text in reached["security_groups"]]
    living = await tx.fetch("SELECT id FROM resource WHERE id = ANY($1::uuid[]) AND linkable", before)
    left = {row["id"] for row in living}
    spec = PortSpec.model_validate(resource.spec)
    return (await _regroup(tx, resource, spec, [group_id for group_id in before if group_id in left])).model_dump(mode="json")


async def _regroup(tx: Tx, resource: Resource, spec: PortSpec, group_ids: Sequence[UUID]) -> PortSpec:
    await store.unlink(tx, resource.id, [SECURITY_GROUP.uuid(old) for old in spec.security_groups])
    for group_id in group_ids:
        store.link(tx, resource.id, group_id, "security_group")
    return spec.model_copy(update={"security_groups": [SECURITY_GROUP.public_id(group_id) for group_id in group_ids]})


async def release(tx: Tx, resources: Sequence[Resource]) -> None:
    """The addresses are free again."""
    await tx.execute("DELETE FROM address WHERE port_id = ANY($1::uuid[])", [resource.id for resource in resources])


@dataclass(frozen=True)
class _Subnet:
    """A subnet that is held, so that nobody is given an address that was free before. The search begins at `next_host`."""

    id: UUID
    span: IPv4Network
    gateway: IPv4Address
    next_host: int


async def _hold_subnet(
    creation: Creation, network: Resource, named: UUID | None, *, after: UUID | None = None, around: IPv4Address | None = None
) -> _Subnet | None:
    """The one that is named, or the network's oldest after another, that has this address, if one is given."""
    rows = await creation.tx.aside(
        """SELECT subnet_id, next_host, spec FROM subnet_range JOIN resource ON resource.id = subnet_id
           WHERE network_id = $1 AND wanted = 'present' AND ($2::uuid IS NULL OR subnet_id = $2)
             AND ($3::uuid IS NULL OR subnet_id > $3) AND ($4::inet IS NULL OR range >>= $4)
           ORDER BY subnet_id LIMIT 1 FOR UPDATE OF subnet_range""",
        network.id,
        named,
        after,
        around,
    )
    if not rows:
        return None
    (row,) = rows
    spec = SubnetSpec.model_validate(row["spec"])
    return _Subnet(row["subnet_id"], IPv4Network(spec.cidr), IPv4Address(spec.gateway), row["next_host"])


async def _claim_addresses(
    creation: Creation, network: Resource, request: PortRequest
) -> tuple[_Subnet, Sequence[tuple[IPv4Address, str]]]:
    """The first subnet with room for all, and an address and a MAC for each draft, written behind.

    Raises NoSubnetError, AddressOutsideError, AddressTakenError, NoAddressError.
    """
    if creation.tx.owes("address"):
        await creation.tx.flush()  # those that this very request has claimed already must be seen
    named = None
    if request.subnet is not None:
        named = (await references.refer(creation.tx, SUBNET, creation.project_id, request.subnet, field="subnet")).id
    if request.address is not None:
        subnet, addresses = await _given_address(creation, network, named, IPv4Address(request.address))
    else:
        subnet, addresses = await _choose(creation, network, named)
    claimed = [(address, _new_mac()) for address in addresses]
    for draft, (address, mac) in zip(creation.drafts, claimed, strict=True):
        creation.tx.insert("address", {"subnet_id": subnet.id, "address": str(address), "port_id": draft.id, "mac": mac})
    taken = f"{addresses[0]} belongs to another port. Choose another one, or leave it out."
    creation.tx.refuse({"address_pkey": lambda _error: AddressTakenError(taken), "address_mac_key": _same_mac})
    return subnet, claimed


async def _given_address(
    creation: Creation, network: Resource, named: UUID | None, address: IPv4Address
) -> tuple[_Subnet, Sequence[IPv4Address]]:
    subnet = await _hold_subnet(creation, network, named, around=address) or await _hold_subnet(creation, network, named)
    if subnet is None:
        raise NoSubnetError
    return subnet, [_within(subnet, address)]


async def _choose(creation: Creation, network: Resource, named: UUID | None) -> tuple[_Subnet, Sequence[IPv4Address]]:
    subnet = await _hold_subnet(creation, network, named)
    if subnet is None:
        raise NoSubnetError
    while subnet is not None:
        if addresses := await _free_addresses(creation.tx, subnet, len(creation.drafts)):
            return subnet, addresses
        subnet = await _hold_subnet(creation, network, named, after=subnet.id)
    raise NoAddressError


def _within(subnet: _Subnet, address: IPv4Address) -> IPv4Address:
    span = subnet.span
    if address not in span or address in {subnet.gateway, span.network_address, span.broadcast_address}:
        raise AddressOutsideError(f"{address} is not a host address of {span}, or is its gateway. Choose another one.")
    return address


# A subquery for each address, and not an anti-join, which might read all that the subnet has given away.
_FREE = """
    SELECT host FROM generate_series($2::bigint, $3::bigint) AS host
    WHERE $4::inet + host <> $5::inet AND (SELECT 1 FROM address WHERE subnet_id = $1 AND address = $4::inet + host) IS NULL
    ORDER BY host LIMIT $6
"""
_NEXT_HOST = """
    UPDATE subnet_range SET next_host = found.next_host FROM unnest({0}::uuid[], {1}::bigint[]) AS found (subnet_id, next_host)
    WHERE subnet_range.subnet_id = found.subnet_id
"""
_LOOK_AHEAD = 8
"""How many addresses beyond those wanted are looked at first; each further look is this many times as wide."""


async def _free_addresses(tx: Tx, subnet: _Subnet, count: int) -> Sequence[IPv4Address]:
    """`count` free addresses, or none. They are handed out in a circle, so that a freed one rests for long."""
    first, hosts = subnet.span.network_address, subnet.span.num_addresses - 2
    found: list[int] = []
    ended = tx.last_behind(_NEXT_HOST, subnet.id)  # where a search ended that is not written yet
    start, width, unseen = ended[1] if ended else subnet.next_host, count + _LOOK_AHEAD, hosts
    while len(found) < count and unseen > 0:
        end = min(start + min(width, unseen) - 1, hosts)
        rows = await tx.aside(_FREE, subnet.id, start, end, first, subnet.gateway, count - len(found))
        found += [each["host"] for each in rows]
        start, width, unseen = end % hosts + 1, width * _LOOK_AHEAD, unseen - (end - start + 1)
    if len(found) < count:
        return []
    tx.behind(_NEXT_HOST, subnet.id, found[-1] % hosts + 1)
    return [first + host for host in found]


def _same_mac(_error: Exception) -> CollidedError:
    return CollidedError("two ports drew the same MAC")


def _new_mac() -> str:
    """A locally administered unicast address; 40 random bits, unique by constraint, so that nobody draws one twice."""
    return "52:" + ":".join(f"{byte:02x}" for byte in os.urandom(5))


def engine_spec(port: Resource) -> EngineSpec:
    """The port in an engine's words; for the machine that is made with it too."""
    spec = PortSpec.model_validate(port.spec)
    return EngineSpec(
        id=port.id,
        network_id=NETWORK.uuid(spec.network),
        subnet_id=SUBNET.uuid(spec.subnet),
        mac=spec.mac,
        address=spec.address,
        security_group_ids=tuple(SECURITY_GROUP.uuid(group) for group in spec.security_groups),
    )


async def ensure(tx: Tx, job: Job) -> Move:
    """The network engine holds the port."""
    port = await store.load(tx, job.resource_id)
    return ask_for(port, engine_spec(port))


def _differs(spec: PortSpec, observed: Mapping[str, Any]) -> Mapping[str, tuple[Any, Any]]:
    """Another address or MAC than was promised."""
    promised = {"address": spec.address, "mac": spec.mac}
    return {name: (wanted, observed[name]) for name, wanted in promised.items() if observed.get(name) not in {None, wanted}}


ENSURE = Workflow("port.ensure", version=1, steps={"ensure": ensure, "done": done})
DELETE = removal("port")

PORT = Kind(
    name="port",
    plural="ports",
    title="Port",
    title_plural="Ports",
    prefix="prt",
    service="network",
    namespace="tenant",
    summary="A network card's place on a network, with an address of its own.",
    spec=PortSpec,
    create=PortRequest,
    update=PortUpdate,
    observed=PortObserved,
    admit=admit,
    revise=revise,
    restore=restore,
    release=release,
    on_create=ENSURE,
    on_update=ENSURE,
    on_delete=DELETE,
    dimensions=("ports",),
    quota=lambda _spec: {"ports": 1},
    inventory=True,
    differs=_differs,
    columns=(
        Column("spec.network", "Network"),
        Column("spec.address", "Address"),
        Column("spec.mac", "MAC"),
        Column("observed.up", "Connected"),
    ),
)
