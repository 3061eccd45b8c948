"""`groundplane migrate`: the schema, the message streams, the first administrator, and this machine as a first cluster.

Runs before the other processes, each time; what is there already is left as it is.
"""

import os
from pathlib import Path
from uuid import UUID

import psutil
from pydantic import BaseModel

from groundplane.contracts.tasks import (
    LEASES_BUCKET,
    REPORTS_STREAM,
    REPORTS_SUBJECTS,
    TASKS_STREAM,
    TASKS_SUBJECTS,
    Stop,
    Task,
    task_consumer,
    task_filter,
)
from groundplane.controlplane.fleet.agent import AGENT, AgentSpec
from groundplane.controlplane.fleet.cluster import CLUSTER, ClusterSpec
from groundplane.controlplane.fleet.host import HOST, HostSpec
from groundplane.controlplane.fleet.pool import POOL, PoolSpec
from groundplane.controlplane.fleet.provider import PROVIDER, ProviderSpec
from groundplane.controlplane.identity import FIRST_ADMINISTRATOR, Tokens, ensure_first_administrator
from groundplane.controlplane.resources import store
from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.manager import ResourceManager
from groundplane.controlplane.schema.migrate import migrate as migrate_schema
from groundplane.kernel.bus import Bus
from groundplane.kernel.database import Database, Tx
from groundplane.kernel.settings import Settings
from groundplane.processes.agent import AgentConfiguration, ServedHost, write_configuration
from groundplane.processes.catalog import build_platform

CLUSTER_NAME = "local"
AGENT_NAME = "agent-1"
POOL_NAME = "default"
AGENT_TOKEN_SECONDS = 365 * 86_400
LEASE_SECONDS = 10.0
TASK_ACK_SECONDS = 12.0
WORKER_CONSUMER = "worker"
SIMULATED_VCPUS, SIMULATED_MEMORY_MIB, SIMULATED_GIB = 64, 262_144, 4_096
OVERCOMMIT_VCPUS = 8
RESERVED_MEMORY_MIB = 4_096


async def migrate(settings: Settings) -> None:
    """Bring everything to where the processes can start."""
    url = settings.database_url.get_secret_value()
    await migrate_schema(url)
    database = await Database.connect(url, size=2)
    bus = await Bus.connect(settings.nats_url.get_secret_value(), "migrate")
    try:
        await _keep_first_administrator(settings, database)
        configuration = await _furnish(settings, database)
        write_configuration(settings, configuration)
        await _lay_bus(bus, configuration.cluster_id)
    finally:
        await bus.close()
        await database.close()


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


async def _furnish(settings: Settings, database: Database) -> AgentConfiguration:
    manager = build_platform(settings, Nowhere()).manager
    async with database.transaction() as tx:
        cluster_id = await _keep(tx, manager, CLUSTER, CLUSTER_NAME, ClusterSpec())
        for service, driver in _drivers(settings).items():
            request = ProviderSpec.model_validate({"cluster": CLUSTER_NAME, "service": service, "driver": driver})
            await _keep(tx, manager, PROVIDER, f"{CLUSTER_NAME}-{service}", request)
        agent_id = await _keep(tx, manager, AGENT, AGENT_NAME, AgentSpec(cluster=CLUSTER_NAME))
        hosts = [await _keep_host(tx, manager, settings, number) for number in range(1, _host_count(settings) + 1)]
    tokens = Tokens.from_directory(settings.key_directory)
    _write_private(settings.agent_token_file, tokens.issue_agent(agent_id, cluster_id, AGENT_TOKEN_SECONDS))
    return AgentConfiguration(agent_id=agent_id, cluster_id=cluster_id, hosts=tuple(hosts))


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


async def _keep_host(tx: Tx, manager: ResourceManager, settings: Settings, number: int) -> ServedHost:
    vcpus, memory_mib, gib = _capacity(settings)
    name = f"host-{number}"
    host_id = await _keep(tx, manager, HOST, name, HostSpec(cluster=CLUSTER_NAME, vcpus=vcpus, memory_mib=memory_mib))
    await _keep(tx, manager, POOL, f"{name}-{POOL_NAME}", PoolSpec(host=name, engine_name=POOL_NAME, gib=gib))
    return ServedHost(id=host_id, name=name, vcpus=vcpus, memory_mib=memory_mib)


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


async def _lay_bus(bus: Bus, cluster_id: UUID) -> None:
    await bus.ensure_stream(TASKS_STREAM, TASKS_SUBJECTS)
    await bus.ensure_stream(REPORTS_STREAM, REPORTS_SUBJECTS)
    await bus.ensure_consumer(
        TASKS_STREAM, task_consumer(cluster_id), task_filter(cluster_id), ack_wait_seconds=TASK_ACK_SECONDS
    )
    await bus.ensure_consumer(REPORTS_STREAM, WORKER_CONSUMER, REPORTS_SUBJECTS, max_ack_pending=4096)
    await bus.ensure_bucket(LEASES_BUCKET, LEASE_SECONDS)
