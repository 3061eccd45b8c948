"""The provider of a cluster's networks on OVN: each call is one transaction of the northbound database.

It does not wait until the hosts have followed, which OVN does within milliseconds to seconds on its own.
"""

import time
from collections.abc import AsyncIterator, Sequence
from typing import Final
from uuid import UUID

from groundplane.contracts.faults import permanent
from groundplane.contracts.reports import State
from groundplane.contracts.specs import NetworkingSpec, SpecKind
from groundplane.dataplane.providers.ovn.change import Change
from groundplane.dataplane.providers.ovn.labels import TABLES, tombstone_uuid
from groundplane.dataplane.providers.ovn.northbound import Northbound
from groundplane.dataplane.providers.ovn.replica import Replica
from groundplane.dataplane.providers.provider import TOMBSTONE_SECONDS, Context

_TIMEOUT_SECONDS: Final = 10.0


class OvnNetwork:
    """Networks, subnets, ports and security groups of one cluster, in the northbound database at `northbound`.

    `northbound` is `unix:PATH` or `tcp:HOST:PORT`. It is dialled at the first call. A call that gets no answer within
    `timeout` seconds ends with the transient fault `engine_unreachable`.
    """

    def __init__(self, cluster_id: UUID, northbound: str, *, timeout: float = _TIMEOUT_SECONDS) -> None:
        self._northbound = Northbound(northbound, cluster_id, timeout)

    async def ensure(self, context: Context, spec: NetworkingSpec, fence: int) -> State:
        """See NetworkProvider. Groups that a rule names as its remote may be missing: they have no members then."""
        key = (spec.kind, spec.id)

        def write(change: Change) -> None:
            change.ensure(spec, fence)

        def read(replica: Replica) -> State | None:
            return replica.states.get(key)

        return await self._northbound.change(context.check, key, write, read)

    async def remove(self, context: Context, kind: SpecKind, resource_id: UUID, fence: int) -> State:
        """See NetworkProvider. With a network go the ports that are still on it."""
        if kind not in TABLES:
            raise permanent("unknown_kind", f"A network engine holds no {kind}.")

        def write(change: Change) -> None:
            change.remove(kind, resource_id, fence)

        def read(replica: Replica) -> State | None:
            tombstone = replica.tombstones.get(tombstone_uuid(resource_id))
            return State(kind=kind, id=resource_id, present=False, fence=tombstone.fence) if tombstone else None

        return await self._northbound.change(context.check, (kind, resource_id), write, read)

    async def observe(self) -> Sequence[State]:
        """See Observer. Forgets old tombstones on the way."""

        def write(change: Change) -> None:
            change.purge(time.time() - TOMBSTONE_SECONDS)
            change.ask()

        def read(replica: Replica) -> tuple[State, ...]:
            return tuple(replica.states.values())

        return await self._northbound.change(lambda: None, None, write, read)

    def events(self) -> AsyncIterator[State]:
        """See Observer. What this provider itself ensures or removes is answered there and not told here."""
        return self._northbound.news()

    async def close(self) -> None:
        """See Observer."""
        await self._northbound.close()
