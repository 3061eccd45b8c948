"""The gateway's frame around a few routes of its own and the real ones of identity, images and agents."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
import uvicorn
from argon2 import PasswordHasher
from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field

from groundplane.controlplane.gateway.agent_api import agent_router
from groundplane.controlplane.gateway.app import build_app
from groundplane.controlplane.gateway.blobs import BlobStore
from groundplane.controlplane.gateway.identity_api import identity_router
from groundplane.controlplane.gateway.images import image_router
from groundplane.controlplane.gateway.kinds import kind_router
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.identity import Tokens, User, bind, create_user, passwords
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.controlplane.resources.project import PROJECT
from groundplane.controlplane.storage.image import IMAGE
from groundplane.kernel.bus import Bus
from groundplane.kernel.database import Database
from groundplane.kernel.errors import ConflictError
from groundplane.kernel.ids import new_id, parse_id
from groundplane.kernel.settings import Settings
from groundplane.processes.api import credential_routers
from groundplane.processes.catalog import BusOutbox, build_platform

PASSWORD = "correct horse battery"


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    count: int


class Echo(BaseModel):
    """A body to validate."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, Field(max_length=100)]
    inner: Inner


class LoudError(ConflictError):
    """It is loud. Be quiet."""

    code = "loud"


def probe_router() -> APIRouter:
    """Routes that end in every way a route can end."""
    router = APIRouter()

    @router.post("/echo")
    async def echo(body: Echo) -> Echo:
        return body

    @router.get("/loud")
    async def loud() -> None:
        raise LoudError

    @router.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError("a secret detail")

    @router.get("/refused-connection")
    async def refused_connection() -> None:
        raise ConnectionRefusedError("10.0.0.1:5432")

    @router.get("/things/{thing_id}")
    async def thing(thing_id: str, request: Request) -> dict[str, str]:
        return {"thing": thing_id, "request_id": request.state.request_id}

    return router


@pytest.fixture(autouse=True, scope="module")
def quick_passwords() -> Iterator[None]:
    """Hashes that cost next to nothing: here passwords are on the way, not the matter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1))
        passwords._decoy.cache_clear()
        yield
    passwords._decoy.cache_clear()


@pytest_asyncio.fixture(scope="module")
async def services(database: Database, bus: Bus, tmp_path_factory: pytest.TempPathFactory) -> Services:
    home: Path = tmp_path_factory.mktemp("api")
    settings = Settings(data_dir=home, max_image_bytes=8 << 20)
    platform = build_platform(settings, BusOutbox(bus))
    return Services(
        settings=settings,
        database=database,
        bus=bus,
        tokens=Tokens.from_directory(settings.key_directory),
        secret_box=platform.box,
        blobs=BlobStore(settings.blob_directory),
        manager=platform.manager,
    )


@pytest.fixture(scope="module")
def app(services: Services) -> FastAPI:
    return build_app(
        services,
        tenant=[kind_router(services, [IMAGE]), image_router(services)],
        ops=[probe_router()],
        common=[kind_router(services, [ORGANIZATION, PROJECT]), identity_router(services), *credential_routers(services)],
        agent=[agent_router(services)],
    )


@pytest_asyncio.fixture(scope="module")
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Nobody in particular."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("192.0.2.7", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


@dataclass
class Somebody:
    """A user and a header that says so."""

    user: User
    headers: dict[str, str]


MakeUser = Callable[..., Awaitable[Somebody]]


@pytest.fixture(scope="module")
def make_user(services: Services) -> MakeUser:
    """Makes a user with a role: make_user(role, organization_id, project_id)."""

    async def make(role: str | None = None, organization_id: UUID | None = None, project_id: UUID | None = None) -> Somebody:
        async with services.database.transaction() as tx:
            user = await create_user(tx, email=f"{new_id().hex}@example.org", name="Somebody", password=PASSWORD)
            if role:
                await bind(tx, user_id=user.id, role=role, organization_id=organization_id, project_id=project_id)
        token, _ = services.tokens.issue_user(user.actor)
        return Somebody(user, {"Authorization": f"Bearer {token}"})

    return make


@pytest_asyncio.fixture(scope="module")
async def admin(make_user: MakeUser) -> Somebody:
    return await make_user("admin")


@dataclass
class Tenant:
    """An organization and a project of it, made through the API, as public ids and as UUIDs."""

    organization: str
    organization_id: UUID
    project: str
    project_id: UUID


@pytest_asyncio.fixture(scope="module")
async def tenant(client: httpx.AsyncClient, admin: Somebody) -> Tenant:
    name = f"org-{new_id().hex}"
    made = await client.post("/api/common/v1/organizations", json={"name": name}, headers=admin.headers)
    assert made.status_code == 201, made.text
    organization = made.json()["id"]
    path = f"/api/common/v1/organizations/{organization}/projects"
    made = await client.post(path, json={"name": name}, headers=admin.headers)
    assert made.status_code == 201, made.text
    project = made.json()["id"]
    return Tenant(organization, _uuid("org", organization), project, _uuid("prj", project))


def _uuid(prefix: str, text: str) -> UUID:
    value = parse_id(prefix, text)
    assert value is not None
    return value


@pytest_asyncio.fixture(scope="module")
async def server(app: FastAPI) -> AsyncIterator[str]:
    """The same application behind a real socket: its address."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]  # pytest keeps its own handlers
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await task
