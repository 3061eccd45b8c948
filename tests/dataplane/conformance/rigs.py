"""What the laws are tested on: a resource that some provider can hold, and the hands of a person behind the platform's back."""

import asyncio
import hashlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID, uuid4

import pytest

from groundplane.contracts.faults import ProviderError, permanent, transient
from groundplane.contracts.reports import State
from groundplane.contracts.specs import (
    Disk,
    ImageSource,
    ImageSpec,
    NetworkingSpec,
    NetworkSpec,
    PortSpec,
    Power,
    Rule,
    SecurityGroupSpec,
    Seed,
    SpecKind,
    SubnetSpec,
    VmSpec,
    VolumeSpec,
)
from groundplane.dataplane.providers.compute import ComputeProvider
from groundplane.dataplane.providers.network import NetworkProvider
from groundplane.dataplane.providers.provider import Context, Observer
from groundplane.dataplane.providers.storage import StorageProvider

MEBIBYTE = 1 << 20
EVENT_SECONDS = 10.0

Outside = Callable[[SpecKind, UUID], Awaitable[None]]
"""Deletes a resource with the engine's own tools."""


class Permit:
    """A Context that allows the first `allowed` changes (None: all), then says that the lease is lost."""

    def __init__(self, allowed: int | None = None) -> None:
        self.allowed = allowed
        self.checks = 0

    def check(self) -> None:
        """Allow or refuse one change."""
        self.checks += 1
        if self.allowed is not None and self.checks > self.allowed:
            raise transient("lease_lost", "The lease is lost.")

    def progress(self, text: str) -> None:
        """Nobody listens."""


@dataclass
class Library:
    """A Channel that gives out the images and secrets put into it, and counts."""

    images: dict[UUID, bytes] = field(default_factory=dict)
    secrets: dict[UUID, bytes] = field(default_factory=dict)
    asked_secrets: list[UUID] = field(default_factory=list)

    def add_image(self, content: bytes, *, sha256: str | None = None) -> ImageSource:
        """Put an image in; `sha256` promises another digest than the true one."""
        image_id = uuid4()
        self.images[image_id] = content
        digest = sha256 or hashlib.sha256(content).hexdigest()
        return ImageSource(image_id=image_id, sha256=digest, size_bytes=len(content), format="raw")

    async def image(self, source: ImageSource) -> AsyncIterator[bytes]:
        """The bytes, in pieces."""
        content = self.images[source.image_id]
        for start in range(0, len(content), 65_536):
            yield content[start : start + 65_536]

    async def secret(self, secret_id: UUID) -> bytes:
        """The secret."""
        self.asked_secrets.append(secret_id)
        if secret_id not in self.secrets:
            raise permanent("secret_unknown", "There is no such secret.")
        return self.secrets[secret_id]


class Reboots(Protocol):
    """A machine's reboots since the count began: not its starts from power off."""

    async def are(self, number: int) -> None:
        """Fail unless so many were done."""


