"""One installation on the real data plane for all tests of this folder, started once and taken away at the end.

All these tests run in one worker (see the scheduler in `tests/conftest.py`), and two boot storms never meet.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cloud.installation import Installation, furnish, installation

from groundplane.processes.doctor import obstacles
from groundplane.sdk import Tenant

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder with what it needs."""
    missing = "; ".join(finding.detail for finding in obstacles())
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.real)
            item.add_marker(pytest.mark.skipif(bool(missing), reason=missing))


@pytest.fixture(scope="session")
def cloud() -> Iterator[Installation]:
    """The installation; whoever hurts it makes it whole again."""
    with installation() as made:
        made.up("--real")
        yield made


@pytest.fixture(scope="module")
def tenant(cloud: Installation, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    """A project of this module's own, with an image of idle guests and a network."""
    project = cloud.tenant(request.module.__name__.rpartition(".")[2].replace("_", "-"))
    furnish(project, tmp_path_factory.mktemp("image"))
    return project
