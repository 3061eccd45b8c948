"""A libvirtd for tests in a mount and network namespace of its own; the machine's own libvirtd is never touched.

Everything in it, the guests too, ends with the test process, even when that is killed: the holder of the namespaces sees
its input close.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

START_SECONDS = 30.0
SMALL_BYTES = 4 << 20

FOLDERS = {"run": "/run/libvirt", "lib": "/var/lib/libvirt", "etc": "/etc/libvirt", "log": "/var/log/libvirt"}
SETTINGS = {
    "libvirtd.conf": 'auth_unix_rw = "none"\nauth_unix_ro = "none"\nlog_level = 4\n',
    "qemu.conf": 'namespaces = []\ncgroup_controllers = []\nsecurity_driver = "none"\nmax_core = 0\n',
    "virtlogd.conf": "max_size = 65536\nmax_backups = 2\n",
}

# Holds the namespaces, starts what it is told to and says the process id, and reaps the guests that libvirtd leaves behind:
# with an init that is slow to reap, libvirt waits seconds for every process that it stops. KVM is covered, or libvirt, as
# root, finds a device that its QEMU may not use and probes anew at every definition.
HOLDER = """\
import ctypes, os, shlex, shutil, signal, subprocess, sys, threading, time
folder, cache, *pairs = sys.argv[1:]
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
run = lambda *argv: subprocess.run(argv, check=True)
run("mount", "-t", "tmpfs", "tmpfs", "/run")
for inside in pairs:
    name, _, target = inside.partition("=")
    os.makedirs(target, exist_ok=True)
    run("mount", "--bind", f"{folder}/{name}", target)
run("mount", "--bind", cache, "/var/cache/libvirt")
if os.path.exists("/dev/kvm"):
    run("mount", "--bind", f"{folder}/nokvm", "/dev/kvm")
run("mount", "-t", "tmpfs", "-o", "size=SMALL,mode=0711", "tmpfs", f"{folder}/small")
run("ip", "link", "set", "lo", "up")
print("ready", flush=True)

def reap():
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            time.sleep(0.05)

threading.Thread(target=reap, daemon=True).start()
for line in sys.stdin:
    name, log = shlex.split(line)
    with open(log, "ab") as out:
        print(subprocess.Popen(["setpriv", "--pdeathsig=KILL", name], stdout=out, stderr=out, cwd="/").pid, flush=True)
children = f"/proc/self/task/{os.getpid()}/children"
while pids := open(children).read().split():
    for pid in pids:
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            continue
    time.sleep(0.02)
subprocess.run(["umount", "-l", f"{folder}/small"])
shutil.rmtree(folder, ignore_errors=True)
""".replace("SMALL", str(SMALL_BYTES))


def until(condition: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Wait for it."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.01)


@dataclass
class PrivateLibvirt:
    """libvirtd and virtlogd over folders of their own. `pools` has one of four mebibytes, named `small`."""

    folder: Path
    holder: "subprocess.Popen[str]"
    daemons: dict[str, int] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        """Where it is reached from outside of the namespace."""
        return f"qemu+unix:///system?socket={self.folder}/run/libvirt-sock"

    @property
    def pools(self) -> dict[str, Path]:
        """The pools that a provider is told of."""
        return {"default": self.folder / "pools" / "default", "small": self.folder / "small"}

    @property
    def consoles(self) -> Path:
        """The folder of the consoles' logs."""
        return self.folder / "consoles"

    def start(self, name: str = "libvirtd") -> None:
        """Start a daemon and wait until it answers."""
        socket = self.folder / "run" / {"libvirtd": "libvirt-sock", "virtlogd": "virtlogd-sock"}[name]
        socket.unlink(missing_ok=True)
        self.daemons[name] = int(self.told(f"{name} {self.folder}/{name}.out"))
        until(socket.exists, f"{name} starts")
        if name == "libvirtd":
            until(lambda: self.virsh("version", check=False).returncode == 0, "libvirtd answers")

    def kill(self, name: str = "libvirtd") -> None:
        """Kill a daemon; its guests live on."""
        pid = self.daemons.pop(name)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{pid}").exists(), f"{name} ends")

    def told(self, line: str = "") -> str:
        """What the holder says, to a line or by itself."""
        assert self.holder.stdin is not None
        assert self.holder.stdout is not None
        if line:
            self.holder.stdin.write(f"{line}\n")
            self.holder.stdin.flush()
        return self.holder.stdout.readline().strip()

    def virsh(self, *argv: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """A person behind the platform's back."""
        return subprocess.run(("virsh", "-c", self.uri, *argv), capture_output=True, text=True, check=check, timeout=60)

    def qemu(self, vm_id: object) -> int | None:
        """The process id of a machine's QEMU."""
        path = self.folder / "run" / "qemu" / f"{vm_id}.pid"
        return int(path.read_text()) if path.exists() else None


@contextmanager
def private_libvirt() -> Iterator[PrivateLibvirt]:
    """Start everything, and end everything."""
    folder = Path(tempfile.mkdtemp(prefix="gpl-"))
    for name in (*FOLDERS, "small", "pools"):
        (folder / name).mkdir()
    for name in (".", "lib", "run", "pools"):
        (folder / name).chmod(0o711)
    (folder / "nokvm").touch(mode=0o000)
    for name, text in SETTINGS.items():
        (folder / "etc" / name).write_text(text)
    arguments = [str(folder), str(_cache()), *(f"{name}={path}" for name, path in FOLDERS.items())]
    unshare = ["unshare", "-m", "-n", "--propagation", "private", sys.executable, "-c", HOLDER]
    with subprocess.Popen([*unshare, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/") as holder:
        engine = PrivateLibvirt(folder, holder)
        assert engine.told() == "ready"
        engine.start("virtlogd")
        engine.start()
        yield engine


def _cache() -> Path:
    """What libvirt learnt of this machine's QEMU; it notices by itself when that is out of date."""
    path = Path(tempfile.gettempdir()) / f"groundplane-tests-libvirt-cache-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    assert path.stat().st_uid == os.getuid(), f"{path} belongs to somebody else"
    return path
