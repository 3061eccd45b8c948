"""The data plane's daemons: apart from the machine's own, started again when killed, adopted, and taken away whole."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.processes.conftest import Supervise
from tests.processes.toys import Supervised, alive, wait_for

from groundplane.processes import engines
from groundplane.processes.doctor import obstacles
from groundplane.processes.embedded import PLAIN_ENVIRONMENT
from groundplane.processes.engines import DataPlane, mounts_below
from groundplane.processes.kvm import BOOT_SECTOR, KvmVerdict
from groundplane.processes.layout import Layout
from groundplane.processes.pids import ProcessRef, end, marked, namespace
from groundplane.processes.takedown import take_away

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(bool(missing := obstacles()), reason="; ".join(finding.detail for finding in missing)),
]

DAEMONS = ("virtlogd", "libvirtd", "ovsdb", "ovn-nb", "ovn-sb", "vswitchd", "northd", "ovn-controller")
PORT = "11111111-1111-4111-8111-000000000001"
GUEST = """\
<domain type='qemu'><name>guest</name><memory unit='MiB'>32</memory>
 <os><type arch='x86_64' machine='q35'>hvm</type></os>
 <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
  <disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{disk}'/><target dev='vda' bus='virtio'/></disk>
  <serial type='file'><source path='/var/log/libvirt/qemu/guest-serial.log'/></serial>
  <interface type='bridge'><source bridge='br-int'/>
   <virtualport type='openvswitch'><parameters interfaceid='{port}'/></virtualport></interface>
 </devices></domain>
"""


@pytest.fixture(autouse=True)
def debris(layout: Layout) -> Iterator[None]:
    """Take away, after each test, what it left in the namespaces."""
    yield
    plane = DataPlane(layout, "")
    end([ref for _, ref in marked(layout.root)] + plane.inhabitants(), signal.SIGKILL)
    plane.release_namespaces()


def run(*argv: str) -> str:
    done = subprocess.run(argv, env=PLAIN_ENVIRONMENT, cwd="/", capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout.strip()


def virsh(layout: Layout, *argv: str) -> str:
    return run("virsh", "-q", "-c", DataPlane(layout, "").addresses()["libvirt_uri"], *argv)


def ovn(layout: Layout, *argv: str) -> str:
    return run("ovn-nbctl", f"--db={DataPlane(layout, '').addresses()['ovn_northbound']}", "--timeout=20", *argv)


def ovs(layout: Layout, *argv: str) -> str:
    return run("ovs-vsctl", f"--db={DataPlane(layout, '').addresses()['ovs']}", "--timeout=20", *argv)


def start_guest(layout: Layout) -> ProcessRef:
    """Define a switch with a port, and a guest on it that boots the KVM probe's sector, which writes K to its serial port."""
    ovn(layout, "ls-add", "network", "--", "lsp-add", "network", PORT)
    disk = layout.pools / "default" / "disk"
    disk.write_bytes(BOOT_SECTOR.ljust(1 << 20, b"\0"))
    xml = layout.root / "guest.xml"
    xml.write_text(GUEST.format(disk=disk, port=PORT))
    virsh(layout, "create", str(xml))
    guests = [ref for ref in DataPlane(layout, "").inhabitants() if "guest=guest" in ref.command()]
    assert len(guests) == 1
    return guests[0]


def port_is_up(layout: Layout) -> bool:
    return ovn(layout, "get", "logical_switch_port", PORT, "up") == "true"


def test_the_machine_sees_nothing_of_it(layout: Layout, supervise: Supervise) -> None:
    mounts = set(Path("/proc/mounts").read_text().splitlines())
    supervised = supervise("engines")
    supervised.wait()
    guest = start_guest(layout)
    plane = DataPlane(layout, "")
    for pid in (guest.pid, *(supervised.pid(name) for name in DAEMONS)):
        assert namespace(pid, "net") not in (namespace(os.getpid(), "net"), 0)
        for engine in ("/run", "/run/libvirt", "/etc/libvirt", "/var/lib/libvirt", "/var/lib/openvswitch", "/var/lib/ovn"):
            ours, machines = Path(f"/proc/{pid}/root{engine}"), Path(engine)
            assert ours.is_dir()
            assert not machines.exists() or not ours.samefile(machines)
    more = set(Path("/proc/mounts").read_text().splitlines()) - mounts
    assert [line for line in more if str(layout.root) in line]
    inside = set(run(*plane.enter("ls", "/sys/class/net")).split())
    assert {"lo", "br-int", "ovs-netdev", "vnet0"} <= inside
    assert not {"eth0", "ens3"} & inside
    assert virsh(layout, "net-list", "--all", "--name") == ""


def test_a_guest_runs_as_its_own_user_and_its_port_comes_up(layout: Layout, supervise: Supervise) -> None:
    supervise("engines").wait()
    guest = start_guest(layout)
    wait_for(lambda: port_is_up(layout), 20)
    assert Path(f"/proc/{guest.pid}").owner() == "libvirt-qemu"
    serial = layout.root / "engines" / "libvirt" / "log" / "qemu" / "guest-serial.log"
    wait_for(lambda: serial.read_bytes() == b"K", 20)
    began = time.monotonic()
    virsh(layout, "destroy", "guest")
    assert time.monotonic() - began < 1.2, "an unreaped zombie makes libvirt wait two seconds"
    assert not guest.alive()


