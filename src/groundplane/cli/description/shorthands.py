"""What people type instead of a nested field, for each request. Everything else has options by itself, or `--set`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Pattern:
    """An entry of a list in one word: its fields are the groups of a regular expression.

    list      the path of the list
    regex     what the word is; `shown` is how help calls it
    fixed     fields that every such entry has
    same      fields that are as another when they are not said
    """

    list: str
    regex: str
    shown: str
    help: str
    fixed: Mapping[str, str] = field(default_factory=dict)
    same: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Shorthand:
    """A request's humane form.

    names     by the path of a field: the name of its option
    entries   by the name of an option that may be repeated: the list that each makes an entry of, and the entry's field
    patterns  by the name of an option that may be repeated: what one word of it stands for
    defaults  what a field is when it is not said, where the platform itself has no default
    beside    of such a field, the one without which its default does not count
    """

    names: Mapping[str, str] = field(default_factory=dict)
    entries: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    patterns: Mapping[str, Pattern] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)


_TRAFFIC = r"(?P<protocol>tcp|udp|icmp|any)(/(?P<port_min>\d+)(-(?P<port_max>\d+))?)?(@(?P<remote>.+))?"


def _traffic(direction: str, words: str) -> Pattern:
    return Pattern(
        "spec.rules", _TRAFFIC, "PROTOCOL[/PORT[-PORT]][@REMOTE]",
        f"{words}, as in tcp/22, tcp/8000-8080@10.0.0.0/8, icmp, any@self.",
        fixed={"direction": direction}, same={"port_max": "port_min"},
    )  # fmt: skip


_RULES = {"ingress": _traffic("ingress", "Let in"), "egress": _traffic("egress", "Let out")}

SHORTHANDS: Mapping[str, Shorthand] = {
    "CreateSecurityGroup": Shorthand(patterns=_RULES),
    "UpdateSecurityGroup": Shorthand(patterns=_RULES),
    "CreateVm": Shorthand(
        names={
            "spec.root_volume.image": "image",
            "spec.root_volume.size_gib": "size-gib",
            "spec.root_volume.volume": "root-volume",
        },
        entries={"network": ("spec.nics", "network"), "port": ("spec.nics", "port")},
        defaults={"spec.vcpus": 1, "spec.memory_mib": 512, "spec.root_volume.size_gib": 10},
        beside={"spec.root_volume.size_gib": "spec.root_volume.image"},
    ),
}
"""By the name of the request's schema."""
