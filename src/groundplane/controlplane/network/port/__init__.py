"""Ports: a network card's place on a network, with an address that is promised at admission."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from groundplane.contracts.specs import PortSpec as EngineSpec
from groundplane.controlplane.jobs.job import Job
from groundplane.controlplane.jobs.workflow import Move, Workflow, done
from groundplane.controlplane.network.asking import ask_for, removal
from groundplane.controlplane.network.network import NETWORK
from groundplane.controlplane.network.port import claims
from groundplane.controlplane.network.security_group import SECURITY_GROUP
from groundplane.controlplane.network.subnet import SUBNET, Address
from groundplane.controlplane.resources import references, store
from groundplane.controlplane.resources.fields import Id, Reference, Refers, Stored, Strict, example
from groundplane.controlplane.resources.kind import Column, Creation, Kind, Wish
from groundplane.controlplane.resources.resource import Resource
from groundplane.kernel.database import Tx
from groundplane.kernel.errors import InvalidRequestError


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
    group_ids = list(dict.fromkeys(group.id for group in groups))
    specs = []
    for draft, claimed in zip(creation.drafts, await _claim(creation, network, request), strict=True):
        draft.cluster_id = network.cluster_id
        draft.links += [(network.id, "network"), (claimed.subnet_id, "subnet")]
        draft.links += [(group_id, "security_group") for group_id in group_ids]
        specs.append(
            PortSpec(
                network=NETWORK.public_id(network.id),
                subnet=SUBNET.public_id(claimed.subnet_id),
                address=str(claimed.address),
                mac=claimed.mac,
                security_groups=[SECURITY_GROUP.public_id(group_id) for group_id in group_ids],
            )
        )
    return specs


async def _claim(creation: Creation, network: Resource, request: PortRequest) -> Sequence[claims.Claimed]:
    tx, subnet_id = creation.tx, None
    if request.subnet is not None:
        subnet_id = (await references.refer(tx, SUBNET, creation.project_id, request.subnet, field="subnet")).id
    if request.address is None:
        return await claims.claim_free(tx, creation.drafts, network_id=network.id, subnet_id=subnet_id)
    (draft,), address = creation.drafts, IPv4Address(request.address)
    return await claims.claim_given(tx, draft, network_id=network.id, subnet_id=subnet_id, address=address)


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
