"""The real server in front of the application: TLS, CORS, endless headers, and an end that breaks nothing off."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import APIRouter, Request
from pydantic import ValidationError
from tests.certificates import certificate
from tests.controlplane.gateway_frame.conftest import Somebody

from groundplane.controlplane.gateway.app import build_app
from groundplane.controlplane.gateway.services import Services
from groundplane.kernel.settings import Settings
from groundplane.processes.api import server_config

ORIGIN = "https://console.example.org"


def slow_router() -> APIRouter:
    """A route that takes its time."""
    router = APIRouter()

    @router.get("/slow")
    async def slow() -> dict[str, bool]:
        await asyncio.sleep(0.5)
        return {"done": True}

    @router.get("/waiting")
    async def waiting(request: Request) -> dict[str, bool]:
        while not request.state.ending:  # noqa: ASYNC110  # as reading a job does
            await asyncio.sleep(0.02)
        return {"done": False}

    return router


@asynccontextmanager
async def served(services: Services, **settings: object) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    """The application behind the server, as `groundplane api` configures it; and the port."""
    services = replace(services, settings=services.settings.model_copy(update=settings))
    app = build_app(services, tenant=[], ops=[slow_router()], common=[], agent=[])
    config = server_config(app, services.settings)
    config.lifespan, config.port = "off", 0
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]  # pytest keeps its own handlers
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield server, server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await task


async def test_tls_by_setting_with_hsts(services: Services, admin: Somebody, tmp_path: Path) -> None:
    chain, key = certificate(tmp_path)
    trust = ssl.create_default_context(cafile=str(chain))
    async with served(services, tls_certificate=chain, tls_key=key) as (_, port):
        async with httpx.AsyncClient(verify=trust) as client:
            answer = await client.get(f"https://127.0.0.1:{port}/healthz")
            assert answer.status_code == 200
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
        with pytest.raises(httpx.TransportError):
            async with httpx.AsyncClient() as client:
                await client.get(f"http://127.0.0.1:{port}/healthz")


async def test_without_tls_nothing_is_said_of_it(client: httpx.AsyncClient) -> None:
    assert "strict-transport-security" not in (await client.get("/healthz")).headers


def test_a_certificate_needs_its_key(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="belong together"):
        Settings(tls_certificate=tmp_path / "certificate.pem")
    settings = Settings(tls_certificate=tmp_path / "c.pem", tls_key=tmp_path / "k.pem")
    assert settings.api_url == "https://127.0.0.1:8700"
    assert Settings().api_url == "http://127.0.0.1:8700"


async def test_pages_of_allowed_origins_may_call(services: Services, admin: Somebody) -> None:
    asking = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization,if-match",
    }
    async with (
        served(services, cors_origins=(ORIGIN,)) as (_, port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/ops/v1") as client,
    ):
        preflight = await client.options("/slow", headers=asking)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == ORIGIN
        assert preflight.headers["x-request-id"]
        refused = await client.options("/slow", headers={**asking, "Origin": "https://evil.example.org"})
        assert "access-control-allow-origin" not in refused.headers
        answer = await client.get("/slow", headers={"Origin": ORIGIN, **admin.headers})
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "ETag" in answer.headers["access-control-expose-headers"]
        unauthenticated = await client.get("/slow", headers={"Origin": ORIGIN})  # a page must be able to read why
        assert (unauthenticated.status_code, unauthenticated.headers["access-control-allow-origin"]) == (401, ORIGIN)


async def test_no_origin_is_allowed_by_default(client: httpx.AsyncClient, admin: Somebody) -> None:
    answer = await client.get("/api/ops/v1/things/x", headers={"Origin": ORIGIN, **admin.headers})
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origin", ["*", "https://*.example.org", "example.org", "https://example.org/"])
def test_an_origin_is_one_origin(origin: str) -> None:
    with pytest.raises(ValidationError):
        Settings(cors_origins=(origin,))


async def test_a_shutdown_lets_what_was_begun_end_and_takes_nothing_new(services: Services, admin: Somebody) -> None:
    async with (
        served(services) as (server, port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/ops/v1") as client,
    ):
        begun = asyncio.create_task(client.get("/slow", headers=admin.headers))
        await asyncio.sleep(0.2)
        server.should_exit = True
        await asyncio.sleep(0.2)
        with pytest.raises(httpx.ConnectError):
            async with httpx.AsyncClient() as other:
                await other.get(f"http://127.0.0.1:{port}/healthz")
        answer = await begun
        assert (answer.status_code, answer.json()) == (200, {"done": True})


async def test_a_shutdown_answers_who_waits(services: Services, admin: Somebody) -> None:
    async with (
        served(services) as (server, port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/ops/v1") as client,
    ):
        waiting = asyncio.create_task(client.get("/waiting", headers=admin.headers))
        await asyncio.sleep(0.2)
        server.should_exit = True
        answer = await asyncio.wait_for(waiting, 5)
        assert (answer.status_code, answer.json()) == (200, {"done": False})


async def test_headers_without_an_end_are_cut_off(services: Services) -> None:
    async with served(services) as (_, port):
        answered = await asyncio.to_thread(_endless, port)
    assert answered.startswith(b"HTTP/1.1 431 ")
    assert b'"code":"headers_too_large"' in answered


async def test_what_is_no_http_is_answered_with_a_problem_too(services: Services) -> None:
    async with served(services) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"EHLO example.org\r\n\r\n")
        answered = await reader.read()
        writer.close()
    assert answered.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"malformed_http"' in answered


def _endless(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(64):
                connection.sendall(b"x" * (1 << 16))
        with contextlib.suppress(ConnectionError):
            return connection.recv(4096)
    return b""


async def test_a_clients_own_word_about_its_address_is_not_believed(services: Services, admin: Somebody) -> None:
    async with (
        served(services, rate_limit_address="1/hour") as (_, port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/ops/v1") as client,
    ):
        for number, expected in enumerate((401, 429, 429)):
            answer = await client.get("/slow", headers={"X-Forwarded-For": f"198.51.100.{number}"})
            assert answer.status_code == expected