@dataclass
class StorageRig:
    """A host's storage. `outside_delete` takes a volume or image away with the engine's own tools.

    `tells_deletion` is False for an engine that tells nothing of it: only observe shows it then.
    """

    provider: StorageProvider
    pool: str
    outside_delete: Outside
    tells_deletion: bool = True
    library: Library = field(default_factory=Library)

    def image(self) -> ImageSpec:
        """An image of one mebibyte that nobody has seen before."""
        source = self.library.add_image(uuid4().bytes * (MEBIBYTE // 16))
        return ImageSpec(id=source.image_id, pool=self.pool, source=source)

    def volume(self, size_bytes: int = 4 * MEBIBYTE, source: ImageSource | None = None) -> VolumeSpec:
        """A new volume."""
        return VolumeSpec(id=uuid4(), pool=self.pool, size_bytes=size_bytes, source=source)

    async def ensure_volume(self, spec: VolumeSpec, fence: int = 1, context: Context | None = None) -> State:
        """Ensure it."""
        return await self.provider.ensure_volume(context or Permit(), self.library, spec, fence)

    async def ensure_image(self, spec: ImageSpec, fence: int = 1, context: Context | None = None) -> State:
        """Ensure it."""
        return await self.provider.ensure_image(context or Permit(), self.library, spec, fence)

    async def remove(self, kind: SpecKind, resource_id: UUID, fence: int, context: Context | None = None) -> State:
        """Remove it."""
        return await self.provider.remove(context or Permit(), kind, resource_id, self.pool, fence)


@dataclass
class ComputeRig:
    """A host's hypervisor. `outside_destroy` pulls a machine's plug; `reboots_of` counts reboots as the engine sees them."""

    provider: ComputeProvider
    storage: StorageRig
    outside_delete: Outside
    outside_destroy: Callable[[UUID], Awaitable[None]]
    reboots_of: Callable[[UUID], AbstractAsyncContextManager["Reboots"]]

    async def vm(self, power: Power = "running", secret_id: UUID | None = None) -> VmSpec:
        """A new machine, the empty volume of its disk made already."""
        volume = self.storage.volume()
        await self.storage.ensure_volume(volume)
        disk = Disk(volume_id=volume.id, pool=volume.pool, serial="root")
        return machine(disk, power, secret_id)

    async def ensure(self, spec: VmSpec, fence: int = 1, context: Context | None = None) -> State:
        """Ensure it."""
        return await self.provider.ensure_vm(context or Permit(), self.storage.library, spec, fence)

    async def remove(self, vm_id: UUID, fence: int, context: Context | None = None) -> State:
        """Remove it."""
        return await self.provider.remove_vm(context or Permit(), vm_id, fence)


@dataclass
class NetworkRig:
    """A cluster's network engine."""

    provider: NetworkProvider
    outside_delete: Outside
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def ensure(self, spec: NetworkingSpec, fence: int = 1, context: Context | None = None) -> State:
        """Ensure it."""
        return await self.provider.ensure(context or Permit(), spec, fence)

    async def remove(self, kind: SpecKind, resource_id: UUID, fence: int, context: Context | None = None) -> State:
        """Remove it."""
        return await self.provider.remove(context or Permit(), kind, resource_id, fence)

    async def network(self) -> NetworkSpec:
        """A new network, made."""
        spec = NetworkSpec(id=uuid4())
        await self.ensure(spec)
        return spec

    async def subnet(self) -> SubnetSpec:
        """A new subnet on a new network, made."""
        spec = subnet_on((await self.network()).id)
        await self.ensure(spec)
        return spec

    async def port(self) -> PortSpec:
        """A new port on a new subnet; the port itself is not made."""
        subnet = await self.subnet()
        return self.port_on(subnet)

    def port_on(self, subnet: SubnetSpec, groups: tuple[UUID, ...] = ()) -> PortSpec:
        """One more port on a subnet of `subnet_on`; not made."""
        number = next(self.numbers) % 200 + 10
        return PortSpec(
            id=uuid4(),
            network_id=subnet.network_id,
            subnet_id=subnet.id,
            mac=f"02:00:00:00:00:{number:02x}",
            address=f"10.7.0.{number}",
            security_group_ids=groups,
        )


@dataclass
class Subject:
    """One resource of some kind, not yet made, with the calls that concern it."""

    kind: SpecKind
    id: UUID
    ensure: Callable[[Context, int], Awaitable[State]]
    remove: Callable[[Context, int], Awaitable[State]]
    observer: Observer
    outside_delete: Outside
    tells_deletion: bool = True

    async def observed(self) -> State | None:
        """What the engine holds of it; fails when it is told twice."""
        found = [state for state in await self.observer.observe() if (state.kind, state.id) == (self.kind, self.id)]
        assert len(found) <= 1, f"observe tells {self.kind} {self.id} {len(found)} times"
        return found[0] if found else None


MakeSubject = Callable[[], Awaitable[Subject]]
"""Makes a new Subject of the kind under test: what it needs (disks, networks) is made already, itself is not."""


async def new_volume(rig: StorageRig) -> Subject:
    """A volume."""
    return _stored(rig, rig.volume())


async def new_image(rig: StorageRig) -> Subject:
    """A pool's copy of an image."""
    return _stored(rig, rig.image())


def _stored(rig: StorageRig, spec: VolumeSpec | ImageSpec) -> Subject:
    async def ensure(context: Context, fence: int) -> State:
        if isinstance(spec, ImageSpec):
            return await rig.ensure_image(spec, fence, context)
        return await rig.ensure_volume(spec, fence, context)

    async def remove(context: Context, fence: int) -> State:
        return await rig.remove(spec.kind, spec.id, fence, context)

    return Subject(spec.kind, spec.id, ensure, remove, rig.provider, rig.outside_delete, rig.tells_deletion)


async def new_vm(rig: ComputeRig) -> Subject:
    """A running machine."""
    spec = await rig.vm()

    async def ensure(context: Context, fence: int) -> State:
        return await rig.ensure(spec, fence, context)

    async def remove(context: Context, fence: int) -> State:
        return await rig.remove(spec.id, fence, context)

    return Subject("vm", spec.id, ensure, remove, rig.provider, rig.outside_delete)


async def new_network(rig: NetworkRig) -> Subject:
    """A network."""
    return _networked(rig, NetworkSpec(id=uuid4()))


async def new_subnet(rig: NetworkRig) -> Subject:
    """A subnet, its network made."""
    return _networked(rig, subnet_on((await rig.network()).id))


async def new_port(rig: NetworkRig) -> Subject:
    """A port in a security group; all that it needs made."""
    group = SecurityGroupSpec(id=uuid4())
    await rig.ensure(group)
    return _networked(rig, rig.port_on(await rig.subnet(), (group.id,)))


async def new_security_group(rig: NetworkRig) -> Subject:
    """A security group with a rule of each shape."""
    group_id = uuid4()
    rules = (
        Rule(direction="egress"),
        Rule(direction="ingress", protocol="tcp", port_min=22, port_max=22, remote_cidr="10.0.0.0/8"),
        Rule(direction="ingress", protocol="icmp", remote_group_id=group_id),
    )
    return _networked(rig, SecurityGroupSpec(id=group_id, rules=rules))


def _networked(rig: NetworkRig, spec: NetworkingSpec) -> Subject:
    async def ensure(context: Context, fence: int) -> State:
        return await rig.ensure(spec, fence, context)

    async def remove(context: Context, fence: int) -> State:
        return await rig.remove(spec.kind, spec.id, fence, context)

    return Subject(spec.kind, spec.id, ensure, remove, rig.provider, rig.outside_delete)


def machine(disk: Disk, power: Power = "running", secret_id: UUID | None = None) -> VmSpec:
    """A small machine with this disk and no cards."""
    vm_id = uuid4()
    return VmSpec(
        id=vm_id,
        name="conformance",
        vcpus=1,
        memory_mib=64,
        power=power,
        disks=(disk,),
        seed=Seed(instance_id=str(vm_id), hostname="conformance", user_data_secret_id=secret_id),
        seed_pool=disk.pool,
    )


def subnet_on(network_id: UUID) -> SubnetSpec:
    """A subnet for `NetworkRig.port_on`."""
    return SubnetSpec(id=uuid4(), network_id=network_id, cidr="10.7.0.0/24", gateway="10.7.0.1")


async def refusal(call: Awaitable[State]) -> tuple[str, str]:
    """The code and class of the ProviderError that the call must end in."""
    with pytest.raises(ProviderError) as refused:
        await call
    fault = refused.value.fault
    assert fault.message
    return fault.code, fault.fault_class


@asynccontextmanager
async def listening(observer: Observer) -> AsyncIterator[list[State]]:
    """What the observer's events tell while inside."""
    heard: list[State] = []

    async def listen() -> None:
        async for state in observer.events():
            heard.append(state)  # noqa: PERF401 - heard while the iteration goes on

    listener = asyncio.create_task(listen())
    await asyncio.sleep(0.3)  # until the engine has registered the listener
    try:
        yield heard
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)


async def until(condition: Callable[[], bool], heard: Sequence[State]) -> None:
    """Wait until the condition holds; `heard` is shown when it does not come to that."""
    deadline = time.monotonic() + EVENT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not told within {EVENT_SECONDS} s; heard {heard!r}"
        await asyncio.sleep(0.02)
