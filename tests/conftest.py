"""Real engines for tests: a PostgreSQL and a nats-server of this test session, and a migrated database for each module.

Each pytest-xdist worker has servers of its own, so workers never wait for one another. The servers listen on a socket in a
closed folder and on loopback, and end with the test process, even when that is killed.
"""

import asyncio
import itertools
import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
import structlog
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from groundplane.controlplane.schema.migrate import migrate
from groundplane.kernel.bus import Bus
from groundplane.kernel.database import Database, Tx
from groundplane.kernel.ids import new_id
from groundplane.processes.embedded import nats_binary, postgres_binaries, runnable, system_user

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "300",
    "shared_buffers": "64MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "jit": "off",
    "timezone": "UTC",
}
TEMPLATE = "groundplane_template"

MakeDatabase = Callable[[], Awaitable[str]]
"""Makes one more fresh, migrated database and answers its address."""
NewProject = Callable[..., Awaitable[tuple[UUID, UUID]]]
"""Makes a project, in a new organization or in the given one: (organization, project)."""

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        # The default renders a traceback's local variables too, which takes seconds.
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


class ByFolder(LoadScopeScheduling):  # type: ignore[misc]
    """Gives the tests of one installation to one worker, all others to whoever is free.

    By folder and not by xdist's own groups: pytest 9.2 and xdist 3.8 together lose those without a word.
    """

    def _split_scope(self, nodeid: str) -> str:
        ours = ("tests/cloud/", "tests/cli/test_journey.py")
        return next((place for place in ours if nodeid.startswith(place)), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFolder:
    """Whatever `--dist` says."""
    return ByFolder(config, log)


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A short path that the servers' user can reach: pytest's own folders are closed to it, sockets' paths are limited."""
    root = Path(tempfile.mkdtemp(prefix="gp-test-", dir="/tmp"))  # mkdtemp makes it unguessable and closed
    root.chmod(0o711)
    yield root
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(scratch: Path) -> Iterator[str]:
    """The address of this session's PostgreSQL, with `{}` in place of the database."""
    user = system_user()
    install = runnable(postgres_binaries(), "bin/initdb", scratch / "postgres-18", user)
    home = _private_directory(scratch / "pg", user)
    cluster = home / "cluster"
    subprocess.run(
        [*_as_user(user), str(install / "bin/initdb"), "-D", str(cluster), "-U", "postgres", "-E", "UTF8", "--no-sync",
         "--auth=trust", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
        check=True, stdout=subprocess.DEVNULL, cwd="/",
    )  # fmt: skip
    settings = itertools.chain.from_iterable(
        ("-c", f"{name}={value}") for name, value in {**SETTINGS, "unix_socket_directories": str(home)}.items()
    )
    argv = [*_as_user(user), str(install / "bin/postgres"), "-D", str(cluster), *settings]
    with _running(argv, home.parent / "postgres.log", signal.SIGINT) as process:
        _wait(process, lambda: (home / ".s.PGSQL.5432").exists() and _accepts(install, home), scratch / "postgres.log")
        yield f"postgresql://postgres@/{{}}?host={home}"


@pytest_asyncio.fixture(scope="session")
async def make_database(postgres_server: str) -> AsyncIterator[MakeDatabase]:
    """Makes a fresh, migrated database from a template that was migrated once. They go with the server."""
    admin = await asyncpg.connect(postgres_server.format("postgres"))
    await admin.execute(f"CREATE DATABASE {TEMPLATE}")
    await migrate(postgres_server.format(TEMPLATE))
    numbers = itertools.count()
    one_at_a_time = asyncio.Lock()

    async def make() -> str:
        name = f"test_{next(numbers)}"
        async with one_at_a_time:
            await admin.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
        return postgres_server.format(name)

    yield make
    await admin.close()


class Recycled:
    """Databases that are lent to one test after another: emptying one costs a hundredth of making one.

    One whose schema a test has changed is not lent again, nor one that was lent so often that its dead rows would be felt.
    """

    OFTEN = 40

    def __init__(self, make: MakeDatabase) -> None:
        self._make = make
        self._free: list[_Emptied] = []

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[str]:
        """The address of an empty, migrated database."""
        lent = self._free.pop() if self._free else await _Emptied.of(await self._make())
        yield lent.url
        if await lent.empty() and lent.times < self.OFTEN:
            self._free.append(lent)


@dataclass
class _Emptied:
    """A database, and what it was like when it was new."""

    url: str
    schema: str
    tables: list[str]
    seeds: dict[str, str]
    times: int = 0

    _SCHEMA = """
        SELECT concat_ws(' ', (SELECT count(*) || ' ' || max(xmin::text::bigint) FROM pg_class WHERE relkind <> 't'),
                         (SELECT count(*) || ' ' || max(xmin::text::bigint) FROM pg_proc),
                         (SELECT count(*) || ' ' || max(xmin::text::bigint) FROM pg_trigger),
                         (SELECT count(*) || ' ' || max(xmin::text::bigint) FROM pg_constraint),
                         (SELECT count(*) || ' ' || max(xmin::text::bigint) FROM pg_attribute))"""
    _TABLES = """
        SELECT oid::regclass::text FROM pg_class
        WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace"""

    @classmethod
    async def of(cls, url: str) -> "_Emptied":
        """Look at a new one."""
        connection = await asyncpg.connect(url)
        try:
            tables = [row[0] for row in await connection.fetch(cls._TABLES)]
            rows = {table: await connection.fetchval(f"SELECT json_agg({table}) FROM {table}") for table in tables}  # noqa: S608
            seeds = {table: text for table, text in rows.items() if text is not None}
            return cls(url, await connection.fetchval(cls._SCHEMA), tables, seeds)
        finally:
            await connection.close()

    async def empty(self) -> bool:
        """Make it as it was; False when that cannot be."""
        self.times += 1
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            if await connection.fetchval(self._SCHEMA) != self.schema:
                return False
            # As a replica no trigger keeps journals, and no foreign key minds the order.
            deletes = "; ".join(f"DELETE FROM {table}" for table in self.tables)  # noqa: S608  # our own tables
            await connection.execute(f"SET session_replication_role = replica; {deletes}")
            for table, rows in self.seeds.items():
                await connection.execute(
                    f"INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, $1)",  # noqa: S608
                    rows,
                )
        finally:
            await connection.close()
        return True


@pytest.fixture(scope="session")
def recycled(make_database: MakeDatabase) -> Recycled:
    """Databases for tests that each want one to themselves."""
    return Recycled(make_database)


@pytest_asyncio.fixture(scope="module")
async def postgres_url(make_database: MakeDatabase) -> str:
    """The address of a fresh, migrated database of this test module."""
    return await make_database()


@pytest_asyncio.fixture(scope="module")
async def database(postgres_url: str) -> AsyncIterator[Database]:
    """The pool of this test module's database."""
    pool = await Database.connect(postgres_url)
    yield pool
    await pool.close()


@pytest.fixture(scope="session")
def nats_url(scratch: Path) -> Iterator[str]:
    """The address of this session's nats-server, with JetStream."""
    home = _private_directory(scratch / "nats", None)
    config = home / "nats.conf"
    settings = {
        "listen": "127.0.0.1:-1",
        "max_payload": 8 << 20,
        "ports_file_dir": str(home),
        "jetstream": {"store_dir": str(home)},
    }
    config.write_text(json.dumps(settings))
    argv = [*_as_user(None), str(nats_binary()), "--config", str(config)]
    with _running(argv, scratch / "nats.log", signal.SIGTERM) as process:
        _wait(process, lambda: any(home.glob("*.ports")), scratch / "nats.log")
        ports = next(home.glob("*.ports"))
        yield json.loads(ports.read_text())["nats"][0]


@pytest_asyncio.fixture(scope="module")
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    """A connection for this test module; its streams and buckets go with it."""
    bus = await Bus.connect(nats_url, "test")
    yield bus
    for stream in await bus.js.streams_info():
        await bus.js.delete_stream(str(stream.config.name))
    await bus.close()


@pytest.fixture(scope="module")
def new_project(database: Database) -> NewProject:
    """Makes an organization with a project in it, as bare rows, and answers both ids."""

    async def make(organization_id: UUID | None = None) -> tuple[UUID, UUID]:
        async with database.transaction() as tx:
            if organization_id is None:
                organization_id = await _insert_scope(tx, "organization", None)
            return organization_id, await _insert_scope(tx, "project", organization_id)

    return make


async def _insert_scope(tx: Tx, kind: str, organization_id: UUID | None) -> UUID:
    scope_id = new_id()
    project_id = scope_id if kind == "project" else None
    await tx.execute(
        """INSERT INTO resource (id, kind, organization_id, project_id, scope_id, name, status, spec, reason)
           VALUES ($1, $2, $3, $4, $5, $6, 'active', '{}', 'a test')""",
        scope_id,
        kind,
        organization_id or scope_id,
        project_id,
        organization_id,
        f"{kind}-{scope_id.hex}",
    )
    return scope_id


def _private_directory(path: Path, user: str | None) -> Path:
    path.mkdir(mode=0o700)
    if user:
        shutil.chown(path, user, user)
    return path


def _as_user(user: str | None) -> list[str]:
    """A command's beginning: run it as `user`, and end it when this process is gone."""
    identity = [f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups"] if user else []
    return ["setpriv", "--pdeathsig=INT", *identity]


@contextmanager
def _running(argv: list[str], log: Path, stop: signal.Signals) -> Iterator["subprocess.Popen[bytes]"]:
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    with log.open("wb") as output, subprocess.Popen(argv, stdout=output, stderr=output, cwd="/", env=environment) as process:
        try:
            yield process
        finally:
            process.send_signal(stop)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _accepts(install: Path, home: Path) -> bool:
    return subprocess.run([str(install / "bin/pg_isready"), "-q", "-h", str(home)], check=False, cwd="/").returncode == 0


def _wait(process: "subprocess.Popen[bytes]", ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + 30
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"a server did not start: {log.read_text()[-2000:]}")
        time.sleep(0.02)
