"""Virtual machines as libvirt domains. A domain's own metadata holds its fence, its hardware's digest and its reboots.

It makes no volume and no port, and holds no truth: every call looks first.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt

from groundplane.contracts.faults import ProviderError, stale_fence, transient
from groundplane.contracts.reports import HostFacts, State
from groundplane.contracts.specs import VmSpec
from groundplane.dataplane.providers.libvirt import domains, pools
from groundplane.dataplane.providers.libvirt.connection import Connection
from groundplane.dataplane.providers.libvirt.domain_xml import DomainType, domain_xml, seed_name, vm_files
from groundplane.dataplane.providers.libvirt.domains import NAMESPACE, PREFIX, Machine, Memory
from groundplane.dataplane.providers.libvirt.fences import Standing, everything, note, standing
from groundplane.dataplane.providers.libvirt.pools import Pools
from groundplane.dataplane.providers.libvirt.seed import seed_iso
from groundplane.dataplane.providers.libvirt.storage import volume_name
from groundplane.dataplane.providers.libvirt.turns import Turns, attended
from groundplane.dataplane.providers.libvirt.watch import Happening, Missed, News, Over, Told, Watch
from groundplane.dataplane.providers.provider import Channel, Context

FACTS_SECONDS = 2.0
RECONNECT_SECONDS = 0.5
UNDEFINE = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
)


class LibvirtCompute:
    """The ComputeProvider of one host.

    `pools` are its storage pools' names and folders, `console_directory` a folder of the host for the serial consoles' logs,
    `domain_type` what its processor can do, `grace_seconds` how long a guest may take to shut down before it is cut off.
    """

    def __init__(
        self,
        host_id: UUID,
        uri: str,
        *,
        pools: Mapping[str, Path],
        console_directory: Path,
        domain_type: DomainType,
        grace_seconds: float = 10.0,
    ) -> None:
        self.host_id = host_id
        self._watch = Watch()
        self._connection = Connection(uri, opened=self._watch.register, lost=self._watch.missed)
        self._pools = Pools(self._connection, pools)
        self._consoles = console_directory
        self._domain_type = domain_type
        self._grace_seconds = grace_seconds
        self._turns = Turns()
        self._postponed: set[UUID] = set()
        self._closed = False

    async def ensure_vm(self, context: Context, channel: Channel, spec: VmSpec, fence: int) -> State:
        """See ComputeProvider.

        Hardware that differs is defined at once and takes effect at the next start; until then the state says
        `restart_required`.
        """
        await self._pools.ready(context, spec.seed_pool, *(disk.pool for disk in spec.disks))
        async with self._turn(context, spec.id):
            noted, found = await self._connection.read(partial(_look, vm_id=spec.id))
            _refuse_older(noted, found, fence)
            if found is None or not found.persistent or found.memory.hardware != spec.hardware_digest():
                found = await self._define(context, channel, spec, found, fence)
            else:
                found = await self._remember(context, found, replace(found.memory, fence=fence, power=spec.power))
            found = await self._power(context, channel, spec, found)
            return found.state()

    async def remove_vm(self, context: Context, vm_id: UUID, fence: int) -> State:
        """See ComputeProvider."""
        await self._pools.ready(context)
        async with self._turn(context, vm_id):
            noted, found = await self._connection.read(partial(_look, vm_id=vm_id))
            _refuse_older(noted, found, fence)
            await note(self._connection, context, noted, fence, "gone")
            if found is not None and found.active:
                await self._connection.change(context, lambda _: _destroy(found.domain))
            for pool in await self._connection.read(partial(_pools_with_seed, names=self._pools.names, vm_id=vm_id)):
                await self._connection.change(context, partial(pools.delete_volume, pool=pool, name=seed_name(vm_id)))
            if found is not None and found.persistent:  # last, so that a kill before leaves something to find
                await self._connection.change(context, lambda _: _undefine(found.domain))
            context.check()
            for log in self._console_logs(vm_id):
                log.unlink(missing_ok=True)
        return State(kind="vm", id=vm_id, present=False, fence=fence)

    async def console_log(self, vm_id: UUID, offset: int, limit: int) -> bytes:
        """See ComputeProvider. A log that virtlogd has cut into parts is read as one."""
        return await asyncio.to_thread(_read_parts, self._console_logs(vm_id), offset, limit)

    async def facts(self) -> HostFacts:
        """See ComputeProvider. Answers within two seconds."""
        try:
            async with asyncio.timeout(FACTS_SECONDS):
                return await self._connection.read(self._facts)
        except ProviderError as error:
            reason = error.fault.message
        except TimeoutError:
            reason = f"The host's libvirt did not answer within {FACTS_SECONDS:.0f} s."
        return HostFacts(host_id=self.host_id, reachable=False, reason=reason)

    async def observe(self) -> Sequence[State]:
        """See Observer."""

        def look(connect: Any) -> list[State]:
            noted = {one.id: one.fence for one in everything(connect) if one.kind == "vm"}
            return [machine.state(noted.get(machine.id, 0)) for machine in domains.ours(connect)]

        return await self._connection.read(look)

    def events(self) -> AsyncIterator[State]:
        """See Observer. After a lost connection, what changed meanwhile is told first."""
        return self._tell(self._watch.listen())

    async def close(self) -> None:
        """See Observer."""
        self._closed = True
        self._watch.spread(Over())
        await self._connection.close()

    @asynccontextmanager
    async def _turn(self, context: Context, vm_id: UUID) -> AsyncIterator[None]:
        """Have the machine for oneself. What happens to it meanwhile is our own doing, so it is told once, at the end."""
        try:
            async with self._turns.of(context, vm_id):
                yield
        finally:
            if vm_id in self._postponed:
                self._postponed.discard(vm_id)
                self._watch.spread(Happening(vm_id, "other"))

    async def _define(self, context: Context, channel: Channel, spec: VmSpec, found: Machine | None, fence: int) -> Machine:
        """Define the domain anew. A seed is only trusted if a domain is there: else its making may have been cut short."""
        await self._connection.read(partial(_require_volumes, spec=spec))
        if found is None:
            await self._seed(context, channel, spec)
        reboots = spec.reboots if found is None else found.memory.reboots
        memory = Memory(fence, spec.hardware_digest(), reboots, spec.power)
        volumes = [self._pools.path_of(disk.pool, volume_name(disk.volume_id)) for disk in spec.disks]
        disks = vm_files(spec, volumes, self._pools.path_of(spec.seed_pool, seed_name(spec.id)))
        self._consoles.mkdir(parents=True, exist_ok=True)
        xml = domain_xml(spec, memory, self._domain_type, disks=disks, console=self._console(spec.id))

        def define(connect: Any) -> Machine:
            connect.defineXMLFlags(xml, 0)
            return _found(connect, spec.id)

        return await self._connection.change(context, define)

    async def _seed(self, context: Context, channel: Channel, spec: VmSpec) -> None:
        secret = spec.seed.user_data_secret_id
        iso = seed_iso(spec.seed, None if secret is None else await channel.secret(secret))

        def make(connect: Any) -> None:
            upload = pools.Upload(connect, spec.seed_pool, seed_name(spec.id), len(iso))
            upload.send(iso)
            upload.finish()

        await self._connection.change(context, make)

    async def _power(self, context: Context, channel: Channel, spec: VmSpec, found: Machine) -> Machine:
        """Start, stop or reboot. The count of reboots is written after the deed: a kill between makes one reboot more.

        Written before it, a kill between would lose the wish.
        """
        if spec.power == "stopped":
            if found.active:
                await self._stop(context, found)
        elif not found.active:
            await self._start(context, channel, spec)
        elif found.power == "paused":
            await self._connection.change(context, lambda _: found.domain.resume())
        elif found.memory.reboots < spec.reboots:
            await self._reboot(context, channel, spec, found)
        await self._remember(context, found, replace(found.memory, reboots=max(found.memory.reboots, spec.reboots)))
        return await self._connection.read(partial(_found, vm_id=spec.id))

    async def _start(self, context: Context, channel: Channel, spec: VmSpec) -> None:
        if await self._connection.read(partial(pools.find_volume, pool=spec.seed_pool, name=seed_name(spec.id))) is None:
            await self._seed(context, channel, spec)

        def start(connect: Any) -> None:
            _require_volumes(connect, spec)
            connect.lookupByUUID(spec.id.bytes).createWithFlags(0)

        await self._connection.change(context, start)

    async def _stop(self, context: Context, found: Machine) -> None:
        """Ask the guest to shut down, and cut it off if it does not in time."""
        if found.power == "running":
            with self._watch.expecting(found.id, "stopped") as stopped:
                ask = partial(found.domain.shutdownFlags, libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
                await self._connection.change(context, lambda _: ask())
                if await self._in_time(context, stopped):
                    return
        await self._connection.change(context, lambda _: _destroy(found.domain))

    async def _reboot(self, context: Context, channel: Channel, spec: VmSpec, found: Machine) -> None:
        """Ask the guest to reboot, and reset it if it does not in time. New hardware takes a new QEMU."""
        if found.restart_required:
            await self._stop(context, found)
            await self._start(context, channel, spec)
            return
        with self._watch.expecting(found.id, "rebooted") as rebooted:
            ask = partial(found.domain.reboot, libvirt.VIR_DOMAIN_REBOOT_ACPI_POWER_BTN)
            await self._connection.change(context, lambda _: ask())
            if not await self._in_time(context, rebooted):
                await self._connection.change(context, lambda _: found.domain.reset(0))

    async def _in_time(self, context: Context, happened: asyncio.Event) -> bool:
        try:
            async with asyncio.timeout(self._grace_seconds):
                return await attended(context, "waiting for the guest", happened.wait())
        except TimeoutError:
            return False

    async def _remember(self, context: Context, found: Machine, memory: Memory) -> Machine:
        """Write what is new into the definition alone: the running domain keeps what it was started with."""
        if memory == found.memory:
            return found
        element = ET.tostring(memory.element(), "unicode")
        kind, where = libvirt.VIR_DOMAIN_METADATA_ELEMENT, libvirt.VIR_DOMAIN_AFFECT_CONFIG
        await self._connection.change(context, lambda _: found.domain.setMetadata(kind, element, PREFIX, NAMESPACE, where))
        return replace(found, memory=memory)

    def _facts(self, connect: Any) -> HostFacts:
        _, memory_mib, vcpus, *_ = connect.getInfo()
        return HostFacts(
            host_id=self.host_id,
            reachable=True,
            vcpus=vcpus,
            memory_mib=memory_mib,
            vms=connect.numOfDomains() + connect.numOfDefinedDomains(),
            virtualization=self._domain_type,
        )

    async def _tell(self, listener: asyncio.Queue[News]) -> AsyncIterator[State]:
        told = Told()
        try:
            told.begin(await self._states())
            while not isinstance(news := await listener.get(), Over):
                if isinstance(news, Missed):
                    for state in told.changes(await self._states()):
                        yield state
                elif self._turns.taken(news.vm_id):
                    self._postponed.add(news.vm_id)
                elif (seen := await self._state_after(news)) is not None and told.news(seen):
                    yield seen
        finally:
            self._watch.ignore(listener)

    async def _states(self) -> Sequence[State]:
        """Look at everything, as soon as the host answers. Looking opens the connection, and so events come again."""
        while not self._closed:
            try:
                return await self.observe()
            except ProviderError:
                await asyncio.sleep(RECONNECT_SECONDS)
        return []

    async def _state_after(self, happening: Happening) -> State | None:
        """Look at what has happened; None for somebody else's domain, and if the connection is gone: Missed follows."""
        try:
            noted, found = await self._connection.read(partial(_look, vm_id=happening.vm_id))
        except ProviderError:
            return None
        if found is None:
            return State(kind="vm", id=happening.vm_id, present=False, fence=noted.note.fence)
        if not found.memory.hardware:
            return None
        by = happening.stopped_by or found.stopped_by
        return replace(found, stopped_by=by).state(noted.note.fence)

    def _console(self, vm_id: UUID) -> Path:
        return self._consoles / f"{vm_id}.log"

    def _console_logs(self, vm_id: UUID) -> list[Path]:
        """Return the parts of a log, oldest first: virtlogd calls what it cut off .0, .1, … from new to old."""
        log = self._console(vm_id)
        parts = [log.with_name(f"{log.name}.{number}") for number in reversed(range(10))]
        return [part for part in (*parts, log) if part.exists()]


