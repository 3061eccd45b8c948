"""Answers on standard output: tables and outlines for people; JSON, YAML and names for programs; or what a query picks."""

import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from groundplane.cli.failures import CommandError
from groundplane.cli.paint import cell, columns, dig, harmless, outline
from groundplane.cli.stories import STORIES
from groundplane.cli.table import Column, Command

_CONTROLS = re.compile("[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def show(command: Command, answer: Any, form: str, query: str | None) -> None:
    """Print an answer as it was asked for. A list is what it holds."""
    if query:
        _show_picked(_picked(answer, query), form)
    elif form == "json":
        click.echo(as_json(answer))
    elif form == "yaml":
        click.echo(_as_yaml(answer), nl=False)
    elif form == "name":
        _show_names(answer)
    else:
        for line in for_people(command, answer, wide=form == "wide"):
            click.echo(line)
        if answer == []:
            click.echo("There is nothing.", err=True)


def for_people(command: Command, answer: Any, *, wide: bool) -> Sequence[str]:
    """The lines that people read."""
    story = STORIES.get("DryRunView" if _is_plan(answer) else command.answer)
    if story is not None and not isinstance(answer, list):
        return story(answer, room() or 100)
    if isinstance(answer, list):
        return rows(command.columns, answer, wide=wide) if answer else []
    return outline(answer)


def rows(titled: Sequence[Column], items: Sequence[Any], *, wide: bool) -> list[str]:
    """A table of a list."""
    if items and not isinstance(items[0], Mapping):
        return [cell(each) for each in items]
    shown = [column for column in titled if wide or not column.wide]
    cells = ([cell(dig(item, column.path), column.type) for column in shown] for item in items)
    return columns([column.title for column in shown], cells, None if wide else room())


def room() -> int | None:
    """The terminal's columns; None when it is no terminal that is written to."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def as_json(value: Any) -> str:
    """JSON, with what would drive a terminal escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return _CONTROLS.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _as_yaml(value: Any) -> str:
    import yaml  # noqa: PLC0415  # only who asks for YAML pays for it

    harmful = _CONTROLS.search(json.dumps(value, ensure_ascii=False)) is not None
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=not harmful))


def _picked(answer: Any, query: str) -> Any:
    import jmespath  # noqa: PLC0415  # only who queries pays for it
    from jmespath.exceptions import JMESPathError  # noqa: PLC0415

    try:
        return jmespath.search(query, answer)
    except JMESPathError as error:
        raise CommandError(
            f"--query is no JMESPath expression: {error}".splitlines()[0], "Read how they are made: https://jmespath.org"
        ) from error


def _show_picked(value: Any, form: str) -> None:
    """What a query picked: plain values one a line, for scripts; the rest as JSON, unless another form is asked for."""
    if form == "yaml":
        click.echo(_as_yaml(value), nl=False)
    elif form == "json" or isinstance(value, Mapping):
        click.echo(as_json(value))
    elif isinstance(value, list) and all(isinstance(each, Mapping) for each in value) and value:
        titles = [Column(str(key).upper(), str(key)) for key in value[0]]
        for line in rows(titles, value, wide=form == "wide"):
            click.echo(line)
    elif isinstance(value, list) and all(isinstance(each, list) for each in value) and value:
        for each in value:
            click.echo("\t".join(plain(one) for one in each))
    elif isinstance(value, list):
        for each in value:
            click.echo(plain(each))
    else:
        click.echo(plain(value))


def plain(value: Any) -> str:
    """A value alone on its line."""
    if isinstance(value, str):
        return harmless(value)
    return "" if value is None else as_json(value)


def _show_names(answer: Any) -> None:
    for each in answer if isinstance(answer, list) else [answer]:
        click.echo(harmless(name_of(each)))


def name_of(item: Any) -> str:
    """What a command would call it: its name, else its id."""
    if not isinstance(item, Mapping):
        return str(item)
    return str(item.get("name") or item.get("email") or item.get("id") or "")


def _is_plan(answer: Any) -> bool:
    return isinstance(answer, Mapping) and answer.get("dry_run") is True
