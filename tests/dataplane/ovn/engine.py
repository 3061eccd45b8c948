"""OVN for tests: a northbound database alone, or all of OVN with a chassis in a network namespace of its own.

Every process and namespace ends with the test process, even when that is killed; the machine's own OVN is never touched.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from groundplane.contracts.specs import PortSpec, SpecKind

NORTHBOUND_SCHEMA = "/usr/share/ovn/ovn-nb.ovsschema"
SOUTHBOUND_SCHEMA = "/usr/share/ovn/ovn-sb.ovsschema"
SWITCH_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
START_SECONDS = 20.0

_TABLES: dict[SpecKind, str] = {
    "network": "Logical_Switch",
    "subnet": "DHCP_Options",
    "security_group": "Port_Group",
    "port": "Logical_Switch_Port",
}


def run(*argv: str, seconds: float = 30.0) -> str:
    """A command's output; fails with its words when it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, f"{argv}: {done.stderr or done.stdout}"
    return done.stdout


def until(condition: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Wait for it."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.01)


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder with a short path, since those of sockets are limited to 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="gpo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def daemon(folder: Path, *argv: str) -> "subprocess.Popen[bytes]":
    """A process that ends with this one and logs into the folder."""
    with (folder / f"{argv[0]}.out").open("ab") as out:
        command = ["setpriv", "--pdeathsig=KILL", *argv]
        places = dict.fromkeys(("OVS_RUNDIR", "OVN_RUNDIR", "OVS_LOGDIR", "OVN_LOGDIR", "OVS_DBDIR"), str(folder))
        return subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **places}, cwd="/")


def end(process: "subprocess.Popen[bytes]") -> None:
    """Kill it and wait for it."""
    process.kill()
    process.wait()


@dataclass
class Database:
    """An ovsdb-server with one database, that can be killed and started again."""

    folder: Path
    name: str
    schema: str
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def remote(self) -> str:
        """Where it answers."""
        return f"unix:{self.folder}/{self.name}.sock"

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start it on what it held before, or on an empty database."""
        database, socket = self.folder / f"{self.name}.db", self.folder / f"{self.name}.sock"
        if not database.exists():
            run("ovsdb-tool", "create", str(database), self.schema)
        socket.unlink(missing_ok=True)
        control = self.folder / f"{self.name}.ctl"
        control.unlink(missing_ok=True)
        arguments = (f"--remote=punix:{socket}", f"--unixctl={control}", "-vconsole:warn", "-vsyslog:off", "--no-chdir")
        self.process = daemon(self.folder, "ovsdb-server", str(database), *arguments)
        until(socket.exists, "ovsdb-server's socket")

    def written_bytes(self) -> int:
        """The length of its journal, which grows with each change of the database and with nothing else."""
        return (self.folder / f"{self.name}.db").stat().st_size

    def kill(self) -> None:
        """Kill -9, and nothing is tidied."""
        if self.process is not None:
            end(self.process)
            self.process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It is there but does not answer."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)


@dataclass
class Northbound(Database):
    """A northbound database with the hands of a person in it."""

    schema: str = NORTHBOUND_SCHEMA
    name: str = "nb"

    def ctl(self, *argv: str) -> str:
        """ovn-nbctl."""
        return run("ovn-nbctl", f"--db={self.remote}", "--timeout=30", *argv).strip()

    def get(self, table: str, row: UUID, column: str) -> str:
        """A column as ovn-nbctl prints it."""
        return self.ctl("--bare", "--columns", column, "list", table, str(row))

    def rows(self, table: str) -> list[str]:
        """The UUIDs of all rows."""
        return self.ctl("--bare", "--columns", "_uuid", "list", table).split()

    def delete(self, kind: SpecKind, resource_id: UUID) -> None:
        """Take a resource away behind the provider's back."""
        if kind == "port":
            self.ctl("lsp-del", str(resource_id))
        else:
            self.ctl("destroy", _TABLES[kind], str(resource_id))

    def settle(self) -> None:
        """Wait until every chassis has followed."""
        self.ctl("--wait=hv", "sync")


@contextmanager
def northbound() -> Iterator[Northbound]:
    """A northbound database of its own; needs no root."""
    with short_folder() as folder, ExitStack() as stack:
        database = Northbound(folder)
        stack.callback(database.kill)
        database.start()
        database.ctl("init")
        yield database


class Namespace:
    """A network namespace that lives as long as the process that holds it."""

    def __init__(self, folder: Path) -> None:
        self._holder = daemon(folder, "unshare", "--net", "sleep", "infinity")
        own, held = Path("/proc/self/ns/net").readlink(), Path(f"/proc/{self.pid}/ns/net")
        until(lambda: held.readlink() != own, "a namespace of its own")
        self.run("ip", "link", "set", "lo", "up")

    @property
    def pid(self) -> int:
        """The holder's process id."""
        return self._holder.pid

    def command(self, *argv: str) -> list[str]:
        """A command's words to run it inside."""
        return ["nsenter", "--net", "-t", str(self.pid), *argv]

    def run(self, *argv: str) -> str:
        """Run it inside."""
        return run(*self.command(*argv))

    def works(self, *argv: str) -> bool:
        """Whether a command inside ends well."""
        return subprocess.run(self.command(*argv), capture_output=True, timeout=30, check=False).returncode == 0

    def end(self) -> None:
        """Let it go."""
        end(self._holder)


