"""Every method of a client, called with whatever its signature asks for, against answers made of the documents."""

import asyncio
import inspect
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from groundplane.sdk import AsyncClient, Client
from groundplane.sdk.calls import Answer, Call

Json = Mapping[str, Any]

DOCUMENTS = Path(__file__).parents[2] / "docs" / "openapi"
METHODS = ("get", "post", "put", "patch", "delete")
ODD = "a/../b c?d=ü#"
"""An id or name that leads elsewhere, unless it is quoted."""
MOMENT = datetime(2026, 11, 23, 12, tzinfo=UTC)
OVER = "SUCCEEDED"
"""The state of every job, so that none is waited for."""
DEEP = 5
"""How deep an example goes where something is made of its like."""
DRY_RUN = "#/components/schemas/DryRunView"


@dataclass(frozen=True)
class Documented:
    """An operation as its document has it."""

    method: str
    template: str
    body: Json
    document: Json

    @property
    def name(self) -> str:
        """What a failing test is called."""
        return f"{self.method} {self.template}"

    def parameters(self, where: str) -> set[str]:
        """The names of what stands there."""
        return {each["name"] for each in self.body.get("parameters", ()) if each["in"] == where}

    @property
    def media(self) -> set[str]:
        """What a success is answered with."""
        return {
            media for status, each in self.body["responses"].items() if status[0] == "2" for media in each.get("content", ())
        }

    @property
    def is_for_browsers(self) -> bool:
        """Redirects are followed by browsers, not called by programs."""
        return all(status[0] != "2" for status in self.body["responses"])

    @property
    def is_page(self) -> bool:
        """Whether it answers a list by pages."""
        return any(set(self.resolved(each).get("properties", ())) == {"items", "next"} for each in self.answers())

    def fields(self) -> set[str]:
        """What its body is made of."""
        content = self.body.get("requestBody", {}).get("content", {}).get("application/json")
        return set(self.resolved(content["schema"]).get("properties", ())) if content else set()

    def answers(self) -> list[Json]:
        """The schemas of a success, dry runs left out."""
        schemas = [
            content["schema"]
            for status, each in self.body["responses"].items()
            if status[0] == "2"
            for media, content in each.get("content", {}).items()
            if media == "application/json"
        ]
        return [shape for schema in schemas for shape in schema.get("anyOf", [schema]) if shape.get("$ref") != DRY_RUN]

    def resolved(self, schema: Json) -> Json:
        """A schema itself, where there was a reference to it."""
        while "$ref" in schema:
            schema = self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return schema

    def example(self, schema: Json, depth: int = 0) -> Any:
        """Something of that shape in which nothing is left out."""
        schema = self.resolved(schema)
        if "anyOf" in schema:
            return self.example(schema["anyOf"][0], depth)
        if "enum" in schema or "const" in schema:
            choices = schema.get("enum") or [schema["const"]]
            return OVER if OVER in choices else choices[0]
        if schema.get("type") == "array":
            return [self.example(schema["items"], depth + 1)] if depth < DEEP else []
        if schema.get("type") == "object":
            return self._object(schema, depth)
        if schema.get("type") == "string":
            return "2026-11-23T12:00:00Z" if schema.get("format") == "date-time" else "x"
        return {"integer": 1, "number": 1.5, "boolean": True, "null": None, None: "anything"}[schema.get("type")]

    def _object(self, schema: Json, depth: int) -> Json:
        if "properties" in schema:
            return {key: self.example(each, depth + 1) for key, each in schema["properties"].items()}
        more = schema.get("additionalProperties")
        return {"k": self.example(more, depth + 1) if isinstance(more, dict) and more else "anything"}


def documented() -> list[Documented]:
    """Every operation of every document."""
    found = []
    for path in sorted(DOCUMENTS.glob("*.json")):
        document = json.loads(path.read_text())
        for template, methods in document["paths"].items():
            for method in METHODS:
                if method in methods:
                    whole = f"{document['servers'][0]['url']}{template}"
                    found.append(Documented(method.upper(), whole, methods[method], document))
    return found


