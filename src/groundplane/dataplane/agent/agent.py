"""The agent as a whole: works while it holds its group's lease, stands by while another does, and ends gently."""

import asyncio
from collections.abc import Awaitable

import structlog

from groundplane.dataplane.agent.channel import ApiChannel
from groundplane.dataplane.agent.consoles import Consoles
from groundplane.dataplane.agent.drivers import Drivers
from groundplane.dataplane.agent.heartbeat import Pulse
from groundplane.dataplane.agent.identity import AgentIdentity
from groundplane.dataplane.agent.inventory import Inventory
from groundplane.dataplane.agent.leases import Lease
from groundplane.dataplane.agent.loop import Loop
from groundplane.dataplane.agent.reporter import Reporter
from groundplane.kernel.bus import Bus

log = structlog.get_logger()


class Agent:
    """Serves the scopes of `drivers`. What it is handed (bus, channel, drivers) is its maker's to close."""

    def __init__(self, identity: AgentIdentity, *, bus: Bus, channel: ApiChannel, drivers: Drivers) -> None:
        reporter = Reporter(bus, identity)
        self._identity = identity
        self._lease = Lease(bus.js, identity)
        self._loop = Loop(bus, identity, drivers=drivers, lease=self._lease, channel=channel, reporter=reporter)
        self._inventory = Inventory(bus, identity, drivers=drivers, lease=self._lease, reporter=reporter)
        self._pulse = Pulse(identity, drivers=drivers, lease=self._lease, reporter=reporter)
        self._consoles = Consoles(bus, identity, drivers=drivers, lease=self._lease, channel=channel)
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Ask `run` to end: for SIGTERM. Running work is given `drain_seconds`, then given up and comes again."""
        self._stop.set()

    @property
    def in_flight(self) -> int:
        """How many tasks are here now."""
        return self._loop.in_flight

    async def run(self) -> None:
        """Work until `stop`. Raises what breaks a part of the agent, after the lease was given back."""
        try:
            async with asyncio.TaskGroup() as group:
                parts = [
                    group.create_task(part)
                    for part in (
                        self._lease.run(),
                        self._loop.works.tend(),
                        self._pulse.run(),
                        self._inventory.answer_looks(),
                        self._consoles.run(),
                    )
                ]
                await self._serve_in_turn()
                for part in parts:
                    part.cancel()
        finally:
            await self._lease.release()

    async def _serve_in_turn(self) -> None:
        while not self._stop.is_set():
            await _first(self._lease.gained(), self._stop.wait())
            if not self._stop.is_set():
                await self._serve()

    async def _serve(self) -> None:
        """Work as long as the lease is held, or until `stop`."""
        async with asyncio.TaskGroup() as group:
            events = group.create_task(self._inventory.pass_on_events())
            work = group.create_task(self._loop.run())
            try:
                await _first(self._lease.lost(), self._stop.wait())
            finally:
                self._loop.stop()
                await asyncio.wait({work})  # what it took just now is handed back
                await self._loop.drain(self._identity.drain_seconds if self._lease.held() else 0)
                events.cancel()
        log.info("agent.stopped_serving")


async def _first(*waits: Awaitable[object]) -> None:
    """Wait for the first of them; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
