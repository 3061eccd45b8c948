"""The Protocol of a host's hypervisor."""

from typing import Protocol
from uuid import UUID

from groundplane.contracts.reports import HostFacts, State
from groundplane.contracts.specs import VmSpec
from groundplane.dataplane.providers.provider import Channel, Context, Observer


class ComputeProvider(Observer, Protocol):
    """Virtual machines of one host."""

    async def ensure_vm(self, context: Context, channel: Channel, spec: VmSpec, fence: int) -> State:
        """Define, start, stop or reboot, so that the host holds the machine as `spec` says.

        Its volumes and ports are there already: else a transient error `not_ready`. The seed's user data comes through
        the channel, once, when the seed is first made.
        """

    async def remove_vm(self, context: Context, vm_id: UUID, fence: int) -> State:
        """Destroy and undefine the machine with its seed; its volumes stay. Answers a State with present=False."""

    async def console_log(self, vm_id: UUID, offset: int, limit: int) -> bytes:
        """At most `limit` bytes of the serial console from `offset`; empty when there is none (yet)."""

    async def facts(self) -> HostFacts:
        """Is the host there, and how large is it. Never raises: an engine that does not answer is a fact."""
