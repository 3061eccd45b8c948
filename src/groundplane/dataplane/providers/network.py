"""The Protocol of a cluster's virtual networks."""

from typing import Protocol
from uuid import UUID

from groundplane.contracts.reports import State
from groundplane.contracts.specs import NetworkingSpec, SpecKind
from groundplane.dataplane.providers.provider import Context, Observer


class NetworkProvider(Observer, Protocol):
    """Networks, subnets, ports and security groups of one cluster."""

    async def ensure(self, context: Context, spec: NetworkingSpec, fence: int) -> State:
        """Make the network engine hold what `spec` says.

        What a spec refers to (a port's network, subnet, groups) must be there: else a transient error `not_ready`.
        """

    async def remove(self, context: Context, kind: SpecKind, resource_id: UUID, fence: int) -> State:
        """Delete the resource and all that belongs to it alone. Answers a State with present=False."""