@dataclass
class Wire:
    """Stands where httpx stands: keeps what was sent, and answers by the documents."""

    operations: dict[tuple[str, str], Documented] = field(
        default_factory=lambda: {(each.method, _path(each.template)): each for each in documented()}
    )
    sent: list[Call] = field(default_factory=list)
    more_pages: int = 0

    def of(self, call: Call) -> Documented:
        """The one operation that a request is, each variable part of its path being ODD or a number."""
        return self.operations[call.method, _path(call.path)]

    def send(self, call: Call, token: str | None) -> Answer:
        """An answer in which nothing is left out; of lists, so many pages more."""
        del token
        self.sent.append(call)
        operation = self.of(call)
        if "text/plain" in operation.media:
            return Answer(200, {}, b"text", call.path)
        return Answer(200, {}, json.dumps(self._answer(operation, call)).encode(), call.path)

    def _answer(self, operation: Documented, call: Call) -> Any:
        if call.parameters.get("dry_run") == "true":
            return operation.example({"$ref": DRY_RUN})
        shapes = operation.answers()
        bulk = isinstance(call.json, dict) and "count" in call.json
        answer: Any = operation.example(shapes[-1 if bulk else 0]) if shapes else None
        if operation.is_page:
            answer["next"] = "more" if self.more_pages > 0 else None
            self.more_pages -= 1
        return answer


@dataclass
class AsyncWire(Wire):
    """As Wire, awaited."""

    async def send(self, call: Call, token: str | None) -> Answer:  # type: ignore[override]  # the same by another protocol
        """As Wire does."""
        return super().send(call, token)


@dataclass(frozen=True)
class Method:
    """A method of a client, and what calls it."""

    where: str
    function: Callable[..., Any]

    @property
    def is_trial(self) -> bool:
        """Whether it only tells what would be."""
        return ".dry_run." in self.where

    def call(self, scratch: Path) -> Any:
        """What it answers, all that can be said being said."""
        positional, named = arguments(self.function, scratch)
        answer = self.function(*positional, **named)
        if isinstance(answer, Iterator):
            return list(answer)
        if isinstance(answer, AsyncIterator):
            return asyncio.run(_taken(answer))
        return asyncio.run(answer) if inspect.iscoroutine(answer) else answer


async def _taken(answers: AsyncIterator[Any]) -> list[Any]:
    return [each async for each in answers]


def methods(client: Client | AsyncClient) -> dict[str, Method]:
    """Every method that is made of an operation, by where it is found."""
    scopes = {
        "common": client.common, "ops": client.ops, "tenant": client.tenant(ODD), "organization": client.organization(ODD),
    }  # fmt: skip
    found = {}
    for name, scope in scopes.items():
        groups = {name: scope} | {f"{name}.{group}": each for group, each in vars(scope).items() if hasattr(each, "_at")}
        groups |= {f"{path}.dry_run": each.dry_run for path, each in groups.items() if hasattr(each, "dry_run")}
        for path, group in groups.items():
            for verb, function in inspect.getmembers(group, inspect.ismethod):
                if not verb.startswith(("_", "follow_")) and verb != "events":
                    found[f"{path}.{verb}"] = Method(f"{path}.{verb}", function)
    return found


def arguments(function: Callable[..., Any], scratch: Path) -> tuple[list[Any], dict[str, Any]]:
    """Something for each parameter, told by its annotation."""
    positional, named = [], {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in {parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD}:
            value = _value(str(parameter.annotation), scratch)
            if parameter.kind is parameter.KEYWORD_ONLY:
                named[parameter.name] = value
            else:
                positional.append(value)
    return positional, named


def _value(annotation: str, scratch: Path) -> Any:
    kind = annotation.removesuffix(" | None")
    literal = re.match(r"""Literal\[["']([^"']+)""", kind)
    if literal:
        return literal[1]
    if kind == "Path":
        (scratch / "file").write_bytes(b"bytes")
        return scratch / "file"
    if kind in {"OnStep", "OnProgress"}:
        return None
    if kind.startswith("Sequence["):
        return ["x"]
    if kind.startswith(("Mapping[", "bodies.")):
        return {"a": "b"}
    return {"str": ODD, "int": 1, "float": 1.0, "bool": True, "datetime": MOMENT, "Selector": {"a": "b"}}[kind]


def _path(text: str) -> str:
    """A path in which what varies is told alike."""
    return re.sub(r"\{[^}]+\}", "*", "/".join("*" if part in {quote(ODD, safe=""), "1"} else part for part in text.split("/")))
