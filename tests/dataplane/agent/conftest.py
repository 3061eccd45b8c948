"""A world of its own for each test of the agent: nats-server, simulated engine, cluster."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.dataplane.agent.guarded import GuardedServer
from tests.dataplane.agent.world import World

from groundplane.dataplane.providers.simulated import SimulatedEngine


@pytest.fixture
def nats_server() -> Iterator[GuardedServer]:
    """A running nats-server that trusts keys. Nobody may have tried what is not theirs to do, but for tests of just that."""
    with tempfile.TemporaryDirectory(prefix="gp-agent-", ignore_cleanup_errors=True) as home:
        server = GuardedServer(Path(home))
        server.start()
        yield server
        server.kill()
        assert server.expected or server.violations == []


@pytest.fixture
async def world(nats_server: GuardedServer, tmp_path: Path) -> AsyncIterator[World]:
    """A cluster of two simulated hosts, no agent running yet."""
    bus = await nats_server.connect_all_mighty()
    path = tmp_path / "engine.sqlite"
    world = World(nats_server, bus, path, SimulatedEngine(path))
    await world.open()
    yield world
    await world.close()
    await bus.close()
