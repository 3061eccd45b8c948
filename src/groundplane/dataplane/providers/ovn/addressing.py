"""Addresses in OVN's words: what DHCP tells the guests of a subnet, and a port's one address. Pure."""

import re
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError
from uuid import UUID

from groundplane.contracts.faults import permanent
from groundplane.contracts.specs import PortSpec, SubnetSpec

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.IGNORECASE)


def dhcp_options(spec: SubnetSpec) -> dict[str, str]:
    """The column `options` of DHCP_Options; ovn-nb(5) names them. The netmask comes from the CIDR."""
    found = {
        "server_id": str(_address(spec.gateway)),
        "server_mac": server_mac(spec.id),
        "router": str(_address(spec.gateway)),
        "lease_time": str(spec.lease_seconds),
        "mtu": str(spec.mtu),
    }
    if spec.dns_servers:
        found["dns_server"] = "{" + ", ".join(str(_address(server)) for server in spec.dns_servers) + "}"
    return found


def cidr(spec: SubnetSpec) -> str:
    """The subnet's range, checked."""
    try:
        return str(IPv4Network(spec.cidr))
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        raise permanent("bad_address", f"The range of subnet {spec.id} cannot be used: {error}.") from error


def server_mac(subnet_id: UUID) -> str:
    """The DHCP server's MAC: locally administered, from the random tail of the subnet's id, so always the same."""
    return ":".join(f"{byte:02x}" for byte in (0x0E, *subnet_id.bytes[-5:]))


def port_address(spec: PortSpec) -> str:
    """A port's MAC and address as one element of `addresses` and `port_security`."""
    if not _MAC.fullmatch(spec.mac):
        raise permanent("bad_address", f"{spec.mac} is no MAC address such as 52:54:00:12:34:56.")
    return f"{spec.mac.lower()} {_address(spec.address)}"


def _address(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except AddressValueError as error:
        raise permanent("bad_address", f"An IPv4 address was expected: {error}.") from error
