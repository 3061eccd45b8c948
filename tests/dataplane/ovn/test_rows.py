"""What the provider writes into the northbound database, and that it comes back to it whatever somebody else did."""

import time
from uuid import uuid4

import pytest
from tests.dataplane.ovn.engine import Northbound
from tests.dataplane.ovn.hands import Hands

from groundplane.contracts.faults import ProviderError
from groundplane.contracts.specs import NetworkSpec, PortSpec, Rule, SecurityGroupSpec, SubnetSpec
from groundplane.dataplane.providers.ovn import OvnNetwork, change
from groundplane.dataplane.providers.ovn.labels import closed_group_uuid, tombstone_uuid
from groundplane.dataplane.providers.provider import TOMBSTONE_SECONDS

pytestmark = pytest.mark.real

SSH = Rule(direction="ingress", protocol="tcp", port_min=22, port_max=22)
PING = Rule(direction="ingress", protocol="icmp")


def _matches(northbound: Northbound, group: SecurityGroupSpec) -> set[str]:
    acls = northbound.get("Port_Group", group.id, "acls").split()
    return {northbound.ctl("get", "ACL", acl, "match").strip('"') for acl in acls}


def _members(northbound: Northbound, group: SecurityGroupSpec) -> set[str]:
    return set(northbound.get("Port_Group", group.id, "ports").split())


def _is_closed(northbound: Northbound, port: PortSpec) -> bool:
    return str(port.id) in northbound.get("Port_Group", closed_group_uuid(port.network_id), "ports").split()


async def test_a_port_is_the_row_that_libvirt_and_dhcp_need(hands: Hands, northbound: Northbound) -> None:
    subnet = await hands.subnet()
    port = await hands.port(subnet)
    address = f"{port.mac} {port.address}"
    assert northbound.get("Logical_Switch", port.network_id, "ports") == str(port.id)
    assert northbound.get("Logical_Switch_Port", port.id, "name") == str(port.id)
    assert northbound.get("Logical_Switch_Port", port.id, "addresses") == address
    assert northbound.get("Logical_Switch_Port", port.id, "port_security") == address
    assert northbound.get("Logical_Switch_Port", port.id, "dhcpv4_options") == str(subnet.id)


async def test_a_subnet_tells_its_guests_all_they_need(hands: Hands, northbound: Northbound) -> None:
    subnet = await hands.subnet()
    assert northbound.get("DHCP_Options", subnet.id, "cidr") == "10.7.0.0/24"
    told = northbound.ctl("dhcp-options-get-options", str(subnet.id)).splitlines()
    mac = ":".join(["0e", *(f"{byte:02x}" for byte in subnet.id.bytes[-5:])])
    assert sorted(told) == [
        "dns_server={10.7.0.53, 9.9.9.9}",
        "lease_time=7200",
        "mtu=1400",
        "router=10.7.0.1",
        "server_id=10.7.0.1",
        f"server_mac={mac}",
    ]


async def test_an_ensure_that_changes_nothing_writes_nothing(hands: Hands, northbound: Northbound) -> None:
    group = await hands.group(SSH, PING)
    subnet = await hands.subnet()
    port = await hands.port(subnet, group.id)
    before = northbound.written_bytes()
    for spec in (NetworkSpec(id=port.network_id), subnet, group, port):
        await hands.ensure(spec)
    assert northbound.written_bytes() == before
    await hands.ensure(port, 2)
    assert northbound.written_bytes() > before


async def test_a_port_is_closed_by_its_first_group_and_opened_by_leaving_its_last(hands: Hands, northbound: Northbound) -> None:
    one, other = await hands.group(SSH), await hands.group(PING)
    port = await hands.port(await hands.subnet())
    assert not _is_closed(northbound, port)
    for fence, groups in enumerate([{one.id}, {one.id, other.id}, {other.id}, set()], start=2):
        await hands.ensure(port.model_copy(update={"security_group_ids": tuple(groups)}), fence)
        for group in (one, other):
            assert (str(port.id) in _members(northbound, group)) == (group.id in groups)
        assert _is_closed(northbound, port) == bool(groups)


