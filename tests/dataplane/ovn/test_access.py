"""Rules as access control lists."""

from uuid import UUID

import pytest

from groundplane.contracts.faults import ProviderError
from groundplane.contracts.specs import Rule
from groundplane.dataplane.providers.ovn.access import allowing

OTHER = UUID("0190a0b0-0000-7000-8000-000000000001")

MATCHES = [
    (Rule(direction="ingress"), "to-lport", "outport == @g && ip4"),
    (Rule(direction="egress"), "from-lport", "inport == @g && ip4"),
    (Rule(direction="ingress", protocol="icmp"), "to-lport", "outport == @g && ip4 && icmp4"),
    (Rule(direction="ingress", protocol="udp"), "to-lport", "outport == @g && ip4 && udp"),
    (
        Rule(direction="ingress", protocol="tcp", port_min=22, port_max=22),
        "to-lport",
        "outport == @g && ip4 && tcp && tcp.dst == 22",
    ),
    (Rule(direction="ingress", protocol="tcp", port_min=22), "to-lport", "outport == @g && ip4 && tcp && tcp.dst == 22"),
    (
        Rule(direction="egress", protocol="udp", port_min=1000, port_max=2000, remote_cidr="10.1.2.3/8"),
        "from-lport",
        "inport == @g && ip4 && ip4.dst == 10.0.0.0/8 && udp && udp.dst >= 1000 && udp.dst <= 2000",
    ),
    (
        Rule(direction="ingress", protocol="tcp", port_max=1023),
        "to-lport",
        "outport == @g && ip4 && tcp && tcp.dst >= 0 && tcp.dst <= 1023",
    ),
    (Rule(direction="ingress", remote_cidr="0.0.0.0/0"), "to-lport", "outport == @g && ip4"),
    (
        Rule(direction="ingress", protocol="icmp", remote_group_id=OTHER),
        "to-lport",
        f"outport == @g && ip4 && ip4.src == $sg_{OTHER.hex}_ip4 && icmp4",
    ),
]

BAD = [
    Rule(direction="ingress", remote_cidr="10.0.0.0/33"),
    Rule(direction="ingress", remote_cidr="10.0.0.0/8 || 1"),
    Rule(direction="ingress", remote_cidr="fd00::/8"),
    Rule(direction="ingress", protocol="tcp", port_min=23, port_max=22),
    Rule(direction="ingress", protocol="udp", port_min=0, port_max=65536),
    Rule(direction="ingress", protocol="icmp", port_min=8),
    Rule(direction="ingress", port_max=80),
]


@pytest.mark.parametrize(("rule", "direction", "match"), MATCHES)
def test_a_rule_is_one_list_entry(rule: Rule, direction: str, match: str) -> None:
    (acl,) = allowing("g", [rule])
    assert (acl.direction, acl.match, acl.action) == (direction, match, "allow-related")


def test_rules_of_the_same_meaning_are_one() -> None:
    same = [Rule(direction="ingress"), Rule(direction="ingress", remote_cidr="0.0.0.0/0"), Rule(direction="ingress")]
    assert len(allowing("g", same)) == 1


@pytest.mark.parametrize("rule", BAD)
def test_what_ovn_could_not_read_is_refused(rule: Rule) -> None:
    with pytest.raises(ProviderError) as refused:
        allowing("g", [rule])
    assert (refused.value.fault.code, refused.value.fault.fault_class) == ("bad_rule", "permanent")
