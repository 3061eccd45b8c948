"""The generated modules, as text, and the files that they are kept in."""

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path

from groundplane.sdk.making.clients import Flavour, class_lines
from groundplane.sdk.making.description import Document, Json
from groundplane.sdk.making.naming import Names
from groundplane.sdk.making.operations import Operation, Reader
from groundplane.sdk.making.shapes import Shapes, body_lines, record_lines

SDK = Path(__file__).parents[1]

_BANNER = "Made from docs/openapi by `groundplane openapi`: do not edit."


def make_modules(told: Mapping[str, Json]) -> dict[str, str]:
    """The generated files of the folder SDK by their names, made of the OpenAPI documents by namespace."""
    documents = [Document(namespace, body) for namespace, body in told.items()]
    shapes = Shapes(documents)
    operations = [each for document in documents for each in Reader(document, shapes, Names(document)).all()]
    for document in documents:
        shapes.answered(document, {"$ref": "#/components/schemas/DryRunView"})
    prefixes = {document.namespace: document.prefix for document in documents}
    prefixes["organization"] = prefixes["common"]
    texts = {
        "records.py": _module("What the platform answers.", _RECORDS, record_lines(shapes.records)),
        "bodies.py": _module("What the platform is sent. Imported by type checkers alone.", [], body_lines(shapes.bodies)),
        "blocking.py": _client(operations, prefixes, Flavour(asynchronous=False)),
        "asynchronous.py": _client(operations, prefixes, Flavour(asynchronous=True)),
    }
    for text in texts.values():
        ast.parse(text)
    return texts


def _client(operations: list[Operation], prefixes: dict[str, str], flavour: Flavour) -> str:
    about = "Every operation, awaited." if flavour.asynchronous else "Every operation, for threads."
    session = f"from groundplane.sdk.{'async_' if flavour.asynchronous else ''}session import {flavour.session}"
    typing = sorted((*_TYPES_OF_CLIENTS, session))
    imports = [*_CLIENTS, "", "if TYPE_CHECKING:", *(f"    {each}" for each in typing)]
    return _module(about, imports, class_lines(operations, prefixes, flavour))


_CLIENTS = (
    "from groundplane.sdk import events, growing, jobs, paging, records, uploads",
    "from groundplane.sdk.calls import Call, given, quoted, selector",
    "from groundplane.sdk.jobs import WAIT_SECONDS",
)
_TYPES_OF_CLIENTS = (
    "from groundplane.sdk import bodies",
    "from groundplane.sdk.calls import Selector",
    "from groundplane.sdk.events import Event",
    "from groundplane.sdk.jobs import Conditional, OnStep, Sent, Waited",
    "from groundplane.sdk.uploads import OnProgress",
)
_RECORDS = (
    "from groundplane.sdk.record import Record",
    "",
    "if TYPE_CHECKING:",
    "    from typing import Literal",
    "else:",
    "    from groundplane.sdk.record import AnyText as Literal",
)
_NAMES = {
    "collections.abc": ("AsyncGenerator", "Iterator", "Mapping", "Sequence"),
    "datetime": ("datetime",),
    "pathlib": ("Path",),
    "typing": ("TYPE_CHECKING", "Any", "Literal", "NotRequired", "TypedDict", "Unpack"),
}
"""What the modules may need of the standard library."""


def _module(about: str, imports: Iterable[str], lines: Iterable[str]) -> str:
    body = "\n".join(lines).rstrip() + "\n"
    used = _used(body)
    imports = [kept for line in imports if (kept := _needed(line, used)) or not line]
    whole = _used("\n".join((*imports, body)))
    taken = {each.rpartition(" ")[2] for each in imports}
    standard = [_needed(f"from {module} import {', '.join(names)}", whole - taken) for module, names in _NAMES.items()]
    fields = ["from msgspec import field"] if " = field(" in body else []
    blocks = (["from __future__ import annotations"], list(filter(None, standard)), fields, imports)
    return f'"""{about} {_BANNER}"""\n\n' + "\n\n".join("\n".join(each) for each in blocks if each) + "\n\n\n" + body


def _needed(line: str, used: set[str]) -> str:
    """An import of what is used only; other lines as they are, empty ones too."""
    head, imports, names = line.partition(" import ")
    found = [each for each in names.split(", ") if each.rpartition(" ")[2] in used]
    return f"{head}{imports}{', '.join(found)}" if found or not imports else ""


def _used(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
