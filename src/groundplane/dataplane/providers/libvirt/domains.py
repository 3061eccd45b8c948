"""Reading what a libvirt domain is: what we wrote into its metadata, its power, the files of its disks.

It never changes a domain.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt
from pydantic import JsonValue

from groundplane.contracts.reports import State
from groundplane.dataplane.providers.libvirt.pools import found_or_none

NAMESPACE, PREFIX = "urn:groundplane:vm:1", "groundplane"

STOPPED_BY = {
    libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN: "guest",
    libvirt.VIR_DOMAIN_SHUTOFF_CRASHED: "crash",
    libvirt.VIR_DOMAIN_SHUTOFF_FAILED: "crash",
}
"""Whatever else libvirt gives as the reason of a stop came from the host: destroyed, saved, migrated, restarted."""

POWER = {
    libvirt.VIR_DOMAIN_SHUTOFF: "stopped",
    libvirt.VIR_DOMAIN_PAUSED: "paused",
    libvirt.VIR_DOMAIN_PMSUSPENDED: "paused",
    libvirt.VIR_DOMAIN_CRASHED: "crashed",
}


@dataclass(frozen=True)
class Memory:
    """What a domain's metadata remembers for us: fence, digest of the hardware, reboots done, and the power last asked for.

    The power tells a guest that shut down because it was asked to from one that did so by itself.
    """

    fence: int = 0
    hardware: str = ""
    reboots: int = 0
    power: str = ""

    def element(self) -> ET.Element:
        """Return the metadata element, without a namespace: libvirt adds it."""
        attributes = {"fence": str(self.fence), "reboots": str(self.reboots)}
        return ET.Element("vm", attributes, hardware=self.hardware, power=self.power)

    @classmethod
    def parsed(cls, text: str) -> "Memory":
        """Read an element; what somebody else broke counts as never written."""
        try:
            found = ET.fromstring(text)  # noqa: S314 - libvirt wrote it
            fence, reboots = int(found.get("fence", 0)), int(found.get("reboots", 0))
        except (ET.ParseError, ValueError):
            return cls()
        return cls(fence, found.get("hardware", ""), reboots, found.get("power", ""))


@dataclass(frozen=True)
class Machine:
    """A domain of ours. `running_hardware` is what the running QEMU was started with; the rest is what is defined."""

    domain: Any
    id: UUID
    memory: Memory
    running_hardware: str
    power: str
    stopped_by: str
    persistent: bool

    @property
    def active(self) -> bool:
        """Whether a QEMU process stands behind it."""
        return self.power in {"running", "paused"}

    @property
    def restart_required(self) -> bool:
        """Whether it runs on other hardware than what is defined."""
        return self.active and self.running_hardware != self.memory.hardware

    def state(self, fence: int = 0) -> State:
        """Return it as the contract has it; `fence` is a higher one noted elsewhere."""
        observed: dict[str, JsonValue] = {
            "power": self.power,
            "reboots": self.memory.reboots,
            "hardware": self.memory.hardware,
        }
        if self.power == "stopped":
            observed["stopped_by"] = "host" if self.memory.power == "stopped" else self.stopped_by
        if self.restart_required:
            observed["restart_required"] = True
        return State(kind="vm", id=self.id, fence=max(self.memory.fence, fence), observed=observed)


def find(connect: Any, vm_id: UUID) -> Machine | None:
    """Look a machine up; None if libvirt has none."""
    return found_or_none(lambda: _read(connect.lookupByUUID(vm_id.bytes)), libvirt.VIR_ERR_NO_DOMAIN)


def ours(connect: Any) -> Iterator[Machine]:
    """Yield every domain that carries our metadata."""
    for domain in connect.listAllDomains(0):
        machine = found_or_none(partial(_read, domain), libvirt.VIR_ERR_NO_DOMAIN)  # it may go away while we look
        if machine is not None and machine.memory.hardware:
            yield machine


def user_of(connect: Any, path: Path) -> tuple[Any, str] | None:
    """Return the running domain that has the file as a disk, and the disk's name in it."""
    for domain in connect.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        xml = found_or_none(domain.XMLDesc, libvirt.VIR_ERR_NO_DOMAIN) or "<domain/>"
        for disk in ET.fromstring(xml).iterfind("./devices/disk"):  # noqa: S314 - libvirt wrote it
            source, target = disk.find("source"), disk.find("target")
            if source is not None and target is not None and source.get("file") == str(path):
                return domain, target.get("dev", "")
    return None


def _read(domain: Any) -> Machine:
    code, reason = domain.state(0)
    power = POWER.get(code, "running")
    persistent = bool(domain.isPersistent())
    running = _memory(domain, libvirt.VIR_DOMAIN_AFFECT_LIVE) if power in {"running", "paused"} else Memory()
    return Machine(
        domain=domain,
        id=UUID(bytes=domain.UUID()),
        memory=_memory(domain, libvirt.VIR_DOMAIN_AFFECT_CONFIG) if persistent else running,
        running_hardware=running.hardware,
        power=power,
        stopped_by=STOPPED_BY.get(reason, "host"),
        persistent=persistent,
    )


def _memory(domain: Any, flags: int) -> Memory:
    try:
        return Memory.parsed(domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE, flags))
    except libvirt.libvirtError as error:
        if error.get_error_code() in {libvirt.VIR_ERR_NO_DOMAIN_METADATA, libvirt.VIR_ERR_OPERATION_INVALID}:
            return Memory()  # somebody else's domain, or one that stopped while we looked
        raise
