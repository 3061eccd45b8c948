"""The reviewed table of who is answered what (`matrix.txt`), and where each route of the real application stands in it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from fastapi import FastAPI
from tests.controlplane.gateway.test_completeness import ANYBODYS, OPEN, public_apps

TABLE = Path(__file__).with_name("matrix.txt")
OWN = {"sibling-project": "project", "foreign-project": "project", "foreign-organization": "organization"}
"""Which place `own` speaks of."""
CELLS = {"yes", "401", "403", "404", "own"}


@dataclass(frozen=True)
class Column:
    """A role, bound at a level: platform, organization or project. Who has no role has no level either: `-`."""

    role: str
    level: str

    def __str__(self) -> str:
        """As reports name it: `viewer@project`."""
        return self.role if self.level == "-" else f"{self.role}@{self.level}"


ANONYMOUS, STRANGER = Column("anonymous", "-"), Column("stranger", "-")


@dataclass(frozen=True)
class Row:
    """What each column is answered on the routes that the pattern names, at one place."""

    place: str
    pattern: str
    cells: Mapping[Column, str]

    def fits(self, place: str, subject: str) -> bool:
        """Whether it speaks of this permission there."""
        return place == self.place and re.fullmatch(_regex(self.pattern), subject) is not None


@dataclass(frozen=True)
class Table:
    """All of it."""

    columns: Sequence[Column]
    rows: Sequence[Row]

    @classmethod
    def read(cls, text: str) -> Self:
        """Of its text: columns by a short name, the head, then the rows. Raises ValueError for what is not of that shape."""
        lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
        named = {short: Column(role, level) for _, short, role, level in (line for line in lines if line[0] == "column")}
        (_, _, *head), *rest = (line for line in lines if line[0] != "column")
        columns = [named[short] for short in head]
        rows = [Row(place, pattern, dict(zip(columns, cells, strict=True))) for place, pattern, *cells in rest]
        if unknown := {cell for row in rows for cell in row.cells.values()} - CELLS:
            raise ValueError(f"a cell is one of {sorted(CELLS)}, not {sorted(unknown)}")
        return cls(columns, rows)

    def rows_for(self, place: str, subject: str) -> list[Row]:
        """The rows that speak of it; it should be one."""
        return [row for row in self.rows if row.fits(place, subject)]

    def expected(self, column: Column, place: str, subject: str) -> str:
        """What the column is answered there."""
        (row,) = self.rows_for(place, subject)
        cell = row.cells[column]
        return self.expected(column, OWN[place], subject) if cell == "own" else cell


@dataclass(frozen=True)
class Guarded:
    """A route, what it wants of whoever asks, and whether it can be asked to do nothing (`?dry_run=true`)."""

    method: str
    path: str
    subject: str
    place: str
    dry_run: bool

    @property
    def places(self) -> list[str]:
        """Where it is asked for: at the own place, and at those that are not one's own."""
        return [self.place, *(other for other, own in OWN.items() if own == self.place)]


def guarded_routes(app: FastAPI) -> Iterator[Guarded]:
    """Every route of the public applications but their own documents, as those say."""
    for prefix, each in public_apps(app):
        for path, item in each.openapi()["paths"].items():
            for method, operation in item.items():
                if method != "parameters":
                    names = {parameter["name"] for parameter in operation.get("parameters", ())}
                    yield _guarded(method.upper(), prefix + path, operation.get("x-permission"), dry_run="dry_run" in names)


def _guarded(method: str, path: str, permission: str | None, *, dry_run: bool) -> Guarded:
    named = f"{method}:{path}"
    if (method, path) in OPEN:
        return Guarded(method, path, named, "open", dry_run)
    if permission is None or "." not in permission or (method, path) in ANYBODYS:  # none, or only to be logged in
        return Guarded(method, path, named, "session", dry_run)
    return Guarded(method, path, permission, _place(path), dry_run)


def _place(path: str) -> str:
    if path.startswith("/api/ops/"):
        return "platform"
    if "/projects/{" in path and not path.endswith("/restore"):  # decided where there still are roles
        return "project"
    return "organization" if "/organizations/{" in path else "platform"


def _regex(pattern: str) -> str:
    parts = re.split(r"(\*|\{[^}]*\})", pattern)
    return "".join(_regex_of(part) for part in parts)


def _regex_of(part: str) -> str:
    if part == "*":
        return ".*"
    if part.startswith("{") and "," in part:  # a path's {parameter} has no comma
        return f"({'|'.join(map(re.escape, part[1:-1].split(',')))})"
    return re.escape(part)