async def test_a_groups_rules_become_the_new_ones(hands: Hands, northbound: Northbound) -> None:
    group = await hands.group(SSH, PING)
    assert len(_matches(northbound, group)) == 2
    web = Rule(direction="ingress", protocol="tcp", port_min=80, port_max=80)
    await hands.ensure(group.model_copy(update={"rules": (PING, web)}), 2)
    side = f"outport == @sg_{group.id.hex} && ip4"
    assert _matches(northbound, group) == {f"{side} && icmp4", f"{side} && tcp && tcp.dst == 80"}
    await hands.ensure(group.model_copy(update={"rules": ()}), 3)
    assert _matches(northbound, group) == set()


async def test_what_somebody_else_changed_is_put_right(hands: Hands, northbound: Northbound) -> None:
    group = await hands.group(SSH)
    subnet = await hands.subnet()
    port = await hands.port(subnet, group.id)
    stranger = await hands.group()
    closed = str(closed_group_uuid(port.network_id))
    northbound.ctl(
        *("set", "Logical_Switch_Port", str(port.id), "addresses=unknown", "port_security=[]", "enabled=false"),
        *("--", "clear", "Logical_Switch_Port", str(port.id), "dhcpv4_options"),
        *("--", "clear", "Port_Group", str(group.id), "ports", "--", "clear", "Port_Group", str(group.id), "acls"),
        *("--", "clear", "Port_Group", closed, "ports", "--", "clear", "Port_Group", closed, "acls"),
        *("--", "add", "Port_Group", str(stranger.id), "ports", str(port.id)),
        *("--", "set", "DHCP_Options", str(subnet.id), "options:router=10.7.0.99", "cidr=10.8.0.0/24"),
    )
    for spec in (group, subnet, port):
        await hands.ensure(spec)
    assert northbound.get("Logical_Switch_Port", port.id, "addresses") == f"{port.mac} {port.address}"
    assert northbound.get("Logical_Switch_Port", port.id, "port_security") == f"{port.mac} {port.address}"
    assert northbound.get("Logical_Switch_Port", port.id, "enabled") == ""
    assert northbound.get("Logical_Switch_Port", port.id, "dhcpv4_options") == str(subnet.id)
    assert _members(northbound, group) == {str(port.id)}
    assert _members(northbound, stranger) == set()
    assert len(_matches(northbound, group)) == 1
    assert _is_closed(northbound, port)
    assert len(northbound.get("Port_Group", closed_group_uuid(port.network_id), "acls").split()) == 3
    assert northbound.get("DHCP_Options", subnet.id, "cidr") == "10.7.0.0/24"
    assert "router=10.7.0.1" in northbound.ctl("dhcp-options-get-options", str(subnet.id)).splitlines()


async def test_a_lost_group_and_a_lost_subnet_get_their_ports_back(hands: Hands, northbound: Northbound) -> None:
    group = await hands.group(SSH)
    subnet = await hands.subnet()
    port = await hands.port(subnet, group.id)
    northbound.delete("security_group", group.id)
    northbound.delete("subnet", subnet.id)
    northbound.ctl("destroy", "Port_Group", str(closed_group_uuid(port.network_id)))
    await hands.ensure(group, 2)
    await hands.ensure(subnet, 2)
    await hands.ensure(NetworkSpec(id=port.network_id), 2)
    assert _members(northbound, group) == {str(port.id)}
    assert _is_closed(northbound, port)
    assert northbound.get("Logical_Switch_Port", port.id, "dhcpv4_options") == str(subnet.id)


async def test_a_port_moves_to_another_network(hands: Hands, northbound: Northbound) -> None:
    group = await hands.group()
    here, there = await hands.subnet(), await hands.subnet()
    port = await hands.port(here, group.id)
    await hands.ensure(port.model_copy(update={"network_id": there.network_id, "subnet_id": there.id}), 2)
    assert northbound.get("Logical_Switch", here.network_id, "ports") == ""
    assert northbound.get("Logical_Switch", there.network_id, "ports") == str(port.id)
    assert not _is_closed(northbound, port)
    assert northbound.get("Port_Group", closed_group_uuid(there.network_id), "ports") == str(port.id)


