"""What the tests of credentials share: a login, and a second api process on the same database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
from tests.controlplane.gateway_frame.conftest import PASSWORD, Somebody

from groundplane.controlplane.audit import AuditEvent, page
from groundplane.controlplane.gateway.app import build_app
from groundplane.controlplane.gateway.identity_api import identity_router
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.identity import ApiKeys, CredentialWatch, Revocations, Tokens
from groundplane.processes.api import credential_routers

BASE = "/api/common/v1"
OWN_PAGE = {"X-Groundplane-Client": "console", "Origin": "http://api", "Sec-Fetch-Site": "same-origin"}
"""What a browser sends from a page of ours."""


def bearer(token: str) -> dict[str, str]:
    """The header of who has this token."""
    return {"Authorization": f"Bearer {token}"}


async def log_in(client: httpx.AsyncClient, somebody: Somebody, **more: Any) -> dict[str, Any]:
    """What a login of this user is answered."""
    answer = await client.post(f"{BASE}/auth/login", json={"email": somebody.user.email, "password": PASSWORD, **more})
    assert answer.status_code == 200, answer.text
    login: dict[str, Any] = answer.json()
    return login


async def refresh(client: httpx.AsyncClient, token: str, **headers: str) -> httpx.Response:
    """Ask for the next tokens."""
    return await client.post(f"{BASE}/auth/refresh", json={"refresh_token": token}, headers=headers)


async def me(client: httpx.AsyncClient, token: str) -> httpx.Response:
    """Ask who bears this token."""
    return await client.get(f"{BASE}/me", headers=bearer(token))


async def events(services: Services, action: str) -> list[AuditEvent]:
    """The newest audit events of this action, newest first."""
    async with services.database.transaction() as tx:
        return [event for event in await page(tx, limit=200) if event.action == action]


@dataclass
class Replica:
    """One more api process, as far as a process is its memory."""

    client: httpx.AsyncClient
    services: Services
    watch: CredentialWatch


def watch_of(services: Services) -> CredentialWatch:
    """What a process does on the side."""
    return CredentialWatch(services.database, services.tokens, services.revocations, services.api_keys)


@asynccontextmanager
async def replica_of(services: Services) -> AsyncIterator[Replica]:
    """Another process with the same database and the same key folder."""
    tokens = Tokens.from_directory(services.settings.key_directory)
    other = replace(services, tokens=tokens, revocations=Revocations(), api_keys=ApiKeys())
    app = build_app(other, tenant=[], ops=[], common=[identity_router(other), *credential_routers(other)], agent=[])
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("192.0.2.9", 4712))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield Replica(client, other, watch_of(other))
