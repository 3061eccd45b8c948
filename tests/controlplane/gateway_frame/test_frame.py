"""The frame: ids, trace, headers, limits, documents, health, and strict separation of the applications."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import pytest
import structlog
from tests.controlplane.gateway_frame.conftest import Somebody

from groundplane.controlplane.gateway.app import build_app
from groundplane.controlplane.gateway.services import Services
from groundplane.kernel.database import Database

PUBLIC = ("/api/tenant/v1", "/api/ops/v1", "/api/common/v1")
TRACE = "0af7651916cd43dd8448eb211c80319c"


async def test_request_ids_and_traces_go_in_and_out(client: httpx.AsyncClient, admin: Somebody) -> None:
    sent = {"X-Request-Id": "my-request.1", "Traceparent": f"00-{TRACE}-b7ad6b7169203331-01", **admin.headers}
    answer = await client.get("/api/ops/v1/things/x", headers=sent)
    assert answer.json() == {"thing": "x", "request_id": "my-request.1"}
    assert answer.headers["x-request-id"] == "my-request.1"
    assert answer.headers["traceparent"].split("-")[1] == TRACE
    assert answer.headers["traceparent"] != sent["Traceparent"]


@pytest.mark.parametrize("bad", ["short", "x" * 65, "semi;colon1", "white space"])
async def test_a_request_id_that_is_not_well_formed_is_replaced(client: httpx.AsyncClient, bad: str) -> None:
    answer = await client.get("/healthz", headers={"X-Request-Id": bad, "Traceparent": "rubbish"})
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", answer.headers["traceparent"])


async def test_security_headers_are_on_every_answer(client: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/nowhere", "/api/tenant/v1/nowhere", "/api/common/v1/openapi.json"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


async def test_access_is_logged_by_route_not_by_path(client: httpx.AsyncClient, admin: Somebody) -> None:
    with structlog.testing.capture_logs() as lines:
        await client.get("/api/ops/v1/things/secret-name", headers=admin.headers)
        await client.get("/api/ops/v1/loud", headers=admin.headers)
    first, second = [line for line in lines if line["event"] == "http.request"]
    assert (first["method"], first["route"], first["status"]) == ("GET", "/things/{thing_id}", 200)
    assert first["actor"] == str(admin.user.id)
    assert first["ms"] > 0
    assert (second["status"], second["problem"]) == (409, "loud")
    assert "secret-name" not in json.dumps(lines)


async def test_bodies_are_limited_whether_declared_or_not(client: httpx.AsyncClient, admin: Somebody) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * (1 << 16)

    headers = {"Content-Type": "application/json", **admin.headers}
    for content in (b" " * ((1 << 20) + 1), endless()):
        answer = await client.post("/api/ops/v1/echo", content=content, headers=headers)
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "body_too_large"
    padded = json.dumps({"name": "x", "inner": {"count": 1}}).ljust(1 << 20)
    assert (await client.post("/api/ops/v1/echo", content=padded, headers=headers)).status_code == 200


async def test_each_application_has_its_own_document_and_no_others_routes(client: httpx.AsyncClient) -> None:
    documents = {path: (await client.get(f"{path}/openapi.json")).json() for path in PUBLIC}
    assert len({document["info"]["title"] for document in documents.values()}) == 3
    assert "/things/{thing_id}" in documents["/api/ops/v1"]["paths"]
    assert "/projects/{project_id}/images" in documents["/api/tenant/v1"]["paths"]
    assert "/auth/login" in documents["/api/common/v1"]["paths"]
    routes = [set(document["paths"]) for document in documents.values()]
    assert not routes[0] & routes[1]
    assert not routes[0] & routes[2]
    assert not routes[1] & routes[2]
    for path, document in documents.items():
        assert document["servers"] == [{"url": path}]
        assert document["security"] == [{"bearer": []}]
        assert document["components"]["schemas"]["Problem"]["required"] == ["type", "title", "status", "code", "detail"]
        _check_references(document)
        for methods in document["paths"].values():
            for operation in methods.values():
                assert "application/problem+json" in operation["responses"]["4XX"]["content"]
                assert "422" not in operation["responses"]
    assert documents["/api/common/v1"]["paths"]["/auth/login"]["post"]["security"] == []


def _check_references(document: dict[str, Any]) -> None:
    for name in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)):
        assert name in document["components"]["schemas"], name


async def test_the_agents_application_has_no_document(client: httpx.AsyncClient, services: Services) -> None:
    headers = {"Authorization": f"Bearer {services.tokens.issue_agent(uuid4(), uuid4(), 60)}"}
    for path in ("docs", "openapi.json"):
        assert (await client.get(f"/api/agent/v1/{path}")).status_code == 401
        assert (await client.get(f"/api/agent/v1/{path}", headers=headers)).status_code == 404


async def test_reference_pages_ask_no_other_host(client: httpx.AsyncClient) -> None:
    for path in ("/docs", *(f"{path}/docs" for path in PUBLIC)):
        page = await client.get(path)
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert not re.search(r"(https?:)?//[a-z]", page.text)
    policy = page.headers["content-security-policy"]
    assert "script-src 'sha256-" in policy
    assert "connect-src 'self'" in policy


async def test_health_and_readiness(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "database": True, "bus": True})


async def test_not_ready_within_a_second_when_the_database_hangs(services: Services, postgres_url: str) -> None:
    small = await Database.connect(postgres_url, size=1)
    app = build_app(replace(services, database=small), tenant=[], ops=[], common=[], agent=[])
    async with small.transaction():  # the pool's only connection is taken
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            answer = await asyncio.wait_for(client.get("/readyz"), 1.5)
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "database": False, "bus": True})
    await small.close()
