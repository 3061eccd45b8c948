"""`groundplane migrate`: the schema, the message streams, the first administrator, and this machine as a first cluster.

Runs before the other processes, each time; what is there already is left as it is.
"""

import asyncio
import os
from pathlib import Path
from uuid import UUID

import nats.errors
import psutil
from pydantic import BaseModel

from groundplane.contracts.tasks import (
    LEASE_SECONDS,
    LEASES_BUCKET,
    REPORTS_STREAM,
    REPORTS_SUBJECTS,
    TASKS_STREAM,
    TASKS_SUBJECTS,
    Stop,
    Task,
)
from groundplane.controlplane.fleet import enrolment
from groundplane.controlplane.fleet.accounts import AccountKeeper, BusKeys, ConsumerKeeper, credentials_file
from groundplane.controlplane.fleet.agent import AGENT, AgentSpec
from groundplane.controlplane.fleet.cluster import CLUSTER, ClusterSpec
from groundplane.controlplane.fleet.host import HOST, HostSpec
from groundplane.controlplane.fleet.pool import POOL, PoolSpec
from groundplane.controlplane.fleet.provider import PROVIDER, ProviderSpec
from groundplane.controlplane.identity import FIRST_ADMINISTRATOR, ensure_first_administrator
from groundplane.controlplane.resources import store
from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.manager import ResourceManager
from groundplane.controlplane.schema.migrate import migrate as migrate_schema
from groundplane.dataplane.agent.enrolment import AgentFolder
from groundplane.kernel.bus import Bus
from groundplane.kernel.database import Database, Tx
from groundplane.kernel.settings import Settings
from groundplane.processes.catalog import build_platform

CLUSTER_NAME = "local"
AGENT_NAME = "agent-1"
POOL_NAME = "default"
ENROLMENT_SECONDS = 30 * 86_400
"""How long the local agent's enrolment token is good: it lies on this machine, and is used at the agent's first start."""
BUS_SECONDS = 30.0
WORKER_CONSUMER = "worker"
SIMULATED_VCPUS, SIMULATED_MEMORY_MIB, SIMULATED_GIB = 64, 262_144, 4_096
OVERCOMMIT_VCPUS = 8
RESERVED_MEMORY_MIB = 4_096


async def migrate(settings: Settings) -> None:
    """Bring everything to where the processes can start. Ends with a sentence if NATS lets nobody in within BUS_SECONDS."""
    url = settings.database_url.get_secret_value()
    await migrate_schema(url)
    database = await Database.connect(url, size=2)
    bus = await _connect(settings, "migrate", settings.nats_credentials)
    try:
        await _keep_first_administrator(settings, database)
        await _furnish(settings, database)
        await _lay_bus(bus, database)
        await _tell_accounts(settings, database)
    finally:
        await bus.close()
        await database.close()


async def _connect(settings: Settings, name: str, credentials: Path | None) -> Bus:
    try:
        async with asyncio.timeout(BUS_SECONDS):
            return await Bus.connect(settings.nats_url.get_secret_value(), name, credentials=credentials)
    except (TimeoutError, nats.errors.Error) as error:
        raise SystemExit(
            f"NATS did not let us in within {BUS_SECONDS:g} s ({error!r}; what it said is above). See whether it runs, and "
            "what GROUNDPLANE_NATS_URL and GROUNDPLANE_NATS_CREDENTIALS say."
        ) from error


async def _keep_first_administrator(settings: Settings, database: Database) -> None:
    path = settings.data_dir / "admin.json"
    async with database.transaction() as tx:
        password = await ensure_first_administrator(tx)
        if password is not None:  # written before the commit: an administrator whose password is lost is worse than none
            _write_private(path, Credentials(email=FIRST_ADMINISTRATOR, password=password).model_dump_json())


class Credentials(BaseModel):
    """The first administrator's, told once."""

    email: str
    password: str


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)


