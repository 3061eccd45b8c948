"""The console's npm scripts, run from Python: what they need, and the installation that a browser is led to."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.cloud.installation import Installation

CONSOLE = Path(__file__).parents[1] / "console"
CHROMIUM = shutil.which("chromium")
NO_CHROMIUM = "chromium is missing: as root on Debian, `make setup` installs it."

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)
needs_packages = pytest.mark.skipif(
    not (CONSOLE / "node_modules").is_dir(),
    reason="The console's packages are missing: `make setup` says why it could not fetch them.",
)


def script(name: str, *argv: str, **environment: str) -> None:
    """Run a script of console/package.json; what it said, where it failed."""
    done = subprocess.run(
        [str(CONSOLE.parent / "deploy/with_node.sh"), "npm", "--prefix", str(CONSOLE), "run", "--silent", name, *argv],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-12000:]


def browse(house: Installation, name: str, *argv: str, **environment: str) -> None:
    """Run a script that leads a browser through this installation."""
    place = {"GROUNDPLANE_URL": house.endpoints.api, "GROUNDPLANE_ADMIN": str(house.layout.administrator)}
    script(name, *argv, **place, CHROMIUM=str(CHROMIUM), **environment)
