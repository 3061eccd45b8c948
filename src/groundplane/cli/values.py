"""What is typed, as the API wants it: texts to values, options to a request's body."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from groundplane.cli.failures import CommandError
from groundplane.cli.table import Command, Field

_SPAN = re.compile(r"(\d+)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_TRUTHS = {"true": True, "yes": True, "false": False, "no": False}
NOTHING = "none"
"""What is typed for no value: no limit, no end."""
NULL = object()
"""What that is until the request is made: Click takes None for what was not typed."""


class Value(click.ParamType[Any]):
    """A field's values."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self.name = field.type

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        """How help calls it."""
        del ctx
        if self.field.choices:
            return "|".join(self.field.choices)
        if self.field.pattern is not None:
            return str(self.field.pattern["shown"])
        names = {"labels": "KEY=VALUE", "entry": "KEY=VALUE,…", "time": "TIME", "int": "N", "number": "N", "json": "JSON"}
        return names.get(self.field.type, (param.human_readable_name if self.field.positional else "TEXT").upper())

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value, or a usage error that says what it should be."""
        if not isinstance(value, str):
            return value
        try:
            return read(self.field, value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def read(field: Field, text: str) -> Any:
    """What a text means for a field. Raises ValueError with a sentence."""
    if field.nullable and text == NOTHING:
        return NULL
    if field.choices and text not in field.choices:
        raise ValueError(f"{text!r} is not one of {', '.join(field.choices)}.")
    if field.type == "labels":
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise ValueError(f"{text!r} is not KEY=VALUE.")
        return key, value
    if field.type == "entry":
        return _entry(field.parts or {}, text)
    if field.type == "word":
        return _word(field.parts or {}, field.pattern or {}, text)
    if field.type == "time":
        return read_time(text, past=field.key.startswith("created_"))
    return _plain(field.type, text)


def _plain(kind: str, text: str) -> Any:
    if kind in {"int", "number"}:
        try:
            return int(text) if kind == "int" else float(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a number.") from None
    if kind == "bool":
        if text not in _TRUTHS:
            raise ValueError(f"{text!r} is neither true nor false.")
        return _TRUTHS[text]
    if kind == "json":
        try:
            return json.loads(text)
        except ValueError:
            raise ValueError(f"{text!r} is not JSON.") from None
    return text


def _entry(parts: Mapping[str, str], text: str) -> dict[str, Any]:
    """An object of a list: `network=lan,security_groups=web+ssh`."""
    found: dict[str, Any] = {}
    for piece in text.split(","):
        said, sign, value = piece.partition("=")
        key = said.strip().replace("-", "_")
        if not sign or key not in parts:
            raise ValueError(f"{piece!r} is not KEY=VALUE, with a KEY of {', '.join(parts)}.")
        kind = parts[key]
        many = kind.endswith("s")
        found[key] = [_plain(kind[:-1], each) for each in value.split("+")] if many else _plain(kind, value)
    return found


def _word(parts: Mapping[str, str], pattern: Mapping[str, Any], text: str) -> dict[str, Any]:
    """An object of a list in one word: `tcp/22`."""
    found = re.fullmatch(pattern["regex"], text)
    if found is None:
        raise ValueError(f"{text!r} is not {pattern['shown']}.")
    said = {key: value for key, value in found.groupdict().items() if value is not None}
    said |= {key: said[other] for key, other in pattern["same"].items() if key not in said and other in said}
    return {**pattern["fixed"], **{key: _plain(parts[key], value) for key, value in said.items()}}


def read_time(text: str, *, past: bool, now: datetime | None = None) -> str:
    """A point in time: as RFC 3339 says it, or 30m, 2h, 7d from now; into the past for what is over. Raises ValueError."""
    span = _SPAN.fullmatch(text)
    if span:
        length = timedelta(**{_UNITS[span[2]]: int(span[1])})
        now = now or datetime.now(UTC)
        return (now - length if past else now + length).isoformat(timespec="seconds")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time: say 2030-01-31T12:00:00Z, or 30m, 2h, 7d from now.") from None
    return (moment if moment.tzinfo else moment.astimezone()).isoformat()


def read_file(path: str) -> str:
    """A file's text, without the end of its last line; `-` is standard input. Raises CommandError."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise CommandError(
            f"{path} cannot be read: {reason}.", "Name a file that is there, or - for standard input."
        ) from error
    return text.removesuffix("\n")


