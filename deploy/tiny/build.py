#!/usr/bin/env python3
"""Makes the tiny guest: a disk that boots by itself, from Debian packages that are unpacked and never installed.

It needs no root, no mount and no loop device, and never touches the network except through `apt-get download`.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import gzip
import hashlib
import json
import os
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
GUEST_TREE = HERE / "guest"
STAMP = "tiny.json"
PRODUCTS = ("tiny.qcow2", "vmlinuz", "initrd")

KERNEL_METAPACKAGE = "linux-image-cloud-amd64"
GUEST_PACKAGES = (
    "busybox-static",
    "dropbear-bin",
    "libc6",
    "libcrypt1",
    "libgmp10",
    "libtomcrypt1",
    "libtommath1",
    "zlib1g",
)
# Run on this machine from where they are unpacked, with their own libraries and this machine's libc.
TOOL_PACKAGES = (
    "e2fsprogs",
    "libblkid1",
    "libcom-err2",
    "libext2fs2",
    "libss2",
    "libuuid1",
    "mtools",
    "syslinux",
)
HOST_COMMANDS = {
    "apt-get": "apt",
    "apt-cache": "apt",
    "dpkg-deb": "dpkg",
    "qemu-img": "qemu-utils",
}

LIBRARY_FOLDER = "lib/x86_64-linux-gnu"
LIBRARIES = (
    "libc.so.6",
    "libcrypt.so.1",
    "libgmp.so.10",
    "libtomcrypt.so.1",
    "libtommath.so.1",
    "libz.so.1",
)
LOADER = "ld-linux-x86-64.so.2"
MODULES = (
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "virtio_rng",
    "isofs",
    "vfat",
    "nls_cp437",
    "nls_ascii",
    "button",
    "evdev",
)
KERNEL_ARGUMENTS = "console=ttyS0,115200 quiet loglevel=3 panic=1 cryptomgr.notests nokaslr"

SECTOR = 512
MIB = 1024 * 1024
FIRST_PARTITION_AT = MIB
ROOT_BYTES = 16 * MIB
FAT_SLACK_BYTES = 2 * MIB
LINUX, FAT16_LBA = 0x83, 0x0E
MODULE_SIGNATURE = b"~Module signature appended~\n"


class BuildError(Exception):
    """The image cannot be made here; the message is one sentence that says what is missing."""


def run(command: Sequence[str | Path], cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Run a command to its end and return its output; a failure is a BuildError with its last line."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        raise BuildError(f"{Path(command[0]).name} failed with status {done.returncode}: {lines[-1]}")
    return done.stdout


def source_digest() -> str:
    """Hash everything that the builder itself puts into the image, names and modes included."""
    digest = hashlib.sha256()
    for path in [Path(__file__).resolve(), *guest_files()]:
        mode = path.stat().st_mode & stat.S_IXUSR
        digest.update(f"{path.relative_to(HERE)}\0{mode}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def guest_files() -> list[Path]:
    return sorted(path for path in GUEST_TREE.rglob("*") if path.is_file())


def is_current(out: Path, digest: str) -> bool:
    """Tell whether `out` holds the products of just these sources; asks neither apt nor the network."""
    try:
        stamp = json.loads((out / STAMP).read_text())
    except (OSError, ValueError):
        return False
    return stamp.get("sources") == digest and all((out / name).exists() for name in PRODUCTS)


def require_host() -> None:
    """Refuse, in one sentence, a machine on which the build cannot work."""
    if os.uname().machine != "x86_64":
        raise BuildError(f"The tiny image is made on x86_64 only; this machine is {os.uname().machine}.")
    missing = {command: package for command, package in HOST_COMMANDS.items() if not shutil.which(command)}
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        raise BuildError(f"Missing {', '.join(missing)}: type `apt-get install {packages}` (Debian or a sibling of it).")


class Packages:
    """Debian packages, downloaded by name into a folder and unpacked from there."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.updated = False
        self.debs = work / "debs"
        self.debs.mkdir()

    def kernel_package(self) -> str:
        """Return the name of the package that holds the newest cloud kernel."""
        for _ in range(2):
            listing = run(["apt-cache", "depends", "--important", KERNEL_METAPACKAGE], self.work)
            for line in listing.splitlines():
                kind, _, name = line.strip().partition(": ")
                if kind == "Depends" and name.startswith("linux-image-"):
                    return name
            self.update()
        raise BuildError(f"apt knows no {KERNEL_METAPACKAGE}: add a Debian mirror to /etc/apt/sources.list.")

    def download(self, names: Sequence[str]) -> None:
        """Download packages by name; the lists are renewed once if apt cannot find one of them."""
        # The sandbox user cannot write into a private folder, and says so on every call.
        command = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *names]
        try:
            run(command, self.debs)
        except BuildError:
            self.update()
            try:
                run(command, self.debs)
            except BuildError as error:
                raise BuildError(f"Debian's packages cannot be had, see the network and /etc/apt: {error}") from error

    def update(self) -> None:
        """Renew apt's lists, once in a build; without the right to do so the caller's own error is the better one."""
        if not self.updated:
            self.updated = True
            with contextlib.suppress(BuildError):
                run(["apt-get", "-q", "update"], self.work)

    def unpack(self, names: Sequence[str], into: Path) -> dict[str, str]:
        """Unpack packages into a folder and return their versions by name."""
        into.mkdir(exist_ok=True)
        versions = {}
        for name in names:
            (deb,) = self.debs.glob(f"{name}_*.deb")
            run(["dpkg-deb", "-x", deb, into], self.work)
            versions[name] = run(["dpkg-deb", "-f", deb, "Version"], self.work).strip()
        return versions


