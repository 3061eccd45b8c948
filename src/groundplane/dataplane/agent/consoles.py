"""Answers requests for guests' console logs with a post over the agent's own channel."""

import asyncio
import traceback
from contextlib import suppress

import nats.errors
import structlog
from nats.aio.msg import Msg
from pydantic import ValidationError

from groundplane.contracts.faults import ProviderError
from groundplane.contracts.tasks import ConsoleRead, read_subject
from groundplane.dataplane.agent.channel import AnswerStatus, ApiChannel
from groundplane.dataplane.agent.drivers import Drivers, HostDrivers
from groundplane.dataplane.agent.identity import AgentIdentity
from groundplane.dataplane.agent.leases import Lease
from groundplane.kernel.bus import Bus

log = structlog.get_logger()

READS_AT_ONCE = 16
READ_SECONDS = 10.0


class Consoles:
    """Reads consoles of the hosts that this agent serves, as long as the lease is held."""

    def __init__(self, bus: Bus, identity: AgentIdentity, *, drivers: Drivers, lease: Lease, channel: ApiChannel) -> None:
        self._bus = bus
        self._subject = read_subject(identity.cluster_id)
        self._drivers = drivers
        self._lease = lease
        self._channel = channel
        self._slots = asyncio.Semaphore(READS_AT_ONCE)

    async def run(self) -> None:
        """Until cancelled."""
        subscription = await self._bus.nats.subscribe(self._subject)
        try:
            async with asyncio.TaskGroup() as group:
                async for message in subscription.messages:
                    await self._slots.acquire()
                    group.create_task(self._answer(message)).add_done_callback(lambda _task: self._slots.release())
        finally:
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()

    async def _answer(self, message: Msg) -> None:
        try:
            read = ConsoleRead.model_validate_json(message.data)
        except ValidationError:
            log.warning("read.unreadable")
            return
        host = self._drivers.hosts.get(read.host_id)
        if host is None or not self._lease.held():
            return
        status, content = await _read(host, read)
        try:
            await self._channel.answer(read.answer_url, status, content)
        except ProviderError as error:
            log.warning("read.not_answered", vm=str(read.vm_id), error=error.fault.message)


async def _read(host: HostDrivers, read: ConsoleRead) -> tuple[AnswerStatus, bytes]:
    try:
        async with asyncio.timeout(READ_SECONDS):
            content = await host.compute.console_log(read.vm_id, read.offset, read.limit)
            if not content and all(state.id != read.vm_id for state in await host.compute.observe()):
                return "not_found", b""
    except (ProviderError, TimeoutError):
        return "unavailable", b""
    except Exception:  # one guest's trouble must not end the agent
        log.error("read.failed", vm=str(read.vm_id), error=traceback.format_exc())  # noqa: TRY400 - no locals
        return "unavailable", b""
    return "ok", content
