"""Schemas as Python types: records for what is answered, dictionaries for what is sent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from textwrap import wrap

from groundplane.sdk.making.description import Document, Json, referred
from groundplane.sdk.making.naming import argument

WIDTH = 128
_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}


@dataclass
class Shapes:
    """All schemas of all documents under one name each; where two documents differ, the later says whose it is.

    `records` and `bodies` are what operations refer to, and what these refer to: only they are written.
    """

    documents: Iterable[Document]
    records: dict[str, Json] = field(default_factory=dict)
    bodies: dict[str, Json] = field(default_factory=dict)
    _named: dict[str, Json] = field(default_factory=dict)
    _names: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Give every schema its name."""
        for document in self.documents:
            for name, schema in document.schemas.items():
                short = name.removesuffix("View")
                wanted = name if short in document.schemas and short != name else short
                taken = self._named.get(wanted, schema)
                if taken != schema:
                    wanted = f"{document.namespace.capitalize()}{wanted}"
                self._named[wanted] = schema
                self._names[document.namespace, name] = wanted

    def answered(self, document: Document, schema: Json, module: str = "") -> str:
        """The type of something that is answered."""
        return self._type(document, schema, "answered", module)

    def sent(self, document: Document, schema: Json, module: str = "bodies.") -> str:
        """The type of something that is sent."""
        return self._type(document, schema, "sent", module)

    def _type(self, document: Document, schema: Json, way: str, module: str) -> str:
        if "$ref" in schema:
            return module + self._refer(document, referred(schema), way)
        if "anyOf" in schema:
            return _union(self._type(document, each, way, module) for each in schema["anyOf"])
        return _choice(schema) or self._container(document, schema, way, module) or _plain(schema)

    def _container(self, document: Document, schema: Json, way: str, module: str) -> str:
        if schema.get("type") == "array":
            item = self._type(document, schema.get("items", {}), way, module)
            return f"tuple[{item}, ...]" if way == "answered" else f"Sequence[{item}]"
        if schema.get("type") == "object" or "properties" in schema:
            more = schema.get("additionalProperties")
            value = self._type(document, more, way, module) if isinstance(more, dict) and more else "Any"
            return f"Mapping[str, {value}]"
        return ""

    def _refer(self, document: Document, name: str, way: str) -> str:
        unique, schema = self._names[document.namespace, name], document.schemas[name]
        kept = self.records if way == "answered" else self.bodies
        if "properties" not in schema:
            kept[unique] = {"alias": self._type(document, schema, way, ""), "description": schema.get("description")}
        elif unique not in kept:
            kept[unique] = {}  # a schema may refer to itself
            kept[unique] = {
                **schema,
                "types": {key: self._type(document, each, way, "") for key, each in schema["properties"].items()},
                "resource": document.is_resource(schema),
            }
        return unique


def _choice(schema: Json) -> str:
    choices = schema.get("enum") or [schema.get("const")]
    if not all(isinstance(each, str) for each in choices):
        return ""
    listed = ", ".join(f'"{each}"' for each in choices)
    return f"Literal[{listed}]"


def _union(types: Iterable[str]) -> str:
    """Each once; texts that are known are told nowhere where any text may stand."""
    once = dict.fromkeys(types)
    return " | ".join(each for each in once if not ("str" in once and each.startswith("Literal[")))


def _plain(schema: Json) -> str:
    return "datetime" if schema.get("format") == "date-time" else _PLAIN.get(str(schema.get("type")), "Any")


def docstring(text: str | None, otherwise: str, indent: int = 4) -> list[str]:
    """A docstring's lines."""
    paragraph = (text or otherwise).split("\n\n")[0].replace("\\", "\\\\").replace('"""', "'''")
    said = " ".join(paragraph.split()).removesuffix('"')
    lines = wrap(f'"""{said}', WIDTH - indent - 3) or ['"""']
    first = [f'{lines[0]}"""'] if len(lines) == 1 else [*lines, '"""']
    return [" " * indent + line for line in first]


