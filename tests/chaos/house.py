"""An installation of real processes to be hurt: its nats-server behind the proxy, at times a second agent, and its killer.

`groundplane up` supervises all but nats-server, which is started and killed here, so that a proxy can stand before it.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import time
from asyncio.subprocess import Process
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from tests.chaos.proxy import Proxy
from tests.chaos.schedule import Victim
from tests.cloud.installation import COMMAND

from groundplane.dataplane.providers.simulated import SimulatedEngine
from groundplane.kernel.database import Database
from groundplane.processes.control import NotRunningError, ask, is_locked
from groundplane.processes.embedded import nats_binary
from groundplane.processes.layout import Endpoints, Layout, free_port, read_json
from groundplane.processes.migrate import Credentials
from groundplane.processes.pids import ProcessRef, wait_gone

LOOK_SECONDS = 2.0
UP_SECONDS = 120.0
WHOLE_SECONDS = 90.0
VICTIM_SECONDS = 12.0
"""How long a killer waits for a victim that is not there yet."""
BREATH_SECONDS = 1.0
TAKEOVER_SECONDS = 2.0
USER = "chaos"


class House:
    """One installation below `base`. Everything that this process starts for it ends with this process."""

    def __init__(self, base: Path, chance: random.Random) -> None:
        self.base = base
        self.layout = Layout(base / "d")
        self.api_port, self.nats_port, self.proxy_port = free_port(), free_port(), free_port()
        self.proxy = Proxy(self.nats_port, chance)
        self.kills: Counter[str] = Counter()
        self.agents: set[ProcessRef] = set()
        """Agents that were seen alive and were not killed from here."""
        self._killing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._nats: Process | None = None
        self._nats_wanted = asyncio.Lock()
        self._twin: Process | None = None
        self._frozen: ProcessRef | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._pauses: list[float] = []
        self._engine: SimulatedEngine | None = None

    # -- life and death ----------------------------------------------------------------------------

    async def start(self) -> None:
        """Bring everything up."""
        self.base.chmod(0o711)
        await self.start_nats()
        await self.proxy.listen(self.proxy_port)
        await self._up()
        self._keeper = asyncio.create_task(self._keep())

    async def end(self) -> None:
        """Take everything away but the logs of nats-server."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self.wake_agents()
        await self._end_child(self._twin)
        if self._engine is not None:
            self._engine.close()
        if self.layout.is_ours():
            await self._run("down", "--all", "--yes")
        await self.proxy.close()
        await self._end_child(self._nats)

    @property
    def engine(self) -> SimulatedEngine:
        """The simulated engine's file, past the platform."""
        if self._engine is None:
            self._engine = SimulatedEngine(self.layout.root / "simulated.sqlite")
        return self._engine

    @property
    def credentials(self) -> Credentials:
        """The first administrator's."""
        return Credentials.model_validate_json((self.layout.root / "admin.json").read_bytes())

    @property
    def api(self) -> str:
        """Where the api is."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def broker(self) -> str:
        """Where nats-server is, past the proxy."""
        return f"nats://{USER}:{USER}@127.0.0.1:{self.nats_port}"

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """Its database, while PostgreSQL is there."""
        endpoints = Endpoints.load(self.layout)
        assert endpoints is not None
        database = await Database.connect(endpoints.database_url, size=2)
        try:
            yield database
        finally:
            await database.close()

    def ref(self, part: str) -> ProcessRef | None:
        """The living process of a part, by the supervisor's record, which outlives the supervisor."""
        if part == "nats":
            return _ref_of(self._nats)
        record = read_json(self.layout.processes)
        entry = record.get("supervisor") if part == "supervisor" else record.get("processes", {}).get(part)
        ref = ProcessRef(entry["pid"], entry["started"]) if entry else None
        return ref if ref is not None and ref.alive() else None

    # -- hurting -----------------------------------------------------------------------------------

    async def kill(self, part: Victim, pause: float, *, spared: ProcessRef | None = None) -> bool:
        """SIGKILL of anyone but `spared`. False: nobody there.

        `pause` is after how many seconds nats-server and the supervisor are started again.
        """
        async with self._killing[part]:
            ref = await self._await_victim(part, spared)
            if part == "supervisor":
                self._pauses.append(pause)
            if ref is None or not ref.send(signal.SIGKILL):
                return False
            self.kills[part] += 1
            self.agents.discard(ref)
            await asyncio.to_thread(wait_gone, [ref], 5)
        if part == "nats":
            await asyncio.sleep(pause)
            await self.start_nats()
        return True

    async def _await_victim(self, part: Victim, spared: ProcessRef | None) -> ProcessRef | None:
        """The victim; one that is not there yet is given a moment to live when it comes."""
        deadline = time.monotonic() + VICTIM_SECONDS
        waited = False
        while (ref := self._victim(part, spared)) is None and time.monotonic() < deadline:
            waited = True
            await asyncio.sleep(0.1)
        if waited:
            await asyncio.sleep(BREATH_SECONDS)
        return ref

    def _victim(self, part: Victim, spared: ProcessRef | None) -> ProcessRef | None:
        """Of two agents each in its turn, but one that sleeps is to wake up again."""
        if part != "agent":
            return self.ref(part)
        agents = [ref for ref in (self.ref("agent"), _ref_of(self._twin)) if ref not in {None, spared, self._frozen}]
        return agents[self.kills["agent"] % len(agents)] if agents else None

    async def restart_nats(self, pause: float) -> None:
        """A graceful restart of the broker."""
        async with self._nats_wanted:
            await self._end_child(self._nats)
        await asyncio.sleep(pause)
        await self.start_nats()

    async def start_nats(self) -> None:
        """Start nats-server, unless it runs, and wait until it answers; again if somebody had its port for a moment."""
        async with self._nats_wanted:
            while _ref_of(self._nats) is None or not await _accepts(self.nats_port):
                if _ref_of(self._nats) is None:
                    self._nats = await self._child([str(nats_binary()), "--config", str(self._nats_config())], "nats", {})
                await asyncio.sleep(0.05)

    async def start_twin(self) -> None:
        """Start a second agent of the same identity and lease group, unless it runs; with a run directory of its own."""
        if _ref_of(self._twin) is not None:
            return
        home = self.base / "twin"
        home.mkdir(exist_ok=True)
        for name in ("simulated.sqlite", "agent"):
            with contextlib.suppress(FileExistsError):
                (home / name).symlink_to(self.layout.root / name)
        more = {
            "GROUNDPLANE_DATA_DIR": str(home),
            "GROUNDPLANE_API_URL": self.api,
            "GROUNDPLANE_API_PORT": str(self.api_port),
            "GROUNDPLANE_DATA_PLANE": "simulated",
        }
        self._twin = await self._child([*COMMAND, "agent"], "twin", more)

    async def freeze(self, seconds: float) -> bool:
        """Stop the second agent while it is the one that works, as a machine does that is overloaded; then let it go on.

        It works because the first one is killed; the one that comes in its place gets the lease when that runs out.
        False: it was not there, or it did not live to see the end.
        """
        twin = await self._ready_twin()
        if twin is None or not await self.kill("agent", 0, spared=twin):
            return False
        await asyncio.sleep(TAKEOVER_SECONDS)
        self._frozen = twin
        twin.send(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        self._frozen = None
        return twin.send(signal.SIGCONT)

    async def _ready_twin(self) -> ProcessRef | None:
        ready = self.base / "twin" / "run" / "agent.ready"
        deadline = time.monotonic() + VICTIM_SECONDS
        while time.monotonic() < deadline:
            twin = _ref_of(self._twin)
            if twin is not None and ready.is_file() and ready.read_text() == str(twin.pid):
                return twin
            await asyncio.sleep(0.1)
        return None

    def note_agents(self) -> int:
        """Remember the agents that live; answers how many died meanwhile of a SIGKILL that was not sent from here."""
        dead = {ref for ref in self.agents if not ref.alive()}
        self.agents -= dead
        self.agents |= {ref for ref in (self.ref("agent"), _ref_of(self._twin)) if ref is not None}
        return len(dead)

    # -- making whole ------------------------------------------------------------------------------

    def wake_agents(self) -> None:
        """No agent sleeps any more."""
        for ref in (self.ref("agent"), _ref_of(self._twin)):
            if ref is not None:
                ref.send(signal.SIGCONT)

    async def make_whole(self) -> None:
        """Everything runs, once. Raises TimeoutError."""
        self.wake_agents()
        await self.start_nats()
        await self._end_child(self._twin)
        async with asyncio.timeout(WHOLE_SECONDS):
            while not await self._is_whole():  # noqa: ASYNC110 - other processes set no Event
                await asyncio.sleep(0.2)

    async def _is_whole(self) -> bool:
        try:
            status = await asyncio.to_thread(ask, self.layout, {"do": "status"}, 5)
        except NotRunningError:
            return False
        return status["phase"] == "running" and all(part["state"] in {"ready", "done"} for part in status["parts"])

    async def _keep(self) -> None:
        """Start the supervisor again whenever it is gone."""
        while True:
            await asyncio.sleep(0.1)
            if not is_locked(self.layout):
                await asyncio.sleep(self._pauses.pop() if self._pauses else 0.0)
                with contextlib.suppress(RuntimeError, TimeoutError):  # it was killed again, or what it needs was
                    await self._up()

    async def _up(self) -> None:
        code, told = await self._run("up", "--simulated", "--port", str(self.api_port))
        if code not in {0, 3}:
            raise RuntimeError(f"up ended with {code}: {told}")

    async def _run(self, *argv: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *COMMAND, *argv, "--data-dir", str(self.layout.root),
            env=self._environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            output, _ = await asyncio.wait_for(process.communicate(), UP_SECONDS)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return process.returncode or 0, output.decode(errors="replace")

    def _environment(self) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("GROUNDPLANE_")}
        return {
            **plain,
            "GROUNDPLANE_NATS_URL": f"nats://{USER}:{USER}@127.0.0.1:{self.proxy_port}",
            "GROUNDPLANE_LOOK_SECONDS": str(LOOK_SECONDS),
            "GROUNDPLANE_ACCESS_TOKEN_SECONDS": "86400",
        }

    def _nats_config(self) -> Path:
        home = self.base / "nats"
        home.mkdir(exist_ok=True)
        config = {
            "server_name": "chaos",
            "listen": f"127.0.0.1:{self.nats_port}",
            "max_payload": 8 << 20,
            "jetstream": {"store_dir": str(home)},
            "authorization": {"users": [{"user": USER, "password": USER}]},
        }
        path = home / "nats.conf"
        path.write_text(json.dumps(config))
        return path

    async def _child(self, argv: list[str], name: str, more: dict[str, str]) -> Process:
        """A process that ends with this one, even when this one is killed."""
        with (self.base / f"{name}.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                "setpriv", "--pdeathsig=KILL", *argv,
                env={**self._environment(), **more}, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    async def _end_child(self, process: Process | None) -> None:
        if process is None or process.returncode is not None:
            return
        if (ref := _ref_of(process)) is not None:
            self.agents.discard(ref)
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 25)
        except TimeoutError:
            process.kill()
            await process.wait()


def _ref_of(process: Process | None) -> ProcessRef | None:
    return ProcessRef.of(process.pid) if process is not None and process.returncode is None else None


async def _accepts(port: int) -> bool:
    """Does a nats-server greet there?"""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        return (await reader.readline()).startswith(b"INFO ")
    finally:
        writer.close()


@contextmanager
def undertaker(base: Path, root: Path) -> Iterator[None]:
    """A process that takes everything away when this one has gone without doing so: its end of the pipe closes."""
    script = 'read -r done && exit; base=$1; shift; "$@"; rm -rf "$base"'
    argv = ["sh", "-c", script, "undertaker", str(base), *COMMAND, "down", "--all", "--yes", "--data-dir", str(root)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", start_new_session=True
    ) as process:
        assert process.stdin is not None
        yield
        process.stdin.write(b"done\n")
        process.stdin.close()
