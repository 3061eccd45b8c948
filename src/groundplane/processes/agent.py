"""`groundplane agent`: puts the agent together with the engines it drives. The one place that picks providers."""

import asyncio
import signal
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import nats.errors
import structlog

from groundplane.contracts.enrolment import AgentCredential
from groundplane.contracts.rights import inbox_prefix
from groundplane.dataplane.agent.agent import Agent
from groundplane.dataplane.agent.channel import ApiChannel
from groundplane.dataplane.agent.drivers import Drivers, HostDrivers
from groundplane.dataplane.agent.enrolment import AgentFolder, ControlPlaneUnreachableError, Enrolment, NotEnrolledError
from groundplane.dataplane.agent.identity import AgentIdentity
from groundplane.kernel.bus import Bus
from groundplane.kernel.logs import configure_logging
from groundplane.kernel.settings import Settings
from groundplane.processes.figures import work_figures
from groundplane.processes.kvm import kvm_verdict
from groundplane.processes.layout import Endpoints, Layout
from groundplane.processes.ready import say_ready
from groundplane.processes.telemetry import observed
from groundplane.processes.trust import api_trust

log = structlog.get_logger()

T = TypeVar("T")

PATIENCE_SECONDS = 10.0
"""How long a start waits for the api before it goes on with what was given last."""
WAIT_SECONDS = 2.0
CONNECT_SECONDS = 15.0


async def run(settings: Settings, *, token: str | None = None, api_url: str | None = None) -> None:
    """Serve until SIGTERM. `token` is a one-time invitation; `api_url` is where the api is, if not on this machine."""
    configure_logging("agent", level=settings.log_level)
    folder = AgentFolder(settings.agent_directory)
    if token is not None:
        folder.invite(token)
    api_url = api_url or settings.api_url
    trust = api_trust(settings, api_url)
    enrolment = Enrolment(folder, api_url, trust=trust)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        entered = await _until(stop, _enter(settings, folder, enrolment))
        if entered is not None:
            await _serve(settings, enrolment, *entered, ApiChannel(api_url, entered[0].token, trust=trust), stop)
    finally:
        await enrolment.close()


async def _enter(settings: Settings, folder: AgentFolder, enrolment: Enrolment) -> tuple["_Pass", Bus]:
    """Get credentials and connect, as long as it takes; what the api says next may name another place."""
    while True:
        credential = await _be_let_in(settings, folder, enrolment)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return _Pass(credential), await _connect(settings, folder, credential)
        except (TimeoutError, nats.errors.Error) as error:
            log.warning("agent.not_connected", error=repr(error))


async def _be_let_in(settings: Settings, folder: AgentFolder, enrolment: Enrolment) -> AgentCredential:
    """Enrol, or renew, as long as it takes. With an api that is away, what was given last will do."""
    patience = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return await enrolment.begin()
        except ControlPlaneUnreachableError as error:
            kept = folder.credential()
            if kept is not None and folder.invitation() is None and time.monotonic() > patience:
                return kept
            log.info("agent.waits_for_the_api", error=str(error))
        except NotEnrolledError as error:
            log.warning("agent.not_enrolled", reason=str(error))
            say_ready(settings, "agent")  # to wait for an invitation is all that it can do
        await asyncio.sleep(WAIT_SECONDS if time.monotonic() > patience else WAIT_SECONDS / 10)


async def _serve(
    settings: Settings, enrolment: Enrolment, held: "_Pass", bus: Bus, channel: ApiChannel, stop: asyncio.Event
) -> None:
    credential = held.credential
    drivers = _drivers(settings, credential)
    identity = AgentIdentity(agent_id=credential.agent_id, cluster_id=credential.cluster_id, version=version("groundplane"))
    agent = Agent(identity, bus=bus, channel=channel, drivers=drivers)
    parts = [asyncio.ensure_future(part) for part in (agent.run(), _stay_enrolled(enrolment, held, bus), _end_with(bus))]
    stopping = asyncio.ensure_future(_stop(agent, stop))
    readings = (work_figures(lambda: agent.in_flight),)
    say_ready(settings, "agent")
    try:
        async with observed(settings, "agent", readings=readings):
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in done:
                part.result()
    finally:
        for part in (*parts, stopping):
            part.cancel()
        await asyncio.gather(*parts, stopping, return_exceptions=True)
        await channel.close()
        await bus.close()