async def test_rows_and_memberships_of_others_are_left_alone(hands: Hands, northbound: Northbound) -> None:
    port = await hands.port(await hands.subnet())
    northbound.ctl("ls-add", "theirs", "--", "lsp-add", "theirs", "their-port", "--", "pg-add", "their_group", str(port.id))
    northbound.ctl("set", "Logical_Switch_Port", str(port.id), "external_ids:theirs=kept")
    await hands.ensure(port, 2)
    assert northbound.ctl("--bare", "--columns=ports", "list", "Port_Group", "their_group") == str(port.id)
    assert "theirs=kept" in northbound.get("Logical_Switch_Port", port.id, "external_ids")
    assert len(await hands.provider.observe()) == 3
    northbound.ctl("ls-del", "theirs", "--", "pg-del", "their_group")


async def test_another_clusters_rows_are_not_told(hands: Hands, northbound: Northbound) -> None:
    other = Hands(OvnNetwork(uuid4(), northbound.remote))
    await other.subnet()
    await hands.group()
    assert [state.kind for state in await hands.provider.observe()] == ["security_group"]
    await other.provider.close()


async def test_a_network_takes_its_ports_along_and_none_comes_back(hands: Hands, northbound: Northbound) -> None:
    group = await hands.group(SSH)
    subnet = await hands.subnet()
    port = await hands.port(subnet, group.id)
    await hands.ensure(port, 4)
    await hands.remove("network", port.network_id)
    assert {state.id for state in await hands.provider.observe()} == {group.id, subnet.id}
    await hands.ensure(NetworkSpec(id=port.network_id), 3)
    with pytest.raises(ProviderError) as refused:
        await hands.ensure(port, 3)
    assert refused.value.fault.code == "stale_fence"


async def test_nothing_is_left_but_tombstones(hands: Hands, northbound: Northbound) -> None:
    tables = ("Logical_Switch", "Logical_Switch_Port", "DHCP_Options", "Port_Group", "ACL", "Address_Set")
    before = {table: set(northbound.rows(table)) for table in tables}
    group = await hands.group(SSH, PING)
    port = await hands.port(await hands.subnet(), group.id)
    assert all(set(northbound.rows(table)) > before[table] for table in tables[:-1])
    await hands.remove("port", port.id)
    await hands.remove("security_group", group.id)
    await hands.remove("subnet", port.subnet_id)
    await hands.remove("network", port.network_id)
    assert {table: set(northbound.rows(table)) for table in tables} == before
    assert str(tombstone_uuid(port.id)) in northbound.rows("DNS")


async def test_tombstones_are_forgotten_when_they_are_old(hands: Hands, northbound: Northbound) -> None:
    old, young = uuid4(), uuid4()
    await hands.remove("port", old)
    await hands.remove("port", young)
    at = int(time.time()) - TOMBSTONE_SECONDS - 10
    northbound.ctl("set", "DNS", str(tombstone_uuid(old)), f"external_ids:groundplane\\:buried-at={at}")
    await hands.provider.observe()
    assert str(tombstone_uuid(old)) not in northbound.rows("DNS")
    assert str(tombstone_uuid(young)) in northbound.rows("DNS")


@pytest.mark.parametrize(
    "wrong", [{"mac": "52:54:00"}, {"mac": "router"}, {"address": "10.7.0.300"}, {"address": "10.7.0.9 10.7.0.10"}]
)
async def test_an_address_that_ovn_would_pass_over_is_refused(hands: Hands, wrong: dict[str, str]) -> None:
    port = await hands.port(await hands.subnet())
    with pytest.raises(ProviderError) as refused:
        await hands.ensure(port.model_copy(update=wrong), 2)
    assert (refused.value.fault.code, refused.value.fault.fault_class) == ("bad_address", "permanent")


async def test_a_value_that_ovs_would_swallow_is_an_error(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong_type(_: SubnetSpec) -> dict[str, int]:
        return {"mtu": 1442}

    subnet = await hands.subnet()
    monkeypatch.setattr(change, "dhcp_options", wrong_type)
    with pytest.raises(ProviderError) as refused:
        await hands.ensure(subnet, 2)
    assert (refused.value.fault.code, refused.value.fault.fault_class) == ("engine_refused", "permanent")
