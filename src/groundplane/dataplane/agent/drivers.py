"""The providers that one agent drives, by scope; and which of their methods an operation means."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from groundplane.contracts.faults import permanent
from groundplane.contracts.reports import State
from groundplane.contracts.specs import ImageSpec, SpecKind, VmSpec, VolumeSpec
from groundplane.contracts.tasks import NETWORK_SCOPE, Ensure, Operation, Remove, Scope
from groundplane.dataplane.providers.compute import ComputeProvider
from groundplane.dataplane.providers.network import NetworkProvider
from groundplane.dataplane.providers.provider import Channel, Context, Observer
from groundplane.dataplane.providers.storage import StorageProvider

HOST_KINDS: frozenset[SpecKind] = frozenset({"vm", "volume", "image"})
STORAGE_KINDS: tuple[SpecKind, ...] = ("image", "volume")
NETWORK_KINDS: tuple[SpecKind, ...] = ("network", "subnet", "security_group", "port")


@dataclass(frozen=True)
class HostDrivers:
    """The providers of one host."""

    compute: ComputeProvider
    storage: StorageProvider


@dataclass(frozen=True)
class Drivers:
    """All providers of one agent: those of its hosts, and its cluster's network if it has that scope."""

    hosts: Mapping[UUID, HostDrivers]
    network: NetworkProvider | None = None

    @cached_property
    def _by_scope(self) -> Mapping[Scope, HostDrivers]:
        return {str(host_id): host for host_id, host in self.hosts.items()}

    def serves(self, scope: Scope) -> bool:
        """Are this scope's engines driven by this agent?"""
        if scope == NETWORK_SCOPE:
            return self.network is not None
        return scope in self._by_scope

    def observers(self) -> Iterator[tuple[Scope, tuple[SpecKind, ...], Observer]]:
        """Every scope's providers with the kinds that each tells of."""
        for host_id, host in self.hosts.items():
            yield str(host_id), ("vm",), host.compute
            yield str(host_id), STORAGE_KINDS, host.storage
        if self.network is not None:
            yield NETWORK_SCOPE, NETWORK_KINDS, self.network

    async def carry_out(self, scope: Scope, operation: Operation, context: Context, channel: Channel) -> State:
        """Call the provider that the operation is for. Raises ProviderError; `wrong_scope` when it is for none."""
        kind = operation.spec.kind if isinstance(operation, Ensure) else operation.kind
        if kind in NETWORK_KINDS:  # also in a host's scope: a machine's own ports are made with the machine, by one task
            return await self._on_network(operation, context)
        host = self._by_scope.get(scope)
        if host is None or kind not in HOST_KINDS:
            raise permanent("wrong_scope", f"A {kind} cannot be handled in the scope {scope}.")
        if isinstance(operation, Ensure):
            return await _ensure_on_host(host, operation, context, channel)
        return await _remove_on_host(host, operation, context)

    async def _on_network(self, operation: Operation, context: Context) -> State:
        if self.network is not None and isinstance(operation, Remove) and operation.kind in NETWORK_KINDS:
            return await self.network.remove(context, operation.kind, operation.id, operation.fence)
        if (
            self.network is not None
            and isinstance(operation, Ensure)
            and not isinstance(operation.spec, VmSpec | VolumeSpec | ImageSpec)
        ):
            return await self.network.ensure(context, operation.spec, operation.fence)
        raise permanent("wrong_scope", "This agent drives no network.")


async def _ensure_on_host(host: HostDrivers, operation: Ensure, context: Context, channel: Channel) -> State:
    match operation.spec:
        case VmSpec() as vm:
            return await host.compute.ensure_vm(context, channel, vm, operation.fence)
        case VolumeSpec() as volume:
            return await host.storage.ensure_volume(context, channel, volume, operation.fence)
        case ImageSpec() as image:
            return await host.storage.ensure_image(context, channel, image, operation.fence)
        case other:
            raise permanent("wrong_scope", f"A {other.kind} cannot be handled on a host.")


async def _remove_on_host(host: HostDrivers, operation: Remove, context: Context) -> State:
    if operation.kind == "vm":
        return await host.compute.remove_vm(context, operation.id, operation.fence)
    if operation.pool is None:
        raise permanent("pool_missing", f"The removal of the {operation.kind} {operation.id} names no pool.")
    return await host.storage.remove(context, operation.kind, operation.id, operation.pool, operation.fence)
