"""What guests on the ports of a real OVN can do: addresses by DHCP, and just the traffic that their security groups allow."""

from collections.abc import AsyncIterator, Iterator
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from tests.dataplane.ovn import engine
from tests.dataplane.ovn.engine import Client, Cloud
from tests.dataplane.ovn.hands import Hands

from groundplane.contracts.specs import Rule, SecurityGroupSpec, SubnetSpec
from groundplane.dataplane.providers.ovn import OvnNetwork

pytestmark = pytest.mark.real

EGRESS = Rule(direction="egress")
PING = Rule(direction="ingress", protocol="icmp")


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """One OVN for this module."""
    with engine.cloud() as made:
        yield made


@pytest_asyncio.fixture
async def hands(cloud: Cloud) -> AsyncIterator[Hands]:
    """A provider for a cluster of this test alone."""
    provider = OvnNetwork(uuid4(), cloud.northbound.remote)
    yield Hands(provider)
    await provider.close()


async def _guest(cloud: Cloud, hands: Hands, subnet: SubnetSpec, *groups: UUID) -> Client:
    client = cloud.client(await hands.port(subnet, *groups))
    cloud.northbound.settle()
    client.lease()
    return client


async def _become(cloud: Cloud, hands: Hands, group: SecurityGroupSpec, fence: int, *rules: Rule) -> None:
    await hands.ensure(group.model_copy(update={"rules": rules}), fence)
    cloud.northbound.settle()


async def test_dhcp_gives_the_promised_address_even_to_a_closed_port(cloud: Cloud, hands: Hands) -> None:
    group, subnet = await hands.group(), await hands.subnet()
    client = cloud.client(await hands.port(subnet, group.id))
    cloud.northbound.settle()
    lease = client.lease()
    assert lease["ip"] == client.port.address
    assert (lease["mask"], lease["subnet"]) == ("24", "255.255.255.0")
    assert (lease["router"], lease["serverid"]) == (subnet.gateway, subnet.gateway)
    assert lease["dns"] == "10.7.0.53 9.9.9.9"
    assert (lease["mtu"], lease["lease"]) == ("1400", "7200")


async def test_a_port_says_that_a_card_sits_on_it(cloud: Cloud, hands: Hands) -> None:
    port = await hands.port(await hands.subnet())
    events = hands.provider.events()
    client = cloud.client(port)
    up = await anext(events)
    assert (up.id, up.observed["up"]) == (port.id, True)
    cloud.unplug(client)
    down = await anext(events)
    assert (down.id, down.observed["up"]) == (port.id, False)


async def test_ports_without_groups_reach_each_other_and_no_other_network(cloud: Cloud, hands: Hands) -> None:
    here, there = await hands.subnet(), await hands.subnet()
    one, two = await _guest(cloud, hands, here), await _guest(cloud, hands, here)
    stranger = await _guest(cloud, hands, there)
    assert one.pings(two)
    assert not stranger.pings(two)


async def test_a_group_closes_and_its_rules_open(cloud: Cloud, hands: Hands) -> None:
    group, subnet = await hands.group(), await hands.subnet()
    outside, inside = await _guest(cloud, hands, subnet), await _guest(cloud, hands, subnet, group.id)
    assert not outside.pings(inside)
    assert not inside.pings(outside)
    await _become(cloud, hands, group, 2, PING)
    assert outside.pings(inside)
    assert not inside.pings(outside)
    await _become(cloud, hands, group, 3, EGRESS)
    assert not outside.pings(inside)
    assert inside.pings(outside)
    await hands.ensure(inside.port.model_copy(update={"security_group_ids": ()}), 4)
    cloud.northbound.settle()
    assert outside.pings(inside)


async def test_a_rule_for_a_tcp_port_opens_that_port(cloud: Cloud, hands: Hands) -> None:
    rule = Rule(direction="ingress", protocol="tcp", port_min=8000, port_max=8001)
    group, subnet = await hands.group(rule), await hands.subnet()
    outside, inside = await _guest(cloud, hands, subnet), await _guest(cloud, hands, subnet, group.id)
    with inside.serving(8001), inside.serving(8002):
        assert outside.reads(inside, 8001)
        assert not outside.reads(inside, 8002)
    with outside.serving(8001):
        assert not inside.reads(outside, 8001)
        await _become(cloud, hands, group, 2, EGRESS)
        assert inside.reads(outside, 8001)


async def test_a_rule_for_a_range_of_addresses_opens_to_those(cloud: Cloud, hands: Hands) -> None:
    group, subnet = await hands.group(), await hands.subnet()
    friend, foe = await _guest(cloud, hands, subnet), await _guest(cloud, hands, subnet)
    inside = await _guest(cloud, hands, subnet, group.id)
    await _become(cloud, hands, group, 2, PING.model_copy(update={"remote_cidr": f"{friend.port.address}/32"}))
    assert friend.pings(inside)
    assert not foe.pings(inside)


async def test_a_rule_for_a_group_opens_to_its_members(cloud: Cloud, hands: Hands) -> None:
    friends, subnet = SecurityGroupSpec(id=uuid4(), rules=(EGRESS,)), await hands.subnet()
    group = await hands.group(PING.model_copy(update={"remote_group_id": friends.id}))
    one, inside = await _guest(cloud, hands, subnet), await _guest(cloud, hands, subnet, group.id)
    assert not one.pings(inside)
    await hands.ensure(friends)  # later than the rule that names it
    await hands.ensure(one.port.model_copy(update={"security_group_ids": (friends.id,)}), 2)
    cloud.northbound.settle()
    assert one.pings(inside)
    await hands.ensure(one.port, 3)
    cloud.northbound.settle()
    assert not one.pings(inside)


async def test_a_guest_cannot_take_another_address(cloud: Cloud, hands: Hands) -> None:
    subnet = await hands.subnet()
    one, two = await _guest(cloud, hands, subnet), await _guest(cloud, hands, subnet)
    assert one.pings(two)
    one.namespace.run("ip", "address", "flush", "dev", "eth0")
    one.namespace.run("ip", "address", "add", "10.7.0.200/24", "dev", "eth0")
    assert not one.pings(two)
