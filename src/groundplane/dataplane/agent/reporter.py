"""How everything that the agent says reaches the control plane: JSON into the cluster's report stream."""

import asyncio
from time import monotonic
from uuid import uuid4

from groundplane.contracts.reports import Heartbeat, InventoryChunk, Report, Sighting
from groundplane.contracts.tasks import report_subject
from groundplane.dataplane.agent.identity import AgentIdentity
from groundplane.kernel.bus import Bus

GATHER_SECONDS = 0.02
"""While one message follows another faster than this, those in between go as one."""
BUNDLE_BYTES = 256 << 10


class Reporter:
    """Publishes messages and waits until they are stored. Raises what the bus raises.

    A message is half of what a small task costs the whole house, so reports and sightings of the same moment share one.
    """

    def __init__(self, bus: Bus, identity: AgentIdentity) -> None:
        self._bus = bus
        self._subject = report_subject(identity.cluster_id)
        self._last = 0.0
        self._gathered: list[bytes] = []
        self._sending: asyncio.Task[None] | None = None

    async def say(self, message: Report | Sighting | InventoryChunk | Heartbeat, message_id: str) -> None:
        """Publish. A second message of the same `message_id` within two minutes is dropped, unless it shared one."""
        payload = message.model_dump_json().encode()
        now = monotonic()
        small = isinstance(message, Report | Sighting)
        if not small or (self._sending is None and now - self._last >= GATHER_SECONDS):
            self._last = now if small else self._last
            await self._bus.publish(self._subject, payload, message_id)
            return
        if self._sending is None or sum(map(len, self._gathered)) + len(payload) > BUNDLE_BYTES:
            self._gathered = []
            self._sending = asyncio.create_task(self._send(self._gathered, max(0.0, self._last + GATHER_SECONDS - now)))
        self._gathered.append(payload)
        await asyncio.shield(self._sending)

    async def _send(self, gathered: list[bytes], seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._last = monotonic()
        if self._gathered is gathered:
            self._sending = None
        bundle = b'{"type":"bundle","messages":[' + b",".join(gathered) + b"]}"
        await self._bus.publish(self._subject, bundle, f"bundle:{uuid4()}")
