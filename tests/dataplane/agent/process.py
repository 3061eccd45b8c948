"""An agent in a process of its own, for tests that kill it: `python -m tests.dataplane.agent.process JSON`."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from uuid import UUID

import uvloop
from tests.dataplane.agent.world import LEASE_SECONDS, drivers_on, no_channel

from groundplane.contracts.rights import inbox_prefix
from groundplane.dataplane.agent import Agent, AgentIdentity
from groundplane.dataplane.providers.simulated import SimulatedEngine
from groundplane.kernel.bus import Bus
from groundplane.kernel.logs import configure_logging


async def main(told: dict[str, str]) -> None:
    """Run until SIGTERM."""
    configure_logging("agent", level="warning")  # to standard error: nobody reads the pipe after the first line
    identity = AgentIdentity(
        cluster_id=UUID(told["cluster"]),
        agent_id=UUID(told["agent"]),
        version="test",
        lease_seconds=LEASE_SECONDS,
        heartbeat_seconds=0.5,
        progress_seconds=0.5,
        drain_seconds=5.0,
    )
    engine = SimulatedEngine(Path(told["engine"]))
    drivers = drivers_on(engine, identity.cluster_id, [UUID(host) for host in told["hosts"]])
    inbox = inbox_prefix(identity.agent_id)
    bus = await Bus.connect(told["url"], "agent", credentials=Path(told["credentials"]), inbox_prefix=inbox)
    agent = Agent(identity, bus=bus, channel=no_channel(), drivers=drivers)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, agent.stop)
    sys.stdout.write(f"{identity.agent_id}\n")
    sys.stdout.flush()
    await agent.run()
    await bus.close()
    engine.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as the real one
        runner.run(main(json.loads(sys.argv[1])))
