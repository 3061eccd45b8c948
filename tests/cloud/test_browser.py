"""A person with a browser and nothing else makes a machine on the real engines, reads its boot, and takes it away."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.cloud.installation import Installation

from groundplane.processes.demo.screen import Screen
from groundplane.processes.demo.story import make_image

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium")


@pytest.mark.slow
@pytest.mark.timeout(420)
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is missing: as root on Debian, `make setup` installs it.")
@pytest.mark.skipif(
    not (ROOT / "console/node_modules").is_dir(),
    reason="The console's packages are missing: `make setup` says why it could not fetch them.",
)
def test_a_machine_is_made_watched_and_deleted_by_browser(cloud: Installation) -> None:
    done = subprocess.run(
        [str(ROOT / "deploy/with_node.sh"), "npm", "--prefix", str(ROOT / "console"), "run", "--silent", "real"],
        env={
            **os.environ,
            "GROUNDPLANE_URL": cloud.endpoints.api,
            "GROUNDPLANE_ADMIN": str(cloud.layout.administrator),
            "CHROMIUM": str(CHROMIUM),
            "IMAGE": str(make_image(Screen())),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-12000:]
