"""The whole platform in one process, made anew for each example of the model in some tens of milliseconds.

Two organizations with a project each share two small hosts. A database and an engine's file with all that in them are made
once; each example works on copies. Nothing happens by itself: agents work, reports arrive and time passes when told to.
"""

import asyncio
import itertools
import shutil
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from tests.controlplane.cloud import Cloud
from tests.controlplane.scenes import lay_network, machine

from groundplane.contracts.reports import Report
from groundplane.contracts.tasks import Task
from groundplane.controlplane.compute.vm import VM
from groundplane.controlplane.gateway.blobs import BlobStore
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.identity import Actor, Tokens, bind, create_user
from groundplane.controlplane.network.port import PORT, PortRequest
from groundplane.controlplane.network.security_group import SECURITY_GROUP, SecurityGroupSpec
from groundplane.controlplane.resources.organization import ORGANIZATION, OrganizationSpec
from groundplane.controlplane.resources.project import PROJECT, ProjectSpec
from groundplane.controlplane.schema.migrate import migrate
from groundplane.controlplane.storage.volume import VOLUME, VolumeRequest
from groundplane.dataplane.agent.drivers import HostDrivers
from groundplane.dataplane.providers.simulated import SimulatedCompute, SimulatedEngine, SimulatedStorage
from groundplane.kernel.bus import Bus
from groundplane.kernel.database import Database
from groundplane.kernel.ids import new_id
from groundplane.kernel.settings import Settings
from groundplane.processes.api import build

TEMPLATE = "model_template"
PROJECTS = ("red", "blue")
HOST_VCPUS, HOST_MEMORY_MIB, POOL_GIB = 6, 4096, 12
LAN = "10.0.0.0/29"
IMAGES = {"image": 1 << 30, "large": 2 << 30}
"""The images of each project, and how many bytes a guest sees."""


@dataclass
class World:
    """One copy of the platform. `late_tasks` and `late_reports` are still on their way, or come once more."""

    cloud: Cloud
    client: httpx.AsyncClient
    tokens: Mapping[str, str]
    projects: Mapping[str, UUID]
    late_tasks: list[Task] = field(default_factory=list)
    late_reports: list[Report] = field(default_factory=list)

    async def call(
        self, who: str, method: str, path: str, *, body: Any = None, query: str = "", key: str | None = None
    ) -> httpx.Response:
        """One request. `path` is below /api."""
        headers = {"Authorization": f"Bearer {self.tokens[who]}", **({"Idempotency-Key": key} if key else {})}
        return await self.client.request(method, f"/api/{path}{query}", headers=headers, json=body)

    def below(self, project: str) -> str:
        """Where a project's routes lie."""
        return f"tenant/v1/projects/{PROJECT.public_id(self.projects[project])}"

    async def take_task(self, number: int, fate: str) -> None:
        """An agent takes one of the tasks that are waiting, and `fate` says what becomes of it and of its report."""
        if not self.cloud.tasks:
            return
        task = self.cloud.tasks.pop(number % len(self.cloud.tasks))
        if fate == "is lost":
            return
        report = await self.cloud.carry_out(task)
        if fate == "is told late":
            self.late_reports.append(report)
            return
        if fate == "comes again":
            self.late_tasks.append(task)
        await self.cloud.report(*[report] * (2 if fate == "is told twice" else 1))

    async def deliver_late_reports(self) -> None:
        """What was held up arrives, the newest first."""
        while self.late_reports:
            await self.cloud.report(self.late_reports.pop())

    async def deliver_late_tasks(self) -> None:
        """What an agent had taken before is delivered again, carried out again, and reported again."""
        while self.late_tasks:
            await self.cloud.report(await self.cloud.carry_out(self.late_tasks.pop()))

    async def come_to_rest(self) -> None:
        """Faults end, everything late arrives, and the platform does its work until there is no more of it."""
        cloud = self.cloud
        cloud.engine.injections.clear()
        for _ in range(25):
            await self.deliver_late_tasks()
            await self.deliver_late_reports()
            await cloud.settle()
            await cloud.look()
            await cloud.reconciler.record_failures(cloud.database)
            await cloud.correct()
            if not cloud.tasks and not await cloud.open_drift():
                return
            await cloud.settle()
            await cloud.pass_time(3600)
        raise AssertionError(f"drift is left: {[dict(row) for row in await cloud.open_drift()]}")