class Archive:
    """A cpio archive in the "newc" format of Linux initramfs, every file owned by root (initramfs buffer format)."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.folders: set[str] = set()
        self.inode = 0

    def _entry(self, name: str, mode: int, data: bytes = b"") -> None:
        self.inode += 1
        path = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + path
        for part in (head, data):
            self.parts.append(part + b"\0" * (-len(part) % 4))

    def folder(self, name: str) -> None:
        """Add a folder and those above it, unless they are there."""
        if name in {"", "."} or name in self.folders:
            return
        self.folder(str(Path(name).parent))
        self.folders.add(name)
        self._entry(name, stat.S_IFDIR | (0o700 if name.startswith("root") else 0o755))

    def file(self, name: str, data: bytes, *, executable: bool = False) -> None:
        self.folder(str(Path(name).parent))
        self._entry(name, stat.S_IFREG | (0o755 if executable else 0o644), data)

    def link(self, name: str, target: str) -> None:
        self.folder(str(Path(name).parent))
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def close(self) -> bytes:
        self._entry("TRAILER!!!", 0)
        return b"".join(self.parts)


def find_library(tree: Path, name: str) -> Path:
    for folder in (LIBRARY_FOLDER, f"usr/{LIBRARY_FOLDER}"):
        if (tree / folder / name).exists():
            return tree / folder / name
    raise BuildError(f"The downloaded packages hold no {name}: Debian moved it, and build.py must follow.")


def without_signature(module: bytes) -> bytes:
    """Cut a module's signature off: an emulated processor spends long on checking it, and nothing requires it."""
    if not module.endswith(MODULE_SIGNATURE):
        return module
    trailer = len(module) - len(MODULE_SIGNATURE)
    (signature_length,) = struct.unpack(">I", module[trailer - 4 : trailer])
    return module[: trailer - 12 - signature_length]


def add_modules(archive: Archive, kernel_tree: Path) -> None:
    """Add the kernel modules that the guest loads, what they depend on, and a modules.dep that says so."""
    (modules,) = (kernel_tree / "lib/modules").iterdir()
    files = {path.stem.replace("-", "_"): path for path in (modules / "kernel").rglob("*.ko")}
    wanted, dependencies = list(MODULES), dict[str, list[str]]()
    for name in wanted:
        if name in dependencies:
            continue
        if name not in files:
            raise BuildError(f"The kernel {modules.name} has no module {name}: Debian built it in, and build.py must follow.")
        data = files[name].read_bytes()
        start = data.index(b"\0depends=") + len(b"\0depends=")
        listed = data[start : data.index(b"\0", start)].decode()
        dependencies[name] = [one.replace("-", "_") for one in listed.split(",") if one]
        wanted += dependencies[name]
        archive.file(f"lib/modules/{modules.name}/{name}.ko", without_signature(data))
    lines = [f"{name}.ko:{''.join(f' {one}.ko' for one in closure(name, dependencies))}\n" for name in dependencies]
    archive.file(f"lib/modules/{modules.name}/modules.dep", "".join(lines).encode())


