"""Addresses of ports: claimed at admission, so that what is promised is what the guest gets."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from uuid import UUID

from groundplane.controlplane.network.subnet import SubnetSpec
from groundplane.controlplane.resources.kind import Draft
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


@dataclass(frozen=True)
class Claimed:
    """A draft's place on a network."""

    subnet_id: UUID
    address: IPv4Address
    mac: str


async def claim_given(
    tx: Tx, draft: Draft, *, network_id: UUID, subnet_id: UUID | None, address: IPv4Address
) -> Sequence[Claimed]:
    """This address in the subnet that is named, or else in the network's that has it.

    Raises NoSubnetError, AddressOutsideError; AddressTakenError when it is written.
    """
    subnet = await _hold(tx, network_id, subnet_id, around=address) or await _hold(tx, network_id, subnet_id)
    if subnet is None:
        raise NoSubnetError
    subnet.give(address)
    text = f"{address} belongs to another port. Choose another one, or leave it out."
    tx.read[_GIVEN] = True
    tx.refuse({"address_pkey": lambda _error: AddressTakenError(text)})
    return _write(tx, subnet, [draft], [address])


async def claim_free(tx: Tx, drafts: Sequence[Draft], *, network_id: UUID, subnet_id: UUID | None) -> Sequence[Claimed]:
    """For each draft an address of the subnet that is named, or else of the network's oldest with room for all.

    Raises NoSubnetError, NoAddressError.
    """
    subnet = await _hold(tx, network_id, subnet_id, count=len(drafts))
    if subnet is None:
        raise NoSubnetError
    while subnet is not None:
        if addresses := await subnet.take(tx, len(drafts)):
            tx.behind(_NEXT_HOST, subnet.id, subnet.after(addresses[-1]))
            if not tx.read.get(_GIVEN):
                tx.refuse({"address_pkey": _same_address})
            return _write(tx, subnet, drafts, addresses)
        subnet = await _hold(tx, network_id, subnet_id, after=subnet.id, count=len(drafts))
    raise NoAddressError


def _write(tx: Tx, subnet: "_Held", drafts: Sequence[Draft], addresses: Sequence[IPv4Address]) -> Sequence[Claimed]:
    claimed = [Claimed(subnet.id, address, _new_mac()) for address in addresses]
    for draft, each in zip(drafts, claimed, strict=True):
        row = {"subnet_id": subnet.id, "address": str(each.address), "port_id": draft.id, "mac": each.mac}
        tx.insert("address", row)
    tx.refuse({"address_mac_key": _same_mac})
    return claimed


_GIVEN = "an address was given"
_LOOK_AHEAD = 8
"""How many addresses beyond those wanted are looked at first; each further look is this many times as wide."""


def _free(subnet: str, begin: str, end: str, first: str, gateway: str) -> str:
    """Free addresses, counted from the subnet's first. A subquery for each: an anti-join might read all that are taken."""
    return f"""
        SELECT host FROM generate_series({begin}, {end}) AS host
        WHERE {first} + host <> {gateway}
          AND (SELECT 1 FROM address WHERE subnet_id = {subnet} AND address = {first} + host) IS NULL
        ORDER BY host"""  # noqa: S608  # our own names


_FREE = f"{_free('$1', '$2::bigint', '$3::bigint', '$4::inet', '$5::inet')} LIMIT $6"
_FREE_OF_HELD = _free(
    "held.subnet_id", "next_host", "least(next_host + $5 - 1, hosts)", "host(range)::inet", "(spec ->> 'gateway')::inet"
)
_HOLD = f"""
    WITH held AS MATERIALIZED (
        SELECT subnet_id, next_host, range, spec, (1::bigint << (32 - masklen(range))) - 2 AS hosts
        FROM subnet_range JOIN resource ON resource.id = subnet_id
        WHERE network_id = $1 AND wanted = 'present' AND ($2::uuid IS NULL OR subnet_id = $2)
          AND ($3::uuid IS NULL OR subnet_id > $3) AND ($4::inet IS NULL OR range >>= $4)
        ORDER BY subnet_id LIMIT 1 FOR UPDATE OF subnet_range)
    SELECT subnet_id, next_host, spec, ARRAY({_FREE_OF_HELD}) AS free FROM held"""  # noqa: S608  # our own