async def _furnish(settings: Settings, database: Database) -> None:
    manager = build_platform(settings, Nowhere()).manager
    async with database.transaction() as tx:
        await _keep(tx, manager, CLUSTER, CLUSTER_NAME, ClusterSpec())
        for service, driver in _drivers(settings).items():
            request = ProviderSpec.model_validate({"cluster": CLUSTER_NAME, "service": service, "driver": driver})
            await _keep(tx, manager, PROVIDER, f"{CLUSTER_NAME}-{service}", request)
        agent_id = await _keep(tx, manager, AGENT, AGENT_NAME, AgentSpec(cluster=CLUSTER_NAME))
        for number in range(1, _host_count(settings) + 1):
            await _keep_host(tx, manager, settings, number)
        await _invite(tx, AgentFolder(settings.agent_directory), agent_id)


async def _invite(tx: Tx, folder: AgentFolder, agent_id: UUID) -> None:
    """Let this machine's agent enrol itself, unless it has: one that was revoked waits for an operator's own invitation."""
    key = folder.key()
    if key is None or not await enrolment.is_known(tx, key.public):
        token, _ = await enrolment.invite(tx, agent_id, seconds=ENROLMENT_SECONDS)
        folder.invite(token)  # before the commit: a token that is not good yet is tried again


class Nowhere:
    """An Outbox for where nothing that is made needs an agent."""

    async def ask(self, task: Task) -> None:
        """Raise: this is not to happen."""
        raise LookupError(f"task {task.id} has nowhere to go")

    async def stop(self, _cluster_id: UUID, stop: Stop) -> None:
        """Raise: this is not to happen."""
        raise LookupError(f"task {stop.task_id} is nowhere")


def _drivers(settings: Settings) -> dict[str, str]:
    if settings.data_plane == "simulated":
        return dict.fromkeys(("compute", "storage", "network"), "simulated")
    return {"compute": "libvirt", "storage": "libvirt", "network": "ovn"}


def _host_count(settings: Settings) -> int:
    return settings.simulated_hosts if settings.data_plane == "simulated" else 1


async def _keep_host(tx: Tx, manager: ResourceManager, settings: Settings, number: int) -> None:
    vcpus, memory_mib, gib = _capacity(settings)
    name = f"host-{number}"
    await _keep(tx, manager, HOST, name, HostSpec(cluster=CLUSTER_NAME, vcpus=vcpus, memory_mib=memory_mib))
    await _keep(tx, manager, POOL, f"{name}-{POOL_NAME}", PoolSpec(host=name, engine_name=POOL_NAME, gib=gib))


def _capacity(settings: Settings) -> tuple[int, int, int]:
    """What one host gives away: vCPUs are shared out several times over, memory and storage never."""
    if settings.data_plane == "simulated":
        return SIMULATED_VCPUS, SIMULATED_MEMORY_MIB, SIMULATED_GIB
    memory_mib = psutil.virtual_memory().total >> 20
    free_gib = psutil.disk_usage(str(settings.data_dir)).free >> 30
    vcpus = (os.cpu_count() or 1) * OVERCOMMIT_VCPUS
    return vcpus, max(512, memory_mib - min(RESERVED_MEMORY_MIB, memory_mib // 2)), max(1, free_gib)


async def _keep(tx: Tx, manager: ResourceManager, kind: Kind, name: str, request: BaseModel) -> UUID:
    found = await store.find(tx, kind, None, name)
    if found is not None:
        return found.id
    outcome = await manager.create(
        tx, kind, request, name=name, labels={}, actor_id=None, organization_id=None, project_id=None
    )
    return outcome.resource.id


async def _lay_bus(bus: Bus, database: Database) -> None:
    await bus.ensure_stream(TASKS_STREAM, TASKS_SUBJECTS)
    await bus.ensure_stream(REPORTS_STREAM, REPORTS_SUBJECTS)
    await ConsumerKeeper(database, bus).make()
    await bus.ensure_consumer(REPORTS_STREAM, WORKER_CONSUMER, REPORTS_SUBJECTS, max_ack_pending=4096)
    await bus.ensure_bucket(LEASES_BUCKET, LEASE_SECONDS)


async def _tell_accounts(settings: Settings, database: Database) -> None:
    """Let the nats-server know the clusters' accounts before their agents come."""
    keys = BusKeys.issuing(settings)
    if keys is None:
        return
    system = await _connect(settings, "migrate", credentials_file(settings.key_directory, "system"))
    try:
        await AccountKeeper(keys, database, system, settings.agent_credential_seconds).tell()
    finally:
        await system.close()
