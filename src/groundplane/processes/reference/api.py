"""The three OpenAPI documents as one: operations by group, kinds by name, and how pages link to each other."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from groundplane.processes.reference.schema import Schema, Teller

Document = Mapping[str, Any]
NAMESPACES = {"tenant": "For tenants", "ops": "For operators", "common": "For everybody"}
"""How a page that has routes of more than one namespace calls them."""


@dataclass(frozen=True)
class Operation:
    """One route and method."""

    namespace: str
    method: str
    path: str
    told: Mapping[str, Any]
    teller: Teller

    @property
    def tag(self) -> str:
        """The group that it is told in."""
        return str(self.told["tags"][0])

    @property
    def id(self) -> str:
        """Its stable name: `vm_create`."""
        return str(self.told["operationId"])

    @property
    def permission(self) -> str | None:
        """The permission that it needs; None where to be logged in is enough, or not even needed."""
        found = self.told.get("x-permission")
        return None if found in {None, "authenticated"} else str(found)

    @property
    def is_open(self) -> bool:
        """May it be asked by nobody in particular?"""
        return self.told.get("security") == []

    @property
    def body(self) -> Schema | None:
        """The schema of its body, where that is JSON."""
        return _json_schema(self.told.get("requestBody", {}))

    def answer(self, status: str) -> Schema | None:
        """The schema of what it answers with a status."""
        return _json_schema(self.told["responses"].get(status, {}))


@dataclass(frozen=True)
class Api:
    """All operations and kinds."""

    operations: tuple[Operation, ...]
    kinds: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, documents: Mapping[str, Document]) -> "Api":
        """Read the documents."""
        kinds = {kind["name"]: kind for document in documents.values() for kind in document["x-kinds"]}
        links = {name: f"[{_within_text(kind['title'])}](../resources/{kind['plural']}.md)" for name, kind in kinds.items()}
        operations: list[Operation] = []
        for namespace, document in documents.items():
            teller = Teller(document["components"]["schemas"], links)
            operations += [
                Operation(namespace, method.upper(), f"/api/{namespace}/v1{path}", told, teller)
                for path, methods in document["paths"].items()
                for method, told in methods.items()
            ]
        return cls(tuple(operations), kinds)

    @cached_property
    def permissions(self) -> Mapping[str, list[Operation]]:
        """Every permission that a route needs, and these routes."""
        found: dict[str, list[Operation]] = {}
        for operation in self.operations:
            if operation.permission:
                found.setdefault(operation.permission, []).append(operation)
        return dict(sorted(found.items()))

    def of_tag(self, tag: str) -> list[Operation]:
        """The operations of a group."""
        return [operation for operation in self.operations if operation.tag == tag]

    def kind_of_tag(self, tag: str) -> Mapping[str, Any] | None:
        """The kind whose routes a group has."""
        return next((kind for kind in self.kinds.values() if kind["plural"] == tag), None)

    def other_tags(self) -> list[str]:
        """The groups that are not those of a kind, in their order in the documents."""
        return list(dict.fromkeys(each.tag for each in self.operations if self.kind_of_tag(each.tag) is None))

    def sections(self, tag: str) -> Iterator[tuple[str, list[Operation]]]:
        """A group's operations by namespace."""
        for namespace, title in NAMESPACES.items():
            if found := [each for each in self.of_tag(tag) if each.namespace == namespace]:
                yield title, found


def _json_schema(content: Mapping[str, Any]) -> Schema | None:
    found: Schema | None = content.get("content", {}).get("application/json", {}).get("schema")
    return found


def _within_text(title: str) -> str:
    """A title as it stands in the middle of a sentence: `Network` as `network`, `SSH key` as it is."""
    return title if title[:2].isupper() else title[0].lower() + title[1:]
