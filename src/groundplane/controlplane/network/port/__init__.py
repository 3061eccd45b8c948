"""Ports: a network card's place on a network, with an address that is promised at admission."""

import os
from collections.abc import Mapping, Sequence
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
from groundplane.controlplane.resources import store
from groundplane.controlplane.resources.fields import Reference, Stored, Strict
from groundplane.controlplane.resources.kind import Creation, Kind
from groundplane.controlplane.resources.resource import Resource
from groundplane.kernel.database import Row, Tx, UniqueViolationError
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


class PortRequest(Strict):
    """On a network (its oldest subnet with room) or on a given subnet; with a given address or a free one."""

    network: Reference
    subnet: Reference | None = None
    address: Address | None = None
    security_groups: Annotated[list[Reference], Field(max_length=10)] = []


class PortUpdate(Strict):
    """Which security groups the port is in; the list replaces the one before."""

    security_groups: Annotated[list[Reference], Field(max_length=10)]


class PortSpec(Strict):
    """What should be, with everything decided. `mac` and `address` never change."""

    network: str
    subnet: str
    address: str
    mac: str
    security_groups: list[str] = []


class PortObserved(Stored):
    """`up`: a card sits on the port and is connected."""

    up: bool = False


async def admit(creation: Creation, request: PortRequest) -> PortSpec:
    """Claims an address and a MAC, so that what is promised is what the guest gets."""
    tx = creation.tx
    network = await store.refer(tx, NETWORK, creation.project_id, request.network, field="network")
    subnet_id, span, gateway = await _choose_subnet(creation, network, request.subnet)
    address, mac = await _claim_address(tx, creation.id, subnet_id, span, gateway, request.address)
    groups = await _groups(tx, creation.project_id, request.security_groups)
    creation.cluster_id = network.cluster_id
    creation.links += [(network.id, "network"), (subnet_id, "subnet"), *((group.id, "security_group") for group in groups)]
    return PortSpec(
        network=NETWORK.public_id(network.id),
        subnet=SUBNET.public_id(subnet_id),
        address=str(address),
        mac=mac,
        security_groups=[SECURITY_GROUP.public_id(group.id) for group in groups],
    )


async def revise(tx: Tx, resource: Resource, request: PortUpdate) -> PortSpec:
    """Other groups: their links move with them."""
    spec = PortSpec.model_validate(resource.spec)
    groups = await _groups(tx, resource.project_id, request.security_groups)
    for old in spec.security_groups:
        await store.unlink(tx, resource.id, SECURITY_GROUP.uuid(old))
    for group in groups:
        await store.link(tx, resource.id, group.id, "security_group")
    return spec.model_copy(update={"security_groups": [SECURITY_GROUP.public_id(group.id) for group in groups]})


async def release(tx: Tx, resource: Resource) -> None:
    """The address is free again."""
    await tx.execute("DELETE FROM address WHERE port_id = $1", resource.id)


async def _groups(tx: Tx, project_id: UUID | None, references: Sequence[str]) -> Sequence[Resource]:
    found = [await store.refer(tx, SECURITY_GROUP, project_id, name, field="security_groups") for name in references]
    return list({group.id: group for group in found}.values())


async def _choose_subnet(creation: Creation, network: Resource, reference: str | None) -> tuple[UUID, IPv4Network, IPv4Address]:
    wanted = None
    if reference is not None:
        wanted = await store.refer(creation.tx, SUBNET, creation.project_id, reference, field="subnet")
    row: Row | None = await creation.tx.row(
        """SELECT subnet_id, spec FROM subnet_range JOIN resource ON resource.id = subnet_id
           WHERE network_id = $1 AND wanted = 'present' AND ($2::uuid IS NULL OR subnet_id = $2)
           ORDER BY (SELECT count(*) FROM address WHERE address.subnet_id = subnet_range.subnet_id)
                    >= (1::bigint << (32 - masklen(range))) - 3, subnet_id
           LIMIT 1""",
        network.id,
        wanted.id if wanted else None,
    )
    if row is None:
        raise NoSubnetError
    spec = SubnetSpec.model_validate(row["spec"])
    return row["subnet_id"], IPv4Network(spec.cidr), IPv4Address(spec.gateway)


# Addresses are handed out in a circle, so that a freed one rests for long. The cursor's own is mostly free; else it is the
# first free one after it, which follows a taken one, the gateway or the range's beginning: no need to try them all.
_FREE = """
    SELECT CASE
        WHEN $4::inet + $2::bigint <> $5::inet
             AND NOT EXISTS (SELECT FROM address WHERE subnet_id = $1 AND address = $4::inet + $2) THEN $2
        ELSE (SELECT host FROM (SELECT 1::bigint AS host UNION ALL SELECT $5::inet - $4::inet + 1
                                UNION ALL SELECT address - $4::inet + 1 FROM address WHERE subnet_id = $1) AS candidate
              WHERE host BETWEEN 1 AND $3::bigint AND $4::inet + host <> $5::inet
                AND NOT EXISTS (SELECT FROM address WHERE subnet_id = $1 AND address = $4::inet + host)
              ORDER BY host < $2, host LIMIT 1)
        END
"""


async def _claim_address(
    tx: Tx, port_id: UUID, subnet_id: UUID, span: IPv4Network, gateway: IPv4Address, wanted: str | None
) -> tuple[IPv4Address, str]:
    # The subnet's row is the cursor, and held while an address is chosen, so that nobody is given one that was free before.
    row = await tx.one("SELECT next_host FROM subnet_range WHERE subnet_id = $1 FOR UPDATE", subnet_id)
    if wanted is not None:
        address = IPv4Address(wanted)
        if address not in span or address in {gateway, span.network_address, span.broadcast_address}:
            raise AddressOutsideError(f"{address} is not a host address of {span}, or is its gateway. Choose another one.")
        return address, await _claim_this_address(tx, port_id, subnet_id, address)
    hosts = span.num_addresses - 2
    free: int | None = await tx.value(_FREE, subnet_id, row["next_host"], hosts, span.network_address, gateway)
    if free is None:
        raise NoAddressError
    address = span.network_address + free
    mac = await _claim_this_address(tx, port_id, subnet_id, address)
    await tx.execute("UPDATE subnet_range SET next_host = $2 WHERE subnet_id = $1", subnet_id, free % hosts + 1)
    return address, mac


async def _claim_this_address(tx: Tx, port_id: UUID, subnet_id: UUID, address: IPv4Address) -> str:
    """Take the address, with a MAC that nobody has. Raises AddressTakenError."""
    while True:
        mac = _new_mac()
        try:
            async with tx.savepoint():
                await tx.execute(
                    "INSERT INTO address (subnet_id, address, port_id, mac) VALUES ($1, $2, $3, $4::text::macaddr)",
                    subnet_id,
                    address,
                    port_id,
                    mac,
                )
        except UniqueViolationError as error:
            if error.constraint_name == "address_mac_key":
                continue  # of some thousand ports, two will draw the same 24 bits
            raise AddressTakenError(f"{address} belongs to another port. Choose another one, or leave it out.") from error
        return mac


def _new_mac() -> str:
    """A locally administered unicast address with QEMU's own prefix; 24 random bits, unique by constraint."""
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in os.urandom(3))


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
    release=release,
    on_create=ENSURE,
    on_update=ENSURE,
    on_delete=DELETE,
    quota=lambda _spec: {"ports": 1},
    inventory=True,
    differs=_differs,
)
