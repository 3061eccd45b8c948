"""What the documents say to type can be typed: every `gp` command in them is one, with these options.

Nothing is run here; the tutorial's commands are, by its own test.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer

from groundplane.cli.main import Root
from groundplane.processes.commands import app
from groundplane.processes.main import RUNNING

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*/*.md")), *sorted((REPOSITORY / "docs").glob("*.md"))]
_FENCE = re.compile(r"^```(?:sh|bash|)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_COMMAND = re.compile(r"(?:^|[\s(;|{])gp ((?:[^|;)#\n>\"']|\"[^\"]*\"|'[^']*')+)")


def name(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def typed(text: str) -> Iterator[str]:
    """The words after `gp` of each command in a page's blocks and inline code."""
    code = [*_FENCE.findall(text), *_INLINE.findall(_FENCE.sub("", text))]
    for each in code:
        for found in _COMMAND.findall(each.replace("\\\n", " ")):
            yield found.strip()


def wrong_with(command: str) -> str | None:
    """What cannot be typed of a command; None if all can. Names in capitals and `…` stand for something."""
    words = shlex.split(command)
    found: Any = typer.main.get_command(app) if words[0] in RUNNING else Root(RUNNING, "gp")  # Typer has a Click of its own
    while hasattr(found, "get_command") and words and re.fullmatch(r"[a-z][a-z-]*", words[0]):
        below = found.get_command(click.Context(found), words.pop(0))
        if below is None:
            return f"gp {command}: there is no such command"
        found = below
    if hasattr(found, "get_command") and words and not words[0].startswith("-"):
        return None if words[0].isupper() or words[0] == "…" else f"gp {command}: a verb is missing"
    options = {option for each in found.params for option in (*each.opts, *each.secondary_opts)} | {"--help"}
    unknown = [word for word in words if word.startswith("-") and word not in {"-", *options}]
    return f"gp {command}: no {', '.join(unknown)}" if unknown else None


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_can_be_typed(page: Path) -> None:
    assert [wrong for command in typed(page.read_text()) if (wrong := wrong_with(command))] == []


def test_this_test_sees_commands_and_what_is_wrong() -> None:
    assert list(typed("`gp vm list` and\n```sh\nA=1 gp up --simulated \\\n  --hosts 3 | tail\n```\n")) == [
        "up --simulated    --hosts 3",
        "vm list",
    ]
    assert wrong_with("vm list -o wide") is None
    assert wrong_with("up --simulated --hosts 3") is None
    assert wrong_with("vm lisst") == "gp vm lisst: there is no such command"
    assert wrong_with("vm list --colour") == "gp vm list --colour: no --colour"
    assert wrong_with("up --fast") == "gp up --fast: no --fast"
    how_to = [command for page in PAGES if "how-to" in page.parts for command in typed(page.read_text())]
    assert len(how_to) > 40