def closure(name: str, dependencies: Mapping[str, Sequence[str]]) -> list[str]:
    """All that a module needs, each before what needs it last, as modules.dep lists it (loaded from the end)."""
    order: list[str] = []
    for one in dependencies[name]:
        for deeper in [one, *closure(one, dependencies)]:
            if deeper in order:
                order.remove(deeper)
            order.append(deeper)
    return order


def make_initrd(guest: Path, kernel_tree: Path) -> bytes:
    """Return the compressed initramfs: the guest's own files, busybox, dropbear and the kernel modules."""
    archive = Archive()
    for folder in ("dev", "proc", "sys", "root/.ssh"):
        archive.folder(folder)
    archive.file("bin/busybox", (guest / "bin/busybox").read_bytes(), executable=True)
    for name in ("init", "bin/sh", "usr/bin/env"):
        archive.link(name, "/bin/busybox")
    for name in ("sbin/dropbear", "bin/dropbearkey"):
        archive.file(name, (guest / "usr" / name).read_bytes(), executable=True)
    for name in LIBRARIES:
        archive.file(f"{LIBRARY_FOLDER}/{name}", find_library(guest, name).read_bytes())
    archive.file(f"lib64/{LOADER}", find_library(guest, LOADER).read_bytes(), executable=True)
    for path in guest_files():
        executable = bool(path.stat().st_mode & stat.S_IXUSR)
        archive.file(str(path.relative_to(GUEST_TREE)), path.read_bytes(), executable=executable)
    add_modules(archive, kernel_tree)
    return gzip.compress(archive.close(), compresslevel=6, mtime=0)


