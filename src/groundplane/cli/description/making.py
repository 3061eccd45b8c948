"""The command table, made of the three OpenAPI documents."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, replace
from typing import Any

from groundplane.cli.description.columns import COLUMNS
from groundplane.cli.description.naming import AMONG, BY_HAND, METHODS, Json, Paths, answer_schema
from groundplane.cli.description.options import Collections, body_fields, parameters
from groundplane.cli.table import Column, Command, Field

NAMESPACES = ("tenant", "common", "ops")
SCOPES = {"{project_id}": "project", "{organization_id}": "organization"}
DESTRUCTIVE = frozenset({"delete", "delete-all", "delete-others", "destroy", "remove", "disable", "revoke"})
"""Verbs that ask before they do it."""
NEVER_COLUMNS = frozenset({"labels", "spec", "observed", "job"})
SENTENCES = {
    "": "", "ops": "What operators see and do.", "me": "You: your roles, sessions, keys and second factor.",
    "access": "May somebody do something?", "device": "Programs that wait to be let in as you.",
    "platform": "Roles on the whole platform.", "permission": "What roles are made of.",
    "drift": "What is not as it should be.", "quota": "How much a project uses and may use.",
    "search": "Find anything.", "topology": "What uses what.", "job": "Attempts at what is wanted, with their steps.",
    "ops system": "How the platform itself is.", "ops quota-default": "Limits where none are set.",
}  # fmt: skip


def make_table(documents: Mapping[str, Json]) -> str:
    """The table as it is committed: JSON, one command a line. `documents` by namespace."""
    commands = sorted(_commands(documents), key=lambda each: (each.noun.startswith("ops"), each.noun, _rank(each.verb)))
    nouns = {noun: _sentence(noun, documents) for noun in _all_nouns(commands)}
    lines = ",\n".join(json.dumps(_said(each), ensure_ascii=False, separators=(",", ":")) for each in commands)
    return f'{{"nouns":{json.dumps(nouns, ensure_ascii=False, indent=0)},\n"commands":[\n{lines}\n]}}\n'


def _rank(verb: str) -> tuple[int, str]:
    usual = ("create", "list", "show", "set", "update", "delete")
    return (usual.index(verb) if verb in usual else len(usual), verb)


def _all_nouns(commands: list[Command]) -> list[str]:
    found: dict[str, None] = {}
    for command in commands:
        words = command.noun.split()
        for length in range(1, len(words) + 1):
            found[" ".join(words[:length])] = None
    return list(found)


def _commands(documents: Mapping[str, Json]) -> Iterator[Command]:
    views = [(name, Paths(name, documents[name], _singulars(documents[name]))) for name in NAMESPACES]
    filters = dict(found for _, paths in views for found in _filters(paths))
    for name, paths in views:
        collections = Collections(filters, name)
        for path, methods in documents[name]["paths"].items():
            for method in METHODS:
                if method in methods and f"{name} {methods[method]['operationId']}" not in BY_HAND:
                    yield _command(paths, path, method, collections)


def _singulars(document: Json) -> dict[str, str]:
    """By the segment of a kind's collection: its noun."""
    return {each["plural"].replace("_", "-"): each["name"].replace("_", "-") for each in document.get("x-kinds", ())}


def _filters(paths: Paths) -> Iterator[tuple[str, str]]:
    """The nouns that have a list, each with the filter by which a name is looked up (empty: none)."""
    for path, methods in paths.document["paths"].items():
        operation = methods.get("get")
        if operation is None or f"{paths.namespace} {operation['operationId']}" in BY_HAND:
            continue
        noun, _, verb = paths.name(path, "get").rpartition(" ")
        if verb == "list" and paths.page_item(operation) is not None:
            named = [each["name"] for each in operation.get("parameters", ())]
            yield noun, next((name for name in ("email", "name") if name in named), "")


def _command(paths: Paths, path: str, method: str, collections: Collections) -> Command:
    operation = paths.document["paths"][path][method]
    noun, _, verb = paths.name(path, method).rpartition(" ")
    scope, given = _scope(path)
    taken = list(parameters(operation, path, noun, given, collections))
    among = AMONG.get(f"{paths.namespace} {operation['operationId']}")
    if among is not None:
        taken = [replace(field, by="name", among=among) if field.kind == noun else field for field in taken]
    body, has_spec = body_fields(paths, operation, collections)
    if method == "post":  # what is new and not said has no limit anyway
        body = [replace(field, nullable=False) for field in body]
    item = paths.page_item(operation) or _item(paths, operation)
    return Command(
        noun=noun,
        verb=verb,
        operation=f"{paths.namespace} {operation['operationId']}",
        method=method.upper(),
        path=f"{paths.document['servers'][0]['url']}{path}",
        summary=_summary(operation, noun, verb),
        description=str(operation.get("description", "")),
        scope=scope,
        answer=_answer(paths, operation),
        traits=frozenset(_traits(paths, operation, verb, has_spec=has_spec)),
        fields=tuple(_apart([*taken, *body])),
        columns=tuple(_columns(paths, item)),
    )


def _scope(path: str) -> tuple[str, frozenset[str]]:
    """What of a path the context says: the innermost, and the parameters of all."""
    parts = path.split("/")
    held = [part for part in parts if part in SCOPES]
    if not held:
        return "", frozenset()
    return SCOPES[held[-1]] if "{project_id}" not in held else "project", frozenset(part.strip("{}") for part in held)


