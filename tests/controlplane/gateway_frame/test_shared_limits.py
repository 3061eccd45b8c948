"""Replicas of the api count together when their limits are stored in Redis; without it they limit nobody."""

import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from tests.controlplane.gateway_frame.conftest import Somebody, probe_router

from groundplane.controlplane.gateway.app import build_app
from groundplane.controlplane.gateway.services import Services
from groundplane.processes.layout import free_port

THING = "/api/ops/v1/things/x"


@pytest.fixture
def redis_port(tmp_path: Path) -> Iterator[int]:
    """The port of a Redis on loopback that keeps nothing."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("There is no redis-server here.")
    port = free_port()
    argv = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, cwd=tmp_path) as process:
        _wait(port)
        yield port
        process.kill()


def _wait(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    pytest.fail("redis-server did not start")


@asynccontextmanager
async def replica(services: Services, storage: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an api of its own, which keeps its counts there."""
    settings = {"rate_limit_read": "3/hour", "rate_limit_storage": SecretStr(storage)}
    mine = replace(services, settings=services.settings.model_copy(update=settings))
    app = build_app(mine, tenant=[], ops=[probe_router()], common=[], agent=[])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        yield client
    await app.state.limits.close()


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
async def test_replicas_count_together(services: Services, admin: Somebody, redis_port: int, scheme: str) -> None:
    storage = f"{scheme}://127.0.0.1:{redis_port}"
    async with replica(services, storage) as one, replica(services, storage) as other:
        answers = [await client.get(THING, headers=admin.headers) for client in (one, other, one, other)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].json()["code"] == "rate_limited"


async def test_a_storage_that_is_away_limits_nobody(services: Services, admin: Somebody) -> None:
    async with replica(services, f"redis://127.0.0.1:{free_port()}") as client:
        answers = [await client.get(THING, headers=admin.headers) for _ in range(5)]
    assert {answer.status_code for answer in answers} == {200}
