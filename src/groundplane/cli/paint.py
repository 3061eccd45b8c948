"""What people are shown: text made harmless, coloured where it matters, in columns. Prints nothing."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

_COLOURS = {
    "green": ("active", "running", "SUCCEEDED", "succeeded", "allowed", "ok", "kept"),
    "yellow": ("creating", "updating", "deleting", "PENDING", "RUNNING", "RETRYING", "retrying", "pending", "paused", "held"),
    "red": (
        "error",
        "FAILED",
        "failed",
        "denied",
        "crashed",
        "missing",
        "orphan",
        "modified",
        "wrong_state",
        "refused",
        "revoked",
    ),
    "bright_black": ("stopped", "deleted", "expired"),
}
_COLOUR_OF = {word: colour for colour, words in _COLOURS.items() for word in words}
_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What drives a terminal, or turns what is read around; a name may hold it."""
_ESCAPES = re.compile("\x1b\\[[0-9;]*m")
GAP = "  "
_FEW = 4
"""Lists of so many plain values stand on one line."""


def harmless(text: str) -> str:
    """The text, with what would drive a terminal replaced."""
    return _HARMFUL.sub("\N{REPLACEMENT CHARACTER}", text)


def coloured(word: str) -> str:
    """A state in its colour."""
    return click.style(word, fg=_COLOUR_OF[word]) if word in _COLOUR_OF else word


def width(text: str) -> int:
    """How many columns of a terminal it takes, colours apart."""
    plain = _ESCAPES.sub("", text)
    if plain.isascii():
        return len(plain)
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else not unicodedata.combining(each) for each in plain)


def clipped(text: str, room: int) -> str:
    """The text in so many columns, with an ellipsis if that is too few. Colours of what is clipped are kept whole."""
    if width(text) <= room:
        return text
    plain = _ESCAPES.sub("", text)
    while plain and width(plain) > room - 1:
        plain = plain[:-1]
    short = f"{plain}…"
    start = _ESCAPES.match(text)
    return f"{start.group()}{short}\x1b[0m" if start else short


def columns(titles: Sequence[str], rows: Iterable[Sequence[str]], room: int | None) -> list[str]:
    """A table's lines. Cells are coloured already.

    What is wider than `room` has its widest columns clipped, but never the first, by which one calls a row. None: no limit.
    """
    table = [list(row) for row in rows]
    widths = [max([width(title), *(width(row[index]) for row in table)]) for index, title in enumerate(titles)]
    if room is not None:
        least = [widths[0], *(min(width(title), 6) for title in titles[1:])]
        _fit(widths, room - len(GAP) * (len(widths) - 1), least)
    heads = [title.ljust(size) for title, size in zip(titles, widths, strict=True)]
    lines = [GAP.join(click.style(each, bold=True) for each in [*heads[:-1], titles[-1]])]
    for row in table:
        cells = (clipped(cell, size) for cell, size in zip(row, widths, strict=True))
        lines.append(GAP.join(cell + " " * (size - width(cell)) for cell, size in zip(cells, widths, strict=True)).rstrip())
    return lines


def _fit(widths: list[int], room: int, least: Sequence[int]) -> None:
    """Take from the widest column, down to the least that each may have, until all fit."""
    while sum(widths) > room:
        spare = [size - fewest for size, fewest in zip(widths, least, strict=True)]
        widest = max(range(len(widths)), key=lambda index: (spare[index] > 0, widths[index]))
        if spare[widest] <= 0:
            return
        widths[widest] -= min(spare[widest], sum(widths) - room, max(1, widths[widest] // 8))


def cell(value: Any, kind: str = "text") -> str:
    """A value in a table."""
    if value is None or value in ("", [], {}):
        return "-"
    if kind in {"time", "age"}:
        return age(str(value)) if kind == "age" else moment(str(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return harmless(",".join(f"{key}={each}" for key, each in value.items()))
    if isinstance(value, list | tuple):
        return harmless(",".join(map(str, value)))
    text = harmless(str(value)).replace("\n", " ").replace("\t", " ")
    return coloured(text)


def age(text: str, now: datetime | None = None) -> str:
    """How long ago, in the largest unit that says it: 12s, 5m, 3h, 9d; `in 5m` for what is to come."""
    try:
        seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(text)).total_seconds()
    except ValueError:
        return harmless(text)
    said = duration(abs(seconds))
    return said if seconds > -1 else f"in {said}"


def duration(seconds: float) -> str:
    """Seconds, in the largest unit that says it."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size or (size == 86400 and seconds >= size):
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"


def moment(text: str) -> str:
    """A point in time, in this machine's own time zone."""
    try:
        return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return harmless(text)


def dig(value: Any, path: str) -> Any:
    """What is at a path of names with dots; None where there is nothing."""
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def outline(value: Any, depth: int = 0) -> list[str]:
    """Nested values, one field a line; what is not there is left out."""
    pad = "  " * depth
    lines: list[str] = []
    if isinstance(value, Mapping):
        for key, each in value.items():
            lines += _field(pad, str(key), each, depth)
    elif isinstance(value, list):
        for each in value:
            inner = outline(each, depth + 1) if isinstance(each, Mapping | list) else [f"{pad}  {cell(each)}"]
            lines += [f"{pad}- {inner[0].lstrip()}", *inner[1:]] if inner else []
    else:
        lines.append(f"{pad}{cell(value)}")
    return lines


def _field(pad: str, key: str, value: Any, depth: int) -> list[str]:
    title = click.style(f"{harmless(key)}:", bold=depth == 0)
    if value is None or value in ("", [], {}):
        return []
    is_long = isinstance(value, list) and (len(value) > _FEW or any(isinstance(each, Mapping | list) for each in value))
    if isinstance(value, Mapping) or is_long:
        return [f"{pad}{title}", *outline(value, depth + 1)]
    if isinstance(value, str) and "\n" in value.strip():
        return [f"{pad}{title}", *(f"{pad}  {harmless(line)}" for line in value.strip().splitlines())]
    shown = cell(value, "time" if key.endswith("_at") or key in {"at", "deadline"} else "text")
    space = " " * max(1, 20 - len(pad) - len(key)) if depth == 0 else " "
    return [f"{pad}{title}{space}{shown}"]
