"""What people type instead of a nested field, for each request. Everything else has options by itself, or `--set`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Shorthand:
    """A request's humane form.

    names     by the path of a field: the name of its option
    entries   by the name of an option that may be repeated: the list that each makes an entry of, and the entry's field
    defaults  what a field is when it is not said, where the platform itself has no default
    beside    of such a field, the one without which its default does not count
    """

    names: Mapping[str, str] = field(default_factory=dict)
    entries: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)


SHORTHANDS: Mapping[str, Shorthand] = {
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
