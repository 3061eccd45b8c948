"""Networks, subnets, security groups and ports of a simulated cluster. They carry no traffic."""

from collections.abc import AsyncIterator, Iterator, Sequence
from uuid import UUID

from groundplane.contracts.faults import permanent, transient
from groundplane.contracts.reports import State
from groundplane.contracts.specs import NetworkingSpec, PortSpec, SpecKind, SubnetSpec
from groundplane.dataplane.providers.provider import Context
from groundplane.dataplane.providers.simulated.change import change, draw, remove
from groundplane.dataplane.providers.simulated.engine import Key, Observed, Resource, SimulatedEngine

KINDS: tuple[SpecKind, ...] = ("network", "subnet", "security_group", "port")


class SimulatedNetwork:
    """A light view of one cluster's networks in the engine."""

    def __init__(self, engine: SimulatedEngine, cluster_id: UUID) -> None:
        self._engine = engine
        self._scope = str(cluster_id)
        self._listeners = engine.listeners(self._scope, KINDS)

    async def ensure(self, context: Context, spec: NetworkingSpec, fence: int) -> State:
        """See NetworkProvider. Groups that a rule names as its remote may be missing: they have no members then."""
        key = Key(self._scope, spec.kind, spec.id)

        def hold(_found: Resource | None) -> State:
            for kind, needed in _references(spec):
                self._require(kind, needed)
            return self._engine.hold(key, fence, spec, self._observed(spec))

        return await change(self._engine, context, key, fence, drawn=draw(self._engine, "ensure", key), work=hold)

    async def remove(self, context: Context, kind: SpecKind, resource_id: UUID, fence: int) -> State:
        """See NetworkProvider."""
        if kind not in KINDS:
            raise permanent("unknown_kind", f"A network engine holds no {kind}.")
        return await remove(self._engine, context, Key(self._scope, kind, resource_id), fence)

    async def observe(self) -> Sequence[State]:
        """See Observer."""
        await self._engine.injections.draw("observe", "network", self._scope, None).strike_before()
        return self._engine.observe(self._scope, KINDS)

    def events(self) -> AsyncIterator[State]:
        """See Observer."""
        return self._listeners.events()

    async def close(self) -> None:
        """See Observer. The engine stays open, since other views share it."""
        self._listeners.close()

    def _observed(self, spec: NetworkingSpec) -> Observed:
        if not isinstance(spec, PortSpec):
            return {}
        return {"up": self._engine.is_plugged(spec.id), "address": spec.address, "mac": spec.mac}

    def _require(self, kind: SpecKind, needed: UUID) -> None:
        if not self._engine.holds(kind, needed, self._scope):
            raise transient("not_ready", f"The {kind} {needed} is not there yet.")


def _references(spec: NetworkingSpec) -> Iterator[tuple[SpecKind, UUID]]:
    if isinstance(spec, SubnetSpec):
        yield "network", spec.network_id
    if isinstance(spec, PortSpec):
        yield "network", spec.network_id
        yield "subnet", spec.subnet_id
        for group_id in spec.security_group_ids:
            yield "security_group", group_id