class Disk:
    """A raw disk image with a root partition (ext4) and, behind it, a boot partition (FAT with syslinux).

    The root partition is ext4 for its journal: a guest that is killed at any time finds it whole, which FAT does not promise.
    The guest never mounts the boot partition, so nothing that it does keeps it from booting.
    """

    def __init__(self, work: Path, tools: Path) -> None:
        self.work = work
        self.tools = tools
        self.raw = work / "disk.raw"
        libraries = [str(tools / folder) for folder in (LIBRARY_FOLDER, f"usr/{LIBRARY_FOLDER}")]
        programs = [str(tools / folder) for folder in ("usr/bin", "sbin", "usr/sbin")]
        self.env = {
            "PATH": ":".join([*programs, os.environ.get("PATH", "/usr/bin:/bin")]),
            "LD_LIBRARY_PATH": ":".join(libraries),
            "MTOOLS_SKIP_CHECK": "1",
            "TMPDIR": str(work),
            "LC_ALL": "C",
        }

    def make(self, boot_files: Mapping[str, bytes]) -> Path:
        """Write the whole disk and return its path."""
        root_at = FIRST_PARTITION_AT
        boot_at = root_at + ROOT_BYTES
        content = sum(len(data) for data in boot_files.values())
        boot_bytes = -(-(content + FAT_SLACK_BYTES) // MIB) * MIB
        with self.raw.open("wb") as file:
            file.truncate(boot_at + boot_bytes)
        self._make_root(root_at)
        self._make_boot(boot_at, boot_bytes, boot_files)
        self._write_boot_record([(LINUX, root_at, ROOT_BYTES), (FAT16_LBA, boot_at, boot_bytes)], active=1)
        return self.raw

    def _make_root(self, at: int) -> None:
        options = ["-L", "tiny-root", "-b", "1024", "-m", "0", "-E", f"offset={at},root_owner=0:0,lazy_itable_init=0"]
        run(["mke2fs", "-q", "-F", "-t", "ext4", *options, self.raw, f"{ROOT_BYTES // 1024}k"], self.work, self.env)

    def _make_boot(self, at: int, size: int, files: Mapping[str, bytes]) -> None:
        place = f"{self.raw}@@{at}"
        geometry = ["-h", "255", "-s", "63", "-H", str(at // SECTOR), "-T", str(size // SECTOR)]
        run(["mformat", "-i", place, *geometry, "-v", "TINY-BOOT", "::"], self.work, self.env)
        for name, data in files.items():
            (self.work / name).write_bytes(data)
            run(["mcopy", "-i", place, self.work / name, f"::{name}"], self.work, self.env)
        run(["syslinux", "--install", "--offset", str(at), self.raw], self.work, self.env)

    def _write_boot_record(self, partitions: Sequence[tuple[int, int, int]], active: int) -> None:
        record = bytearray(SECTOR)
        code = (self.tools / "usr/lib/SYSLINUX/mbr.bin").read_bytes()
        record[: len(code)] = code
        for index, (kind, at, size) in enumerate(partitions):
            # The cylinder fields are out of use: the boot code and Linux both read the sector numbers.
            entry = (0x80 if index == active else 0, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", at // SECTOR, size // SECTOR)
            struct.pack_into("<B3sB3sII", record, 446 + 16 * index, *entry)
        record[510:] = b"\x55\xaa"
        with self.raw.open("r+b") as file:
            file.write(record)


def boot_menu() -> bytes:
    lines = (
        "DEFAULT tiny",
        "PROMPT 0",
        "NOESCAPE 1",
        "LABEL tiny",
        "LINUX vmlinuz",
        "INITRD initrd",
        f"APPEND {KERNEL_ARGUMENTS}",
    )
    return ("\n".join(lines) + "\n").encode()


def build(out: Path, work: Path, digest: str) -> None:
    """Make all products in `work` and move them into `out`, the stamp last."""
    packages = Packages(work)
    kernel = packages.kernel_package()
    packages.download([kernel, *GUEST_PACKAGES, *TOOL_PACKAGES])
    versions = packages.unpack([kernel], work / "kernel")
    versions |= packages.unpack(GUEST_PACKAGES, work / "guest")
    versions |= packages.unpack(TOOL_PACKAGES, work / "tools")
    (image,) = (work / "kernel/boot").glob("vmlinuz-*")
    boot_files = {
        "vmlinuz": image.read_bytes(),
        "initrd": make_initrd(work / "guest", work / "kernel"),
        "syslinux.cfg": boot_menu(),
    }
    raw = Disk(work, work / "tools").make(boot_files)
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, work / "tiny.qcow2"], work)
    (work / STAMP).write_text(json.dumps({"sources": digest, "packages": versions}, indent=2) + "\n")
    (out / STAMP).unlink(missing_ok=True)
    for name in (*PRODUCTS, STAMP):
        (work / name).replace(out / name)


@contextlib.contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold the folder's lock: of two builders the second waits, and then finds the image made."""
    with (out / ".tiny.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def ensure_image(out: Path) -> bool:
    """Make the image in `out` unless it is there; return whether it had to be made.

    Raises BuildError if something that the build needs is missing.
    """
    digest = source_digest()
    if is_current(out, digest):
        return False
    require_host()
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        if is_current(out, digest):
            return False
        with tempfile.TemporaryDirectory(prefix=".tiny-", dir=out) as work:
            build(out, Path(work).resolve(), digest)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the tiny guest image from Debian packages.")
    parser.add_argument("--out", type=Path, required=True, help="folder for tiny.qcow2, vmlinuz and initrd")
    out: Path = parser.parse_args().out.absolute()
    started = time.monotonic()
    try:
        made = ensure_image(out)
    except (BuildError, OSError) as error:
        print(f"The tiny image was not made. {error}", file=sys.stderr)
        return 1
    print(f"{out / 'tiny.qcow2'}: {'made' if made else 'already there'} ({time.monotonic() - started:.2f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
