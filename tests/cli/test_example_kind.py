"""A kind that is declared and nothing else has its nouns, verbs, options, tables and reference."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field
from tests.cli.conftest import Gp
from tests.cli.golden import golden
from tests.cli.platform import PROJECT, Platform, machine, page

from groundplane.cli import table
from groundplane.cli.description import make_table, write_reference
from groundplane.controlplane.resources.fields import Reference, Refers, Strict
from groundplane.controlplane.resources.kind import Action, Column, Kind
from groundplane.processes.catalog import KINDS
from groundplane.processes.documents import documents


class Wheel(Strict):
    """A wheel of it."""

    inches: Annotated[int, Field(ge=1)] = Field(description="How large it is.")
    spokes: bool = Field(default=True, description="Whether it has spokes.")


class GadgetRequest(Strict):
    """A gadget."""

    colour: Annotated[str, Field(pattern="^(red|green)$")] = Field(description="What it looks like.")
    network: Annotated[Reference, Refers("network")] = Field(description="What it hangs on.")
    wheels: list[Wheel] = Field(default=[], description="Its wheels.")
    front: Wheel | None = Field(default=None, description="The wheel in front.")


class GadgetSpec(Strict):
    """What should be."""

    colour: str = Field(description="What it looks like.")


GADGET = Kind(
    name="gadget",
    plural="gadgets",
    title="Gadget",
    title_plural="Gadgets",
    prefix="gad",
    service="compute",
    namespace="tenant",
    summary="Something that a test declares.",
    spec=GadgetSpec,
    create=GadgetRequest,
    actions=(Action("spin", "Spin its wheels.", lambda resource: resource.spec),),
    columns=(Column("spec.colour", "Colour"),),
)


@pytest.fixture(scope="module")
def described() -> str:
    """The command table of a platform that has gadgets."""
    return make_table(documents((*KINDS, GADGET)))


@pytest.fixture
def gadgets(described: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The command line, with no noun of a project but gadgets: what it says changes with nothing else."""
    body = json.loads(described)
    mine = {"gadget", "job", "ops", "ops job", "me"}
    body["commands"] = [each for each in body["commands"] if each["noun"] in mine]
    body["nouns"] = {noun: said for noun, said in body["nouns"].items() if noun in mine}
    (tmp_path / "commands.json").write_text(json.dumps(body))
    monkeypatch.setattr(table, "PATH", tmp_path / "commands.json")
    table.the_table.cache_clear()
    yield
    table.the_table.cache_clear()


@pytest.mark.usefixtures("gadgets")
@pytest.mark.parametrize(
    ("name", "words"),
    [("help", []), ("help-gadget", ["gadget"]), ("help-gadget-create", ["gadget", "create"]), ("help-ops", ["ops"])],
)
def test_help_is_as_it_was_agreed(gp: Gp, name: str, words: list[str]) -> None:
    golden(name, gp(*words, "--help").out)


@pytest.mark.usefixtures("gadgets")
def test_gadgets_are_made_and_shown(platform: Platform, gp: Gp) -> None:
    gadget = {**machine("g"), "kind": "gadget", "id": "gad_1", "spec": {"colour": "red"}, "observed": {}}
    platform.on(f"POST {PROJECT}/gadgets", gadget, 201)
    ended = gp(
        "gadget", "create", "g", "--colour", "red", "--network", "lan", "--wheel", "inches=20,spokes=no", "--front-inches", "3"
    )
    assert (ended.code, ended.out) == (0, "gadget g (gad_1): active\n")
    assert platform.last("POST").body["spec"] == {
        "colour": "red", "network": "lan", "wheels": [{"inches": 20, "spokes": False}], "front": {"inches": 3},
    }  # fmt: skip
    platform.on(f"GET {PROJECT}/gadgets", page(gadget))
    assert re.fullmatch(r"NAME +STATUS +COLOUR +AGE\ng +active +red +\d+d\n", gp("gadget", "list").out)
    assert gp("gadget", "create", "g", "--colour", "blue").code == 2
    assert gp("gadget", "create", "g", "--colour", "red").err.startswith("Error: --network is missing.")


@pytest.mark.usefixtures("gadgets")
def test_its_verb_is_a_verb(platform: Platform, gp: Gp) -> None:
    platform.on(f"POST {PROJECT}/gadgets/g/spin", {**machine("g"), "kind": "gadget", "observed": {}})
    assert gp("gadget", "spin", "g").code == 0


def test_gadgets_are_in_the_reference(described: str) -> None:
    page = write_reference(described)
    assert "\n## gadget\n\nSomething that a test declares.\n" in page
    assert "```text\ngp gadget create NAME [OPTIONS]\n```" in page
    assert "| `--wheel ENTRY` | Its wheels. (may be repeated) |" in page
