"""The web console: its logic by Vitest, and its journeys by Playwright in a browser, against an installation of their own."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cloud.installation import Installation, installation

ROOT = Path(__file__).parents[2]
NPM = [str(ROOT / "deploy" / "with_node.sh"), "npm", "--prefix", str(ROOT / "console"), "run", "--silent"]
JOURNEYS = sorted((ROOT / "console" / "tests" / "journeys").glob("*.spec.ts"))
CHROMIUM = shutil.which("chromium")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("console"),
    pytest.mark.skipif(
        not (ROOT / "console" / "node_modules").is_dir(),
        reason="The console's packages are missing: `make setup` says why it could not fetch them.",
    ),
]


def _run(*argv: str, **environment: str) -> None:
    done = subprocess.run(
        [*NPM, *argv],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-12000:]


def test_logic() -> None:
    """Schemas become forms, filters become queries, events are read, whatever they are."""
    _run("test")


@pytest.fixture(scope="module")
def house() -> Iterator[Installation]:
    """The product on the simulated data plane."""
    with installation() as made:
        made.up("--simulated")
        yield made


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is missing: as root on Debian, `make setup` installs it.")
@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda path: path.name.removesuffix(".spec.ts"))
def test_journey(house: Installation, journey: Path) -> None:
    """Each file of console/tests/journeys."""
    _run(
        "journeys", "--", journey.name,
        GROUNDPLANE_URL=house.endpoints.api, GROUNDPLANE_ADMIN=str(house.layout.root / "admin.json"), CHROMIUM=str(CHROMIUM),
    )  # fmt: skip
