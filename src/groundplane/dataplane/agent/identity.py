"""Who an agent is and how patient it is."""

from dataclasses import dataclass
from uuid import UUID

from groundplane.kernel.clock import Clock, system_clock


@dataclass(frozen=True, kw_only=True)
class AgentIdentity:
    """What an agent is told at its start.

    Agents of one `lease_group` serve the same scopes in turn: one works, the others stand by. `in_flight` bounds the
    tasks at work at the same time; `drain_seconds` is what running work is given at the end.
    """

    cluster_id: UUID
    agent_id: UUID
    version: str
    lease_group: str = "all"
    in_flight: int = 64
    heartbeat_seconds: float = 5.0
    progress_seconds: float = 3.0
    drain_seconds: float = 20.0
    clock: Clock = system_clock