def test_each_killed_daemon_is_started_again_and_the_guest_lives_on(layout: Layout, supervise: Supervise) -> None:
    supervised = supervise("engines")
    supervised.wait()
    guest = start_guest(layout)
    wait_for(lambda: port_is_up(layout), 20)
    for name in DAEMONS:
        pid = supervised.pid(name)
        os.kill(pid, signal.SIGKILL)
        supervised.wait_ready(name, other_than=pid)
        assert virsh(layout, "domstate", "guest") == "running", name
        ovn(layout, "--wait=hv", "sync")
        wait_for(lambda: port_is_up(layout), 20)
    assert guest.alive()
    assert [supervised.part(name)["restarts"] for name in DAEMONS] == [1] * len(DAEMONS)
    system_id = ovs(layout, "get", "Open_vSwitch", ".", "external_ids:system-id")
    assert system_id.strip('"') == "host-1"


def test_the_next_supervisor_adopts_every_daemon(layout: Layout, supervise: Supervise) -> None:
    first = supervise("engines")
    first.wait()
    guest = start_guest(layout)
    pids = {name: first.pid(name) for name in DAEMONS}
    first.kill()
    second = supervise("engines")
    second.wait()
    assert {name: second.pid(name) for name in DAEMONS} == pids
    assert guest.alive()
    os.kill(pids["vswitchd"], signal.SIGKILL)
    second.wait_ready("vswitchd", other_than=pids["vswitchd"])
    ovn(layout, "--wait=hv", "sync")


def test_after_everything_was_killed_it_comes_up_again(layout: Layout, supervise: Supervise) -> None:
    first = supervise("engines")
    first.wait()
    start_guest(layout)
    kill_all(first, layout)
    supervise("engines").wait()
    ovn(layout, "--wait=hv", "sync")
    assert ovn(layout, "ls-list").endswith("(network)"), "the northbound database is the truth, and stays"
    assert virsh(layout, "list", "--name") == ""


def test_after_a_reboot_stale_files_are_no_hindrance(layout: Layout, supervise: Supervise) -> None:
    first = supervise("engines")
    first.wait()
    kill_all(first, layout)
    DataPlane(layout, "").release_namespaces()  # what a reboot does to mounts
    assert (layout.run / "ns" / "net").is_file()
    supervise("engines").wait()
    ovn(layout, "--wait=hv", "sync")


@pytest.mark.parametrize("how", ["running", "supervisor killed", "everything killed", "libvirtd killed", "paths unmounted"])
def test_take_away_leaves_nothing(layout: Layout, supervise: Supervise, how: str) -> None:
    supervised = supervise("engines")
    supervised.wait()
    plane = DataPlane(layout, "")
    guest = start_guest(layout)
    with subprocess.Popen([*plane.enter("sleep", "600")], start_new_session=True) as stranger:
        network = plane.network_namespace.stat().st_ino
        everybody = [ref.pid for ref in plane.inhabitants()]
        assert {guest.pid, stranger.pid} <= set(everybody)
        if how == "everything killed":
            kill_all(supervised, layout)
        elif how == "running":
            supervised.stop()
        else:
            supervised.kill()
        if how == "libvirtd killed":
            end([ref for name, ref in marked(layout.root) if name == "libvirtd"], signal.SIGKILL)
        if how == "paths unmounted":
            plane.release_namespaces()
        take_away(layout, lambda _: None)
        stranger.wait(5)
    assert not [pid for pid in everybody if alive(pid)]
    assert not layout.root.exists()
    assert not mounts_below(layout.root)
    assert str(layout.root) not in Path("/proc/self/mountinfo").read_text()
    assert network not in namespaces_seen()


def namespaces_seen() -> set[int]:
    """The network namespaces that any process lives in, or that are kept by a mount."""
    kept = set()
    for link in Path("/proc").glob("[0-9]*/ns/net"):
        try:
            kept.add(link.stat().st_ino)
        except OSError:
            continue
    listed = json.loads(run("lsns", "-J", "-t", "net", "-o", "NS"))["namespaces"] if shutil.which("lsns") else []
    return kept | {int(entry["ns"]) for entry in listed}


def kill_all(supervised: Supervised, layout: Layout) -> None:
    """End everything as a power cut would, guests included, without a chance to clean up."""
    supervised.kill()
    refs = [ref for _, ref in marked(layout.root)] + DataPlane(layout, "").inhabitants()
    for ref in refs:
        ref.send(signal.SIGKILL)
    wait_for(lambda: not any(ref.alive() for ref in refs), 10)


@pytest.mark.skipif(not Path("/dev/kvm").exists(), reason="there is nothing to cover")
def test_a_kvm_that_runs_no_guests_is_covered_until_it_does(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    layout.create()
    plane = DataPlane(layout, "")
    for usable, kind in ((False, "regular"), (True, "character"), (False, "regular")):
        monkeypatch.setattr(engines, "kvm_verdict", lambda _, usable=usable: KvmVerdict(usable, "as told"))
        plane.ensure_namespaces()
        assert run(*plane.enter("stat", "-c", "%F", "/dev/kvm")).startswith(kind)
    assert Path("/dev/kvm").is_char_device()
