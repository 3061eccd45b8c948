"""A nats-server of one test, which can be killed and started again on the same port and files."""

import signal
import socket
import subprocess
import time
from pathlib import Path

from groundplane.processes.embedded import nats_binary


class NatsServer:
    """Listens on a free port of loopback, with JetStream in a folder of the test."""

    def __init__(self, home: Path) -> None:
        self._home = home
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"nats://127.0.0.1:{self._port}"

    def arguments(self) -> list[str]:
        """More of the command line."""
        return []

    def start(self) -> None:
        """Start and wait until it accepts connections."""
        argv = ["setpriv", "--pdeathsig=KILL", str(nats_binary()), "-a", "127.0.0.1", "-p", str(self._port)]
        with (self._home / "nats.log").open("ab") as output:
            argv += ["-js", "-sd", str(self._home / "nats"), *self.arguments()]
            self._process = subprocess.Popen(argv, stdout=output, stderr=output)
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), 1).close()
            except OSError:
                assert time.monotonic() < deadline, (self._home / "nats.log").read_text()[-2_000:]
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)
            self._process = None
