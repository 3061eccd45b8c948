"""Starts the parts of an installation in the order of their needs, restarts what dies, and adopts what outlived a supervisor.

Knows nothing of PostgreSQL, libvirt or the api: it is handed services and steps. It never harms what keeps on when it ends.
"""

import asyncio
import contextlib
import ctypes
import hashlib
import json
import logging
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import psutil

from groundplane.processes.layout import Layout, read_json, write_json
from groundplane.processes.pids import MARK, ProcessRef, boot_id, end, leads_session, marked, session_members, zombie_children

log = logging.getLogger("groundplane.supervisor")

Belongs = Literal["control", "data"]
State = Literal["waiting", "starting", "ready", "done", "backing off", "failed", "stopped"]
Hook = Callable[[], Awaitable[None]]
Probe = Callable[[int], Awaitable[bool]]

LOG_LIMIT = 16 * 1024 * 1024
"""Bytes after which a part's log is put aside (one old one is kept) at its next start."""
LONGEST_BACK_OFF = 5.0
"""Seconds, at most, between a death and the restart."""
STEADY = 30.0
"""Seconds of life after which earlier deaths are forgiven."""
FIRST_DEATHS = 3
"""So many deaths before it was ever ready, and `up` gives up on a part."""


class PartFailedError(Exception):
    """A part cannot start; the message says why, for the user."""


@dataclass(frozen=True, slots=True)
class Service:
    """A process to keep running."""

    name: str
    argv: tuple[str, ...]
    ready: Probe
    """Asked with the pid, again and again, until it says yes."""
    plane: Belongs = "control"
    needs: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path = Path("/")
    user: str | None = None
    prepare: Hook | None = None
    """Awaited before every start, not before an adoption."""
    settle: Hook | None = None
    """Awaited when it is ready, before those that need it start; must be idempotent."""
    adopt: bool = False
    """It holds state: the next supervisor takes it over instead of starting it anew."""
    fits: Callable[[ProcessRef], bool] = lambda _: True
    """Whether a survivor is still where it should be, so that it may be adopted."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    start_seconds: float = 60.0

    @property
    def keeps_on(self) -> bool:
        """Tell whether it goes on running when the supervisor ends: the data plane does."""
        return self.plane == "data"

    @property
    def digest(self) -> str:
        """Return a fingerprint of how it is started; a survivor with another one is not adopted."""
        return hashlib.sha256(repr((self.argv, sorted(self.env.items()), self.user)).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Step:
    """Something to be done once, in its turn, that leaves no process."""

    name: str
    run: Hook
    plane: Belongs = "control"
    needs: tuple[str, ...] = ()


Part = Service | Step


@dataclass(slots=True)
class _Life:
    """What the supervisor knows of one part at run time."""

    part: Part
    state: State = "waiting"
    ref: ProcessRef | None = None
    since: float = 0.0
    restarts: int = 0
    adopted: bool = False
    seconds: float | None = None
    """How long the first start took, from the moment that its needs were met."""
    detail: str = ""
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Its present process has ended; the next process has an event of its own."""
    asked: bool = False
    """Its present process was asked to end, so its death is no failure."""
    task: asyncio.Task[None] | None = None