@dataclass
class Client:
    """A guest in place of a virtual machine: a namespace with one card on a port."""

    namespace: Namespace
    port: PortSpec
    folder: Path

    def lease(self) -> dict[str, str]:
        """Ask for an address by DHCP, take it, and return what was told, by the names of udhcpc."""
        script, told = self.folder / "lease.sh", self.folder / f"{self.port.id}.lease"
        script.write_text('#!/bin/sh\n[ "$1" = bound ] && env > "$TOLD"\nexit 0\n')
        script.chmod(0o755)
        client = ("busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-t", "5", "-T", "1", "-s", str(script))
        self.namespace.run("env", f"TOLD={told}", *client)
        lease = dict(line.split("=", 1) for line in told.read_text().splitlines() if "=" in line)
        self.namespace.run("ip", "address", "replace", f"{lease['ip']}/{lease['mask']}", "dev", "eth0")
        return lease

    def pings(self, other: "Client") -> bool:
        """Whether the other one answers."""
        return self.namespace.works("busybox", "ping", "-c", "1", "-W", "1", other.port.address)

    def reads(self, other: "Client", tcp_port: int) -> bool:
        """Whether the other one's server at that port gives out its word."""
        command = self.namespace.command("busybox", "nc", "-w", "1", other.port.address, str(tcp_port))
        asked = b"GET /word HTTP/1.0\r\n\r\n"
        answer = subprocess.run(command, input=asked, capture_output=True, timeout=30, check=False).stdout
        return answer.endswith(b"\r\n\r\nword")

    @contextmanager
    def serving(self, tcp_port: int) -> Iterator[None]:
        """An HTTP server that gives out a word."""
        (self.folder / "word").write_text("word")
        command = self.namespace.command("busybox", "httpd", "-f", "-p", str(tcp_port), "-h", str(self.folder))
        server = daemon(self.folder, *command)
        try:
            until(lambda: f":{tcp_port}" in self.namespace.run("ss", "-Hltn"), "a listening server")
            yield
        finally:
            end(server)


@dataclass
class Cloud:
    """All of OVN with one chassis."""

    northbound: Northbound
    folder: Path
    chassis: Namespace
    clients: list[Client] = field(default_factory=list)

    def client(self, port: PortSpec) -> Client:
        """Plug a guest into a port, as libvirt would."""
        card = f"v{len(self.clients)}"
        namespace = Namespace(self.folder)
        client = Client(namespace, port, self.folder)
        self.clients.append(client)
        self.chassis.run("ip", "link", "add", card, "type", "veth", "peer", "name", "eth0", "netns", str(namespace.pid))
        # The userspace datapath drops what carries a checksum that the card was to fill in.
        self.chassis.run("ethtool", "-K", card, "tx", "off")
        namespace.run("ethtool", "-K", "eth0", "tx", "off")
        namespace.run("ip", "link", "set", "eth0", "address", port.mac, "mtu", "1442", "up")
        self.chassis.run("ip", "link", "set", card, "up")
        interface = ("--", "set", "Interface", card, f"external_ids:iface-id={port.id}")
        self.switch("add-port", "br-int", card, *interface)
        return client

    def unplug(self, client: Client) -> None:
        """Pull the card."""
        self.switch("del-port", f"v{self.clients.index(client)}")

    def end_clients(self) -> None:
        """Switch all guests off."""
        for client in self.clients:
            client.namespace.end()

    def switch(self, *argv: str) -> None:
        """ovs-vsctl."""
        run("ovs-vsctl", f"--db=unix:{self.folder}/conf.sock", "--timeout=30", *argv)


@contextmanager
def cloud() -> Iterator[Cloud]:
    """OVN with its daemons and one chassis in a namespace of its own; needs root."""
    with short_folder() as folder, ExitStack() as stack:
        north = Northbound(folder)
        south = Database(folder, "sb", SOUTHBOUND_SCHEMA)
        local = Database(folder, "conf", SWITCH_SCHEMA)
        for database in (north, south, local):
            stack.callback(database.kill)
            database.start()
        north.ctl("init")
        run("ovn-sbctl", f"--db={south.remote}", "init")
        chassis = Namespace(folder)
        stack.callback(chassis.end)
        held = Cloud(north, folder, chassis)
        stack.callback(held.end_clients)
        held.switch("--no-wait", "init", "--", "set", "Open_vSwitch", ".", *_chassis_settings(south))
        for command in _daemons(folder, north, south, local, chassis):
            stack.callback(end, daemon(folder, *command))
        # Before a chassis has registered, nobody would be waited for.
        chassis_row = ("ovn-sbctl", f"--db={south.remote}", "--bare", "--columns=name", "list", "Chassis")
        until(lambda: "chassis" in run(*chassis_row), "the chassis in the southbound database")
        north.settle()
        yield held


def _daemons(folder: Path, north: Database, south: Database, local: Database, chassis: Namespace) -> Iterator[tuple[str, ...]]:
    logs = ("-vconsole:warn", "-vsyslog:off", "--no-chdir")
    databases = (f"--ovnnb-db={north.remote}", f"--ovnsb-db={south.remote}")
    yield ("ovn-northd", *databases, f"--unixctl={folder}/northd.ctl", *logs)
    yield (*chassis.command("ovs-vswitchd", local.remote, f"--unixctl={folder}/vswitchd.ctl"), *logs)
    yield (*chassis.command("ovn-controller", local.remote), *logs)


def _chassis_settings(south: Database) -> Iterator[str]:
    settings = {
        "system-id": "chassis",
        "hostname": "chassis",
        "ovn-remote": south.remote,
        "ovn-encap-type": "geneve",
        "ovn-encap-ip": "127.0.0.1",
        "ovn-bridge-datapath-type": "netdev",
        "ovn-monitor-all": "true",
    }
    return (f"external_ids:{name}={value}" for name, value in settings.items())
