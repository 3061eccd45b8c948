"""The tiny guest, built from packages and booted alone in QEMU: what the platform's tests and demo believe about it.

Knows nothing of the platform; the guest is spoken to by its serial console and by ssh only.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pycdlib
import pytest

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

REPOSITORY = Path(__file__).resolve().parents[2]
BUILDER = REPOSITORY / "deploy/tiny/build.py"
IMAGES = REPOSITORY / ".cache/tiny"
BOOT_SECONDS = 40.0

USER_DATA = b"""#!/bin/sh
echo "the script sees $(hostname)"
echo run >> /root-volume/runs
exit 3
"""


def build() -> str:
    done = subprocess.run([sys.executable, BUILDER, "--out", IMAGES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def image() -> Path:
    build()
    return IMAGES / "tiny.qcow2"


def write_seed(path: Path, meta_data: bytes, user_data: bytes) -> Path:
    """Write a NoCloud seed as the platform does: ISO 9660 with Rock Ridge and Joliet names."""
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident="cidata")
    for name, data in {"meta-data": meta_data, "user-data": user_data}.items():
        short = f"/{name.replace('-', '').upper()}.;1"
        iso.add_fp(BytesIO(data), len(data), short, rr_name=name, joliet_path=f"/{name}")
    iso.write(str(path))
    iso.close()
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Guest:
    """One virtual machine on an overlay of the image, which outlives the machine's process."""

    def __init__(self, image: Path, folder: Path, seed: str, *devices: str, memory_mib: int = 128) -> None:
        self.folder = folder
        self.console = folder / "console"
        self.monitor = folder / "monitor"
        self.ssh_port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        overlay = folder / "root.qcow2"
        backing = ["-b", str(image), "-F", "qcow2"]
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, overlay], check=True)
        # fmt: off
        self.command = [
            "qemu-system-x86_64", "-nodefaults", "-accel", "tcg", "-m", str(memory_mib), "-display", "none",
            "-serial", f"file:{self.console}", "-monitor", f"unix:{self.monitor},server=on,wait=off",
            "-drive", f"file={overlay},if=none,id=root,format=qcow2", "-device", "virtio-blk-pci,drive=root,bootindex=1",
            "-drive", f"file={seed},if=none,id=seed,format=raw,readonly=on", "-device", "virtio-blk-pci,drive=seed",
            "-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng",
            *devices,
        ]
        # fmt: on

    def with_network(self) -> Guest:
        forward = f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self.ssh_port}-:22"
        self.command += ["-netdev", forward, "-device", "virtio-net-pci,netdev=net,mac=52:54:00:00:01:0a"]
        return self

    def start(self) -> None:
        self.console.unlink(missing_ok=True)
        self.process = subprocess.Popen(self.command)

    def kill(self) -> None:
        """Take the power away: nothing in the guest or in QEMU gets a chance to write."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def order(self, command: str) -> None:
        """Give QEMU's monitor an order, and wait until it asks for the next: a line closed early is an order lost."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(10)
            monitor.connect(str(self.monitor))
            heard = b""
            for prompts, text in ((1, command.encode() + b"\n"), (2, b"")):
                while heard.count(b"(qemu) ") < prompts:
                    heard += monitor.recv(4096)
                monitor.sendall(text)

    def lines(self) -> list[str]:
        text = self.console.read_text(errors="replace") if self.console.exists() else ""
        return [line.strip() for line in text.splitlines()]

    def wait_ready(self, boots: int = 1) -> list[str]:
        """Wait until the guest said "ready" for the nth time on this console; return what it said since the last boot."""
        deadline = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < deadline:
            lines = self.lines()
            ready = [index for index, line in enumerate(lines) if line.startswith("tiny: ready after ")]
            if len(ready) >= boots:
                first = ready[boots - 2] + 1 if boots > 1 else 0
                return lines[first : ready[boots - 1] + 1]
            assert self.process is not None
            assert self.process.poll() is None, "QEMU ended: " + "\n".join(lines)
            time.sleep(0.05)
        raise AssertionError("never ready:\n" + "\n".join(self.lines()))

    def ssh(self, key: Path, command: str) -> str:
        # fmt: off
        done = subprocess.run(
            ["ssh", "-F", "none", "-i", key, "-p", str(self.ssh_port), "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
             "-o", "StrictHostKeyChecking=accept-new", "-o", f"UserKnownHostsFile={self.folder / 'known_hosts'}",
             "-o", "IdentitiesOnly=yes", "root@127.0.0.1", command],
            capture_output=True, text=True, timeout=30, check=False,
        )
        # fmt: on
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def guests() -> Iterator[list[Guest]]:
    """Guests put into this list are killed when the test ends, however it ends."""
    started: list[Guest] = []
    yield started
    for guest in started:
        guest.kill()


