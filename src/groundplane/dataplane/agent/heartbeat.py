"""Says every few seconds that the agent lives and how its hosts are. Slow hosts delay nobody's heartbeat."""

import asyncio
import traceback
from collections.abc import Iterator
from contextlib import suppress
from uuid import UUID, uuid4

import nats.errors
import structlog

from groundplane.contracts.reports import Heartbeat, HostFacts
from groundplane.dataplane.agent.drivers import Drivers
from groundplane.dataplane.agent.identity import AgentIdentity
from groundplane.dataplane.agent.leases import Lease
from groundplane.dataplane.agent.reporter import Reporter
from groundplane.dataplane.providers.compute import ComputeProvider
from groundplane.kernel.ending import ending

log = structlog.get_logger()

HOSTS_A_MESSAGE = 250
HOSTS_AT_ONCE = 32
FACTS_SECONDS = 3.0


class Pulse:
    """The agent's heartbeat. An agent that stands by says that it serves no hosts."""

    def __init__(self, identity: AgentIdentity, *, drivers: Drivers, lease: Lease, reporter: Reporter) -> None:
        self._identity = identity
        self._drivers = drivers
        self._lease = lease
        self._reporter = reporter
        self._facts: dict[UUID, HostFacts] = {}
        self._known = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            group.create_task(self._beat())

    async def _watch(self) -> None:
        slots = asyncio.Semaphore(HOSTS_AT_ONCE)

        async def ask(host_id: UUID, compute: ComputeProvider) -> None:
            async with slots:
                self._facts[host_id] = await _facts(host_id, compute)

        while not ending():
            async with asyncio.TaskGroup() as group:
                for host_id, host in self._drivers.hosts.items():
                    group.create_task(ask(host_id, host.compute))
            self._known.set()
            await asyncio.sleep(self._identity.heartbeat_seconds)

    async def _beat(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._known.wait(), FACTS_SECONDS)
        while not ending():
            for message in self._messages():
                try:
                    await self._reporter.say(message, f"heartbeat:{uuid4()}")
                except (nats.errors.Error, TimeoutError) as error:
                    log.warning("heartbeat.not_sent", error=repr(error))
            await asyncio.sleep(self._identity.heartbeat_seconds)

    def _messages(self) -> Iterator[Heartbeat]:
        facts = tuple(self._facts.values()) if self._lease.held() else ()
        for start in range(0, max(1, len(facts)), HOSTS_A_MESSAGE):
            yield Heartbeat(
                cluster_id=self._identity.cluster_id,
                agent_id=self._identity.agent_id,
                at=self._identity.clock(),
                version=self._identity.version,
                hosts=facts[start : start + HOSTS_A_MESSAGE],
            )


async def _facts(host_id: UUID, compute: ComputeProvider) -> HostFacts:
    try:
        return await asyncio.wait_for(compute.facts(), FACTS_SECONDS)
    except TimeoutError:
        reason = f"The host's engine did not answer within {FACTS_SECONDS:g} s."
    except Exception:  # facts() promises not to raise; one that does must not stop the heart
        log.error("facts.failed", host=str(host_id), error=traceback.format_exc())  # noqa: TRY400 - no locals
        reason = "The agent could not ask the host's engine."
    return HostFacts(host_id=host_id, reachable=False, reason=reason)