def _look(connect: Any, *, vm_id: UUID) -> tuple[Standing, Machine | None]:
    return standing(connect, "vm", vm_id), domains.find(connect, vm_id)


def _found(connect: Any, vm_id: UUID) -> Machine:
    machine = domains.find(connect, vm_id)
    if machine is None:
        raise transient("engine_busy", "The machine vanished while it was worked on.")
    return machine


def _refuse_older(noted: Standing, found: Machine | None, fence: int) -> None:
    noted.refuse_older(fence)
    if found is not None and found.memory.fence > fence:
        raise stale_fence(found.memory.fence, fence)


def _require_volumes(connect: Any, spec: VmSpec) -> None:
    for disk in spec.disks:
        if pools.find_volume(connect, disk.pool, volume_name(disk.volume_id)) is None:
            raise transient("not_ready", f"The volume {disk.volume_id} is not in the pool {disk.pool!r} yet.")


def _pools_with_seed(connect: Any, *, names: Sequence[str], vm_id: UUID) -> list[str]:
    active = [name for name in names if pools.find_pool(connect, name) is not None]
    return [name for name in active if pools.find_volume(connect, name, seed_name(vm_id)) is not None]


def _destroy(domain: Any) -> None:
    try:
        domain.destroyFlags(0)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID or domain.isActive():
            raise  # but that it stopped by itself meanwhile is no error


def _undefine(domain: Any) -> None:
    domain.undefineFlags(UNDEFINE)


def _read_parts(parts: Sequence[Path], offset: int, limit: int) -> bytes:
    out = b""
    for part in parts:
        size = part.stat().st_size
        if offset < size and len(out) < limit:
            with part.open("rb") as file:
                file.seek(offset)
                out += file.read(limit - len(out))
        offset = max(0, offset - size)
    return out