def new_key(path: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "one@test", "-f", path], check=True)
    return path.with_suffix(".pub").read_text().strip()


def test_a_second_build_finds_the_image_made(image: Path) -> None:
    before = image.stat().st_mtime_ns
    assert "already there" in build()
    assert image.stat().st_mtime_ns == before


def test_a_guest_reads_its_seed_and_keeps_its_volume(image: Path, tmp_path: Path, guests: list[Guest]) -> None:
    key = tmp_path / "key"
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJvZ3VzYm9ndXNib2d1c2JvZ3VzYm9ndXNib2d1c2Jv two@test"
    meta_data = f"instance-id: i-1\nlocal-hostname: web-1\npublic-keys:\n  - {new_key(key)}\n  - {other}\n"
    seed = write_seed(tmp_path / "seed.iso", meta_data.encode(), USER_DATA)
    guest = Guest(image, tmp_path, str(seed)).with_network()
    guests.append(guest)

    guest.start()
    said = guest.wait_ready()
    assert any(re.fullmatch(r"tiny: root volume vda1 \d+ MiB booted; boots=1", line) for line in said), said
    assert "tiny: hostname web-1" in said
    assert "tiny: authorized keys 2" in said
    assert "the script sees web-1" in said
    assert "tiny: user-data exit 3" in said
    # QEMU's own DHCP server gives this very address; restrict=on takes the gateway away.
    assert "tiny: eth0 address 10.0.2.15/24 gateway none mtu 1500 mac 52:54:00:00:01:0a" in said
    assert guest.ssh(key, "hostname") == "web-1"
    assert float(guest.ssh(key, "cat /proc/uptime").split()[0]) > 0
    guest.ssh(key, "echo kept > /root-volume/mark")

    # A kill right after the write is the worst case: neither the guest nor QEMU's cache may still hold it.
    guest.kill()
    guest.start()
    said = guest.wait_ready()
    assert any(line.endswith("booted; boots=2") for line in said), said
    assert "tiny: user-data was run before for i-1" in said
    # The same host key too, or ssh would refuse.
    assert guest.ssh(key, "cat /root-volume/mark /root-volume/runs") == "kept\nrun"

    guest.order("system_reset")
    said = guest.wait_ready(boots=2)
    assert any(line.endswith("booted; boots=3") for line in said), said
    assert guest.ssh(key, "cat /root-volume/mark /root-volume/runs") == "kept\nrun"


def test_a_small_guest_without_network_takes_cloud_config_and_the_power_button(
    image: Path, tmp_path: Path, guests: list[Guest]
) -> None:
    folder = tmp_path / "seed"
    folder.mkdir()
    (folder / "meta-data").write_text("instance-id: i-2\nlocal-hostname: from-meta-data\n")
    (folder / "user-data").write_text(
        '#cloud-config\nhostname: "from-user-data"\nssh_authorized_keys:\n- "ssh-ed25519 AAAA a@b"\nruncmd:\n- reboot\n'
    )
    # QEMU shows the folder as a FAT file system, the other format that NoCloud allows.
    guest = Guest(image, tmp_path, f"fat:floppy:{folder}", memory_mib=96)
    guest.command = [part.replace(",id=seed,format=raw", ",id=seed,format=vvfat,label=cidata") for part in guest.command]
    guests.append(guest)

    guest.start()
    said = guest.wait_ready()
    assert "tiny: hostname from-user-data" in said
    assert "tiny: authorized keys 1" in said
    assert not [line for line in said if line.startswith("tiny: user-data")]

    guest.order("system_powerdown")
    assert guest.process is not None
    assert guest.process.wait(timeout=20) == 0
    assert "tiny: power button pressed, powering off" in guest.lines()