def body_of(command: Command, said: Mapping[str, Any], file: str | None, sets: Sequence[str]) -> dict[str, Any]:
    """A request's body: from a file, changed by options, changed by --set; what then is not said has our default.

    `said` has the values of fields by their keys.
    """
    body = _from_file(command, file) if file else {}
    fields = {field.key: field for field in command.fields if field.where == "body"}
    for key, value in said.items():
        _put(body, fields[key], value)
    for text in sets:
        _set(command, body, text)
    for field in fields.values():
        counts = field.default is not None and (not field.beside or _has(body, field.beside))
        if counts and not _has(body, field.key):
            _put(body, field, field.default)
    return body


def missing(command: Command, body: Mapping[str, Any]) -> list[Field]:
    """The fields that the API wants and nobody said."""
    wanted = (field for field in command.fields if field.where == "body" and field.required)
    return [field for field in wanted if not _has(body, field.key)]


def _put(body: dict[str, Any], field: Field, value: Any) -> None:
    *parents, last = field.key.split(".")
    for index, name in enumerate(parents):
        if name.endswith("[]"):
            entries = _dig(body, parents[:index]).setdefault(name[:-2], [])
            entries.extend({last: each} for each in value)
            return
    holder = _dig(body, parents)
    if value is NULL:
        holder[last] = None
    elif field.type == "labels":
        holder[last] = {**holder.get(last, {}), **dict(value)}
    elif field.many:
        holder[last] = [*holder.get(last, []), *value]
    else:
        holder[last] = value


def _dig(body: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    for name in names:
        deeper = body.setdefault(name, {})
        if not isinstance(deeper, dict):
            raise CommandError(f"{name} is no object.", "Look at what --from-file and --set say of it.")
        body = deeper
    return body


def _has(body: Mapping[str, Any], key: str) -> bool:
    value: Any = body
    for name in key.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return False
        value = value[name]
    return True


def _from_file(command: Command, path: str) -> dict[str, Any]:
    """A request as YAML or JSON; of a kind, the whole request or only its spec."""
    import yaml  # noqa: PLC0415  # only who has a file pays for it

    try:
        body = yaml.safe_load(read_file(path))
    except yaml.YAMLError as error:
        raise CommandError(
            f"{path} is neither YAML nor JSON: {str(error).splitlines()[0]}.", "Mend it and try again."
        ) from error
    if not isinstance(body, dict):
        raise CommandError(f"{path} holds no object.", "Write the request's fields, as in: size_gib: 2")
    return {"spec": body} if "spec" in command.traits and "spec" not in body else body


def _set(command: Command, body: dict[str, Any], text: str) -> None:
    """`root_volume.image=tiny`: below the spec where there is one. Lists and objects as JSON."""
    path, sign, value = text.partition("=")
    if not sign or not path:
        raise CommandError(f"--set {text} is not PATH=VALUE.", "Say it as in: --set root_volume.image=tiny")
    key = f"spec.{path}" if "spec" in command.traits and not path.startswith("spec.") else path
    *parents, last = key.split(".")
    known = next((field for field in command.fields if field.where == "body" and field.key == key), None)
    try:
        plain = known is not None and not known.many and value != "null"
        meant = read(known, value) if known and plain else _loose(value)
    except ValueError as error:
        raise CommandError(f"--set {path}: {error}", f"See what it may be: gp {command.noun} {command.verb} --help") from error
    _dig(body, parents)[last] = None if meant is NULL else meant


def _loose(text: str) -> Any:
    """JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
