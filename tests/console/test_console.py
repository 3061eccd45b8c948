"""The web console: its logic by Vitest, and its journeys by Playwright in a browser, against an installation of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.browser import CONSOLE, browse, needs_chromium, needs_packages, script
from tests.cloud.installation import Installation, installation

JOURNEYS = sorted((CONSOLE / "tests" / "journeys").glob("*.spec.ts"))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("console"), needs_packages]


def test_logic() -> None:
    """Schemas become forms, filters become queries, events are read, whatever they are."""
    script("test")


@pytest.fixture(scope="module")
def house() -> Iterator[Installation]:
    """The product on the simulated data plane."""
    with installation() as made:
        made.up("--simulated")
        yield made


@needs_chromium
@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda path: path.name.removesuffix(".spec.ts"))
def test_journey(house: Installation, journey: Path) -> None:
    """Each file of console/tests/journeys."""
    browse(house, "journeys", "--", journey.name)
