"""A world of its own for each test of the agent: nats-server, simulated engine, cluster."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.dataplane.agent.server import NatsServer
from tests.dataplane.agent.world import World

from groundplane.dataplane.providers.simulated import SimulatedEngine
from groundplane.kernel.bus import Bus


@pytest.fixture
def nats_server() -> Iterator[NatsServer]:
    """A running nats-server."""
    with tempfile.TemporaryDirectory(prefix="gp-agent-", ignore_cleanup_errors=True) as home:
        server = NatsServer(Path(home))
        server.start()
        yield server
        server.kill()


@pytest.fixture
async def world(nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[World]:
    """A cluster of two simulated hosts, no agent running yet."""
    bus = await Bus.connect(nats_server.url, "control-plane")
    path = tmp_path / "engine.sqlite"
    world = World(nats_server, bus, path, SimulatedEngine(path))
    await world.open()
    yield world
    await world.close()
    await bus.close()
