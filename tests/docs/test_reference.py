"""The generated reference: whole, as the code is, and with a page for a kind that is nothing but declared."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from groundplane.controlplane.identity.roles import ROLES
from groundplane.controlplane.resources.fields import Reference, Refers, Strict, example
from groundplane.controlplane.resources.kind import Action, Kind
from groundplane.kernel.settings import Settings
from groundplane.processes.catalog import KINDS
from groundplane.processes.documents import documents
from groundplane.processes.reference import differing, pages, write
from groundplane.processes.reference.errors import all_errors

REFERENCE = Path(__file__).resolve().parents[2] / "docs/reference"


class BeaconSpec(Strict):
    """How a beacon should shine."""

    model_config = example({"lumens": 800, "colour": "red"})

    lumens: Annotated[int, Field(ge=1, le=5000, description="How brightly it shines.")]
    colour: Annotated[str, Field(pattern="^(red|green)$", description="What colour it has.")] = "green"
    image: Annotated[Reference, Refers("image")] | None = Field(default=None, description="What it projects.")


BEACON = Kind(
    name="beacon", plural="beacons", title="Beacon", title_plural="Beacons", prefix="bcn", service="compute",
    namespace="tenant", summary="Something that shines.", spec=BeaconSpec, create=BeaconSpec, update=BeaconSpec,
    actions=(Action("blink", "Blink once.", lambda beacon: beacon.spec),),
)  # fmt: skip


@pytest.fixture(scope="module")
def made() -> Mapping[str, str]:
    """The pages of the platform as it is."""
    return pages(documents())


def test_a_new_kind_has_its_page_from_its_declaration_alone() -> None:
    made = pages(documents([*KINDS, BEACON]))
    page = made["resources/beacons.md"]
    assert page.startswith("# Beacons\n")
    assert "Something that shines." in page
    assert "| Ids | `bcn_…` |" in page
    assert "| Command | [`gp beacon`](../cli.md#beacon) |" in page
    assert "| `lumens` | integer, 1 to 5000 | **required** | How brightly it shines. |" in page
    assert '| `colour` | `red` or `green` | `"green"` | What colour it has. |' in page
    assert "| `image` | name or id of: [image](../resources/images.md) or null |  | What it projects. |" in page
    assert "beacons/{reference}/blink` | Blink once. | `compute.beacon.blink` |" in page
    assert '\'{"name": "my-beacon", "spec": {"colour": "red", "lumens": 800}}\'' in page
    assert "[Beacons](beacons.md)" in made["resources/index.md"]
    assert "`compute.beacon.blink`" in made["permissions.md"]


def test_every_kind_and_every_route_is_told(made: Mapping[str, str]) -> None:
    everything = "\n".join(made.values())
    assert {f"resources/{kind.plural}.md" for kind in KINDS} <= made.keys()
    for name, document in documents().items():
        for path, methods in document["paths"].items():
            for method in methods:
                assert f"`{method.upper()} /api/{name}/v1{path}`" in everything


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.create], ids=lambda kind: kind.name)
def test_a_create_request_has_an_example_that_is_valid(kind: Kind) -> None:
    assert kind.create is not None
    examples = kind.create.model_json_schema()["examples"]
    for each in examples:
        kind.create.model_validate(each)


def test_every_error_is_told_with_what_to_do(made: Mapping[str, str]) -> None:
    for error in all_errors():
        assert error.__doc__, error
        assert f"| `{error.code}` | {error.status} | {' '.join(error.__doc__.split())} |" in made["errors.md"]


def test_every_setting_says_what_it_is_for(made: Mapping[str, str]) -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, f"{name} says nothing of itself"
        assert f"`GROUNDPLANE_{name.upper()}`" in made["settings.md"]


def test_every_role_and_metric_is_told(made: Mapping[str, str]) -> None:
    assert all(f"| `{role}` |" in made["permissions.md"] for role in ROLES)
    told = set(re.findall(r"^\| `(\w+)` \|", made["metrics.md"], re.MULTILINE))
    assert {"http_request_seconds", "jobs_past_deadline", "reports_applied_total", "agent_tasks_in_flight"} <= told
    assert "| `jobs_open` | gauge | `state`, `kind` | Jobs that have not ended. |" in made["metrics.md"]


def test_what_is_committed_is_what_the_code_says(made: Mapping[str, str]) -> None:
    assert differing(REFERENCE, made) == []


def test_a_difference_is_seen_and_mended(tmp_path: Path, made: Mapping[str, str]) -> None:
    write(tmp_path, made)
    (tmp_path / "by-hand.md").write_text("# Mine")
    assert differing(tmp_path, made) == []
    (tmp_path / "resources/vms.md").write_text("# Other")
    (tmp_path / "resources/gone.md").write_text(made["resources/vms.md"])
    assert differing(tmp_path, made) == ["resources/gone.md", "resources/vms.md"]
    write(tmp_path, made)
    assert differing(tmp_path, made) == []
    assert not (tmp_path / "resources/gone.md").exists()
    assert (tmp_path / "by-hand.md").exists()
