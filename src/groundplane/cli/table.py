"""The command table: which commands there are, what each takes and asks of the API. Made at build time (`description`).

Read at each start, so it is plain JSON, and a command is looked into only when it is the one that was typed.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PATH = Path(__file__).parent / "commands.json"

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Field:
    """Something that a command takes, and where the request has it.

    name        of the option, or of the argument when `positional`
    where, key  path, query or body; in a body a path of names with dots, `[]` standing for a new entry of a list
    type        text, int, number, bool, time, secret, json, labels (k=v), entry (k=v,k=v: an object), word (one by a pattern)
    many        may be said more than once
    nullable    `none` says that there is no such limit
    file        may be read from a file
    choices     what it may be, if not anything
    parts       of an entry or word: the names and types of its fields
    pattern     of a word: the regular expression whose groups are its fields, how help calls it, what else it has
    kind        the noun of what it names, for completion, or `*` for what is said as KIND/NAME
    default     what it is when it is not said, where the API has no default; if `beside` is a key, only beside that
    by          the API wants an id: the filter of the noun's list by which a name is looked up
    among       a name is looked up in what the list shows with this filter alone: deleted
    """

    name: str
    where: str
    key: str
    type: str = "text"
    help: str = ""
    positional: bool = False
    required: bool = False
    many: bool = False
    nullable: bool = False
    file: bool = False
    default: Any = None
    beside: str = ""
    choices: tuple[str, ...] = ()
    parts: Mapping[str, str] | None = None
    pattern: Mapping[str, Any] | None = None
    kind: str = ""
    by: str = ""
    among: str = ""


@dataclass(frozen=True)
class Column:
    """A table's column: where its value is, and how it is shown (text, time, age, labels, list). `wide`: only in wide ones."""

    title: str
    path: str
    type: str = "text"
    wide: bool = False


@dataclass(frozen=True)
class Command:
    """One operation of the API as it is typed.

    scope    organization or project, which the context says; empty for neither
    answer   the name of the answer's schema
    traits   what it can do: dry_run, key, job, etag, body, spec (its body has one), confirm, upload, offset; what it answers:
             pages, only_page, rows, text; limit: how much of it
    columns  of the table of what it answers
    """

    noun: str
    verb: str
    operation: str
    method: str
    path: str
    summary: str
    description: str = ""
    scope: str = ""
    answer: str = ""
    traits: frozenset[str] = frozenset()
    fields: tuple[Field, ...] = ()
    columns: tuple[Column, ...] = ()

    @classmethod
    def from_json(cls, body: Json) -> "Command":
        """A command as the table has it."""
        known = dict(body)
        known["traits"] = frozenset(known.get("traits", ()))
        known["fields"] = tuple(
            Field(**{**each, "choices": tuple(each.get("choices", ()))}) for each in known.get("fields", ())
        )
        known["columns"] = tuple(Column(**each) for each in known.get("columns", ()))
        return cls(**known)


class Table:
    """All commands. `nouns` has a sentence about each noun."""

    def __init__(self, body: Json) -> None:
        self.nouns: dict[str, str] = dict(body["nouns"])
        self._commands: Mapping[str, Json] = {f"{each['noun']} {each['verb']}".strip(): each for each in body["commands"]}

    def __iter__(self) -> Iterator[Command]:
        """Every command."""
        return map(Command.from_json, self._commands.values())

    def find(self, noun: str, verb: str) -> Command | None:
        """The command of these words."""
        body = self._commands.get(f"{noun} {verb}".strip())
        return Command.from_json(body) if body is not None else None

    def verbs(self, noun: str) -> Mapping[str, str]:
        """The verbs of a noun, each with its sentence."""
        return {each["verb"]: each["summary"] for each in self._commands.values() if each["noun"] == noun}

    def in_projects(self) -> frozenset[str]:
        """The first words of the nouns that lie in a project."""
        return frozenset(each["noun"].split(" ")[0] for each in self._commands.values() if each.get("scope") == "project")

    def below(self, noun: str) -> Mapping[str, str]:
        """The words that may follow a noun to make a longer one, each with the sentence of the noun."""
        start = f"{noun} " if noun else ""
        longer = [each.removeprefix(start) for each in self.nouns if each.startswith(start) and each != noun]
        return {word: self.nouns.get(f"{start}{word}", "") for word in dict.fromkeys(each.split(" ")[0] for each in longer)}


@cache
def the_table() -> Table:
    """The table as it was built."""
    return Table(json.loads(PATH.read_bytes()))
