"""Machines of a simulated host. They boot at once, need their disks and cards, and run no code."""

from collections.abc import AsyncIterator, Sequence
from typing import cast
from uuid import UUID

from groundplane.contracts.faults import ProviderError, transient
from groundplane.contracts.reports import HostFacts, State
from groundplane.contracts.specs import VmSpec
from groundplane.dataplane.providers.provider import Channel, Context
from groundplane.dataplane.providers.simulated.change import change, draw
from groundplane.dataplane.providers.simulated.console import console
from groundplane.dataplane.providers.simulated.engine import Key, Observed, Resource, SimulatedEngine


class SimulatedCompute:
    """A light view of one host in the engine. `vcpus` and `memory_mib` are only told, never checked."""

    def __init__(self, engine: SimulatedEngine, host_id: UUID, *, vcpus: int = 64, memory_mib: int = 262_144) -> None:
        self._engine = engine
        self._host_id = host_id
        self._scope = str(host_id)
        self._vcpus = vcpus
        self._memory_mib = memory_mib
        self._listeners = engine.listeners(self._scope, ("vm",))

    async def ensure_vm(self, context: Context, channel: Channel, spec: VmSpec, fence: int) -> State:
        """See ComputeProvider.

        New hardware of a running machine takes effect at its next start or reboot; until then the state says
        `restart_required`.
        """
        key = Key(self._scope, "vm", spec.id)
        drawn = draw(self._engine, "ensure", key)
        if spec.seed.user_data_secret_id is not None:
            found = self._engine.find_newer_than_none(key, fence)
            if not (found and found.present):
                context.check()
                await channel.secret(spec.seed.user_data_secret_id)

        def hold(row: Resource | None) -> State:
            return self._hold(key, row, spec, fence)

        return await change(self._engine, context, key, fence, drawn=drawn, work=hold)

    async def remove_vm(self, context: Context, vm_id: UUID, fence: int) -> State:
        """See ComputeProvider."""
        key = Key(self._scope, "vm", vm_id)

        def bury(found: Resource | None) -> State:
            if found and found.present:
                self._unplug(found)
            return self._engine.bury(key, fence)

        drawn = draw(self._engine, "remove", key)
        return await change(self._engine, context, key, fence, drawn=drawn, work=bury)

    async def console_log(self, vm_id: UUID, offset: int, limit: int) -> bytes:
        """See ComputeProvider; the text says that it is simulated."""
        key = Key(self._scope, "vm", vm_id)
        await draw(self._engine, "console_log", key).strike_before()
        found = self._engine.find(key)
        if found is None or not found.present:
            return b""
        spec = VmSpec.model_validate_json(found.spec)
        addresses = [self._address(nic.port_id) for nic in spec.nics]
        return console(spec, addresses, found.boots)[offset : offset + limit]

    async def facts(self) -> HostFacts:
        """See ComputeProvider. An injected error of the verb `facts` makes the host unreachable."""
        try:
            await self._engine.injections.draw("facts", None, self._scope, None).strike_before()
        except ProviderError as error:
            return HostFacts(host_id=self._host_id, reachable=False, reason=error.fault.message)
        return HostFacts(
            host_id=self._host_id,
            reachable=True,
            vcpus=self._vcpus,
            memory_mib=self._memory_mib,
            vms=self._engine.count(self._scope, "vm"),
            virtualization="simulated",
        )

    async def observe(self) -> Sequence[State]:
        """See Observer."""
        await self._engine.injections.draw("observe", "vm", self._scope, None).strike_before()
        return self._engine.observe(self._scope, ("vm",))

    def events(self) -> AsyncIterator[State]:
        """See Observer."""
        return self._listeners.events()

    async def close(self) -> None:
        """See Observer. The engine stays open, since other views share it."""
        self._listeners.close()

    def _hold(self, key: Key, found: Resource | None, spec: VmSpec, fence: int) -> State:
        self._require(spec)
        machine = found if found and found.present else None
        before = machine.observed if machine else {}
        was_running = before.get("power") == "running"
        reboots = max(spec.reboots, cast("int", before.get("reboots", 0)))
        rebooted = was_running and reboots != before["reboots"]
        observed: Observed = {"power": spec.power, "reboots": reboots, "hardware": spec.hardware_digest()}
        boots = machine.boots if machine else 0
        if spec.power == "stopped":
            observed["stopped_by"] = "host"
        elif rebooted or not was_running:
            boots += 1
        elif "restart_required" in before or before["hardware"] != observed["hardware"]:
            observed["restart_required"] = True
        if machine and spec.power == "stopped":
            self._unplug(machine)
        if spec.power == "running" and not was_running:
            self._plug(spec)
        return self._engine.hold(key, fence, spec, observed, boots)

    def _require(self, spec: VmSpec) -> None:
        for disk in spec.disks:
            if not self._engine.holds("volume", disk.volume_id, self._scope, disk.pool):
                raise transient("not_ready", f"The volume {disk.volume_id} is not there yet.")
        for nic in spec.nics:
            if not self._engine.holds("port", nic.port_id):
                raise transient("not_ready", f"The port {nic.port_id} is not there yet.")

    def _plug(self, spec: VmSpec) -> None:
        for nic in spec.nics:
            self._engine.plug(nic.port_id, up=True)

    def _unplug(self, machine: Resource) -> None:
        for nic in VmSpec.model_validate_json(machine.spec).nics:
            self._engine.plug(nic.port_id, up=False)

    def _address(self, port_id: UUID) -> str:
        port = self._engine.find_anywhere("port", port_id)
        return "none" if port is None else str(port.observed["address"])