class Supervisor:
    """Runs the parts of one data directory; the caller holds the directory's lock."""

    def __init__(self, layout: Layout, parts: Sequence[Part]) -> None:
        self.layout = layout
        self.lives = {part.name: _Life(part) for part in parts}
        self.phase: Literal["starting", "running", "failed", "stopping"] = "starting"
        self.failed: str | None = None
        self._popen: dict[int, subprocess.Popen[bytes]] = {}
        self._end = asyncio.Event()
        self._began = time.time()

    async def run(self) -> None:
        """Bring everything up, keep it up, and when asked to stop bring the control plane down again."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end.set)
        _become_subreaper()
        loop.add_signal_handler(signal.SIGCHLD, self._reap_orphans)
        self.layout.control.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._serve, self.layout.control)
        self.layout.control.chmod(0o600)
        try:
            await asyncio.to_thread(self._sort_survivors)
            self._record()
            for life in self.lives.values():
                life.task = asyncio.create_task(self._live(life), name=life.part.name)
            watch = asyncio.create_task(self._await_start())
            await self._end.wait()
            self.phase = "stopping"
            watch.cancel()
            await self._stop_all()
        finally:
            server.close()
            self.layout.control.unlink(missing_ok=True)

    # -- survivors ---------------------------------------------------------------------------------

    def _sort_survivors(self) -> None:
        """Keep for adoption what holds state and would be started the same way; end everything else of ours."""
        doomed = []
        for name, ref, digest in survivors(self.layout):
            life = self.lives.get(name)
            service = life.part if life is not None else None
            if life is None or not isinstance(service, Service):
                doomed.append((ref, signal.SIGTERM))
            elif service.adopt and digest == service.digest and life.ref is None and service.fits(ref):
                life.ref, life.adopted, life.since = ref, True, time.time()
                log.info("%s: adopting pid %d", name, ref.pid)
            else:
                doomed.append((ref, service.stop_signal))
        stateless = {name for name, life in self.lives.items() if isinstance(life.part, Service) and not life.part.adopt}
        doomed += [(ref, signal.SIGTERM) for name, ref in marked(self.layout.root) if name in stateless]
        for ref, number in doomed:
            log.info("ending survivor pid %d: %s", ref.pid, ref.command())
            ref.send(number)
        end((ref for ref, _ in doomed), signal.SIGCONT, 15)

    # -- one part's life ---------------------------------------------------------------------------

    async def _live(self, life: _Life) -> None:
        for need in life.part.needs:
            await self.lives[need].ready.wait()
        began = time.monotonic()
        try:
            if isinstance(life.part, Step):
                life.state = "starting"
                await life.part.run()
                life.state = "done"
                life.seconds = time.monotonic() - began
                life.ready.set()
            else:
                await self._keep(life, life.part, began)
        except asyncio.CancelledError:
            raise
        except PartFailedError as error:
            self._fail(life, str(error))
        except Exception as error:
            log.exception("%s", life.part.name)
            self._fail(life, f"{type(error).__name__}: {error}")

    async def _keep(self, life: _Life, service: Service, began: float) -> None:
        deaths = 0
        while self.phase != "stopping":
            ref = life.ref or await self._start(life, service)
            if ref is None:
                deaths += 1
                await self._back_off(life, deaths)
                continue
            exited = asyncio.create_task(self._exited(ref, helpers_too=not service.adopt))
            if was_ready := await self._becomes_ready(life, service, ref, exited):
                life.state, life.detail = "ready", ""
                life.seconds = life.seconds or time.monotonic() - began
                life.ready.set()
                log.info("%s: ready, pid %d", service.name, ref.pid)
            code = await exited
            asked, lived = life.asked, time.time() - life.since
            self._bury(life)
            if asked:
                life.state = "stopped"
                continue
            life.detail = f"ended with {_how(code)}"
            log.warning("%s: %s after %.1f s", service.name, life.detail, lived)
            life.restarts += 1
            deaths = 1 if lived > STEADY else deaths + 1
            if not was_ready and deaths >= FIRST_DEATHS and life.seconds is None:
                self._fail(life, f"{life.detail}, {deaths} times")
            await self._back_off(life, deaths)

    async def _start(self, life: _Life, service: Service) -> ProcessRef | None:
        life.state = "starting"
        try:
            if service.prepare is not None:
                await service.prepare()
            life.ref = self._spawn(service)
        except (OSError, PartFailedError) as error:
            if life.seconds is None:
                raise PartFailedError(str(error)) from error
            life.detail = str(error)
            log.warning("%s: cannot start: %s", service.name, error)
            return None
        life.since = time.time()
        life.adopted = False
        life.gone = asyncio.Event()
        self._record()
        return life.ref

    async def _back_off(self, life: _Life, deaths: int) -> None:
        if life.state != "failed":
            life.state = "backing off"
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._end.wait(), min(0.1 * 2 ** (deaths - 1), LONGEST_BACK_OFF))

    def _spawn(self, service: Service) -> ProcessRef:
        path = self.layout.log(service.name)
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size > LOG_LIMIT:
                path.replace(path.with_suffix(".log.1"))
        with path.open("ab") as output:
            process = subprocess.Popen(
                service.argv,
                env={**service.env, MARK: f"{self.layout.root}:{service.name}"},
                cwd=service.cwd,
                user=service.user,
                group=service.user and _group_of(service.user),
                extra_groups=[] if service.user else None,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._popen[process.pid] = process
        ref = ProcessRef.of_child(process.pid)
        log.info("%s: started pid %d", service.name, ref.pid)
        return ref

    async def _becomes_ready(self, life: _Life, service: Service, ref: ProcessRef, exited: "asyncio.Task[int | None]") -> bool:
        life.state = "starting"
        if life.adopted:
            with contextlib.suppress(psutil.Error):
                life.since = psutil.Process(ref.pid).create_time()
        deadline = time.monotonic() + service.start_seconds
        pause = 0.02
        while not exited.done():
            try:
                if await _says_yes(service.ready, ref.pid):
                    if service.settle is not None:
                        await service.settle()
                    return not exited.done()
            except (OSError, PartFailedError) as error:
                await self._give_up(life, service, ref, str(error))
                return False
            if time.monotonic() > deadline:
                await self._give_up(life, service, ref, f"not ready after {service.start_seconds:.0f} s")
                return False
            await asyncio.wait([exited], timeout=pause)
            pause = min(pause * 1.5, 0.25)
        return False

    async def _give_up(self, life: _Life, service: Service, ref: ProcessRef, why: str) -> None:
        """End a process that does not get ready; it is started again."""
        if life.seconds is None and not life.adopted:
            self._fail(life, why)
        log.warning("%s: %s; ending it", service.name, why)
        await asyncio.to_thread(end, [ref], service.stop_signal, service.stop_seconds)

    async def _exited(self, ref: ProcessRef, helpers_too: bool) -> int | None:
        """Wait for the process's end, a child's or an adopted one's; return its status if it was our child.

        Helpers that a stateless process leaves behind end with it. They are looked for while its zombie still
        holds the pid, which is their session's number too.
        """
        descriptor = ref.open()
        if descriptor is not None:
            loop = asyncio.get_running_loop()
            gone = asyncio.Event()
            loop.add_reader(descriptor, gone.set)
            try:
                await gone.wait()
            finally:
                loop.remove_reader(descriptor)
                os.close(descriptor)
        if helpers_too:
            await asyncio.to_thread(end, session_members(ref.pid))
        child = self._popen.pop(ref.pid, None)
        return child.wait() if child is not None else None

    def _reap_orphans(self) -> None:
        """Wait for dead processes that were not started here: guests, above all.

        libvirt takes a guest for alive until its zombie is gone, and some machines' init is seconds late with that.
        Ours are known by pid; helpers of hooks share our session.
        """
        for pid in zombie_children():
            with contextlib.suppress(OSError):
                if pid not in self._popen and os.getsid(pid) != os.getsid(0):
                    os.waitpid(pid, os.WNOHANG)

    def _bury(self, life: _Life) -> None:
        life.ref = None
        life.asked = False
        life.ready.clear()
        life.gone.set()
        self._record()

    def _fail(self, life: _Life, why: str) -> None:
        life.state, life.detail = "failed", why
        log.error("%s: %s", life.part.name, why)
        if self.phase == "starting":
            self.phase, self.failed = "failed", life.part.name

    async def _await_start(self) -> None:
        await asyncio.gather(*(life.ready.wait() for life in self.lives.values()))
        if self.phase != "stopping":
            self.phase, self.failed = "running", None
            log.info("everything is ready after %.1f s", time.time() - self._began)

    # -- stopping ----------------------------------------------------------------------------------

    async def _stop_all(self) -> None:
        """End the control plane, each part after those that need it; the data plane goes on."""
        stopped: dict[str, asyncio.Task[None]] = {}

        async def stop(life: _Life) -> None:
            await asyncio.gather(*(stopped[name] for name in stopped if life.part.name in self.lives[name].part.needs))
            if isinstance(life.part, Service) and life.part.keeps_on:
                return
            await self._stop(life)

        for name in reversed(_in_order([life.part for life in self.lives.values()])):
            stopped[name] = asyncio.create_task(stop(self.lives[name]))
        await asyncio.gather(*stopped.values())
        for life in self.lives.values():
            if life.task is not None:
                life.task.cancel()

    async def _stop(self, life: _Life) -> None:
        service, ref, gone = life.part, life.ref, life.gone
        if isinstance(service, Service) and ref is not None:
            life.asked = True
            await asyncio.to_thread(end, [ref], service.stop_signal, service.stop_seconds)
            await gone.wait()
        if life.task is not None and self.phase == "stopping":
            life.task.cancel()
        if life.ref is None:  # unless the next process is there already
            life.state = "stopped"

    async def restart(self, names: Sequence[str]) -> None:
        """Restart the named parts in the order of their needs, and wait until each is ready; steps are done again."""
        order = [name for name in _in_order([life.part for life in self.lives.values()]) if name in names]
        for name in order:
            life = self.lives[name]
            if isinstance(life.part, Step):
                await life.part.run()
                continue
            life.ready.clear()
            await self._stop(life)
            if life.task is None or life.task.done():
                life.task = asyncio.create_task(self._live(life), name=name)
            try:
                await asyncio.wait_for(life.ready.wait(), life.part.start_seconds)
            except TimeoutError:
                raise PartFailedError(f"{name} is not ready after {life.part.start_seconds:.0f} s") from None

    # -- records and the control channel -----------------------------------------------------------

    def _record(self) -> None:
        own = ProcessRef.of(os.getpid())
        write_json(
            self.layout.processes,
            {
                "boot_id": boot_id(),
                "supervisor": {"pid": os.getpid(), "started": own.started if own else 0},
                "processes": {
                    name: {
                        "pid": life.ref.pid,
                        "started": life.ref.started,
                        "plane": life.part.plane,
                        "digest": life.part.digest,
                        "stop_signal": int(life.part.stop_signal),
                        "stop_seconds": life.part.stop_seconds,
                        "restarts": life.restarts,
                    }
                    for name, life in self.lives.items()
                    if life.ref is not None and isinstance(life.part, Service)
                },
            },
            mode=0o600,
        )

    def status(self) -> dict[str, Any]:
        """Return what `groundplane status` shows: times in seconds, memory in MiB."""
        return {
            "supervisor": os.getpid(),
            "phase": self.phase,
            "failed": self.failed,
            "parts": [
                {
                    "name": name,
                    "plane": life.part.plane,
                    "kind": "service" if isinstance(life.part, Service) else "step",
                    "state": life.state,
                    "pid": life.ref.pid if life.ref else None,
                    "uptime_s": round(time.time() - life.since, 1) if life.ref else None,
                    "restarts": life.restarts,
                    "adopted": life.adopted,
                    "start_s": round(life.seconds, 3) if life.seconds is not None else None,
                    "memory_mib": memory_mib(life.ref) if life.ref else None,
                    "detail": life.detail,
                }
                for name, life in self.lives.items()
            ],
        }

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection: a JSON object a line, each answered by one."""
        try:
            while line := await reader.readline():
                try:
                    answer = await self._answer(json.loads(line))
                except PartFailedError as error:
                    answer = {"error": str(error)}
                except Exception as error:
                    log.exception("control channel")
                    answer = {"error": f"{type(error).__name__}: {error}"}
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        match request:
            case {"do": "status"}:
                return self.status()
            case {"do": "stop"}:
                self._end.set()
                return {"ok": True}
            case {"do": "restart", "names": [*names]}:
                unknown = sorted(set(names) - set(self.lives))
                if unknown:
                    return {"error": f"no such part: {', '.join(unknown)}; there are {', '.join(self.lives)}"}
                await self.restart(names)
                return {"ok": True}
            case _:
                return {"error": "unknown request"}


