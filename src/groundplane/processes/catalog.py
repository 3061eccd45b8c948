"""The one place that lists the kinds, and puts together what all processes of the control plane share."""

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

import nats.errors
import structlog

from groundplane.contracts.tasks import Stop, Task, stop_subject, task_subject
from groundplane.controlplane.compute.ssh_key import SSH_KEY
from groundplane.controlplane.compute.vm import VM
from groundplane.controlplane.fleet.agent import AGENT
from groundplane.controlplane.fleet.cluster import CLUSTER
from groundplane.controlplane.fleet.host import HOST
from groundplane.controlplane.fleet.pool import POOL
from groundplane.controlplane.fleet.provider import PROVIDER
from groundplane.controlplane.jobs.bulk import GATHER
from groundplane.controlplane.jobs.engine import Engine, Outbox
from groundplane.controlplane.jobs.workflow import by_name_and_version
from groundplane.controlplane.network.network import NETWORK
from groundplane.controlplane.network.port import PORT
from groundplane.controlplane.network.security_group import SECURITY_GROUP
from groundplane.controlplane.network.subnet import SUBNET
from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.manager import ResourceManager
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.controlplane.resources.project import PROJECT
from groundplane.controlplane.resources.states import StateKeeper
from groundplane.controlplane.secrets import SecretStore
from groundplane.controlplane.secrets.secret import SECRET
from groundplane.controlplane.storage.image import IMAGE
from groundplane.controlplane.storage.volume import VOLUME
from groundplane.kernel.bus import Bus
from groundplane.kernel.keyring import KeyRing
from groundplane.kernel.secrets import SecretBox
from groundplane.kernel.settings import Settings
from groundplane.kernel.telemetry import child_span

log = structlog.get_logger()

KINDS: tuple[Kind, ...] = (
    ORGANIZATION,
    PROJECT,
    CLUSTER,
    PROVIDER,
    AGENT,
    HOST,
    POOL,
    IMAGE,
    VOLUME,
    NETWORK,
    SUBNET,
    SECURITY_GROUP,
    PORT,
    SSH_KEY,
    SECRET,
    VM,
)

WORKFLOWS = by_name_and_version(
    [GATHER, *(flow for kind in KINDS for flow in (kind.on_create, kind.on_update, kind.on_delete) if flow is not None)]
)


@dataclass(frozen=True)
class Platform:
    """The services of the control plane, put together."""

    manager: ResourceManager
    engine: Engine
    states: StateKeeper
    box: SecretBox


def build_platform(settings: Settings, outbox: Outbox) -> Platform:
    """Everything that needs neither HTTP nor loops."""
    kinds = {kind.name: kind for kind in KINDS}
    states = StateKeeper(kinds)
    engine = Engine(WORKFLOWS, states, outbox)
    box = SecretBox(KeyRing(settings.key_directory, settings.encryption_keys.get_secret_value()))
    return Platform(ResourceManager(kinds, engine, states, SecretStore(box)), engine, states, box)


@dataclass(frozen=True)
class BusOutbox:
    """The way to the agents over the bus. Nobody waits until a task is stored: the job's row asks again if it is not."""

    bus: Bus
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)

    async def ask(self, task: Task) -> None:
        """Send the task to its stream."""
        sending = asyncio.create_task(self._send(task))
        self._under_way.add(sending)
        sending.add_done_callback(self._under_way.discard)

    async def _send(self, task: Task) -> None:
        subject = task_subject(task.cluster_id, task.scope)
        try:
            with child_span("task.publish", {"messaging.system": "nats", "groundplane.scope": task.scope}):
                await self.bus.publish(subject, task.model_dump_json().encode(), f"{task.id}:{task.fence}")
        except (nats.errors.Error, TimeoutError) as error:
            log.warning("task.not_sent", task=str(task.id), error=repr(error))

    async def stop(self, cluster_id: UUID, stop: Stop) -> None:
        """Tell all of the cluster's agents; whoever has the task heeds it."""
        await self.bus.nats.publish(stop_subject(cluster_id), stop.model_dump_json().encode())
