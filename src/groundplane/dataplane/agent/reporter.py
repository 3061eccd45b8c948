"""How everything that the agent says reaches the control plane: JSON into the cluster's report stream."""

from groundplane.contracts.reports import Heartbeat, InventoryChunk, Report, Sighting
from groundplane.contracts.tasks import report_subject
from groundplane.dataplane.agent.identity import AgentIdentity
from groundplane.kernel.bus import Bus


class Reporter:
    """Publishes messages and waits until they are stored. Raises what the bus raises."""

    def __init__(self, bus: Bus, identity: AgentIdentity) -> None:
        self._bus = bus
        self._subject = report_subject(identity.cluster_id)

    async def say(self, message: Report | Sighting | InventoryChunk | Heartbeat, message_id: str) -> None:
        """Publish. A second message of the same `message_id` within two minutes is dropped."""
        await self._bus.publish(self._subject, message.model_dump_json().encode(), message_id)
