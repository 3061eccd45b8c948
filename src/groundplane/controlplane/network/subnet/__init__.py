"""Subnets: a range of addresses of a network, served by DHCP."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated

from pydantic import AfterValidator, Field

from groundplane.contracts.specs import SubnetSpec as EngineSpec
from groundplane.controlplane.jobs.job import Job
from groundplane.controlplane.jobs.workflow import Move, Workflow, done
from groundplane.controlplane.network.asking import ask_for, removal
from groundplane.controlplane.network.network import NETWORK, NetworkSpec
from groundplane.controlplane.network.ranges import ipv4_address, ipv4_range
from groundplane.controlplane.resources import references, store
from groundplane.controlplane.resources.fields import Id, Reference, Refers, Strict, example
from groundplane.controlplane.resources.kind import Column, Creation, Draft, Kind, one_by_one
from groundplane.controlplane.resources.resource import Resource
from groundplane.kernel.database import ExclusionViolationError, Tx
from groundplane.kernel.errors import ConflictError, InvalidRequestError

MIN_PREFIX, MAX_PREFIX = 8, 29


class SubnetOverlapError(ConflictError):
    """Another subnet of this network has some of these addresses. Choose another range."""

    code = "subnet_overlap"


class GatewayOutsideError(InvalidRequestError):
    """The gateway must be a host address within the subnet's range."""

    code = "gateway_outside"


def _cidr(text: str) -> str:
    network = ipv4_range(text)
    if not MIN_PREFIX <= network.prefixlen <= MAX_PREFIX:
        raise ValueError(f"the prefix must be between /{MIN_PREFIX} and /{MAX_PREFIX}")
    if network.is_multicast or network.is_loopback or network.is_link_local or network.is_unspecified:
        raise ValueError("the range must be of ordinary unicast addresses")
    return str(network)


Cidr = Annotated[str, AfterValidator(_cidr), Field(max_length=18, description="An IPv4 range, as in 10.0.0.0/24.")]
Address = Annotated[str, AfterValidator(ipv4_address), Field(max_length=15, description="An IPv4 address.")]


class SubnetRequest(Strict):
    """`gateway` is the range's first host address unless said otherwise."""

    model_config = example({"network": "lan", "cidr": "10.0.0.0/24"})

    network: Annotated[Reference, Refers("network")] = Field(description="The network whose addresses these are.")
    cidr: Cidr
    gateway: Address | None = Field(default=None, description="The range's first host address if not said.")
    dns_servers: Annotated[list[Address], Field(max_length=4)] = Field(default=[], description="What guests ask for names.")


class SubnetSpec(Strict):
    """What should be, with everything decided."""

    network: Annotated[Id, Refers("network")] = Field(description="The network whose addresses these are.")
    cidr: str = Field(description="The range, as in 10.0.0.0/24.")
    gateway: str = Field(description="The way out, as guests are told.")
    dns_servers: list[str] = Field(default=[], description="What guests ask for names.")


async def admit(creation: Creation, draft: Draft, request: SubnetRequest) -> SubnetSpec:
    """Claims its range in the network: no two subnets of a network overlap."""
    network = await references.refer(creation.tx, NETWORK, creation.project_id, request.network, field="network")
    draft.cluster_id = network.cluster_id
    draft.links.append((network.id, "network"))
    span = IPv4Network(request.cidr)
    gateway = IPv4Address(request.gateway) if request.gateway else span.network_address + 1
    if gateway not in span or gateway in (span.network_address, span.broadcast_address):
        raise GatewayOutsideError(f"{gateway} is not a host address of {span}. Choose one that is, or leave it out.")
    await _claim_range(creation.tx, draft, network, span)
    return SubnetSpec(
        network=NETWORK.public_id(network.id), cidr=str(span), gateway=str(gateway), dns_servers=request.dns_servers
    )


async def _claim_range(tx: Tx, draft: Draft, network: Resource, span: IPv4Network) -> None:
    try:
        async with tx.savepoint():
            await tx.execute(
                "INSERT INTO subnet_range (subnet_id, network_id, range) VALUES ($1, $2, $3)", draft.id, network.id, span
            )
    except ExclusionViolationError as error:
        other = await tx.row(
            """SELECT name, range FROM subnet_range JOIN resource ON resource.id = subnet_id
               WHERE network_id = $1 AND range && $2 LIMIT 1""",
            network.id,
            span,
        )
        taken = f" Subnet {other['name']} has {other['range']}." if other else ""
        raise SubnetOverlapError(f"{span} overlaps another subnet of this network.{taken} Choose another range.") from error


async def release(tx: Tx, resources: Sequence[Resource]) -> None:
    """The ranges are free again."""
    await tx.execute("DELETE FROM subnet_range WHERE subnet_id = ANY($1::uuid[])", [resource.id for resource in resources])


async def ensure(tx: Tx, job: Job) -> Move:
    """The network engine serves the range by DHCP."""
    subnet = await store.load(tx, job.resource_id)
    spec = SubnetSpec.model_validate(subnet.spec)
    network = await store.load(tx, NETWORK.uuid(spec.network))
    want = EngineSpec(
        id=subnet.id,
        network_id=network.id,
        cidr=spec.cidr,
        gateway=spec.gateway,
        dns_servers=tuple(spec.dns_servers),
        mtu=NetworkSpec.model_validate(network.spec).mtu,
    )
    return ask_for(subnet, want)


ENSURE = Workflow("subnet.ensure", version=1, steps={"ensure": ensure, "done": done})
DELETE = removal("subnet")

SUBNET = Kind(
    name="subnet",
    plural="subnets",
    title="Subnet",
    title_plural="Subnets",
    prefix="sub",
    service="network",
    namespace="tenant",
    summary="A range of addresses of a network, served by DHCP.",
    spec=SubnetSpec,
    create=SubnetRequest,
    admit=one_by_one(admit),
    release=release,
    on_create=ENSURE,
    on_delete=DELETE,
    inventory=True,
    columns=(
        Column("spec.network", "Network"),
        Column("spec.cidr", "Range"),
        Column("spec.gateway", "Gateway"),
    ),
)
