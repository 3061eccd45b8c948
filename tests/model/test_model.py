"""Any order of requests to the API, of what agents do and of what goes wrong is answered, and ends, as its users believe.

`GROUNDPLANE_MODEL_EXAMPLES=2000` tries so many examples that nobody tried before, instead of the few that are always the same.
One that fails is printed as the calls that lead there; put into a test as those below, they lead there again.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

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


@pytest.fixture(scope="module")
def stage(postgres_server: str, nats_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Where the examples are played. What the platform logs of each is too much to read."""
    configured = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    stage = Stage(postgres_server, tmp_path_factory.mktemp("model"), nats_url)
    stage.open()
    yield stage
    stage.close()
    structlog.configure(**configured)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_platform_does_what_its_users_believe(stage: Stage) -> None:
    run_state_machine_as_test(lambda: Platform(stage), settings=SETTINGS)  # type: ignore[arg-type]  # a factory will do


@contextmanager
def example(stage: Stage) -> Iterator[Platform]:
    """One that is played by hand. In the end all comes to rest and is checked."""
    platform = Platform(stage)
    try:
        yield platform
    finally:
        platform.teardown()


def test_a_report_that_is_late_says_nothing_of_what_was_asked_since(stage: Stage) -> None:
    with example(stage) as state:
        state.create_volume(count=None, how="plainly", labels={}, name="a", project="red", spec={"size_gib": 1})
        state.an_agent_is_late(meanwhile="cancel", project="red", which="newest")


def test_what_could_not_be_removed_keeps_its_claims(stage: Stage) -> None:
    with example(stage) as state:
        state.delete_plainly(kind="volume", project="red", which="second")
        state.agents_work(after=False, fault="permanent")


def test_a_size_that_is_as_it_was_takes_no_quota(stage: Stage) -> None:
    with example(stage) as state:
        state.limit(limits={"volume_gib": 0}, project="red")
        state.change(change=("volume", {"size_gib": 1}), how="plainly", project="red", which="second")


def test_a_machine_that_is_cancelled_late_leaves_nothing(stage: Stage) -> None:
    with example(stage) as state:
        spec = {"vcpus": 1, "memory_mib": 512, "root_volume": {"image": "image", "size_gib": 1}, "nics": [{"network": "lan"}]}
        state.create_plain_vm(how="with key 1", name="a", project="red", spec=spec)
        state.an_agent_takes_a_task(fate="is told late", number=0)
        state.cancel(how="plainly", number=0, project="red")
        state.time_passes(seconds=31)
        state.late_reports_arrive()
        state.send_again(number=0, project="red", same=True)
