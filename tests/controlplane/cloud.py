"""A whole cloud without processes: the real database and services, an agent in this process, the simulated engine.

Nothing happens by itself here. Tasks gather in `tasks` until they are carried out, and time passes when it is told to.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar
from uuid import UUID

from pydantic import BaseModel

from groundplane.contracts.faults import Fault, ProviderError
from groundplane.contracts.reports import Heartbeat, HostFacts, InventoryChunk, Report, Sighting, State
from groundplane.contracts.specs import ImageSource, SpecKind
from groundplane.contracts.tasks import NETWORK_SCOPE, Ensure, Operation, Scope, Stop, Task
from groundplane.controlplane.fleet.cluster import CLUSTER, ClusterSpec
from groundplane.controlplane.fleet.host import HOST, HostSpec
from groundplane.controlplane.fleet.pool import POOL, PoolSpec
from groundplane.controlplane.gateway.operation import ATTEMPTS
from groundplane.controlplane.jobs import job as jobs
from groundplane.controlplane.jobs.dispatcher import Inbox, Said, resume_due
from groundplane.controlplane.jobs.job import Job
from groundplane.controlplane.reconciler import Reconciler
from groundplane.controlplane.resources import quota, store
from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.manager import BulkOutcome, Outcome
from groundplane.controlplane.resources.organization import ORGANIZATION, OrganizationSpec
from groundplane.controlplane.resources.project import PROJECT, ProjectSpec
from groundplane.controlplane.resources.resource import Resource
from groundplane.controlplane.storage.image import IMAGE, ImageSpec
from groundplane.dataplane.agent.drivers import Drivers, HostDrivers
from groundplane.dataplane.providers.simulated import (
    SimulatedCompute,
    SimulatedEngine,
    SimulatedNetwork,
    SimulatedStorage,
)
from groundplane.kernel.database import CollisionError, Database, Row, Tx
from groundplane.kernel.ids import new_id
from groundplane.kernel.settings import Settings
from groundplane.processes.catalog import KINDS, build_platform

KINDS_BY_NAME = {kind.name: kind for kind in KINDS}
IMAGE_BYTES = b"the bytes of an image, taken to be a whole disk"
NOBODY = UUID(int=0)
USER_DATA = b"#cloud-config\n"

CLAIMS = ("change_claim", "quota_claim", "placement", "pool_share", "image_copy", "subnet_range", "address", "link", "label",
          "secret")  # fmt: skip
"""Every table that holds what a tenant's resource has to itself."""


class Permission:
    """A provider's Context: everything is allowed."""

    def check(self) -> None:
        """See Context."""

    def progress(self, text: str) -> None:
        """See Context."""


class Bytes:
    """A provider's Channel: one image, one secret."""

    async def image(self, source: ImageSource) -> AsyncIterator[bytes]:
        """See Channel."""
        yield IMAGE_BYTES

    async def secret(self, secret_id: UUID) -> bytes:
        """See Channel."""
        return USER_DATA


Made = TypeVar("Made")


