"""`make pictures`: the pictures of the console in docs/pictures, taken anew from an installation of their own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.cloud.installation import installation

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Bring the product up on the simulated data plane, take the pictures, and take it away."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("chromium is missing: as root on Debian, `make setup` installs it.")
    with installation() as made:
        made.up("--simulated", "--hosts", "12")
        done = subprocess.run(
            [str(ROOT / "deploy" / "with_node.sh"), "npm", "--prefix", str(ROOT / "console"), "run", "--silent", "pictures"],
            env={
                **os.environ,
                "GROUNDPLANE_URL": made.endpoints.api,
                "GROUNDPLANE_ADMIN": str(made.layout.administrator),
                "CHROMIUM": chromium,
                "PICTURES": str(ROOT / "docs" / "pictures"),
            },
            check=False,
        )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
