"""Names processes by pid and start time, finds the ones that belong to a data directory, and ends them.

Never signals a pid that it has not just proved to be the very process that was meant: pids are used again.
"""

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

MARK = "GROUNDPLANE_PART"
"""Environment variable that every supervised process carries: ``DATA_DIRECTORY:PART``."""

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True, order=True)
class ProcessRef:
    """One process of this boot: its pid, and its start in clock ticks since boot (proc(5), stat field 22)."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> "ProcessRef | None":
        """Return the reference of a living process, or None if it is gone or a zombie."""
        try:
            state, _, started = _stat(pid)
        except OSError:
            return None
        return None if state in (b"Z", b"X") else cls(pid, started)

    @classmethod
    def of_child(cls, pid: int) -> "ProcessRef":
        """Return the reference of a child that was not yet waited for, which may have ended already."""
        return cls(pid, _stat(pid)[2])

    def alive(self) -> bool:
        """Tell whether this very process, not a later owner of its pid, still runs."""
        return ProcessRef.of(self.pid) == self

    def open(self) -> int | None:
        """Open a pidfd of this very process, or return None if it is gone. The caller closes it."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except OSError:
            return None
        if self.alive():
            return descriptor
        os.close(descriptor)
        return None

    def send(self, number: signal.Signals) -> bool:
        """Signal this very process; False if it is gone."""
        descriptor = self.open()
        if descriptor is None:
            return False
        try:
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)
        return True

    def command(self) -> str:
        """Return the command line, for people; empty if the process is gone."""
        try:
            words = (_PROC / str(self.pid) / "cmdline").read_bytes().split(b"\0")
        except OSError:
            return ""
        return b" ".join(words).decode(errors="replace").strip()


def _stat(pid: int) -> tuple[bytes, int, int]:
    """Return state, parent and start time; see proc(5), the process's name may hold anything."""
    stat = (_PROC / str(pid) / "stat").read_bytes()
    fields = stat[stat.rindex(b")") + 2 :].split()
    return fields[0], int(fields[1]), int(fields[19])


def boot_id() -> str:
    """Return the kernel's identity of this boot: start times mean nothing in another one."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def everyone() -> Iterator[ProcessRef]:
    """Walk over all living processes that can be seen, except this one."""
    for pid in _pids():
        if pid != os.getpid() and (ref := ProcessRef.of(pid)):
            yield ref


def zombie_children() -> list[int]:
    """Find our children that ended and were not waited for."""
    found = []
    for pid in _pids():
        with contextlib.suppress(OSError):
            state, parent, _ = _stat(pid)
            if state == b"Z" and parent == os.getpid():
                found.append(pid)
    return found


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in os.scandir(_PROC) if entry.name.isdigit())


def marked(data: Path) -> list[tuple[str, ProcessRef]]:
    """Find the processes that a supervisor of `data` started, and their descendants, as (part, process)."""
    prefix = f"{MARK}={data}:".encode()
    found = []
    for ref in everyone():
        try:
            environment = (_PROC / str(ref.pid) / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        part = next((line[len(prefix) :] for line in environment if line.startswith(prefix)), None)
        if part is not None:
            found.append((part.decode(), ref))
    return found


def leads_session(ref: ProcessRef) -> bool:
    """Tell whether the process leads its session, as each supervised process does and its helpers do not."""
    try:
        return os.getsid(ref.pid) == ref.pid
    except OSError:
        return False


def session_members(session: int) -> list[ProcessRef]:
    """Find the living processes of a session, by the pid of its leader."""
    found = []
    for ref in everyone():
        try:
            if os.getsid(ref.pid) == session:
                found.append(ref)
        except OSError:
            continue
    return found


def working_in(directory: Path) -> list[ProcessRef]:
    """Find the processes whose working directory is `directory` (PostgreSQL's processes work in their cluster)."""
    found = []
    for ref in everyone():
        try:
            if (_PROC / str(ref.pid) / "cwd").readlink() == directory:
                found.append(ref)
        except OSError:
            continue
    return found


def namespace(pid: int, kind: str) -> int:
    """Return the identity of the process's namespace of a kind (``net``, ``mnt``), 0 if it cannot be seen."""
    try:
        return (_PROC / str(pid) / "ns" / kind).stat().st_ino
    except OSError:
        return 0


def wait_gone(refs: Iterable[ProcessRef], seconds: float) -> list[ProcessRef]:
    """Wait until the processes are gone, at most `seconds`; return those that still live."""
    deadline = time.monotonic() + seconds
    left = {descriptor: ref for ref in refs if (descriptor := ref.open()) is not None}
    poll = select.poll()
    for descriptor in left:
        poll.register(descriptor, select.POLLIN)
    try:
        while left and (remaining := deadline - time.monotonic()) > 0:
            for descriptor, _ in poll.poll(remaining * 1000):
                poll.unregister(descriptor)
                os.close(descriptor)
                del left[descriptor]
        return list(left.values())
    finally:
        for descriptor in left:
            os.close(descriptor)


def end(refs: Iterable[ProcessRef], number: signal.Signals = signal.SIGTERM, seconds: float = 10) -> None:
    """Ask the processes to end, and kill after `seconds` those that did not."""
    asked = [ref for ref in refs if ref.send(number)]
    stubborn = [ref for ref in wait_gone(asked, seconds) if ref.send(signal.SIGKILL)]
    wait_gone(stubborn, 5)
