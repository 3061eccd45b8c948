"""A person with a browser and nothing else makes a machine on the real engines, reads its boot, and takes it away."""

import pytest
from tests.browser import browse, needs_chromium, needs_packages
from tests.cloud.installation import Installation

from groundplane.processes.demo.screen import Screen
from groundplane.processes.demo.story import make_image


@pytest.mark.slow
@pytest.mark.timeout(420)
@needs_chromium
@needs_packages
def test_a_machine_is_made_watched_and_deleted_by_browser(cloud: Installation) -> None:
    browse(cloud, "real", IMAGE=str(make_image(Screen())))
