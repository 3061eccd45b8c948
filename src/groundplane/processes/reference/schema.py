"""A JSON schema told to people: the fields, their types and limits, which must be given."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from groundplane.controlplane.resources.fields import NAME_PATTERN
from groundplane.kernel.settings import RATE_PATTERN
from groundplane.processes.reference.markdown import code, table

Schema = Mapping[str, Any]
_CHOICES = re.compile(r"\^\((\w+(?:\|\w+)*)\)\$")
_READABLE = 40
"""A longer pattern says nothing to people: the field's description must."""
_ANYTHING = r"^[^\x00]*$"
_SHAPES = {
    NAME_PATTERN: "name: at most 63 lower-case letters, digits and hyphens",
    RATE_PATTERN: "a limit, such as `100/minute`; empty: none",
}
_FORMATS = {"date-time": "time (RFC 3339)", "date": "date", "uuid": "UUID", "binary": "bytes", "uri": "URL"}


@dataclass(frozen=True)
class Teller:
    """Tells the schemas of one OpenAPI document. `kinds` has, by name, how a page links to each kind."""

    components: Mapping[str, Schema]
    kinds: Mapping[str, str]

    def resolve(self, schema: Schema) -> Schema:
        """The schema itself, where it only refers to another; what is said at the reference stays."""
        while "$ref" in schema:
            said = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**self.components[schema["$ref"].rpartition("/")[2]], **said}
        return schema

    def fields(self, schema: Schema, *, answer: bool) -> str:
        """The table of an object's fields, those of objects within it too. An answer has no defaults."""
        rows = self._rows(schema, "", (), answer=answer)
        return table(("Field", "Type", "Meaning") if answer else ("Field", "Type", "Default", "Meaning"), rows)

    def _rows(self, schema: Schema, at: str, within: tuple[str, ...], *, answer: bool) -> Iterator[list[str]]:
        schema = self.resolve(schema)
        for name, field in schema.get("properties", {}).items():
            path = f"{at}.{name}" if at else name
            need = [] if answer else [_need(name, field, schema)]
            yield [code(path), self.type_of(field), *need, str(self.resolve(field).get("description") or _within(field))]
            inner, mark = self._inner(field)
            title = str(inner.get("title", ""))
            if inner.get("properties") and title not in within:
                yield from self._rows(inner, path + mark, (*within, title), answer=answer)

    def _inner(self, schema: Schema) -> tuple[Schema, str]:
        """What one value is when a field may be null, or has many; and how its path shows that."""
        schema = self.resolve(schema)
        others = _not_null(schema)
        if len(others) == 1:
            return self._inner(others[0])
        if schema.get("type") == "array":
            inner, mark = self._inner(schema.get("items", {}))
            return inner, f"[]{mark}"
        if isinstance(schema.get("additionalProperties"), Mapping) and schema["additionalProperties"]:
            inner, mark = self._inner(schema["additionalProperties"])
            return inner, f".*{mark}"
        return schema, ""

    def type_of(self, schema: Schema) -> str:
        """The type with its limits, in words."""
        schema = self.resolve(schema)
        if "anyOf" in schema or "oneOf" in schema:
            return " or ".join(dict.fromkeys(self.type_of(each) for each in schema.get("anyOf", schema.get("oneOf", ()))))
        if "const" in schema:
            return code(str(schema["const"]))
        if "enum" in schema:
            return _choice(list(map(str, schema["enum"])))
        if schema.get("type") == "array":
            return f"list{_bounds(schema, 'minItems', 'maxItems', '')} of: {self.type_of(schema.get('items', {}))}"
        if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), Mapping):
            return f"map of text to: {self.type_of(schema['additionalProperties'])}"
        return self._simple(schema)

    def _simple(self, schema: Schema) -> str:
        if kind := schema.get("x-kind"):
            return (
                f"name or id of: {self.kinds[kind]}"
                if "name" in schema.get("description", "")
                else f"id of: {self.kinds[kind]}"
            )
        match schema.get("type"):
            case "string":
                return _text(schema)
            case "integer" | "number" as number:
                return str(number) + _bounds(schema, "minimum", "maximum", "") + _beyond(schema)
            case None:
                return "any JSON"
            case other:
                return str(other)


def _text(schema: Schema) -> str:
    if found := _CHOICES.fullmatch(schema.get("pattern", "")):
        return _choice(found.group(1).split("|"))
    length = _bounds(schema, "minLength", "maxLength", " characters")
    shape = schema.get("pattern", _ANYTHING)
    if shape in _SHAPES:
        return _SHAPES[shape]
    pattern = f", as {code(shape)}" if shape != _ANYTHING and len(shape) < _READABLE else ""
    return _FORMATS.get(schema.get("format", ""), "text") + length + pattern


def _choice(values: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(map(code, values[:-1])), code(values[-1])]))


def _bounds(schema: Schema, least: str, most: str, unit: str) -> str:
    low, high = schema.get(least), schema.get(most)
    if low is not None and high is not None:
        return f", {_number(low)}{unit}" if low == high else f", {_number(low)} to {_number(high)}{unit}"
    if high is not None:
        return f", at most {_number(high)}{unit}"
    return f", at least {_number(low)}{unit}" if low is not None else ""


def _number(value: float) -> str:
    """FastAPI's documents have every bound as a float."""
    return str(int(value)) if value == int(value) else str(value)


def _beyond(schema: Schema) -> str:
    return f", more than {_number(schema['exclusiveMinimum'])}" if "exclusiveMinimum" in schema else ""


def _need(name: str, field: Schema, of: Schema) -> str:
    if name in of.get("required", ()):
        return "**required**"
    return code(json.dumps(field["default"])) if field.get("default") is not None else ""


def _not_null(schema: Schema) -> list[Schema]:
    return [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]


def _within(field: Schema) -> str:
    """A field that says nothing of itself may be of a type that does."""
    described = [each["description"] for each in (*_not_null(field), field.get("items", {})) if "description" in each]
    return str(described[0]) if described else ""
