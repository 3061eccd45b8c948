"""A machine as libvirt's domain XML. Built as a tree, since names and serials come from users; it asks the host nothing."""

import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID
from xml.etree import ElementTree as ET

from groundplane.contracts.specs import Nic, VmSpec
from groundplane.dataplane.providers.libvirt.domains import NAMESPACE, PREFIX, Memory

DomainType = Literal["kvm", "qemu"]
BRIDGE = "br-int"
SEED_SERIAL = "seed"
PLUGS = 16  # every device takes one; q35 can plug a disk or a card into a running machine only where one is free
ET.register_namespace(PREFIX, NAMESPACE)

NO_OFFLOADS = {
    "host": {"csum": "off", "gso": "off", "tso4": "off", "tso6": "off", "ecn": "off", "ufo": "off", "mrg_rxbuf": "on"},
    "guest": {"csum": "off", "tso4": "off", "tso6": "off", "ecn": "off", "ufo": "off"},
}
"""A userspace Open vSwitch sees only half a checksum otherwise, and drops TCP through stateful security groups."""


@dataclass(frozen=True)
class File:
    """A disk's file on the host."""

    path: Path
    format: Literal["qcow2", "raw"]
    serial: str
    read_only: bool = False


def domain_xml(spec: VmSpec, memory: Memory, domain_type: DomainType, *, disks: Sequence[File], console: Path) -> str:
    """Return the domain's XML; `disks` in their order, the first is booted from; `console` is the serial log."""
    root = ET.Element("domain", type=domain_type)
    _text(root, "name", str(spec.id))
    _text(root, "uuid", str(spec.id))
    _text(root, "title", "".join(character for character in spec.name if character.isprintable()))
    _remember(ET.SubElement(root, "metadata"), memory)
    _text(root, "memory", str(spec.memory_mib), unit="MiB")
    _text(root, "vcpu", str(spec.vcpus))
    _text(ET.SubElement(root, "os"), "type", "hvm", arch="x86_64", machine="q35")
    _children(ET.SubElement(root, "features"), "acpi", "apic")
    _processor(root, domain_type)
    ET.SubElement(root, "clock", offset="utc")
    sleep = ET.SubElement(root, "pm")  # a machine that sleeps looks like one that hangs
    ET.SubElement(sleep, "suspend-to-mem", enabled="no")
    ET.SubElement(sleep, "suspend-to-disk", enabled="no")
    devices = ET.SubElement(root, "devices")
    for index in range(1, PLUGS + 1):
        ET.SubElement(devices, "controller", type="pci", index=str(index), model="pcie-root-port")
    for number, disk in enumerate(disks):
        _disk(devices, disk, number)
    for nic in spec.nics:
        _nic(devices, nic)
    _furniture(devices, console)
    ET.SubElement(root, "seclabel", type="none")
    return ET.tostring(root, "unicode")


def _remember(metadata: ET.Element, memory: Memory) -> None:
    element = memory.element()
    element.tag = f"{{{NAMESPACE}}}{element.tag}"
    metadata.append(element)


def _processor(root: ET.Element, domain_type: DomainType) -> None:
    """Give what the host has under KVM, and all that can be emulated without it."""
    if domain_type == "kvm":
        ET.SubElement(root, "cpu", mode="host-passthrough", check="none", migratable="on")
    else:
        ET.SubElement(root, "cpu", mode="maximum")


def _disk(devices: ET.Element, file: File, number: int) -> None:
    disk = ET.SubElement(devices, "disk", type="file", device="disk")
    ET.SubElement(disk, "driver", name="qemu", type=file.format, discard="unmap")
    ET.SubElement(disk, "source", file=str(file.path))
    ET.SubElement(disk, "target", dev=disk_name(number), bus="virtio")
    _text(disk, "serial", file.serial)
    if file.read_only:
        ET.SubElement(disk, "readonly")
    if number == 0:
        ET.SubElement(disk, "boot", order="1")


def disk_name(number: int) -> str:
    """Return vda, …, vdz, vdaa, …: libvirt's name of a disk, which the guest need not agree with."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = string.ascii_lowercase[rest] + letters
    return f"vd{letters}"


def _nic(devices: ET.Element, nic: Nic) -> None:
    card = ET.SubElement(devices, "interface", type="bridge")
    ET.SubElement(card, "mac", address=nic.mac)
    ET.SubElement(card, "source", bridge=BRIDGE)
    ET.SubElement(ET.SubElement(card, "virtualport", type="openvswitch"), "parameters", interfaceid=str(nic.port_id))
    ET.SubElement(card, "model", type="virtio")
    ET.SubElement(card, "mtu", size=str(nic.mtu))
    driver = ET.SubElement(card, "driver", name="qemu")
    for side, offloads in NO_OFFLOADS.items():
        ET.SubElement(driver, side, offloads)
    ET.SubElement(card, "rom", enabled="no")  # no machine boots from the network


def _furniture(devices: ET.Element, console: Path) -> None:
    ET.SubElement(devices, "controller", type="usb", model="none")  # its polling costs an emulated processor dearly
    serial = ET.SubElement(devices, "serial", type="pty")
    ET.SubElement(serial, "log", file=str(console), append="on")
    ET.SubElement(serial, "target", port="0")
    random = ET.SubElement(devices, "rng", model="virtio")
    _text(random, "backend", "/dev/urandom", model="random")
    ET.SubElement(devices, "memballoon", model="virtio")


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = text


def _children(parent: ET.Element, *tags: str) -> None:
    for tag in tags:
        ET.SubElement(parent, tag)


def vm_files(spec: VmSpec, volumes: Sequence[Path], seed: Path) -> list[File]:
    """Return the machine's disks: its volumes in order, then its seed."""
    disks = [File(path, "qcow2", disk.serial) for path, disk in zip(volumes, spec.disks, strict=True)]
    return [*disks, File(seed, "raw", SEED_SERIAL, read_only=True)]


def seed_name(vm_id: UUID) -> str:
    """Return the seed's name in its pool."""
    return f"seed-{vm_id}.iso"
