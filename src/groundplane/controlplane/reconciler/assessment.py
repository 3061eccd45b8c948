"""Decides what it means that an engine holds something else than what is wanted. Pure: writes nothing, asks nobody."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from groundplane.controlplane.compute.vm import VM
from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.resource import Resource
from groundplane.controlplane.storage.volume import VOLUME

Decision = Literal["correct", "alert"]
Fields = Mapping[str, Mapping[str, Any]]
"""Both sides, field by field: {field: {wanted, observed}}."""

GUEST_POWERED_OFF = "the guest powered itself off"


@dataclass(frozen=True)
class Difference:
    """A resource is not as it should be."""

    difference: Literal["missing", "modified", "wrong_state"]
    fields: Fields
    decision: Decision


@dataclass(frozen=True)
class Wish:
    """What was seen is what somebody inside wants: the spec follows."""

    spec: Mapping[str, Any]
    reason: str


def assess(kind: Kind, resource: Resource, seen: Mapping[str, Any] | None) -> Difference | Wish | None:
    """Compare a resource that nobody is changing with what an engine holds of it (None: nothing)."""
    if resource.wanted == "absent":
        return _still_to_go(resource, seen)
    if seen is None:
        fields = {"presence": _sides("present", "absent")}
        return Difference("missing", fields, "alert" if _lost_data(resource) else "correct")
    differing = kind.differs(kind.spec.model_validate(resource.spec), seen)
    if kind.name == VM.name and "power" in differing and _guest_stopped(seen):
        return Wish({**resource.spec, "power": "stopped"}, GUEST_POWERED_OFF)
    if differing:
        fields = {name: _sides(wanted, observed) for name, (wanted, observed) in differing.items()}
        return Difference("wrong_state" if "power" in fields else "modified", fields, "correct")
    if resource.status == "error":
        # The last job failed. What it was to do cannot always be seen from outside, so it is done again.
        return Difference("wrong_state", {"status": _sides("active", "error")}, "correct")
    return None


def _still_to_go(resource: Resource, seen: Mapping[str, Any] | None) -> Difference:
    """A deletion that failed. That a look found nothing is no tombstone, so it is removed again before claims are freed."""
    if seen is None:
        return Difference("wrong_state", {"status": _sides("deleted", resource.status)}, "correct")
    return Difference("wrong_state", {"presence": _sides("absent", "present")}, "correct")


def _guest_stopped(seen: Mapping[str, Any]) -> bool:
    return seen.get("power") == "stopped" and seen.get("stopped_by") == "guest"


def _lost_data(resource: Resource) -> bool:
    """A volume that once was there: making it anew would put an empty disk in the place of lost data."""
    return resource.kind == VOLUME.name and resource.observed_generation > 0


def _sides(wanted: object, observed: object) -> Mapping[str, Any]:
    return {"wanted": wanted, "observed": observed}
