"""The web console in a browser: what login and dashboard weigh, when they are shown, and a table among 100,000 machines.

An installation of its own with the simulated data plane; Debian's chromium without a window, on the same machine, by Playwright
(`console/tests/figures/`). One project is filled with 100,000 machines and their volumes (with what: `bench/crowd.py`).

- `script_bytes`: compressed script that login and dashboard load together.
- `login_shown_ms`, `dashboard_shown_ms`: from the navigation, with an empty cache, until the heading is there; the median of
  ten.
- `table_ms`: from a click on the navigation's link until the first page of 50 of the 100,000 machines is drawn and takes
  clicks; the median of ten, the page's script already there.
- `table_filter_ms`: the same from Enter in the filter, for the beginning of a name.
"""

import asyncio
import json
import os
import subprocess
import tempfile
from pathlib import Path

import asyncpg
from bench import crowd
from bench.installation import Installation, installation
from bench.results import REPOSITORY, Figure

from groundplane.kernel.ids import format_id

MACHINES = 100_000
GOALS = {"script_bytes": 400_000, "login_shown_ms": 1000, "dashboard_shown_ms": 1000, "table_ms": 300, "table_filter_ms": 300}


def run() -> list[Figure]:
    """Fill, look by browser, and tell."""
    with installation(1) as place:
        project = asyncio.run(_fill(place))
        measured = _look(place, project)
    units = {name: "bytes" if name.endswith("bytes") else "ms" for name in GOALS}
    return [Figure(name, measured[name], units[name], goal, "lower") for name, goal in GOALS.items()]


async def _fill(place: Installation) -> str:
    """The project that has all of them."""
    url = place.endpoints.database_url.replace("//groundplane@", "//postgres@", 1)
    await crowd.fill(url, 2 * MACHINES, projects=1)
    connection = await asyncpg.connect(url)
    try:
        found = await connection.fetchval("SELECT id FROM resource WHERE kind = 'project' AND name = 'crowd-0'")
    finally:
        await connection.close()
    return format_id("prj", found)


def _look(place: Installation, project: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "figures.json"
        subprocess.run(
            [REPOSITORY / "deploy" / "with_node.sh", "npm", "--prefix", REPOSITORY / "console", "run", "--silent", "figures"],
            env={
                **os.environ,
                "GROUNDPLANE_URL": place.endpoints.api,
                "GROUNDPLANE_ADMIN": str(place.layout.root / "admin.json"),
                "PROJECT": project,
                "FIGURES": str(told),
            },
            check=True,
        )
        figures: dict[str, float] = json.loads(told.read_text())
        return figures
