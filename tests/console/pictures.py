"""`make pictures`: the pictures of the console in docs/pictures, taken anew from an installation of their own."""

import sys

from tests.browser import CHROMIUM, CONSOLE, NO_CHROMIUM, browse
from tests.cloud.installation import installation


def main() -> None:
    """Bring the product up on the simulated data plane, take the pictures, and take it away."""
    if CHROMIUM is None:
        sys.exit(NO_CHROMIUM)
    with installation() as made:
        made.up("--simulated", "--hosts", "12")
        browse(made, "pictures", PICTURES=str(CONSOLE.parent / "docs/pictures"))


if __name__ == "__main__":
    main()
