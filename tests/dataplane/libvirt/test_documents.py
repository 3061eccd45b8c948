"""What is written for libvirt and for the guest, without an engine: the domain's XML, the seed, the names of notes, faults."""

import errno
import io
import json
from pathlib import Path
from uuid import uuid4
from xml.etree import ElementTree as ET

import libvirt
import pytest
from pycdlib import PyCdlib
from tests.dataplane.libvirt.cloud import vm_spec, volume_spec

from groundplane.contracts.specs import Nic, Seed
from groundplane.dataplane.providers.libvirt.domain_xml import disk_name, domain_xml, vm_files
from groundplane.dataplane.providers.libvirt.domains import Memory
from groundplane.dataplane.providers.libvirt.errors import mapped
from groundplane.dataplane.providers.libvirt.fences import Note
from groundplane.dataplane.providers.libvirt.seed import seed_iso


def iso_files(iso: bytes) -> dict[str, bytes]:
    """A seed's files, by their Rock Ridge names; fails unless it is labelled for NoCloud."""
    assert iso[32_808:32_840].strip() == b"cidata"
    disk = PyCdlib()
    disk.open_fp(io.BytesIO(iso))
    files = {}
    for name in ("meta-data", "user-data"):
        content = io.BytesIO()
        disk.get_file_from_iso_fp(content, rr_path=f"/{name}")
        files[name] = content.getvalue()
    disk.close()
    return files


def parsed(xml: str) -> ET.Element:
    """A document as a tree."""
    return ET.fromstring(xml)  # noqa: S314 - our own


def test_a_card_sits_on_its_port_without_offloads() -> None:
    nic = Nic(port_id=uuid4(), mac="52:54:00:00:01:0a", mtu=1400)
    spec = vm_spec(volume_spec(), nics=(nic,))
    disks = vm_files(spec, [Path("/pool/root.qcow2")], Path("/pool/seed.iso"))
    xml = parsed(domain_xml(spec, Memory(), "qemu", disks=disks, console=Path("/console.log")))
    card = xml.find("./devices/interface")
    assert card is not None
    assert {child.tag: dict(child.attrib) for child in card if child.tag not in {"driver", "virtualport"}} == {
        "mac": {"address": nic.mac},
        "source": {"bridge": "br-int"},
        "model": {"type": "virtio"},
        "mtu": {"size": "1400"},
        "rom": {"enabled": "no"},
    }
    parameters = card.find("./virtualport[@type='openvswitch']/parameters")
    assert parameters is not None
    assert parameters.attrib == {"interfaceid": str(nic.port_id)}
    host, guest = card.find("./driver/host"), card.find("./driver/guest")
    assert host is not None
    assert guest is not None
    off = dict.fromkeys(("csum", "tso4", "tso6", "ecn", "ufo"), "off")
    assert host.attrib == {**off, "gso": "off", "mrg_rxbuf": "on"}
    assert guest.attrib == off


def test_disks_are_found_by_their_serials_and_only_the_first_boots() -> None:
    spec = vm_spec(volume_spec(), volume_spec())
    disks = vm_files(spec, [Path("/pool/a.qcow2"), Path("/pool/b.qcow2")], Path("/pool/seed.iso"))
    xml = parsed(domain_xml(spec, Memory(), "kvm", disks=disks, console=Path("/console.log")))
    found = [
        (disk.findtext("serial"), disk.find("boot") is not None, disk.find("readonly") is not None)
        for disk in xml.iterfind("./devices/disk")
    ]
    assert found == [("disk-0", True, False), ("disk-1", False, False), ("seed", False, True)]
    assert xml.get("type") == "kvm"


def test_names_of_many_disks() -> None:
    assert [disk_name(number) for number in (0, 25, 26, 701, 702)] == ["vda", "vdz", "vdaa", "vdzz", "vdaaa"]


def test_a_seed_tells_names_and_keys_as_they_are() -> None:
    keys = ("ssh-ed25519 AAAA me@home", 'ssh-rsa BBBB "quoted": # no comment')
    files = iso_files(seed_iso(Seed(instance_id="yes", hostname="007", ssh_keys=keys), b"#!/bin/sh\ntrue\n"))
    lines = files["meta-data"].decode().splitlines()
    assert lines[:3] == ['instance-id: "yes"', 'local-hostname: "007"', "public-keys:"]
    assert tuple(json.loads(line.removeprefix("  - ")) for line in lines[3:]) == keys
    assert files["user-data"] == b"#!/bin/sh\ntrue\n"


