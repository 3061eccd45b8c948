"""One cluster as an agent's tests see it: the control plane's side of the bus, a simulated engine, and agents to start."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from nats.aio.msg import Msg
from tests.dataplane.agent.guarded import GuardedServer

from groundplane.contracts.reports import MESSAGE, Bundle, Heartbeat, InventoryChunk, Report, Sighting
from groundplane.contracts.specs import VolumeSpec
from groundplane.contracts.tasks import (
    LEASES_BUCKET,
    REPORTS_STREAM,
    REPORTS_SUBJECTS,
    TASKS_STREAM,
    TASKS_SUBJECTS,
    Ensure,
    Operation,
    Remove,
    Scope,
    Task,
    report_subject,
    task_consumer,
    task_filter,
    task_subject,
)
from groundplane.dataplane.agent import Agent, AgentIdentity, ApiChannel, Drivers, HostDrivers
from groundplane.dataplane.providers.simulated import SimulatedCompute, SimulatedEngine, SimulatedNetwork, SimulatedStorage
from groundplane.kernel.bus import Bus
from groundplane.kernel.nats_tokens import Nkey

LEASE_SECONDS = 4.0
ACK_WAIT_SECONDS = 6.0
REPOSITORY = Path(__file__).parents[3]


def drivers_on(engine: SimulatedEngine, cluster_id: UUID, host_ids: list[UUID]) -> Drivers:
    """The simulated providers of a cluster."""
    hosts = {host_id: HostDrivers(SimulatedCompute(engine, host_id), SimulatedStorage(engine, host_id)) for host_id in host_ids}
    return Drivers(hosts, SimulatedNetwork(engine, cluster_id))


def no_channel() -> ApiChannel:
    """A channel to nowhere."""
    return ApiChannel("http://127.0.0.1:9", lambda: "token")


def ensure(volume_id: UUID, fence: int = 1, size_bytes: int = 1) -> Ensure:
    """Ensure a volume."""
    return Ensure(fence=fence, spec=VolumeSpec(id=volume_id, pool="default", size_bytes=size_bytes))


def remove(volume_id: UUID, fence: int) -> Remove:
    """Remove a volume."""
    return Remove(fence=fence, kind="volume", id=volume_id, pool="default")


@dataclass
class RunningAgent:
    """An agent of this process."""

    agent: Agent
    agent_id: UUID
    bus: Bus
    channel: ApiChannel
    running: "asyncio.Task[None]"

    async def stop(self) -> None:
        """End it gently."""
        self.agent.stop()
        await self.running


@dataclass
class World:
    """A cluster with some hosts."""

    server: GuardedServer
    bus: Bus
    engine_path: Path
    engine: SimulatedEngine
    cluster_id: UUID = field(default_factory=uuid4)
    host_ids: list[UUID] = field(default_factory=lambda: [uuid4(), uuid4()])
    heard: list[Report | Sighting | InventoryChunk | Heartbeat] = field(default_factory=list)
    agents: list[RunningAgent] = field(default_factory=list)
    processes: "list[subprocess.Popen[str]]" = field(default_factory=list)

    async def open(self) -> None:
        """Make what the control plane makes, and listen to reports."""
        await self.server.tell(self.cluster_id)
        await self.bus.ensure_stream(TASKS_STREAM, TASKS_SUBJECTS)
        await self.bus.ensure_stream(REPORTS_STREAM, REPORTS_SUBJECTS)
        name, subject = task_consumer(self.cluster_id), task_filter(self.cluster_id)
        await self.bus.ensure_consumer(TASKS_STREAM, name, subject, ack_wait_seconds=ACK_WAIT_SECONDS)
        await self.bus.ensure_bucket(LEASES_BUCKET, LEASE_SECONDS)
        await self.bus.nats.subscribe(report_subject(self.cluster_id), cb=self._hear)

    async def close(self) -> None:
        """End what runs."""
        for process in self.processes:
            process.kill()
            process.communicate()
        for running in self.agents:
            running.agent.stop()
            await asyncio.wait([running.running], timeout=30)
            await running.bus.close()
            await running.channel.close()
        self.engine.close()

    async def connect(self, agent_id: UUID) -> Bus:
        """The connection of an agent of the cluster."""
        return await self.server.connect_agent(agent_id, self.cluster_id)

    async def start_agent(
        self,
        *,
        lease_group: str = "all",
        in_flight: int = 64,
        in_flight_per_host: int = 32,
        in_flight_of_network: int = 32,
        progress_seconds: float = 0.5,
        drain_seconds: float = 5.0,
        heartbeat_seconds: float = 0.5,
        drivers: Drivers | None = None,
        channel: ApiChannel | None = None,
    ) -> RunningAgent:
        """Start an agent with the providers of the cluster."""
        identity = AgentIdentity(
            cluster_id=self.cluster_id,
            agent_id=uuid4(),
            version="test",
            lease_group=lease_group,
            lease_seconds=LEASE_SECONDS,
            in_flight=in_flight,
            in_flight_per_host=in_flight_per_host,
            in_flight_of_network=in_flight_of_network,
            heartbeat_seconds=heartbeat_seconds,
            progress_seconds=progress_seconds,
            drain_seconds=drain_seconds,
        )
        bus = await self.connect(identity.agent_id)
        drivers = drivers or drivers_on(self.engine, self.cluster_id, self.host_ids)
        channel = channel or no_channel()
        agent = Agent(identity, bus=bus, channel=channel, drivers=drivers)
        running = RunningAgent(agent, identity.agent_id, bus, channel, asyncio.create_task(agent.run()))
        self.agents.append(running)
        return running

    def start_process(self) -> "subprocess.Popen[str]":
        """Start an agent in a process of its own; it ends gently upon SIGTERM."""
        agent_id = uuid4()
        told = {
            "url": self.server.url,
            "agent": str(agent_id),
            "credentials": str(self.server.agent_file(agent_id, self.cluster_id, Nkey.generate("user"))),
            "engine": str(self.engine_path),
            "cluster": str(self.cluster_id),
            "hosts": [str(host_id) for host_id in self.host_ids],
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.dataplane.agent.process", json.dumps(told)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([".", "src"])},
        )
        self.processes.append(process)
        return process

    async def ask(
        self,
        *operations: Operation,
        fence: int = 1,
        task_id: UUID | None = None,
        scope: Scope | None = None,
        seconds: float = 60,
        trace: str = "",
        message_id: str | None = None,
    ) -> Task:
        """Publish a task as the control plane does; `message_id` sends what JetStream would drop as known."""
        scope = scope or str(self.host_ids[0])
        task = Task(
            id=task_id or uuid4(),
            fence=fence,
            cluster_id=self.cluster_id,
            scope=scope,
            not_after=datetime.now(UTC) + timedelta(seconds=seconds),
            trace=trace,
            operations=operations,
        )
        payload = task.model_dump_json().encode()
        await self.bus.publish(task_subject(self.cluster_id, scope), payload, message_id or f"{task.id}:{fence}")
        return task

    def reports(self, task: Task, *outcomes: str) -> list[Report]:
        """The reports on a task so far, with these outcomes (none given: those that end it)."""
        wanted = outcomes or ("done", "failed")
        return [
            message
            for message in self.heard
            if isinstance(message, Report) and message.task_id == task.id and message.outcome in wanted
        ]

    async def report(self, task: Task, seconds: float = 15) -> Report:
        """Wait for the report that ends a task."""
        await self.until(lambda: bool(self.reports(task)), f"no report on {task.id}", seconds)
        return self.reports(task)[-1]

    async def until(self, condition: Callable[[], bool], otherwise: str, seconds: float = 15) -> None:
        """Wait until the condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, (
                f"{otherwise}; heard {[message for message in self.heard if message.type != 'heartbeat']!r}"
            )
            await asyncio.sleep(0.02)

    async def waiting_tasks(self) -> tuple[int, int]:
        """How many tasks wait to be taken, and how many to be acknowledged."""
        info = await self.bus.js.consumer_info(TASKS_STREAM, task_consumer(self.cluster_id))
        return info.num_pending or 0, info.num_ack_pending or 0

    async def _hear(self, message: Msg) -> None:
        with suppress(ValueError):
            said = MESSAGE.validate_json(message.data)
            self.heard += said.messages if isinstance(said, Bundle) else (said,)
