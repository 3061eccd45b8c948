"""`groundplane api`: the HTTP edge put together and served. Stateless: any number may run."""

import asyncio

import uvicorn
import uvloop
from fastapi import APIRouter, FastAPI

from groundplane.controlplane.fleet.accounts import BusKeys
from groundplane.controlplane.fleet.processes import seen
from groundplane.controlplane.gateway.agent_api import agent_router
from groundplane.controlplane.gateway.agents import agents_router, enrolment_router
from groundplane.controlplane.gateway.api_keys_api import api_key_router
from groundplane.controlplane.gateway.app import build_app
from groundplane.controlplane.gateway.blobs import BlobStore
from groundplane.controlplane.gateway.catalog import catalog_router
from groundplane.controlplane.gateway.device_api import device_router
from groundplane.controlplane.gateway.events import event_router
from groundplane.controlplane.gateway.idempotency import forget_for_ever
from groundplane.controlplane.gateway.identity_api import identity_router
from groundplane.controlplane.gateway.images import image_router, run_collector
from groundplane.controlplane.gateway.jobs import job_router
from groundplane.controlplane.gateway.kinds import kind_router
from groundplane.controlplane.gateway.links import link_router, topology_router
from groundplane.controlplane.gateway.login_api import login_router
from groundplane.controlplane.gateway.machines import machine_router
from groundplane.controlplane.gateway.oversight import ops_router, tenant_router
from groundplane.controlplane.gateway.overview import overview_router
from groundplane.controlplane.gateway.password_api import password_router
from groundplane.controlplane.gateway.projects import project_router
from groundplane.controlplane.gateway.quotas import common_quota_router, ops_quota_router, tenant_quota_router
from groundplane.controlplane.gateway.second_factor_api import second_factor_router
from groundplane.controlplane.gateway.secrets import secret_router
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.sessions_api import session_router
from groundplane.controlplane.gateway.sso_api import sso_router
from groundplane.controlplane.gateway.system import system_router
from groundplane.controlplane.gateway.traces import trace_router
from groundplane.controlplane.gateway.traffic import traffic_router
from groundplane.controlplane.gateway.why import why_router
from groundplane.controlplane.gateway.wire import BoundedHttp
from groundplane.controlplane.identity import CredentialWatch, Tokens
from groundplane.controlplane.resources.project import PROJECT
from groundplane.kernel.bus import Bus
from groundplane.kernel.database import Database
from groundplane.kernel.logs import configure_logging
from groundplane.kernel.news import Announcer
from groundplane.kernel.settings import Settings
from groundplane.processes.catalog import BusOutbox, build_platform
from groundplane.processes.house_figures import database_figures, job_figures
from groundplane.processes.telemetry import observed

NAMESPACES = ("tenant", "ops", "common")


def serve(settings: Settings) -> None:
    """Serve until SIGTERM."""
    configure_logging("api", level=settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    database = await Database.connect(settings.database_url.get_secret_value(), size=settings.database_pool)
    bus = await Bus.connect(settings.nats_url.get_secret_value(), "api", credentials=settings.nats_credentials)
    database.on_write = Announcer(bus)
    platform = build_platform(settings, BusOutbox(bus))
    services = Services(
        settings=settings,
        database=database,
        bus=bus,
        tokens=Tokens.from_directory(settings.key_directory, access_seconds=settings.access_token_seconds),
        secret_box=platform.box,
        blobs=BlobStore(settings.blob_directory),
        manager=platform.manager,
        bus_keys=BusKeys.issuing(settings),
    )
    collector = asyncio.create_task(run_collector(services))
    sweeper = asyncio.create_task(forget_for_ever(database))
    credentials = CredentialWatch(database, services.tokens, services.revocations, services.api_keys)
    await credentials.look()
    watch = asyncio.create_task(credentials.run())
    app = build(services)
    try:
        readings = (job_figures(database), database_figures(database))
        async with seen(database, "api"), observed(settings, "api", database=database, readings=readings):
            await uvicorn.Server(server_config(app, settings)).serve()
    finally:
        await app.state.limits.close()
        collector.cancel()
        sweeper.cancel()
        watch.cancel()
        await bus.close()
        await database.close()


def server_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How the application is served: what was begun when a SIGTERM comes has ten seconds to end."""
    return uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        http=BoundedHttp,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the gateway itself knows whose X-Forwarded-For to believe
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        timeout_graceful_shutdown=10,
    )


def build(services: Services) -> FastAPI:
    """The application with every route."""
    return build_app(services, **routers(services))


def routers(services: Services) -> dict[str, list[APIRouter]]:
    """The routes of each namespace."""
    # Routes are matched in their order: machines, which most requests are about, come last among the kinds.
    of = {name: [kind for kind in reversed([*services.kinds.values()]) if kind.namespace == name] for name in NAMESPACES}
    project = "/projects/{project_id}"
    return {
        "tenant": [
            kind_router(services, of["tenant"]),
            why_router(services, of["tenant"]),
            link_router(services, of["tenant"]),
            image_router(services),
            machine_router(services),
            secret_router(services),
            topology_router(services),
            overview_router(services, project),
            job_router(services, project),
            trace_router(services, project),
            event_router(services, project),
            tenant_router(services),
            tenant_quota_router(services),
        ],
        "ops": [
            kind_router(services, of["ops"]),
            why_router(services, of["ops"]),
            link_router(services, of["ops"]),
            overview_router(services, ""),
            job_router(services, ""),
            trace_router(services, ""),
            event_router(services, ""),
            ops_router(services),
            system_router(services),
            traffic_router(services),
            ops_quota_router(services),
            agents_router(services),
        ],
        "common": [
            *credential_routers(services),
            identity_router(services),
            kind_router(services, [kind for kind in of["common"] if kind is not PROJECT]),
            project_router(services),
            common_quota_router(services),
            catalog_router(services),
            why_router(services, of["common"]),
            link_router(services, of["common"]),
        ],
        "agent": [agent_router(services), enrolment_router(services)],
    }


def credential_routers(services: Services) -> list[APIRouter]:
    """The routes of logins and of what they make."""
    makers = (login_router, session_router, password_router, second_factor_router, api_key_router, device_router, sso_router)
    return [make(services) for make in makers]