def survivors(layout: Layout) -> list[tuple[str, ProcessRef, str]]:
    """Find what earlier supervisors left running, as (part, process, digest of how it was started).

    The record is believed where pid, start time and boot agree; a process started in the instant before its
    supervisor was killed stands in no record and is known by the mark in its environment (digest empty).
    """
    record = read_json(layout.processes)
    found: dict[ProcessRef, tuple[str, str]] = {}
    if record.get("boot_id") == boot_id():
        for name, entry in record.get("processes", {}).items():
            ref = ProcessRef(entry["pid"], entry["started"])
            if ref.alive():
                found[ref] = (name, entry["digest"])
    for name, ref in marked(layout.root):
        if leads_session(ref):
            found.setdefault(ref, (name, ""))
    return [(name, ref, digest) for ref, (name, digest) in found.items()]


def _become_subreaper() -> None:
    """Have orphans among our descendants become our children, prctl(2)."""
    set_child_subreaper = 36
    ctypes.CDLL(None, use_errno=True).prctl(set_child_subreaper, 1, 0, 0, 0)


def memory_mib(ref: ProcessRef) -> float | None:
    """Return the memory of the process and its descendants in MiB, shared pages counted in proportion (PSS)."""
    try:
        process = psutil.Process(ref.pid)
        family = [process.pid, *(child.pid for child in process.children(recursive=True))]
    except psutil.Error:
        return None
    total = 0
    for pid in family:
        with contextlib.suppress(OSError, ValueError):
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(rollup.split("Pss:")[1].split()[0])
    return round(total / 1024, 1)


def _in_order(parts: Sequence[Part]) -> list[str]:
    """Sort the parts so that each stands after all that it needs."""
    needs = {part.name: part.needs for part in parts}
    order: list[str] = []

    def visit(name: str) -> None:
        if name not in order:
            for need in needs[name]:
                visit(need)
            order.append(name)

    for name in needs:
        visit(name)
    return order


async def _says_yes(probe: Probe, pid: int) -> bool:
    try:
        return await asyncio.wait_for(probe(pid), 5)
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return False


def _how(code: int | None) -> str:
    if code is None:
        return "an unknown status (it was adopted)"
    if code < 0:
        return signal.Signals(-code).name
    return f"status {code}"


def _group_of(user: str) -> int:
    return pwd.getpwnam(user).pw_gid
