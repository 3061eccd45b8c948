"""Declares the parts of an installation: which processes and steps, with which environment and needs.

Starts nothing itself; the supervisor is handed what this returns.
"""

import asyncio
import os
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from groundplane.kernel.settings import Settings
from groundplane.processes.embedded import Nats, Postgres
from groundplane.processes.engines import DataPlane
from groundplane.processes.layout import Endpoints, Installation, Layout, free_port, port_is_free
from groundplane.processes.pids import ProcessRef
from groundplane.processes.supervisor import Hook, Part, PartFailedError, Probe, Service, Step
from groundplane.processes.trust import api_trust

MAIN = "groundplane.processes.main"
HOST = "host-1"
"""Name of this machine as the one host of the local data plane."""


@dataclass(frozen=True, slots=True)
class Composition:
    """All parts of an installation, and where they are to be reached."""

    parts: tuple[Part, ...]
    endpoints: Endpoints


def compose(layout: Layout, installation: Installation) -> Composition:
    """Declare what `groundplane up` runs for this installation.

    Raises:
        PartFailedError: a binary is missing or cannot be run.
    """
    parts: list[Part] = []
    base: list[str] = []
    nats_port, credentials = None, dict[str, str]()
    if not (database_url := os.environ.get("GROUNDPLANE_DATABASE_URL", "")):
        postgres = Postgres(layout)
        parts.append(postgres.service())
        base.append("postgres")
        database_url = postgres.url
    if not (nats_url := os.environ.get("GROUNDPLANE_NATS_URL", "")):
        nats = Nats(layout)
        parts.append(nats.service())
        base.append("nats")
        nats_url, nats_port = nats.url, nats.port
        credentials = {process: str(nats.credentials(process)) for process in ("api", "worker", "migrate")}
    plane = DataPlane(layout, HOST) if installation.data_plane == "local" else None
    if plane is not None:
        parts += plane.parts()
    settings = Settings(data_dir=layout.root, api_port=installation.port)
    endpoints = Endpoints(
        name=installation.name,
        data_dir=str(layout.root),
        data_plane=installation.data_plane,
        simulated_hosts=installation.simulated_hosts,
        api=settings.api_url,
        database_url=database_url,
        nats_url=nats_url,
        nats_port=nats_port,
        pool_path=str(layout.pools / "default"),
        blobs_path=str(layout.blobs),
        metrics=_metrics_addresses(layout),
        **(plane.addresses() if plane is not None else {}),
    )
    agent_needs = tuple(part.name for part in parts if part.plane == "data")
    parts += control_services(layout, settings, endpoints, tuple(base), agent_needs, credentials)
    return Composition(tuple(parts), endpoints)


def _metrics_addresses(layout: Layout) -> dict[str, str]:
    """A port for the figures of each process: that of last time, if nobody took it in between."""
    before = Endpoints.load(layout)
    return {name: _metrics_address(before.metrics.get(name, "") if before else "") for name in ("api", "worker", "agent")}


def _metrics_address(before: str) -> str:
    port = urlsplit(before).port
    return before if port and port_is_free(port) else f"http://127.0.0.1:{free_port()}/metrics"


def control_services(
    layout: Layout,
    settings: Settings,
    endpoints: Endpoints,
    base: tuple[str, ...],
    agent_needs: tuple[str, ...],
    nats_credentials: Mapping[str, str],
) -> list[Part]:
    """Declare migrations, api, worker and agent; the agent is not told where the database is, nor any key.

    `nats_credentials` are the files by process; with a NATS that was there already, it is what the environment says.
    """
    port = settings.api_port
    common = {
        **os.environ,
        "GROUNDPLANE_DATA_DIR": str(layout.root),
        "GROUNDPLANE_NATS_URL": endpoints.nats_url,
        "GROUNDPLANE_API_URL": endpoints.api,
        "GROUNDPLANE_API_PORT": str(port),
        "GROUNDPLANE_DATA_PLANE": endpoints.data_plane,
        "GROUNDPLANE_SIMULATED_HOSTS": str(endpoints.simulated_hosts),
    }
    common.pop("GROUNDPLANE_DATABASE_URL", None)
    common.pop("PYTHONDONTWRITEBYTECODE", None)  # each start would compile everything that changed since the last set-up
    encryption = {"GROUNDPLANE_ENCRYPTION_KEYS": common.pop("GROUNDPLANE_ENCRYPTION_KEYS", "")}

    def with_database(process: str) -> dict[str, str]:
        own = {"GROUNDPLANE_NATS_CREDENTIALS": nats_credentials[process]} if nats_credentials else {}
        return {**common, **own, **encryption, "GROUNDPLANE_DATABASE_URL": endpoints.database_url}

    def metrics(name: str) -> dict[str, str]:
        port = urlsplit(endpoints.metrics.get(name, "")).port
        return {"GROUNDPLANE_METRICS_PORT": str(port)} if port else {}

    async def port_unclaimed() -> None:
        if not port_is_free(port):
            raise PartFailedError(
                f"127.0.0.1:{port} is taken by somebody else{_listener(port)}. Name another port: groundplane up --port N"
            )

    trust = api_trust(settings, endpoints.api)

    async def api_ready(_pid: int) -> bool:
        return await http_status(f"{endpoints.api}/readyz", trust) == 200

    return [
        Step("migrate", _logged(layout, "migrate", _python("migrate"), with_database("migrate")), needs=base),
        Service(
            "api", _python("api"), api_ready, needs=("migrate",), env=with_database("api") | metrics("api"),
            prepare=port_unclaimed, stop_seconds=15,
        ),
        Service(
            "worker", _python("worker"), _wrote_pid(layout.ready("worker")), needs=("migrate",),
            env=with_database("worker") | metrics("worker"), stop_seconds=15,
        ),
        Service(
            "agent", _python("agent"), _wrote_pid(layout.ready("agent")), needs=("migrate", *agent_needs),
            env=common | metrics("agent"), stop_seconds=15,
        ),
    ]  # fmt: skip


def _python(command: str) -> tuple[str, ...]:
    return (sys.executable, "-m", MAIN, command)


def _logged(layout: Layout, name: str, argv: tuple[str, ...], env: Mapping[str, str]) -> Hook:
    async def run() -> None:
        with layout.log(name).open("ab") as output:
            process = await asyncio.create_subprocess_exec(*argv, env=env, cwd="/", stdout=output, stderr=output)
            try:
                code = await process.wait()
            except asyncio.CancelledError:
                process.terminate()
                raise
        if code != 0:
            raise PartFailedError(f"{' '.join(argv[2:])} ended with status {code}")

    return run


def _wrote_pid(path: Path) -> Probe:
    async def ready(pid: int) -> bool:
        return path.is_file() and path.read_text().strip() == str(pid)

    return ready


async def http_status(url: str, trust: ssl.SSLContext | None) -> int:
    """Return the status of a GET on this machine, e.g. 200. `trust` is what it must show; None: it speaks no TLS.

    Raises:
        OSError: nobody answers there, or it is not who we trust.
    """
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port, ssl=trust)
    try:
        writer.write(f"GET {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nConnection: close\r\n\r\n".encode())
        words = (await reader.readline()).split()
    finally:
        writer.close()
    return int(words[1]) if len(words) > 1 else 0


def _listener(port: int) -> str:
    """Say who listens on the port, as far as we may see."""
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.pid and connection.laddr and connection.laddr.port == port:
            ref = ProcessRef.of(connection.pid)
            return f" (pid {connection.pid}: {ref.command()[:80]})" if ref else ""
    return ""