@dataclass
class _Pass:
    """What opens the doors now."""

    credential: AgentCredential

    def token(self) -> str:
        """For the agents' API."""
        return self.credential.http_token


async def _stay_enrolled(enrolment: Enrolment, held: _Pass, bus: Bus) -> None:
    """Renew before it is too late. The bus is connected anew, which interrupts no work."""
    while True:
        held.credential = await enrolment.keep_renewed(held.credential)
        log.info("agent.renewed", expires_at=held.credential.expires_at.isoformat())
        if held.credential.bus is not None:
            await bus.renew()


async def _end_with(bus: Bus) -> None:
    await bus.closed.wait()
    raise ConnectionError("The bus has closed the connection for good: this agent's credential is void or has expired.")


async def _stop(agent: Agent, stop: asyncio.Event) -> None:
    await stop.wait()
    agent.stop()


async def _connect(settings: Settings, folder: AgentFolder, credential: AgentCredential) -> Bus:
    inbox = inbox_prefix(credential.agent_id)
    if credential.bus is None:
        url = settings.nats_url.get_secret_value()
        return await Bus.connect(url, "agent", credentials=settings.nats_credentials, inbox_prefix=inbox)
    return await Bus.connect(credential.bus.url, "agent", credentials=folder.bus_credentials, inbox_prefix=inbox)


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """What the work answers, or None if we are to stop before."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


def _drivers(settings: Settings, credential: AgentCredential) -> Drivers:
    if settings.data_plane == "simulated":
        return _simulated(settings, credential)
    return _local(settings, credential)


def _simulated(settings: Settings, credential: AgentCredential) -> Drivers:
    from groundplane.dataplane.providers.simulated import (  # noqa: PLC0415  # only the engines that are driven are loaded
        SimulatedCompute,
        SimulatedEngine,
        SimulatedNetwork,
        SimulatedStorage,
    )

    engine = SimulatedEngine(settings.data_dir / "simulated.sqlite")
    hosts = {
        host.id: HostDrivers(SimulatedCompute(engine, host.id), SimulatedStorage(engine, host.id)) for host in credential.hosts
    }
    return Drivers(hosts=hosts, network=SimulatedNetwork(engine, credential.cluster_id))


def _local(settings: Settings, credential: AgentCredential) -> Drivers:
    from groundplane.dataplane.providers.libvirt import (  # noqa: PLC0415  # only the engines that are driven are loaded
        LibvirtCompute,
        LibvirtStorage,
    )
    from groundplane.dataplane.providers.ovn import OvnNetwork  # noqa: PLC0415

    endpoints = Endpoints.load(Layout(settings.data_dir))
    if endpoints is None or endpoints.libvirt_uri is None or endpoints.ovn_northbound is None:
        raise SystemExit(f"{settings.data_dir}/endpoints.json names no data plane. Start it with: groundplane up")
    pools = {"default": Path(endpoints.pool_path)}
    host = credential.hosts[0]
    compute = LibvirtCompute(
        host.id,
        endpoints.libvirt_uri,
        pools=pools,
        console_directory=settings.data_dir / "console",
        domain_type="kvm" if kvm_verdict(settings.data_dir).usable else "qemu",
    )
    storage = LibvirtStorage(host.id, endpoints.libvirt_uri, pools=pools)
    network = OvnNetwork(credential.cluster_id, endpoints.ovn_northbound)
    return Drivers(hosts={host.id: HostDrivers(compute, storage)}, network=network)
