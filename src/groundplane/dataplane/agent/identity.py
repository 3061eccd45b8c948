"""Who an agent is and how patient it is."""

from dataclasses import dataclass
from uuid import UUID

from groundplane.contracts.tasks import LEASE_SECONDS
from groundplane.kernel.clock import Clock, system_clock


@dataclass(frozen=True, kw_only=True)
class AgentIdentity:
    """What an agent is told at its start.

    Agents of one `lease_group` serve the same scopes in turn: one works, the others stand by. `drain_seconds` is what
    running work is given at the end.

    `in_flight` bounds the tasks that are here at the same time, at work, waiting for their turn or being reported. Those
    that a host's engines have not ended are at most `in_flight_per_host`, those that need the cluster's network
    `in_flight_of_network`: less, so that engines that stand still leave room for the tasks of others.
    """

    cluster_id: UUID
    agent_id: UUID
    version: str
    lease_group: str = "all"
    lease_seconds: float = LEASE_SECONDS
    in_flight: int = 512
    in_flight_per_host: int = 32
    in_flight_of_network: int = 128
    heartbeat_seconds: float = 5.0
    progress_seconds: float = 3.0
    drain_seconds: float = 20.0
    clock: Clock = system_clock
