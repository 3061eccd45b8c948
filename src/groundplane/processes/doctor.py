"""Says for each part of an installation whether it can work on this machine, why not, and what to type.

Changes nothing that lasts: what it tries, it tries in namespaces and files that are gone afterwards.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from groundplane.processes.control import is_locked
from groundplane.processes.embedded import PLAIN_ENVIRONMENT, nats_binary, postgres_binaries
from groundplane.processes.kvm import kvm_verdict
from groundplane.processes.layout import Layout, Plane, UnfitDirectoryError, port_is_free
from groundplane.processes.supervisor import PartFailedError

Verdict = Literal["ok", "slower", "missing"]

SETUP = "make setup"
_SIMULATED = "groundplane up --simulated --hosts 3"
_UNTRIED = "cannot be tried without root"
_LEAST_DISK = 4 * 1024**3
"""Bytes: a database with its log files, an image and a few small guests."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known about one part: `slower` works, though not as it could."""

    part: str
    verdict: Verdict
    detail: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One look; those of the data plane matter only for the real one."""

    part: str
    look: Callable[[Layout, int], Finding]
    data_plane: bool = False


def examine(layout: Layout, port: int, plane: Plane) -> list[Finding]:
    """Look at everything that the installation needs; takes a few seconds at most."""
    return [check.look(layout, port) for check in CHECKS if plane == "local" or not check.data_plane]


def obstacles() -> list[Finding]:
    """Return what keeps the local data plane from working here; quick enough for every `up`.

    Without root nothing is said of namespaces and taps: whether they would work is not known then.
    """
    quick = ("root", "packages", "namespaces", "TUN") if os.geteuid() == 0 else ("root", "packages")
    looks = (check.look(Layout(Path("/nonexistent")), 0) for check in CHECKS if check.part in quick)
    return [finding for finding in looks if finding.verdict == "missing"]


def _postgres(_layout: Layout, _port: int) -> Finding:
    try:
        return _runs("PostgreSQL", [str(postgres_binaries() / "bin" / "postgres"), "--version"], SETUP)
    except PartFailedError as error:
        return Finding("PostgreSQL", "missing", str(error), SETUP)


def _nats(_layout: Layout, _port: int) -> Finding:
    try:
        return _runs("nats-server", [str(nats_binary()), "--version"], SETUP)
    except PartFailedError as error:
        return Finding("nats-server", "missing", str(error), SETUP)


def _root(_layout: Layout, _port: int) -> Finding:
    if os.geteuid() == 0:
        return Finding("root", "ok", "namespaces, taps and guests' disks may be made")
    return Finding("root", "missing", "the real data plane needs root", f"run as root, or: {_SIMULATED}")


_BINARIES = {
    "libvirtd": "libvirt-daemon-system",
    "virtlogd": "libvirt-daemon-system",
    "virsh": "libvirt-clients",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "ovsdb-server": "openvswitch-switch",
    "ovs-vswitchd": "openvswitch-switch",
    "ovn-northd": "ovn-central",
    "ovn-controller": "ovn-host",
    "ovn-nbctl": "ovn-common",
    "ip": "iproute2",
    "ethtool": "ethtool",
    "nsenter": "util-linux",
}


def _packages(_layout: Layout, _port: int) -> Finding:
    missing = {package for binary, package in _BINARIES.items() if shutil.which(binary, path=_PATH) is None}
    if not missing:
        return Finding("packages", "ok", "libvirt, QEMU, Open vSwitch and OVN are installed")
    names = " ".join(sorted(missing))
    return Finding(
        "packages", "missing", f"not installed: {names}", f"as root: apt-get install --no-install-recommends {names}"
    )


_PATH = PLAIN_ENVIRONMENT["PATH"]


def _namespaces(_layout: Layout, _port: int) -> Finding:
    if os.geteuid() != 0:
        return Finding("namespaces", "missing", _UNTRIED, f"run as root, or: {_SIMULATED}")
    done = _try(["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c",
                 "ip link set lo up && mount -t sysfs sysfs /sys && mount -t tmpfs tmpfs /run"])  # fmt: skip
    if done is None or done.returncode != 0:
        why = done.stderr.strip().splitlines()[-1:] if done is not None else ["unshare is missing"]
        return Finding(
            "namespaces", "missing", f"mount and network namespaces: {' '.join(why) or 'refused'}",
            f"run outside of an unprivileged container, or: {_SIMULATED}",
        )  # fmt: skip
    return Finding("namespaces", "ok", "a mount and a network namespace can be made and furnished")


def _tun(_layout: Layout, _port: int) -> Finding:
    if os.geteuid() != 0:
        return Finding("TUN", "missing", _UNTRIED, f"run as root, or: {_SIMULATED}")
    done = _try(["unshare", "--net", "ip", "tuntap", "add", "dev", "gp-doctor", "mode", "tap"])
    if done is None or done.returncode != 0:
        why = done.stderr.strip() if done is not None else "unshare is missing"
        return Finding(
            "TUN", "missing", f"no tap can be made: {why or 'refused'}", "modprobe tun, or give access to /dev/net/tun"
        )
    return Finding("TUN", "ok", "taps can be made; Open vSwitch switches in user space (datapath_type netdev)")


def _libvirt(_layout: Layout, _port: int) -> Finding:
    finding = _runs("libvirt", ["libvirtd", "--version"], SETUP)
    if finding.verdict == "ok" and _binding_missing():
        return Finding("libvirt", "missing", f"{finding.detail}, but Python's binding is not installed", SETUP)
    return finding


def _binding_missing() -> bool:
    return find_spec("libvirt") is None


def _qemu(_layout: Layout, _port: int) -> Finding:
    return _runs("QEMU", ["qemu-system-x86_64", "--version"], SETUP)


def _ovs(_layout: Layout, _port: int) -> Finding:
    return _runs("Open vSwitch", ["ovs-vswitchd", "--version"], SETUP)


def _ovn(_layout: Layout, _port: int) -> Finding:
    return _runs("OVN", ["ovn-controller", "--version"], SETUP)


def _kvm(layout: Layout, _port: int) -> Finding:
    verdict = kvm_verdict(layout.root)
    if verdict.usable:
        return Finding("KVM", "ok", verdict.reason)
    return Finding("KVM", "slower", verdict.reason, "guests run under emulation, which works and is slow")


def _image_tools(_layout: Layout, _port: int) -> Finding:
    missing = [tool for tool in ("dpkg-deb", "apt-get") if shutil.which(tool) is None]
    if missing:
        return Finding("tiny image", "missing", f"cannot be made here: no {', '.join(missing)}", "use a Debian machine")
    return Finding("tiny image", "ok", "can be made from Debian's packages")


def _disk(layout: Layout, _port: int) -> Finding:
    place = layout.root
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    detail = f"{free / 1024**3:.1f} GiB free at {place}"
    if free < _LEAST_DISK:
        return Finding("disk", "missing", detail, f"free {_LEAST_DISK / 1024**3:.0f} GiB, or choose another --data-dir")
    return Finding("disk", "ok", detail)


def _port_free(layout: Layout, port: int) -> Finding:
    name = f"port {port}"
    if is_locked(layout):
        return Finding(name, "ok", "used by this installation, which is running")
    if port_is_free(port):
        return Finding(name, "ok", "free")
    return Finding(name, "missing", f"127.0.0.1:{port} is taken by somebody else", "groundplane up --port N")


def _data_dir(layout: Layout, _port: int) -> Finding:
    try:
        layout.check()
    except UnfitDirectoryError as error:
        return Finding("data directory", "missing", str(error), "groundplane up --data-dir D")
    place = layout.root
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK):
        return Finding("data directory", "missing", f"{place} may not be written", "groundplane up --data-dir D")
    return Finding("data directory", "ok", str(layout.root))


CHECKS = (
    Check("PostgreSQL", _postgres),
    Check("nats-server", _nats),
    Check("data directory", _data_dir),
    Check("disk", _disk),
    Check("port", _port_free),
    Check("root", _root, data_plane=True),
    Check("packages", _packages, data_plane=True),
    Check("namespaces", _namespaces, data_plane=True),
    Check("TUN", _tun, data_plane=True),
    Check("libvirt", _libvirt, data_plane=True),
    Check("QEMU", _qemu, data_plane=True),
    Check("KVM", _kvm, data_plane=True),
    Check("Open vSwitch", _ovs, data_plane=True),
    Check("OVN", _ovn, data_plane=True),
    Check("tiny image", _image_tools, data_plane=True),
)


def _runs(part: str, argv: list[str], advice: str) -> Finding:
    done = _try(argv)
    if done is None:
        return Finding(part, "missing", f"{Path(argv[0]).name} is not installed", advice)
    if done.returncode != 0:
        return Finding(part, "missing", f"{Path(argv[0]).name} does not run: {done.stderr.strip()[:200]}", advice)
    return Finding(part, "ok", done.stdout.strip().splitlines()[0])


def _try(argv: list[str]) -> "subprocess.CompletedProcess[str] | None":
    try:
        return subprocess.run(argv, env=PLAIN_ENVIRONMENT, cwd="/", capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
