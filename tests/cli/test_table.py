"""The table says every operation of the API, and every command of it can be asked for help."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import click
import pytest
from tests.cli.conftest import Gp

from groundplane.cli.commands import made
from groundplane.cli.description.columns import COLUMNS
from groundplane.cli.description.naming import BY_HAND, METHODS, NAMES
from groundplane.cli.main import Root
from groundplane.cli.stories import STORIES
from groundplane.cli.table import Command, the_table

DOCUMENTS = Path(__file__).parents[2] / "docs" / "openapi"
OPERATIONS = sorted(
    f"{path.stem} {methods[method]['operationId']}"
    for path in DOCUMENTS.glob("*.json")
    for methods in json.loads(path.read_bytes())["paths"].values()
    for method in METHODS
    if method in methods
)
COMMANDS = list(the_table())


def test_every_operation_has_one_command_or_one_made_by_hand() -> None:
    of_table = [command.operation for command in COMMANDS]
    assert sorted(of_table + [each for each in OPERATIONS if each in BY_HAND]) == OPERATIONS
    assert len(OPERATIONS) > 200


def test_what_is_made_by_hand_is_there() -> None:
    root = Root({}, "gp")
    for words in set(BY_HAND.values()):
        group: click.Command | None = root
        for word in words.split():
            assert isinstance(group, click.Group)
            group = group.get_command(click.Context(group), word)
        assert group is not None, words


def test_names_of_their_own_are_of_operations_that_are_there() -> None:
    assert set(NAMES) <= set(OPERATIONS)


def test_what_is_shown_in_a_way_of_its_own_is_answered_by_something() -> None:
    answers = {command.answer for command in COMMANDS} | {"DryRunView"}
    assert {*STORIES, *COLUMNS} <= answers


def test_no_two_commands_are_typed_alike() -> None:
    typed = Counter(f"{command.noun} {command.verb}" for command in COMMANDS)
    assert [words for words, count in typed.items() if count > 1] == []


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.noun} {command.verb}")
def test_every_command_is_reached_and_tells_what_it_takes(command: Command, gp: Gp) -> None:
    ended = gp(*command.noun.split(), command.verb, "--help")
    assert ended.code == 0
    assert ended.out.startswith(f"Usage: gp {command.noun} {command.verb}".replace("  ", " "))
    for field in command.fields:
        assert field.name.upper() in ended.out if field.positional else f"--{field.name}" in ended.out


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.noun} {command.verb}")
def test_no_two_options_of_a_command_are_the_same(command: Command) -> None:
    flags: list[Any] = [flag for param in made(command).params for flag in (*param.opts, *param.secondary_opts)]
    assert [flag for flag, count in Counter(flags).items() if count > 1] == []


def test_every_parameter_of_a_path_is_an_argument_or_said_by_the_context() -> None:
    for command in COMMANDS:
        said = {field.key for field in command.fields if field.where == "path"} | {"project_id", "organization_id"}
        assert {part.strip("{}") for part in command.path.split("/") if part.startswith("{")} <= said, command.path


def test_nouns_that_are_no_commands_say_which_they_may_have_been(gp: Gp) -> None:
    ended = gp("vms")
    assert ended.code == 2
    assert ended.err == "Error: There is no 'vms' here. Did you mean vm?\nSee: gp --help\n"
