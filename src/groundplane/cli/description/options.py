"""What a command takes, made from the parameters and the body of its operation."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from groundplane.cli.description.naming import Json, Paths, singular
from groundplane.cli.description.shorthands import SHORTHANDS, Shorthand
from groundplane.cli.table import Field

SECRETS = frozenset({"password", "new_password", "token", "challenge", "refresh_token"})
LONG = 4096
"""From so many characters on, a text may be read from a file."""
ELSEWHERE = frozenset({"dry_run", "limit", "cursor", "wait", "seen"})
"""Parameters that commands say in a way of their own."""
ALIASES = {"actor": "user", "member": "user", "service_account": "service-account"}
_PLAIN = {"integer": "int", "number": "number", "boolean": "bool", "string": "text"}


@dataclass(frozen=True)
class Collections:
    """By noun: the filter by which a name of it is looked up, empty where its list has none."""

    filters: Mapping[str, str]
    namespace: str = ""

    def refers(self, field: Field, noun: str) -> Field:
        """The field, saying what it names, and whether the API knows that by its id alone."""
        if field.key.split(".")[-1] in {"uses", "resource"} and "its id" in field.help:
            return replace(field, kind="*", help=field.help.replace("(its id)", "(KIND/NAME, or its id)"))
        noun = ALIASES.get(noun, noun).replace("_", "-")
        if self.namespace == "ops" and f"ops {noun}" in self.filters:
            noun = f"ops {noun}"
        if noun not in self.filters or field.type != "text":
            return field
        wants_id = field.where == "path" or field.key.endswith("_id") or "its id" in field.help or "'s id." in field.help
        if not wants_id or "name" in field.help.lower():
            return replace(field, kind=noun)
        return replace(field, kind=noun, by=self.filters[noun], help=field.help.replace("(its id)", "(its name or id)"))


def parameters(operation: Json, path: str, noun: str, scope: frozenset[str], collections: Collections) -> Iterator[Field]:
    """The fields of path and query. `scope`: path parameters that the context says; `noun`: what the command is about."""
    for each in operation.get("parameters", ()):
        name, schema = each["name"], _plain(each["schema"])
        if each["in"] == "path" and name not in scope:
            yield _of_path(name, _words(each, schema), path, noun, collections)
        elif each["in"] == "query" and name not in ELSEWHERE:
            yield _of_query(each, schema, collections)


def _of_path(name: str, words: str, path: str, noun: str, collections: Collections) -> Field:
    before, _, after = path.partition(f"/{{{name}}}")
    label = singular(before.rpartition("/")[2]) if name == "reference" else name.removesuffix("_id").replace("_", "-")
    field = Field(label, "path", name, positional=True, required=True, help=words)
    if name == "reference":
        return replace(collections.refers(replace(field, help="Its name or id."), label), by="")
    return collections.refers(field, label if after or label in collections.filters else noun)


def _of_query(each: Json, schema: Json, collections: Collections) -> Field:
    name = each["name"].replace("_", "-").removesuffix("-id")
    field = Field(
        name, "query", each["name"], _type(each["name"], schema), _words(each, schema),
        required=each.get("required", False), choices=_choices(schema), many=name == "label",
        positional=each.get("required", False),
    )  # fmt: skip
    if name == "labels":
        return replace(field, name="label", type="labels", many=True)
    return collections.refers(field, each["name"].removesuffix("_id"))


def body_fields(paths: Paths, operation: Json, collections: Collections) -> tuple[list[Field], bool]:
    """The fields of a JSON body, and whether it has a `spec`."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return [], False
    schema = content["schema"]
    shorthand = SHORTHANDS.get(str(schema.get("$ref", "")).rpartition("/")[2], Shorthand())
    found = [_humane(field, shorthand) for field in _flat(paths, schema, "", "", required=True)]
    found += [*_entries(found, shorthand), *_words_for_entries(found, shorthand)]
    found = [
        collections.refers(field, field.kind or singular(_last(field.key).removesuffix("_id").replace("_", "-")))
        for field in found
    ]
    for index, field in enumerate(found):
        if field.required and "." not in field.key and field.type == "text":
            found[index] = replace(field, positional=True)
            break
    has_spec = "spec" in paths.resolved(schema).get("properties", {})
    return found, has_spec


def _humane(field: Field, shorthand: Shorthand) -> Field:
    name = shorthand.names.get(field.key, field.name)
    if field.key in shorthand.defaults:
        beside = shorthand.beside.get(field.key, "")
        return replace(field, name=name, default=shorthand.defaults[field.key], beside=beside, required=False)
    return replace(field, name=name)


def _entries(fields: list[Field], shorthand: Shorthand) -> Iterator[Field]:
    known = {field.key: field for field in fields}
    for name, (path, part) in shorthand.entries.items():
        entry = known[path]
        words = f"One more of {_last(path)}, with this {part} (name or id); what else it has is said by --{entry.name}."
        yield Field(name, "body", f"{path}[].{part}", help=words, many=True)


