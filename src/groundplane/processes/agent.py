"""`groundplane agent`: puts the agent together with the engines it drives. The one place that picks providers."""

import asyncio
import signal
from importlib.metadata import version
from pathlib import Path
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from groundplane.contracts.tasks import TASKS_STREAM, task_consumer
from groundplane.dataplane.agent.agent import Agent
from groundplane.dataplane.agent.channel import ApiChannel
from groundplane.dataplane.agent.drivers import Drivers, HostDrivers
from groundplane.dataplane.agent.identity import AgentIdentity
from groundplane.kernel.bus import Bus
from groundplane.kernel.logs import configure_logging
from groundplane.kernel.settings import Settings
from groundplane.processes.figures import queue_figures, work_figures
from groundplane.processes.kvm import kvm_verdict
from groundplane.processes.layout import Endpoints, Layout
from groundplane.processes.ready import say_ready
from groundplane.processes.telemetry import observed


class ServedHost(BaseModel):
    """A host that the agent drives, and how large it is said to be."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    name: str
    vcpus: int
    memory_mib: int


class AgentConfiguration(BaseModel):
    """Who the agent is and what it serves. Made with the platform; holds no secret."""

    model_config = ConfigDict(frozen=True)

    agent_id: UUID
    cluster_id: UUID
    hosts: tuple[ServedHost, ...]


def write_configuration(settings: Settings, configuration: AgentConfiguration) -> None:
    """Leave it where the agent finds it."""
    path = _path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(configuration.model_dump_json())
    partial.replace(path)


async def run(settings: Settings) -> None:
    """Serve until SIGTERM."""
    configure_logging("agent", level=settings.log_level)
    configuration = AgentConfiguration.model_validate_json(_path(settings).read_bytes())
    drivers = _drivers(settings, configuration)
    bus = await Bus.connect(settings.nats_url.get_secret_value(), "agent")
    channel = ApiChannel(settings.api_url, settings.agent_token_file.read_text)
    identity = AgentIdentity(
        agent_id=configuration.agent_id, cluster_id=configuration.cluster_id, version=version("groundplane")
    )
    agent = Agent(identity, bus=bus, channel=channel, drivers=drivers)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, agent.stop)
    tasks = task_consumer(configuration.cluster_id)
    readings = (work_figures(lambda: agent.in_flight), queue_figures(bus, TASKS_STREAM, tasks))
    say_ready(settings, "agent")
    try:
        async with observed(settings, "agent", readings=readings):
            await agent.run()
    finally:
        await channel.close()
        await bus.close()


def _drivers(settings: Settings, configuration: AgentConfiguration) -> Drivers:
    if settings.data_plane == "simulated":
        return _simulated(settings, configuration)
    return _local(settings, configuration)


def _simulated(settings: Settings, configuration: AgentConfiguration) -> Drivers:
    from groundplane.dataplane.providers.simulated import (  # noqa: PLC0415  # only the engines that are driven are loaded
        SimulatedCompute,
        SimulatedEngine,
        SimulatedNetwork,
        SimulatedStorage,
    )

    engine = SimulatedEngine(settings.data_dir / "simulated.sqlite")
    hosts = {
        host.id: HostDrivers(SimulatedCompute(engine, host.id), SimulatedStorage(engine, host.id))
        for host in configuration.hosts
    }
    return Drivers(hosts=hosts, network=SimulatedNetwork(engine, configuration.cluster_id))


def _local(settings: Settings, configuration: AgentConfiguration) -> Drivers:
    from groundplane.dataplane.providers.libvirt import (  # noqa: PLC0415  # only the engines that are driven are loaded
        LibvirtCompute,
        LibvirtStorage,
    )
    from groundplane.dataplane.providers.ovn import OvnNetwork  # noqa: PLC0415

    endpoints = Endpoints.load(Layout(settings.data_dir))
    if endpoints is None or endpoints.libvirt_uri is None or endpoints.ovn_northbound is None:
        raise SystemExit(f"{settings.data_dir}/endpoints.json names no data plane. Start it with: groundplane up")
    pools = {"default": Path(endpoints.pool_path)}
    host = configuration.hosts[0]
    compute = LibvirtCompute(
        host.id,
        endpoints.libvirt_uri,
        pools=pools,
        console_directory=settings.data_dir / "console",
        domain_type="kvm" if kvm_verdict(settings.data_dir).usable else "qemu",
    )
    storage = LibvirtStorage(host.id, endpoints.libvirt_uri, pools=pools)
    network = OvnNetwork(configuration.cluster_id, endpoints.ovn_northbound)
    return Drivers(hosts={host.id: HostDrivers(compute, storage)}, network=network)


def _path(settings: Settings) -> Path:
    return settings.data_dir / "agent" / "agent.json"