def _traits(paths: Paths, operation: Json, verb: str, *, has_spec: bool) -> Iterator[str]:
    named = {each["name"] for each in operation.get("parameters", ())}
    marks = {"dry_run": "dry_run", "Idempotency-Key": "key", "If-Match": "etag", "offset": "offset"}
    yield from (trait for name, trait in marks.items() if name in named)
    bodies = operation.get("requestBody", {}).get("content", {})
    answers = operation["responses"].get("200", {}).get("content", {})
    shape = paths.resolved(answer_schema(operation))
    is_list = paths.page_item(operation) is not None
    found = {
        "pages": is_list and "cursor" in named,
        "only_page": is_list and "cursor" not in named,
        "limit": "limit" in named and "cursor" not in named,
        "job": "202" in operation["responses"],
        "body": "application/json" in bodies,
        "spec": has_spec,
        "upload": "application/octet-stream" in bodies,
        "text": "text/plain" in answers,
        "confirm": verb in DESTRUCTIVE,
        "rows": shape.get("type") == "array",
    }
    yield from (trait for trait, so in found.items() if so)


def _apart(found: list[Field]) -> Iterator[Field]:
    """Fields whose options would be the same are told apart by where they are."""
    seen: set[str] = set()
    for field in found:
        if not field.positional and field.name in seen:
            continue
        seen.add(field.name)
        yield field


def _item(paths: Paths, operation: Json) -> Json:
    """The schema of what an answer is, or of each entry of a list without pages."""
    shape = paths.resolved(answer_schema(operation))
    return paths.resolved(shape["items"]) if shape.get("type") == "array" else shape


def _answer(paths: Paths, operation: Json) -> str:
    shape = paths.page_item(operation) or _item(paths, operation)
    return str(shape.get("title", ""))


def _columns(paths: Paths, item: Json) -> Iterator[Column]:
    properties = item.get("properties", {})
    if {"spec", "status", "labels"} <= set(properties):
        yield from _kind_columns(paths, item)
        return
    chosen = COLUMNS.get(str(item.get("title", "")))
    plain = [name for name, schema in properties.items() if _column_type(name, schema) and name not in NEVER_COLUMNS]
    usual = [name for name in (chosen or plain[:6]) if name in properties]
    for name in (*usual, *(name for name in plain if name not in usual)):
        kind = _column_type(name, properties[name]) or "text"
        yield Column(_title(name), name, kind, wide=name not in usual)


def _kind_columns(paths: Paths, item: Json) -> Iterator[Column]:
    kinds = {each["name"]: each for each in paths.document.get("x-kinds", ())}
    name = next((each for each in kinds if each.replace("_", "") == str(item["title"]).lower()), None)
    yield Column("NAME", "name")
    yield Column("STATUS", "status")
    for column in kinds[name].get("columns", ()) if name else ():
        unit = f" ({column['unit']})" if column.get("unit") else ""
        yield Column(f"{column['title'].upper()}{unit}", column["path"])
    yield Column("LABELS", "labels", "labels", wide=True)
    yield Column("AGE", "created_at", "age")
    yield Column("ID", "id", wide=True)


def _column_type(name: str, schema: Json) -> str:
    """How a field is shown in a table; empty for what is no plain value."""
    shape: Any = next((each for each in schema.get("anyOf", ()) if each.get("type") != "null"), schema)
    if shape.get("format") == "date-time":
        return "age" if name in {"created_at", "added_at"} else "time"
    if shape.get("type") == "array" and shape.get("items", {}).get("type") == "string":
        return "list"
    return "text" if shape.get("type") in {"string", "integer", "number", "boolean"} else ""


def _title(name: str) -> str:
    if name in {"created_at", "added_at"}:
        return "AGE"
    return name.removesuffix("_at").replace("_id", "").replace("_", " ").upper() if name != "id" else "ID"


def _summary(operation: Json, noun: str, verb: str) -> str:
    """The operation's summary; the first sentence of its description where the summary only repeats a function's name."""
    said = str(operation.get("summary", ""))
    described = " ".join(str(operation.get("description", "")).split())
    generated = said == said.title() and described
    text = described.partition(". ")[0] if generated else said
    return text.rstrip(".") or f"{verb} {noun}"


def _sentence(noun: str, documents: Mapping[str, Json]) -> str:
    if noun in SENTENCES:
        return SENTENCES[noun]
    name = noun.removeprefix("ops ").replace("-", "_")
    for document in documents.values():
        for kind in document.get("x-kinds", ()):
            if kind["name"] == name:
                return str(kind.get("summary") or kind["title_plural"])
    words = noun.removeprefix("ops ").replace("-", " ")
    plural = f"{words[:-1]}ies" if words.endswith("y") and words[-2] not in "aeo" else f"{words}s"
    return f"{plural[0].upper()}{plural[1:]}."


def _said(value: Any) -> dict[str, Any]:
    """A dataclass as JSON, without what is as usual."""
    said: dict[str, Any] = {}
    for field in fields(value):
        given = getattr(value, field.name)
        if field.default is not MISSING and given == field.default:
            continue
        if field.name in {"fields", "columns"}:
            given = [_said(each) for each in given]
        elif isinstance(given, frozenset):
            given = sorted(given)
        said[field.name] = list(given) if isinstance(given, tuple) else given
    return said
