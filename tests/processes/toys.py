"""Supervisors that tests may kill: as a script, this supervises toys, or engines without the platform's own processes."""

import asyncio
import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from groundplane.processes.control import NotRunningError, ask, take_lock
from groundplane.processes.embedded import PLAIN_ENVIRONMENT, Nats, Postgres
from groundplane.processes.engines import DataPlane
from groundplane.processes.layout import Installation, Layout
from groundplane.processes.pids import ProcessRef
from groundplane.processes.supervisor import Part, Probe, Service, Step, Supervisor


def toy(layout: Layout, name: str, script: str = "", **options: Any) -> Service:
    """A process that says when it is ready; `script` is shell that it runs before."""
    ready = layout.ready(name)
    text = f"{script}\necho $$ > {ready}\nexec sleep 600"
    return Service(name, ("sh", "-c", text), _wrote(ready), env=PLAIN_ENVIRONMENT, **options)


def _wrote(path: Path) -> Probe:
    async def ready(pid: int) -> bool:
        return path.is_file() and path.read_text().strip() == str(pid)

    return ready


def toys(layout: Layout) -> list[Part]:
    """A store that holds state, an app on it with a helper process, a one-time step, and an engine that keeps on."""
    mark = layout.root / "step-runs"

    async def step() -> None:
        with mark.open("a") as file:
            file.write("ran\n")

    return [
        toy(layout, "store", adopt=True),
        Step("step", step, needs=("store",)),
        toy(layout, "app", script=f"sleep 500 & echo $! > {layout.root}/helper", needs=("step",)),
        toy(layout, "engine", plane="data", adopt=True),
    ]


def broken(layout: Layout) -> list[Part]:
    """A part that ends at once, and says why in its log."""
    return [
        toy(layout, "store", adopt=True),
        Service("app", ("sh", "-c", "echo no such luck; exit 7"), _wrote(layout.ready("app")), needs=("store",)),
    ]


def databases(layout: Layout) -> list[Part]:
    """The embedded PostgreSQL and nats-server."""
    return [Postgres(layout).service(), Nats(layout).service()]


def engines(layout: Layout) -> list[Part]:
    """The data plane's daemons."""
    return DataPlane(layout, "host-1").parts()


COMPOSITIONS: dict[str, Callable[[Layout], Sequence[Part]]] = {
    composition.__name__: composition for composition in (toys, broken, databases, engines)
}


class Supervised:
    """A supervisor of toys in a process of its own."""

    def __init__(self, layout: Layout, composition: str) -> None:
        layout.create()
        Installation(name="toys").save(layout)
        self.layout = layout
        with layout.log("supervisor").open("ab") as log:
            self.process = subprocess.Popen([sys.executable, __file__, str(layout.root), composition], stdout=log, stderr=log)

    def status(self) -> dict[str, Any]:
        return ask(self.layout, {"do": "status"})

    def part(self, name: str) -> dict[str, Any]:
        return next(part for part in self.status()["parts"] if part["name"] == name)

    def pid(self, name: str) -> int:
        pid = self.part(name)["pid"]
        assert isinstance(pid, int)
        return pid

    def wait(self, phase: str = "running", seconds: float = 60) -> dict[str, Any]:
        """Wait until everything is ready, or has failed."""
        last: dict[str, Any] = {}

        def there() -> bool:
            nonlocal last
            assert self.process.poll() is None, self.layout.log("supervisor").read_text()
            try:
                last = self.status()
            except NotRunningError:
                return False
            return bool(last["phase"] == phase)

        wait_for(there, seconds, lambda: json.dumps(last, indent=1))
        return last

    def wait_ready(self, name: str, other_than: int, seconds: float = 30) -> int:
        """Wait until the part is ready as another process than before; return its pid."""
        wait_for(
            lambda: (part := self.part(name))["state"] == "ready" and part["pid"] not in (None, other_than),
            seconds,
            lambda: json.dumps(self.part(name)),
        )
        return self.pid(name)

    def kill(self) -> None:
        """End the supervisor as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End the supervisor as `down` does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def wait_for(there: Callable[[], bool], seconds: float, picture: Callable[[], str] = str) -> None:
    """Wait until it is so; fail with a picture of how it is instead."""
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline, picture()
        time.sleep(0.02)


def alive(pid: int) -> bool:
    return ProcessRef.of(pid) is not None


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    layout = Layout(Path(sys.argv[1]))
    lock = take_lock(layout)
    assert lock is not None, "the lock is held"
    asyncio.run(Supervisor(layout, COMPOSITIONS[sys.argv[2]](layout)).run())


if __name__ == "__main__":
    main()