def _words_for_entries(fields: list[Field], shorthand: Shorthand) -> Iterator[Field]:
    known = {field.key: field for field in fields}
    for name, pattern in shorthand.patterns.items():
        said = {"regex": pattern.regex, "shown": pattern.shown, "fixed": pattern.fixed, "same": pattern.same}
        parts = known[pattern.list].parts
        yield Field(name, "body", pattern.list, "word", pattern.help, many=True, parts=parts, pattern=said)


def _flat(paths: Paths, schema: Json, prefix: str, option: str, *, required: bool) -> Iterator[Field]:
    """The fields of an object and of the objects in it. `option` is how the options of nested ones begin."""
    for name, given, needed in _properties(paths, schema):
        key = f"{prefix}{name}"
        shape, nullable = _present(paths, given)
        must = required and needed
        if _is_object(shape):
            deeper = "" if key == "spec" else f"{option}{name.replace('_', '-')}-"
            yield from _flat(paths, shape, f"{key}.", deeper, required=must)
        else:
            yield _field(paths, key, option + name.replace("_", "-"), shape, _words(given, shape), must=must, nullable=nullable)


def _field(paths: Paths, key: str, option: str, shape: Json, words: str, *, must: bool, nullable: bool) -> Field:
    name = _last(key)
    if "additionalProperties" in shape and shape.get("type") == "object":
        label = name == "labels"
        words = words or ("A label; at a change, those that are said replace all." if label else "key=value")
        return Field("label" if label else option, "body", key, "labels", words, many=True)
    if shape.get("type") == "array":
        item, _ = _present(paths, shape["items"])
        field = Field(singular(option), "body", key, help=words or _words(item, item), required=must, many=True)
        field = replace(field, kind=str(item.get("x-kind", "")), choices=_choices(item))
        if _is_object(item):
            parts = {part: _type_of_part(*_present(paths, given)) for part, given, _ in _properties(paths, item)}
            return replace(field, type="entry", parts=parts, help=words or str(item.get("description", "")))
        return replace(field, type=_type(name, item))
    option = option.removesuffix("-id")
    kind = type_ = _type(name, shape)
    kind = str(shape.get("x-kind", ""))
    return Field(
        option, "body", key, type_, words, required=must, choices=_choices(shape), kind=kind,
        nullable=nullable and type_ in {"int", "number", "time"}, file=shape.get("maxLength", 0) >= LONG or type_ == "secret",
    )  # fmt: skip


def _type_of_part(shape: Json, _: bool) -> str:
    return f"{_type('', shape['items'])}s" if shape.get("type") == "array" else _type("", shape)


def _properties(paths: Paths, schema: Json) -> Iterator[tuple[str, Json, bool]]:
    """Name, schema and whether it must be said; of a choice between objects all fields, none of which must."""
    schema = paths.resolved(schema)
    shapes = [paths.resolved(each) for each in schema.get("anyOf", [])] or [schema]
    for shape in shapes:
        for name, given in shape.get("properties", {}).items():
            yield name, given, len(shapes) == 1 and name in shape.get("required", ())


def _present(paths: Paths, schema: Json) -> tuple[Json, bool]:
    """What a value is when it is not null, and whether it may be null."""
    resolved = paths.resolved(schema)
    some = [each for each in resolved.get("anyOf", []) if each.get("type") != "null"]
    if not some:
        return {**resolved, **{key: value for key, value in schema.items() if key.startswith("x-")}}, False
    found = paths.resolved(some[0]) if len(some) == 1 else (resolved if _is_object(paths.resolved(some[0])) else some[-1])
    marks = {key: value for key, value in schema.items() if key.startswith("x-")}
    return {**found, **marks}, len(some) < len(resolved["anyOf"])


def _is_object(shape: Json) -> bool:
    return bool(shape.get("properties")) or any("$ref" in each for each in shape.get("anyOf", ()))


def _plain(schema: Json) -> Json:
    """A parameter's schema, without its null."""
    return next((each for each in schema.get("anyOf", ()) if each.get("type") != "null"), schema)


def _type(name: str, schema: Json) -> str:
    if name in SECRETS or schema.get("format") == "password" or schema.get("writeOnly"):
        return "secret"
    if schema.get("format") == "date-time":
        return "time"
    return _PLAIN.get(str(schema.get("type", "string" if "const" in schema or "enum" in schema else "")), "json")


def _choices(schema: Json) -> tuple[str, ...]:
    if "enum" in schema:
        return tuple(map(str, schema["enum"]))
    pattern = str(schema.get("pattern", ""))
    words = pattern.removeprefix("^(").removesuffix(")$").split("|")
    return tuple(words) if len(words) > 1 and all(word.replace("_", "").isalpha() for word in words) else ()


def _words(given: Json, shape: Json) -> str:
    words: Any = given.get("description") or shape.get("description") or given.get("schema", {}).get("description") or ""
    return " ".join(str(words).split())


def _last(key: str) -> str:
    return key.replace("[]", "").rpartition(".")[2]