def record_lines(records: Mapping[str, Json]) -> list[str]:
    """The classes of what is answered, each after those that it is made of."""
    shared = _shared(records)
    lines = _record("Resource", "Record", {**shared, "description": _RESOURCE}, skip=())
    for name, schema in _ordered(records):
        if "alias" in schema:
            lines += [f"{name} = {schema['alias']}", *docstring(schema["description"], f"{name}.", 0), "", ""]
        elif schema["resource"]:
            lines += _record(name, "Resource", schema, skip=tuple(shared["types"]))
        else:
            lines += _record(name, "Record", schema, skip=())
    return lines


_RESOURCE = "Anything that the platform keeps: `spec` is what should be, `observed` what is. `job` is changing it right now."


def _shared(records: Mapping[str, Json]) -> Json:
    """What all kinds have, with one type."""
    kinds = [schema for schema in records.values() if schema.get("resource")]
    first = kinds[0]["types"] if kinds else {}
    types = {key: kind for key, kind in first.items() if all(each["types"].get(key) == kind for each in kinds)}
    required = [key for key in types if all(key in each.get("required", ()) for each in kinds)]
    return {"types": types, "required": required, "properties": kinds[0]["properties"] if kinds else {}}


def _record(name: str, base: str, schema: Json, skip: tuple[str, ...]) -> list[str]:
    lines = [f"class {name}({base}, frozen=True, kw_only=True):", *docstring(schema.get("description"), f"{name}."), ""]
    required = set(schema.get("required", ()))
    for key, kind in schema["types"].items():
        if key not in skip:
            # A platform that is older may not know a field yet: what may be null is null then.
            lines += _field(key, kind, schema["properties"][key], required=key in required and not kind.endswith("None"))
    return [*lines, "", ""] if lines[-1] else [*lines, ""]


def _field(key: str, kind: str, schema: Json, *, required: bool) -> list[str]:
    name, default = argument(key), ""
    if not required:
        kind, default = _defaulted(kind, schema)
    if name != key:
        default = f' = field(name="{key}")' if not default else f' = field(name="{key}", default{default.replace(" = ", "=")})'
    return [f"    {name}: {kind}{default}"]


def _defaulted(kind: str, schema: Json) -> tuple[str, str]:
    """What a field is that may be left out. A list that is not said is empty, everything else is None."""
    if kind.startswith("tuple[") and not kind.endswith("None"):
        return kind, " = ()"
    default = schema.get("default")
    if isinstance(default, bool | int | str) and kind in {"bool", "int", "str"}:
        return kind, f" = {default}" if not isinstance(default, str) else f' = "{default}"'
    return (kind if kind.endswith("None") else f"{kind} | None"), " = None"


def _ordered(records: Mapping[str, Json]) -> Iterable[tuple[str, Json]]:
    """Aliases last: they are looked up at once, the fields of classes by their names."""
    return sorted(records.items(), key=lambda each: ("alias" in each[1], each[0]))


def body_lines(bodies: Mapping[str, Json]) -> list[str]:
    """The dictionaries of what is sent."""
    lines: list[str] = []
    for name, schema in _ordered(bodies):
        if "alias" in schema:
            lines += [f"{name} = {schema['alias']}", *docstring(schema["description"], f"{name}.", 0), "", ""]
            continue
        required = set(schema.get("required", ()))
        types = {key: kind if key in required else f"NotRequired[{kind}]" for key, kind in schema["types"].items()}
        if any(argument(key) != key for key in types):
            listed = ", ".join(f'"{key}": "{kind}"' for key, kind in types.items())
            lines += [f'{name} = TypedDict("{name}", {{{listed}}})', "", ""]
            continue
        lines += [f"class {name}(TypedDict):", *docstring(schema.get("description"), f"{name}."), ""]
        for key, kind in types.items():
            lines.append(f"    {key}: {kind}")
            said = schema["properties"][key].get("description")
            lines += docstring(said, "") if said else []
        lines += ["", ""] if lines[-1] else [""]
    return lines