@dataclass
class Cloud:
    """One organization with one project, one cluster, and as many hosts with a pool each as are added."""

    database: Database
    engine: SimulatedEngine
    settings: Settings
    tasks: list[Task] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)
    task_out: asyncio.Event = field(default_factory=asyncio.Event)
    hosts: dict[UUID, HostDrivers] = field(default_factory=dict)
    organization_id: UUID = NOBODY
    project_id: UUID = NOBODY
    cluster_id: UUID = NOBODY
    agent_id: UUID = field(default_factory=new_id)

    def __post_init__(self) -> None:
        """Put the services together, as the worker does."""
        self.platform = build_platform(self.settings, self)
        self.manager = self.platform.manager
        self.reconciler = Reconciler(self.manager.kinds, self.manager)
        self.inbox = Inbox(self.database, self.platform.engine, self.reconciler.observe)

    @classmethod
    async def build(cls, database: Database, folder: Path, *, hosts: int = 1) -> Self:
        """A cloud with `hosts` hosts of 64 vCPUs, 256 GiB of memory and a pool of 1,000 GiB."""
        settings = Settings(data_dir=folder)
        cloud = cls(database, SimulatedEngine(folder / "engine.sqlite"), settings)
        organization = (await cloud.make(ORGANIZATION, OrganizationSpec(), project=False)).resource
        cloud.organization_id = organization.id
        await cloud.open_project("it")
        cloud.cluster_id = (await cloud.make(CLUSTER, ClusterSpec(), project=False, organization=False)).resource.id
        for number in range(hosts):
            await cloud.add_host(f"host-{number}")
        return cloud

    async def open_project(self, name: str) -> None:
        """Go on in a new project, with nothing in it."""
        self.project_id = (await self.make(PROJECT, ProjectSpec(), name=name, project=False)).resource.id

    async def add_host(
        self, name: str, *, vcpus: int = 64, memory_mib: int = 262_144, gib: int = 1000
    ) -> tuple[Resource, Resource]:
        """A host and its pool."""
        spec = HostSpec(cluster=CLUSTER.public_id(self.cluster_id), vcpus=vcpus, memory_mib=memory_mib)
        host = (await self.make(HOST, spec, name=name, project=False, organization=False)).resource
        pool_spec = PoolSpec(host=HOST.public_id(host.id), engine_name="default", gib=gib)
        pool = (await self.make(POOL, pool_spec, name=f"{name}-pool", project=False, organization=False)).resource
        self.hosts[host.id] = HostDrivers(SimulatedCompute(self.engine, host.id), SimulatedStorage(self.engine, host.id))
        return host, pool

    def close(self) -> None:
        """Let go of the engine."""
        self.engine.close()

    # What users ask.

    async def make(
        self,
        kind: Kind,
        request: BaseModel,
        *,
        name: str = "it",
        labels: Mapping[str, str] | None = None,
        project: bool = True,
        organization: bool = True,
    ) -> Outcome:
        """Admit a create request; its job has not begun to do anything in an engine."""
        where = {
            "organization_id": self.organization_id if organization and self.organization_id.int else None,
            "project_id": self.project_id if project else None,
        }
        return await self._admitted(
            lambda tx: self.manager.create(tx, kind, request, name=name, labels=labels or {}, actor_id=None, **where)
        )

    async def make_many(self, kind: Kind, request: BaseModel, count: int, *, name: str = "it") -> BulkOutcome:
        """Admit a request for many."""
        where = {"organization_id": self.organization_id, "project_id": self.project_id}
        return await self._admitted(
            lambda tx: self.manager.create_many(tx, kind, request, name=name, count=count, labels={}, actor_id=None, **where)
        )

    async def _admitted(self, admit: Callable[[Tx], Awaitable[Made]]) -> Made:
        """In a transaction that is begun again when others were in the way, as the api does."""
        for _ in range(ATTEMPTS - 1):
            with suppress(*CollisionError):
                async with self.database.transaction() as tx:
                    return await admit(tx)
        async with self.database.transaction() as tx:
            return await admit(tx)

    async def cancel(self, job_id: UUID) -> Job:
        """Have a job undone."""
        async with self.database.transaction() as tx:
            return await self.platform.engine.cancel(tx, job_id, requested_by=None)

    async def retry(self, job_id: UUID) -> Job:
        """Try a job again, by hand."""
        async with self.database.transaction() as tx:
            return await self.manager.retry(tx, job_id, actor_id=None)

    async def made(self, kind: Kind, request: BaseModel, **more: Any) -> Resource:
        """Create something and see it through."""
        outcome = await self.make(kind, request, **more)
        await self.run()
        resource = await self.resource(outcome.resource.id)
        assert resource.status == "active", await self.why(resource.id)
        return resource

    async def image(self, name: str = "image", virtual_size_bytes: int = 1 << 30) -> Resource:
        """An uploaded image."""
        spec = ImageSpec(
            format="raw",
            size_bytes=len(IMAGE_BYTES),
            virtual_size_bytes=virtual_size_bytes,
            sha256=hashlib.sha256(IMAGE_BYTES).hexdigest(),
        )
        return (await self.make(IMAGE, spec, name=name)).resource

    async def change(
        self,
        resource_id: UUID,
        request: BaseModel | None = None,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Admit an update."""
        async with self.database.transaction() as tx:
            resource = await store.load(tx, resource_id)
            return await self.manager.update(
                tx, KINDS_BY_NAME[resource.kind], resource, name=name, labels=labels, request=request, actor_id=None
            )

    async def act(self, resource_id: UUID, verb: str) -> Outcome:
        """Admit an action."""
        async with self.database.transaction() as tx:
            resource = await store.load(tx, resource_id)
            kind = KINDS_BY_NAME[resource.kind]
            action = next(action for action in kind.actions if action.verb == verb)
            return await self.manager.act(tx, kind, resource, action, actor_id=None)

    async def delete(self, resource_id: UUID) -> Outcome:
        """Admit a delete."""
        async with self.database.transaction() as tx:
            resource = await store.load(tx, resource_id)
            return await self.manager.delete(tx, KINDS_BY_NAME[resource.kind], resource, actor_id=None)

    async def deleted(self, resource_id: UUID) -> None:
        """Delete something and see it through."""
        await self.delete(resource_id)
        await self.run()
        assert (await self.resource(resource_id)).status == "deleted", await self.why(resource_id)

    # What the data plane does.

    @property
    def drivers(self) -> Drivers:
        """What the agent drives."""
        return Drivers(hosts=self.hosts, network=SimulatedNetwork(self.engine, self.cluster_id))

    async def run(self) -> None:
        """Carry out tasks and take in their reports until nothing is left to do."""
        while self.tasks:
            await self.report(await self.carry_out(self.tasks.pop(0)))

    async def carry_out(self, task: Task) -> Report:
        """What an agent does with a task, and would report."""
        states: list[State] = []
        fault: Fault | None = None
        try:
            for operation in task.operations:
                states.append(await self.operate(task, operation))  # noqa: PERF401  # what was done before one failed counts
        except ProviderError as error:
            fault = error.fault
        return self.answer(task, states=states, fault=fault)

    async def operate(self, task: Task, operation: Operation) -> State:
        """One operation of a task."""
        return await self.drivers.carry_out(task.scope, operation, Permission(), Bytes())

    def answer(self, task: Task, *, states: Iterable[State] = (), fault: Fault | None = None) -> Report:
        """A report of a task's end."""
        return Report(
            task_id=task.id,
            fence=task.fence,
            outcome="failed" if fault else "done",
            agent_id=self.agent_id,
            at=datetime.now(UTC),
            states=tuple(states),
            fault=fault,
        )

    async def report(self, *reports: Report | Sighting | InventoryChunk | Heartbeat) -> None:
        """Apply messages of agents in one batch, as the worker does."""
        await self.hear(*(report.model_dump_json().encode() for report in reports))

    async def hear(self, *payloads: bytes) -> None:
        """Take in what the cluster's agents say."""
        await self.inbox.apply([Said(payload, self.cluster_id) for payload in payloads])

    async def heartbeat(self, *, reachable: bool = True) -> None:
        """The agent and its hosts live."""
        hosts = tuple(
            HostFacts(host_id=host_id, reachable=reachable, reason="" if reachable else "no answer") for host_id in self.hosts
        )
        await self.report(
            Heartbeat(cluster_id=self.cluster_id, agent_id=self.agent_id, at=datetime.now(UTC), version="0", hosts=hosts)
        )

    def sighting(self, kind: SpecKind, resource_id: UUID, *, at: datetime | None = None) -> Sighting:
        """What the engine's own event would tell of a resource now."""
        found = self.engine.find_anywhere(kind, resource_id)
        state = State(kind=kind, id=resource_id, present=False)
        scope = NETWORK_SCOPE
        if found is not None:
            state = State(kind=kind, id=resource_id, fence=found.fence, observed=found.observed)
            scope = found.key.scope
        return Sighting(cluster_id=self.cluster_id, scope=scope, at=at or datetime.now(UTC), state=state)

    async def sees(self, kind: SpecKind, resource_id: UUID) -> None:
        """The engine's event arrives."""
        await self.report(self.sighting(kind, resource_id))

    async def chunks(self, *, size: int = 500, asked_at: datetime | None = None) -> list[InventoryChunk]:
        """The answer to a look, all scopes."""
        asked_at = asked_at or await self.now()
        look_id = new_id()
        parts: dict[Scope, tuple[list[SpecKind], list[State]]] = {}
        for scope, kinds, observer in self.drivers.observers():
            with suppress(ProviderError):  # who cannot see says nothing, which is not the same as seeing nothing
                seen = await observer.observe()
                known, states = parts.setdefault(scope, ([], []))
                known.extend(kinds)
                states.extend(seen)
        return [
            InventoryChunk(
                cluster_id=self.cluster_id,
                scope=scope,
                look_id=look_id,
                asked_at=asked_at,
                kinds=tuple(known),
                number=number,
                total=max(1, -(-len(states) // size)),
                states=tuple(states[number * size : (number + 1) * size]),
            )
            for scope, (known, states) in parts.items()
            for number in range(max(1, -(-len(states) // size)))
        ]

    async def look(self) -> None:
        """A whole inventory of every scope arrives."""
        await self.report(*await self.chunks())

    # What the worker does.

    async def resume(self) -> int:
        """Look at the jobs whose time has come."""
        return await resume_due(self.database, self.platform.engine)

    async def correct(self) -> int:
        """One round of corrections."""
        return await self.reconciler.correct(self.database)

    async def pass_time(self, seconds: float) -> None:
        """Everything that was, was `seconds` earlier."""
        span = timedelta(seconds=seconds)
        async with self.database.transaction() as tx:
            await tx.execute(
                """UPDATE job SET next_at = next_at - $1::interval, step_deadline = step_deadline - $1,
                                  deadline = deadline - $1, created_at = created_at - $1""",
                span,
            )
            await tx.execute("UPDATE drift SET next_at = next_at - $1::interval, detected_at = detected_at - $1", span)
            await tx.execute("UPDATE agent_seen SET seen_at = seen_at - $1::interval", span)
            await tx.execute("UPDATE host_seen SET seen_at = seen_at - $1::interval", span)
            await tx.execute("UPDATE inventory_chunk SET received = received - $1::interval", span)

    async def settle(self, rounds: int = 30) -> None:
        """Let time pass, and everybody do their work, until no job runs."""
        for _ in range(rounds):
            await self.run()
            if not await self.value("SELECT count(*) FROM job WHERE ended_at IS NULL"):
                return
            await self.pass_time(61)
            await self.resume()
        raise AssertionError("a job did not end")

    # What is.

    async def now(self) -> datetime:
        """The database's clock."""
        now: datetime = await self.value("SELECT clock_timestamp()")
        return now

    async def resource(self, resource_id: UUID) -> Resource:
        """A resource as it is now, deleted ones too."""
        async with self.database.transaction() as tx:
            return await store.load(tx, resource_id)

    async def named(self, kind: Kind, name: str) -> Resource:
        """The living resource of a name."""
        async with self.database.transaction() as tx:
            return await store.get(tx, kind, self.project_id, name)

    async def job(self, job_id: UUID) -> Job:
        """A job as it is now."""
        async with self.database.transaction() as tx:
            job = await jobs.get(tx, job_id)
        assert job is not None
        return job

    async def last_job(self, resource_id: UUID) -> Job:
        """The newest job of a resource."""
        async with self.database.transaction() as tx:
            (job,) = await jobs.page(tx, project_id=None, resource_id=resource_id, after=None, limit=1)
        return job

    async def why(self, resource_id: UUID) -> str:
        """For the message of a failed assertion."""
        job = await self.last_job(resource_id)
        return f"{job.workflow} {job.state} {job.error}"

    async def fetch(self, sql: str, *values: object) -> Sequence[Row]:
        """Rows of any query."""
        async with self.database.transaction() as tx:
            return await tx.fetch(sql, *values)

    async def value(self, sql: str, *values: object) -> Any:
        """The first value of any query."""
        async with self.database.transaction() as tx:
            return await tx.value(sql, *values)

    async def used(self, *, organization: bool = False) -> dict[str, int]:
        """What the project, or its organization, uses of its quota; what it uses nothing of is left out."""
        async with self.database.transaction() as tx:
            account = await quota.account(tx, self.organization_id if organization else self.project_id)
        return {name: amount for name, amount in account.used.items() if amount}

    async def execute(self, sql: str, *values: object) -> int:
        """Any statement, committed."""
        async with self.database.transaction() as tx:
            return await tx.execute(sql, *values)

    async def contents(self) -> Mapping[str, str]:
        """A digest of every table: two that are equal say that nothing was changed in between."""
        tables = await self.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
        digests = " UNION ALL ".join(
            f"SELECT '{name}' AS name, md5(string_agg(each::text, '' ORDER BY each::text)) AS digest FROM {name} AS each"  # noqa: S608
            for (name,) in tables
        )
        return {row["name"]: row["digest"] for row in await self.fetch(digests)}

    async def holdings(self) -> Mapping[str, object]:
        """What is held: living resources, claims, the sums of them, open usage, and what the engine has.

        Without what is never taken back: a reboot, an image's copy in a pool, the place where a search for addresses begins.
        """
        held: dict[str, object] = {}
        for table in (*CLAIMS, "quota_usage", "host_capacity", "pool_capacity"):
            if table != "image_copy":
                sql = f"SELECT (to_jsonb(each) - 'next_host')::text AS row FROM {table} AS each ORDER BY 1"  # noqa: S608
                rows = await self.fetch(sql)
                held[table] = [row["row"] for row in rows]
        living = "SELECT id, name, status, spec - 'reboots' AS spec, observed - 'reboots' AS observed FROM resource"
        held["resource"] = [tuple(row) for row in await self.fetch(f"{living} WHERE deleted_at IS NULL ORDER BY id")]
        held["usage"] = [
            tuple(row)
            for row in await self.fetch(
                "SELECT resource_id, meter, amount FROM usage_span WHERE upper_inf(during) ORDER BY 1, 2"
            )
        ]
        held["engine"] = {
            row.key: {name: value for name, value in row.observed.items() if name != "reboots"}
            for row in self.engine.resources()
            if row.key.kind != "image"
        }
        return held

    def holds(self, kind: SpecKind, resource_id: UUID) -> bool:
        """Does the engine hold it?"""
        return self.engine.find_anywhere(kind, resource_id) is not None

    async def open_drift(self) -> Sequence[Row]:
        """All open drift."""
        return await self.fetch("SELECT * FROM drift WHERE resolved_at IS NULL ORDER BY id")

    async def incidents(self) -> set[str]:
        """The codes of all open incidents, after a round of them."""
        await self.reconciler.refresh_incidents(self.database)
        return {row["code"] for row in await self.fetch("SELECT code FROM incident WHERE closed_at IS NULL")}

    # The way to the agents: an Outbox.

    async def ask(self, task: Task) -> None:
        """A task went out."""
        self.tasks.append(task)
        self.task_out.set()

    async def stop(self, _cluster_id: UUID, stop: Stop) -> None:
        """Word that a task should end went out."""
        self.stops.append(stop)


def subject(operation: Operation) -> tuple[SpecKind, UUID]:
    """What an operation is about."""
    return (operation.spec.kind, operation.spec.id) if isinstance(operation, Ensure) else (operation.kind, operation.id)
