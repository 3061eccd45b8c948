"""Any order of requests to the API, of what agents do and of what goes wrong is answered, and ends, as its users believe.

`GROUNDPLANE_MODEL_EXAMPLES=2000` tries so many examples that nobody tried before, instead of the few that are always the same.
"""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, Verbosity, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.model.machine import Platform
from tests.model.world import Stage

EXAMPLES = os.environ.get("GROUNDPLANE_MODEL_EXAMPLES")
SETTINGS = settings(
    max_examples=int(EXAMPLES or 50),
    stateful_step_count=40,
    derandomize=EXAMPLES is None,
    database=None,
    deadline=None,
    verbosity=Verbosity.normal,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def stage(postgres_server: str, nats_url: str, tmp_path: Path) -> Iterator[Stage]:
    """Where the examples are played. What the platform logs of each is too much to read."""
    configured = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    stage = Stage(postgres_server, tmp_path, nats_url)
    stage.open()
    yield stage
    stage.close()
    structlog.configure(**configured)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_platform_does_what_its_users_believe(stage: Stage) -> None:
    run_state_machine_as_test(lambda: Platform(stage), settings=SETTINGS)  # type: ignore[arg-type]  # a factory will do
