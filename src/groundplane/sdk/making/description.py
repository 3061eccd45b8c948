"""The OpenAPI documents of the three namespaces, as the generator asks about them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]

METHODS = ("get", "post", "put", "patch", "delete")
DRY_RUN = "DryRunView"


@dataclass(frozen=True)
class Document:
    """One namespace: common, tenant or ops."""

    namespace: str
    body: Json

    @property
    def prefix(self) -> str:
        """What every path of it begins with."""
        url: str = self.body["servers"][0]["url"]
        return url

    @property
    def schemas(self) -> Json:
        """Its schemas by name."""
        schemas: Json = self.body["components"]["schemas"]
        return schemas

    def operations(self) -> Iterator[tuple[str, str, Json]]:
        """Path, method and what is said of it, in the document's order."""
        for path, methods in self.body["paths"].items():
            for method in METHODS:
                if method in methods:
                    yield path, method, methods[method]

    def resolved(self, schema: Json) -> Json:
        """A schema itself, where there was a reference to it."""
        while "$ref" in schema:
            schema = self.schemas[referred(schema)]
        return schema

    def is_resource(self, schema: Json) -> bool:
        """Whether it is a kind's own shape."""
        return {"spec", "observed", "job", "revision", "wanted"} <= set(self.resolved(schema).get("properties", ()))

    def is_page(self, schema: Json) -> bool:
        """Whether it is one page of a list."""
        return set(self.resolved(schema).get("properties", ())) == {"items", "next"}


def referred(schema: Json) -> str:
    """The name behind a reference; empty when it is none."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


def answers(operation: Json) -> list[tuple[str, Json]]:
    """Media types and schemas of what a success may be answered with, dry runs left out; each once."""
    found: list[tuple[str, Json]] = []
    for status, response in operation["responses"].items():
        for media, content in response.get("content", {}).items() if status.startswith("2") else ():
            schema = content.get("schema", {})
            for each in schema.get("anyOf", [schema]):
                if referred(each) != DRY_RUN and (media, each) not in found:
                    found.append((media, each))
    return found


def body_of(operation: Json) -> tuple[str, Json] | None:
    """Media type and schema of what is sent along."""
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        return media, content["schema"]
    return None


def parameters(operation: Json, where: str) -> dict[str, Json]:
    """What stands in the path, the query or the headers, by name."""
    return {each["name"]: each for each in operation.get("parameters", ()) if each["in"] == where}
