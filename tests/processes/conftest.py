"""Data directories for supervisors, taken away after each test, whatever is left in them."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.processes.toys import Supervised

from groundplane.processes.layout import Layout
from groundplane.processes.pids import end, marked

Supervise = Callable[[str], Supervised]


@pytest.fixture
def layout() -> Iterator[Layout]:
    """A data directory with a path short enough for sockets, reachable by the engines' users."""
    root = Path(tempfile.mkdtemp(prefix="gp-up-", dir="/tmp"))
    root.chmod(0o711)
    yield Layout(root)
    end((ref for _, ref in marked(root)), seconds=2)
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def supervise(layout: Layout) -> Iterator[Supervise]:
    """Start supervisors on the data directory; those that still live are killed at the end."""
    started: list[Supervised] = []

    def start(composition: str) -> Supervised:
        started.append(Supervised(layout, composition))
        return started[-1]

    yield start
    for supervised in started:
        supervised.kill()
