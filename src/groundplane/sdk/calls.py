"""The requests that change resources of one kind, as they are done and as they are tried. Sends nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from groundplane.sdk.records import Json
from groundplane.sdk.session import Call

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Calls:
    """A kind's collection at `path`. `ref` is a resource's id or name."""

    path: str

    def create(self, name: str, spec: Json | None, labels: Labels | None) -> Call:
        """Make one."""
        return Call("POST", self.path, json=_wish(name, spec, labels))

    def create_many(self, name: str, count: int, spec: Json | None, labels: Labels | None) -> Call:
        """Make many that differ in their number."""
        return Call("POST", self.path, json={**_wish(name, spec, labels), "count": count})

    def update(self, ref: str, name: str | None, labels: Labels | None, spec: Json | None) -> Call:
        """Change what is given."""
        wishes: dict[str, Any] = {"name": name, "labels": None if labels is None else dict(labels), "spec": spec}
        return Call("PATCH", self.item(ref), json={key: value for key, value in wishes.items() if value is not None})

    def delete(self, ref: str) -> Call:
        """Want it gone."""
        return Call("DELETE", self.item(ref))

    def act(self, ref: str, verb: str) -> Call:
        """Do what the kind has a verb for."""
        return Call("POST", f"{self.item(ref)}/{quote(verb, safe='')}")

    def item(self, ref: str) -> str:
        """Where one of them lies."""
        return f"{self.path}/{quote(ref, safe='')}"


def _wish(name: str, spec: Json | None, labels: Labels | None) -> dict[str, Any]:
    return {"name": name, "labels": dict(labels or {}), **({"spec": spec} if spec is not None else {})}
