"""An installation of a benchmark's own with the simulated data plane: real processes, real PostgreSQL, real NATS, real logins.

It is taken away afterwards, even when the benchmark is killed. Also counts what each of its processes costs.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import httpx
import psutil

from groundplane.kernel.ids import parse_id
from groundplane.processes.control import ask
from groundplane.processes.layout import Endpoints, Layout, free_port
from groundplane.processes.migrate import Credentials
from groundplane.sdk import Client

COMMAND = [sys.executable, "-m", "groundplane.processes.main"]
HOST_VCPUS, HOST_MEMORY_MIB = 100_000, 1 << 30
"""What each simulated host gives away here: what it has at first would hold some hundred machines."""
PASSWORD = "a password of a benchmark"  # noqa: S105 - of users that live for minutes, on loopback
IMAGE, NETWORK, CIDR = "tiny", "lan", "10.60.0.0/19"
_DISK = bytes(510) + b"\x55\xaa" + bytes((1 << 20) - 512)  # simulated engines boot whatever has a boot sector's signature


@dataclass(frozen=True)
class Project:
    """A project with an organization and a user of its own, an image, a network and a subnet. `token` is the user's."""

    id: UUID
    public_id: str
    email: str
    token: str

    @property
    def path(self) -> str:
        """Where its collections lie in the API."""
        return f"/api/tenant/v1/projects/{self.public_id}"


@dataclass(frozen=True)
class Installation:
    """One data directory, up and ready."""

    layout: Layout
    endpoints: Endpoints

    @property
    def port(self) -> int:
        """The api's."""
        return int(self.endpoints.api.rpartition(":")[2])

    @property
    def engine(self) -> Path:
        """The simulated engine's SQLite file."""
        return self.layout.root / "simulated.sqlite"

    def furnish(self, projects: int) -> list[Project]:
        """Hosts with room, and projects to ask in."""
        told = Credentials.model_validate_json((self.layout.root / "admin.json").read_bytes())
        with Client(self.endpoints.api) as admin:
            admin.login(told.email, told.password)
            for host in list(admin.ops.hosts.list()):
                admin.ops.hosts.update(host.id, spec={"vcpus": HOST_VCPUS, "memory_mib": HOST_MEMORY_MIB})
            disk = self.layout.root / "disk.img"
            disk.write_bytes(_DISK)
            return [self._project(admin, disk, number) for number in range(1, projects + 1)]

    def log_in(self, project: Project) -> Project:
        """The project with a new token of its user: they last for a quarter of an hour."""
        credentials = {"email": project.email, "password": PASSWORD}
        answer = httpx.post(f"{self.endpoints.api}/api/common/v1/auth/login", json=credentials, timeout=30)
        return replace(project, token=answer.raise_for_status().json()["access_token"])

    def pids(self) -> dict[str, int]:
        """The processes by the names of their parts."""
        parts = ask(self.layout, {"do": "status"})["parts"]
        return {part["name"]: part["pid"] for part in parts if part["kind"] == "service" and part["pid"]}

    def cpu(self) -> dict[str, float]:
        """CPU seconds that each part has taken so far, its children's included, those too that have ended."""
        return {name: _cpu_of(pid) for name, pid in self.pids().items()}

    def _project(self, admin: Client, disk: Path, number: int) -> Project:
        name, email = f"bench-{number}", f"user-{number}@bench.example"
        organization = admin.common.organizations.create(name).id
        public_id = admin.organization(organization).projects.create(name).id
        admin.common.users.create(email, name, PASSWORD)
        admin.organization(organization).role_bindings.create("owner", user=email)
        project_id = parse_id("prj", public_id)
        if project_id is None:
            raise ValueError(public_id)
        with Client(self.endpoints.api) as user:
            user.login(email, PASSWORD)
            tenant = user.tenant(public_id)
            tenant.images.upload(disk, IMAGE, wait=True)
            tenant.networks.create(NETWORK, wait=True)
            tenant.subnets.create(f"{NETWORK}-a", {"network": NETWORK, "cidr": CIDR}, wait=True)
        return self.log_in(Project(project_id, public_id, email, token=""))


def _cpu_of(pid: int) -> float:
    seconds = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                used = each.cpu_times()
                seconds += used.user + used.system + used.children_user + used.children_system
    return seconds


def cpu_between(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """CPU seconds by part, of the parts that are in both."""
    return {name: after[name] - before[name] for name in before if name in after}


@contextlib.contextmanager
def installation(hosts: int) -> Iterator[Installation]:
    """Brought up in a folder of its own, on a free port; taken away whatever happens."""
    root = Path(tempfile.mkdtemp(prefix="gpb-", dir="/tmp"))  # short, as sockets' paths must be
    root.chmod(0o711)  # the engines' users pass through
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GROUNDPLANE_")}
    where = ["--data-dir", str(root)]
    with _undertaker([*COMMAND, "down", "--all", "--yes", *where]):
        try:
            argv = [*COMMAND, "up", "--simulated", "--hosts", str(hosts), "--port", str(free_port()), *where]
            _must(argv, environment)
            layout = Layout(root)
            endpoints = Endpoints.load(layout)
            if endpoints is None:
                raise RuntimeError("no endpoints")
            yield Installation(layout, endpoints)
        finally:
            if Layout(root).is_ours():
                _must([*COMMAND, "down", "--all", "--yes", *where], environment)
            shutil.rmtree(root, ignore_errors=True)


def _must(argv: Sequence[str], environment: Mapping[str, str]) -> None:
    done = subprocess.run(argv, env=environment, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError(f"{argv} ended with {done.returncode}: {done.stdout}")


@contextlib.contextmanager
def _undertaker(argv: Sequence[str]) -> Iterator[None]:
    """A process that carries out `argv` when this one has gone without saying good-bye: its end of the pipe closes."""
    script = ["sh", "-c", 'read -r done && exit; exec "$@"', "undertaker", *argv]
    with subprocess.Popen(
        script, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", start_new_session=True
    ) as process:
        assert process.stdin is not None
        yield
        process.stdin.write(b"done\n")
        process.stdin.close()
