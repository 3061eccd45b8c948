"""The whole api, every route of it, on a cloud without processes."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from tests.controlplane.cloud import Cloud

from groundplane.controlplane.gateway.blobs import BlobStore
from groundplane.controlplane.gateway.limits import RateLimits
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.identity import Tokens, bind, create_user
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.controlplane.resources.project import PROJECT
from groundplane.kernel.bus import Bus
from groundplane.kernel.ids import new_id
from groundplane.kernel.secrets import SecretBox
from groundplane.processes.api import build

Json = dict[str, Any]


@dataclass
class Api:
    """The api as somebody sees it: `headers` say who. Paths of the tenant's project begin with `project`."""

    app: FastAPI
    cloud: Cloud
    services: Services
    client: httpx.AsyncClient
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def organization(self) -> str:
        """Where the organization's own routes lie."""
        return f"/api/common/v1/organizations/{ORGANIZATION.public_id(self.cloud.organization_id)}"

    @property
    def project(self) -> str:
        """Where the project's routes lie."""
        return f"/api/tenant/v1/projects/{PROJECT.public_id(self.cloud.project_id)}"

    async def as_(self, role: str | None, organization_id: UUID | None = None, project_id: UUID | None = None) -> "Api":
        """The same api, seen by a new user with this role there."""
        async with self.cloud.database.transaction() as tx:
            user = await create_user(tx, email=f"{new_id().hex}@example.org", name="Somebody", password="correct horse battery")
            if role:
                await bind(tx, user_id=user.id, role=role, organization_id=organization_id, project_id=project_id)
        token, _ = self.services.tokens.issue_user(user.actor)
        return Api(self.app, self.cloud, self.services, self.client, {"Authorization": f"Bearer {token}"})

    async def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request."""
        return await self.client.request(method, path, headers=self.headers, **more)

    async def post(self, path: str, body: Json | None = None) -> httpx.Response:
        """Create or act, below the project."""
        return await self.call("POST", self.project + path, json=body)

    async def get(self, path: str) -> Json:
        """Read what is there, below the project."""
        answer = await self.call("GET", self.project + path)
        assert answer.status_code == 200, answer.text
        body: Json = answer.json()
        return body

    async def made(self, plural: str, name: str, spec: Json | None = None) -> Json:
        """Create something and see its job through."""
        answer = await self.post(f"/{plural}", {"name": name, **({"spec": spec} if spec is not None else {})})
        assert answer.status_code in {201, 202}, answer.text
        await self.cloud.run()
        return await self.get(f"/{plural}/{name}")


class Lent:
    """The app, which takes half a second to build: once for each process, and lent to one test after the other.

    Its routes hold on to the services that they were built with, and to the box of secrets: these become the next test's.
    """

    app: FastAPI | None = None
    services: Services
    box: SecretBox

    @classmethod
    def to(cls, services: Services) -> tuple[FastAPI, Services]:
        """The app as it is when it was just built with these services."""
        if cls.app is None:
            cls.box = SecretBox(services.secret_box.ring)
            cls.services = replace(services, secret_box=cls.box)
            cls.app = build(cls.services)
        vars(cls.box).update(vars(SecretBox(services.secret_box.ring)))
        for name, value in vars(replace(services, secret_box=cls.box)).items():
            object.__setattr__(cls.services, name, value)
        vars(cls.app.state.limits).update(vars(RateLimits(services.settings)))
        return cls.app, cls.services


@pytest.fixture
async def api(cloud: Cloud, bus: Bus) -> AsyncIterator[Api]:
    """The api as the platform's administrator sees it."""
    services = Services(
        settings=cloud.settings,
        database=cloud.database,
        bus=bus,
        tokens=Tokens.from_directory(cloud.settings.key_directory),
        secret_box=cloud.platform.box,
        blobs=BlobStore(cloud.settings.blob_directory),
        manager=cloud.manager,
    )
    app, services = Lent.to(services)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield await Api(app, cloud, services, client).as_("admin")
