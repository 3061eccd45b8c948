"""Security groups in OVN's words: rules as access control lists.

Pure. Every part of a rule is checked here, since OVN passes over a match that it cannot read.
"""

from collections.abc import Iterable
from ipaddress import IPv4Network
from typing import NamedTuple

from groundplane.contracts.faults import permanent
from groundplane.contracts.specs import Rule
from groundplane.dataplane.providers.ovn.labels import group_name

_DROP, _ALLOW = 1001, 1002


class Acl(NamedTuple):
    """A row of the table ACL, in the order of its columns here."""

    direction: str
    priority: int
    match: str
    action: str


def closing(group: str) -> frozenset[Acl]:
    """What closes the ports of a port group to all IP but DHCP requests. ARP passes; OVN lets its DHCP answers in."""
    return frozenset(
        {
            Acl("from-lport", _DROP, f"inport == @{group} && ip", "drop"),
            Acl("to-lport", _DROP, f"outport == @{group} && ip", "drop"),
            Acl("from-lport", _ALLOW, f"inport == @{group} && ip4 && udp.src == 68 && udp.dst == 67", "allow"),
        }
    )


def allowing(group: str, rules: Iterable[Rule]) -> frozenset[Acl]:
    """What a security group's rules let through its port group, and the replies to it.

    A rule may name a group that is not there: OVN takes it up when it comes. So groups may name each other.
    """
    return frozenset(_allow(group, rule) for rule in rules)


def _allow(group: str, rule: Rule) -> Acl:
    ingress = rule.direction == "ingress"
    side = f"outport == @{group}" if ingress else f"inport == @{group}"
    parts = [side, "ip4", *_remote(rule, "ip4.src" if ingress else "ip4.dst"), *_protocol(rule)]
    return Acl("to-lport" if ingress else "from-lport", _ALLOW, " && ".join(parts), "allow-related")


def _remote(rule: Rule, field: str) -> list[str]:
    found = []
    if rule.remote_group_id is not None:
        found.append(f"{field} == ${group_name(rule.remote_group_id)}_ip4")
    if rule.remote_cidr is not None:
        cidr = _cidr(rule.remote_cidr)
        if cidr.prefixlen:
            found.append(f"{field} == {cidr}")
    return found


def _cidr(text: str) -> IPv4Network:
    try:
        return IPv4Network(text, strict=False)
    except ValueError as error:
        raise permanent("bad_rule", f"A rule's remote must be an IPv4 range such as 10.0.0.0/8: {error}.") from error


def _protocol(rule: Rule) -> list[str]:
    if rule.protocol in {"tcp", "udp"}:
        return [rule.protocol, *_ports(rule)]
    if rule.port_min is not None or rule.port_max is not None:
        raise permanent("bad_rule", f"A rule for {rule.protocol} has no ports; give tcp or udp, or leave them out.")
    return ["icmp4"] if rule.protocol == "icmp" else []


def _ports(rule: Rule) -> list[str]:
    if rule.port_min is None and rule.port_max is None:
        return []
    low = rule.port_min if rule.port_min is not None else 0
    high = rule.port_max if rule.port_max is not None else low
    if not 0 <= low <= high <= 65535:
        raise permanent("bad_rule", f"The ports {low} to {high} are no range within 0 to 65535.")
    field = f"{rule.protocol}.dst"
    return [f"{field} == {low}"] if low == high else [f"{field} >= {low}", f"{field} <= {high}"]