class Stage:
    """Makes worlds, one at a time. Its application is built once, and finds another database behind its pool each time."""

    def __init__(self, server: str, folder: Path, nats_url: str) -> None:
        """`server` is a PostgreSQL's address with `{}` in place of the database."""
        self._server = server
        self._folder = folder
        self._nats_url = nats_url
        self._numbers = itertools.count()
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._projects: dict[str, UUID] = {}
        self._actors: dict[str, Actor] = {}

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Carry out async work to its end."""
        return self._runner.run(work)

    def open(self) -> None:
        """Make what is copied for each world."""
        self.run(self._open())

    def close(self) -> None:
        """Let go of all."""
        self.run(self._close())
        self._runner.close()

    async def make(self) -> World:
        """A fresh world."""
        number = next(self._numbers)
        await self._admin.execute(f"CREATE DATABASE model_{number} TEMPLATE {TEMPLATE} STRATEGY file_copy")
        cloud = self._cloud
        cloud.database._pool = (await Database.connect(self._server.format(f"model_{number}"), size=3))._pool
        self._engine_file = self._folder / f"engine-{number}.sqlite"
        shutil.copy(self._folder / "engine.sqlite", self._engine_file)
        self._use_engine(SimulatedEngine(self._engine_file, seed=0))
        cloud.tasks.clear()
        cloud.stops.clear()
        issued = {name: self._services.tokens.issue_user(actor)[0] for name, actor in self._actors.items()}
        self._database_name = f"model_{number}"
        return World(cloud, self._client, issued, self._projects)

    async def strike(self) -> None:
        """Take the world down."""
        await self._cloud.database.close()
        self._cloud.close()
        self._engine_file.unlink()
        await self._admin.execute(f"DROP DATABASE {self._database_name} WITH (FORCE)")

    async def _open(self) -> None:
        self._admin = await asyncpg.connect(self._server.format("postgres"))
        await self._admin.execute(f"CREATE DATABASE {TEMPLATE}")
        await migrate(self._server.format(TEMPLATE))
        self._bus = await Bus.connect(self._nats_url, "model")
        self._cloud = Cloud(
            await Database.connect(self._server.format(TEMPLATE), size=3),
            SimulatedEngine(self._folder / "engine.sqlite"),
            Settings(data_dir=self._folder),
        )
        await self._furnish()
        await self._cloud.database.close()
        self._cloud.close()
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(build(self._services), raise_app_exceptions=False), base_url="http://api"
        )

    async def _close(self) -> None:
        await self._client.aclose()
        await self._bus.close()
        await self._admin.execute(f"DROP DATABASE {TEMPLATE}")
        await self._admin.close()

    async def _furnish(self) -> None:
        cloud = self._cloud
        built = await Cloud.build(cloud.database, self._folder, hosts=0)
        built.close()
        cloud.cluster_id = built.cluster_id
        for number in range(2):
            await cloud.add_host(f"host-{number}", vcpus=HOST_VCPUS, memory_mib=HOST_MEMORY_MIB, gib=POOL_GIB)
        self._services = Services(
            settings=cloud.settings,
            database=cloud.database,
            bus=self._bus,
            tokens=Tokens.from_directory(cloud.settings.key_directory),
            secret_box=cloud.platform.box,
            blobs=BlobStore(cloud.settings.blob_directory),
            manager=cloud.manager,
        )
        for name in PROJECTS:
            cloud.organization_id = UUID(int=0)
            cloud.organization_id = (await cloud.make(ORGANIZATION, OrganizationSpec(), name=name, project=False)).resource.id
            cloud.project_id = (await cloud.make(PROJECT, ProjectSpec(), name=name, project=False)).resource.id
            self._projects[name] = cloud.project_id
            for image, size in IMAGES.items():
                await cloud.image(image, size)
            await lay_network(cloud, cidr=LAN)
            await cloud.made(SECURITY_GROUP, SecurityGroupSpec(), name="group")
            await cloud.made(PORT, PortRequest(network="lan", security_groups=["group"]), name="port")
            await cloud.made(VOLUME, VolumeRequest(size_gib=1), name="volume")
            await cloud.made(VM, machine(), name="vm")
            self._actors[name] = await self._user("owner", cloud.organization_id)
            self._actors[f"viewer of {name}"] = await self._user("viewer", cloud.organization_id)
        self._actors["operator"] = await self._user("admin", None)

    async def _user(self, role: str, organization_id: UUID | None) -> Actor:
        async with self._cloud.database.transaction() as tx:
            user = await create_user(tx, email=f"{new_id().hex}@example.org", name="Somebody", password="correct horse battery")
            await bind(tx, user_id=user.id, role=role, organization_id=organization_id)
        return user.actor

    def _use_engine(self, engine: SimulatedEngine) -> None:
        self._cloud.engine = engine
        for host_id in list(self._cloud.hosts):
            self._cloud.hosts[host_id] = HostDrivers(SimulatedCompute(engine, host_id), SimulatedStorage(engine, host_id))