_NEXT_HOST = """
    UPDATE subnet_range SET next_host = found.next_host FROM unnest({0}::uuid[], {1}::bigint[]) AS found (subnet_id, next_host)
    WHERE subnet_range.subnet_id = found.subnet_id
"""


@dataclass
class _Held:
    """A subnet that this transaction holds: nobody else is given an address of it until it ends.

    Addresses are counted from the range's first. They are looked at, and handed out, in a circle: a freed one rests for long.
    """

    id: UUID
    span: IPv4Network
    gateway: IPv4Address
    at: int
    """Where the next look begins."""
    unseen: int
    """How many addresses were not looked at yet."""
    free: list[int]
    """Those that were free when they were looked at."""
    taken: set[int] = field(default_factory=set)
    """Those that were given away since."""

    @property
    def hosts(self) -> int:
        """How many addresses a host may have, the gateway's among them."""
        return self.span.num_addresses - 2

    def seen(self, end: int) -> None:
        """All addresses up to this one were looked at."""
        self.unseen -= end - self.at + 1
        self.at = end % self.hosts + 1

    def after(self, address: IPv4Address) -> int:
        """Where a search begins once this address was given away."""
        return (int(address) - int(self.span.network_address)) % self.hosts + 1

    def give(self, address: IPv4Address) -> None:
        """Give this one away. Raises AddressOutsideError."""
        span = self.span
        if address not in span or address in {self.gateway, span.network_address, span.broadcast_address}:
            raise AddressOutsideError(f"{address} is not a host address of {span}, or is its gateway. Choose another one.")
        self.taken.add(int(address) - int(span.network_address))

    async def take(self, tx: Tx, count: int) -> Sequence[IPv4Address]:
        """Give so many free ones away; none if there are not so many."""
        width = count + _LOOK_AHEAD
        while len(free := [host for host in self.free if host not in self.taken]) < count and self.unseen > 0:
            end = min(self.at + min(width, self.unseen) - 1, self.hosts)
            limit = count - len(free) + _LOOK_AHEAD
            rows = await tx.aside(_FREE, self.id, self.at, end, self.span.network_address, self.gateway, limit)
            self.free = free + [row["host"] for row in rows]
            self.seen(rows[-1]["host"] if len(rows) == limit else end)
            width *= _LOOK_AHEAD
        if len(free) < count:
            return []
        self.free, free = free[count:], free[:count]
        self.taken.update(free)
        return [self.span.network_address + host for host in free]


async def _hold(
    tx: Tx,
    network_id: UUID,
    named: UUID | None,
    *,
    after: UUID | None = None,
    around: IPv4Address | None = None,
    count: int = 0,
) -> _Held | None:
    """The subnet that is named, or the network's oldest after another, that has this address, if one is given.

    So many free addresses are looked for along with it. Those that were given away while this waited for the row may be among
    them: then a constraint refuses, and all begins again. Who shares the transaction finds the subnet held.
    """
    known, asked = tx.remembered, (_HOLD, (network_id, named, after, around))
    if asked not in known:
        width = count + _LOOK_AHEAD if count else 0
        rows = await tx.aside(_HOLD, *asked[1], width)
        if not rows:
            return None
        (row,) = rows
        spec = SubnetSpec.model_validate(row["spec"])
        span, gateway = IPv4Network(spec.cidr), IPv4Address(spec.gateway)
        held = _Held(row["subnet_id"], span, gateway, row["next_host"], span.num_addresses - 2, row["free"])
        held.seen(min(held.at + width - 1, held.hosts))
        known[asked] = known.setdefault((_Held, held.id), held)
    subnet: _Held = known[asked]
    return subnet


def _same_address(_error: Exception) -> CollidedError:
    return CollidedError("the address was given away while the subnet was waited for")


def _same_mac(_error: Exception) -> CollidedError:
    return CollidedError("two ports drew the same MAC")


def _new_mac() -> str:
    """A locally administered unicast address; 40 random bits, unique by constraint, so that nobody draws one twice."""
    return "52:" + ":".join(f"{byte:02x}" for byte in os.urandom(5))
