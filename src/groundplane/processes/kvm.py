"""Finds out whether KVM really runs guests here, by running one, and remembers the verdict until the next boot.

Does not believe /dev/kvm, its ioctls or libvirt's capabilities: all three can look well where no guest gets anywhere.
"""

import dataclasses
import os
import pwd
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from groundplane.processes.layout import read_json, write_json
from groundplane.processes.pids import boot_id

QEMU = "qemu-system-x86_64"
GUEST_USER = "libvirt-qemu"
_DEVICE = Path("/dev/kvm")
SECONDS = 6.0
"""Limit for the probe; where KVM works it takes about a third of a second."""

# A boot sector that enters long mode with page tables of its own, as a Linux kernel does, runs two hundred million
# instructions there, writes "K" to the serial port and leaves through isa-debug-exit with 0x10 (status 33). The loop
# is the point: where KVM emulates guest code instead of running it (nested without hardware help), a boot sector that
# only greets passes, at some two million instructions a second, and Linux hangs for ever in its loader.
_CODE = bytes.fromhex(
    "fa 31c0 8ed8 8ec0 8ed0 bc007c"  # cli; ds = es = ss = 0; sp = 0x7c00
    "66bf00100000 0f22df"  # cr3 = edi = 0x1000
    "6631c0 66b9000c0000 fc 66f3ab"  # clear 0x1000-0x3fff
    "66c706001003200000 66c706002003300000"  # PML4[0] -> 0x2000, PDPT[0] -> 0x3000
    "bf0030 66b883000000"  # the page directory: the first GiB in pages of 2 MiB
    "668905 660500002000 83c708 81ff0040 75ee"
    "0f20e0 0c20 0f22e0"  # cr4.PAE
    "66b9800000c0 0f32 80cc01 0f30"  # EFER.LME
    "0f20c0 660d01000080 0f22c0"  # cr0.PE and cr0.PG
    "0f01168a7c ea907c0800"  # lgdt; far jump into 64-bit code
    "0000000000000000 00000000009a2000 0f00 7a7c0000"  # GDT: null, code; its register
    "b900e1f505 ffc9 75fc"  # one hundred million times: dec ecx; jnz
    "b04b baf8030000 ee b010 baf4000000 ee f4 ebfd"  # out 0x3f8, 'K'; out 0xf4, 0x10; hlt
)
BOOT_SECTOR = _CODE.ljust(510, b"\0") + b"\x55\xaa"
_DONE = 0x10 << 1 | 1


@dataclass(frozen=True, slots=True)
class KvmVerdict:
    """Whether guests may use KVM here, and why (not)."""

    usable: bool
    reason: str


def kvm_verdict(data_dir: Path) -> KvmVerdict:
    """Return whether KVM runs guests on this machine; the first call after a boot takes up to six seconds.

    It is asked anew when the device's permissions have changed.
    """
    memory = data_dir / "kvm.json"
    occasion = {"boot_id": boot_id(), "device": _device()}
    known = read_json(memory)
    if {key: known.get(key) for key in occasion} == occasion:
        return KvmVerdict(bool(known["usable"]), str(known["reason"]))
    verdict = probe()
    if data_dir.is_dir():
        write_json(memory, {**occasion, **dataclasses.asdict(verdict)})
    return verdict


def _device() -> str:
    try:
        found = _DEVICE.stat()
    except OSError:
        return "none"
    return f"{found.st_mode:o} {found.st_uid}:{found.st_gid}"


def probe(accelerator: str = "kvm") -> KvmVerdict:
    """Run the boot sector under the accelerator, as the user that guests run as."""
    if accelerator == "kvm" and not _DEVICE.exists():
        return KvmVerdict(False, "there is no /dev/kvm; guests are emulated")
    user = _guest_user()
    with tempfile.TemporaryDirectory(prefix="groundplane-kvm-") as folder:
        Path(folder).chmod(0o755)
        image = Path(folder) / "sector"
        image.write_bytes(BOOT_SECTOR)
        argv = [
            QEMU, "-accel", accelerator, "-cpu", "host" if accelerator == "kvm" else "max", "-m", "32", "-nodefaults",
            "-display", "none", "-no-reboot", "-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=1",
            "-drive", f"file={image},format=raw,if=ide,readonly=off,snapshot=on",
        ]  # fmt: skip
        try:
            done = subprocess.run(
                argv,
                user=user,
                group=user and pwd.getpwnam(user).pw_gid,
                extra_groups=[] if user else None,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=SECONDS,
                cwd="/",
                check=False,
            )
        except FileNotFoundError:
            return KvmVerdict(False, f"{QEMU} is missing")
        except subprocess.TimeoutExpired:
            return KvmVerdict(
                False, "a guest under KVM gets nowhere (its code is emulated, not run): guests use QEMU's own emulation"
            )
    if done.returncode == _DONE and b"K" in done.stdout:
        return KvmVerdict(True, "a guest ran under KVM")
    words = done.stderr.decode(errors="replace").strip().splitlines()
    if words and words[-1].endswith("Permission denied"):
        return KvmVerdict(
            False, f"{user or 'this user'} may not open /dev/kvm; as root: chgrp kvm /dev/kvm; chmod 660 /dev/kvm"
        )
    return KvmVerdict(False, f"a guest under KVM failed: {words[-1] if words else f'status {done.returncode}'}")


def _guest_user() -> str | None:
    """Return the user of guests if we can become it: what root may do with /dev/kvm says nothing about them."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(GUEST_USER).pw_name
    except KeyError:
        return None