def test_a_seed_without_keys_and_user_data() -> None:
    files = iso_files(seed_iso(Seed(instance_id="i", hostname="h"), None))
    assert files == {"meta-data": b'instance-id: "i"\nlocal-hostname: "h"\n', "user-data": b"#cloud-config\n"}


@pytest.mark.parametrize("text", ["", "<vm", "<vm fence='many'/>", "<vm/>"])
def test_metadata_that_somebody_broke_counts_as_never_written(text: str) -> None:
    assert Memory.parsed(text) == Memory()


def test_metadata_is_read_as_it_was_written() -> None:
    memory = Memory(fence=7, hardware="0123456789abcdef", reboots=3, power="stopped")
    assert Memory.parsed(ET.tostring(memory.element(), "unicode")) == memory


def test_notes_count_by_fence_then_mark() -> None:
    pool = "fast.ssd/1"
    note = Note("volume", uuid4(), pool, 5, "making", 1_700_000_000)
    assert Note.parsed(note.name) == note
    assert "/" not in note.name
    order = [(4, "made"), (5, "gone"), (5, "making"), (5, "made"), (6, "gone")]
    names = [f"volume.{note.id}.{fence}.{mark}.0.x" for fence, mark in order]
    notes = [one for name in names if (one := Note.parsed(name)) is not None]
    assert sorted(notes, key=lambda one: one.weight) == notes
    assert len(notes) == len(order)


@pytest.mark.parametrize(
    "name", ["lost+found", "volume.x.1.made.0.p", "volume.fc3b114d-c170-4096-afa4-34c6b9a29663.1.done.0.p", "a.b"]
)
def test_what_is_no_note_is_overlooked(name: str) -> None:
    assert Note.parsed(name) is None


def error(code: int, words: str, number: int = 0) -> libvirt.libvirtError:
    """An error as libvirt raises it."""
    raised = libvirt.libvirtError("call() failed")
    raised.err = (code, 10, words, 2, None, None, None, number, -1)
    raised.args = (words,)
    return raised


@pytest.mark.parametrize(
    ("code", "words", "number", "fault"),
    [
        (libvirt.VIR_ERR_SYSTEM_ERROR, "cannot write", errno.ENOSPC, ("pool_full", "permanent")),
        (libvirt.VIR_ERR_INTERNAL_ERROR, "qemu-img: No space left on device", 0, ("pool_full", "permanent")),
        (libvirt.VIR_ERR_SYSTEM_ERROR, "cannot write", errno.EIO, ("engine_error", "transient")),
        (libvirt.VIR_ERR_OPERATION_TIMEOUT, "cannot acquire state change lock", 0, ("engine_busy", "transient")),
        (libvirt.VIR_ERR_NO_STORAGE_VOL, "no storage vol", 0, ("not_ready", "transient")),
        (libvirt.VIR_ERR_CONFIG_UNSUPPORTED, "unsupported configuration", 0, ("engine_refused", "permanent")),
        (libvirt.VIR_ERR_INTERNAL_ERROR, "error: failed to set MSR 0x10a to 0x0", 0, ("kvm_unusable", "permanent")),
        (libvirt.VIR_ERR_INTERNAL_ERROR, "Cannot set up guest memory", 0, ("host_out_of_memory", "transient")),
        (libvirt.VIR_ERR_INTERNAL_ERROR, "something new", 0, ("engine_error", "transient")),
    ],
)
def test_faults(code: int, words: str, number: int, fault: tuple[str, str]) -> None:
    raised = mapped(error(code, words, number), alive=True).fault
    assert (raised.code, raised.fault_class) == fault
    assert words in raised.message


def test_on_a_dead_connection_every_error_is_that() -> None:
    raised = mapped(error(libvirt.VIR_ERR_NO_DOMAIN, "no domain"), alive=False).fault
    assert (raised.code, raised.fault_class) == ("engine_unreachable", "transient")
