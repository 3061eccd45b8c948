"""What agents fetch and post: secrets of their own cluster, and console logs for readers who wait."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from nats.aio.msg import Msg
from tests.controlplane.gateway_frame.enrolled import agent_headers

from groundplane.contracts.tasks import ConsoleRead, read_subject
from groundplane.controlplane.gateway import console
from groundplane.controlplane.gateway.console import AgentUnreachableError, ConsoleNotFoundError, read_console
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.resources.kind import Draft
from groundplane.kernel.ids import new_id
from groundplane.kernel.settings import Settings


async def _vm_with_secret(services: Services, cluster_id: UUID, plain: bytes) -> UUID:
    vm_id = new_id()
    async with services.database.transaction() as tx:
        await tx.execute(
            """INSERT INTO resource (id, kind, name, status, spec, cluster_id, reason)
               VALUES ($1, 'vm', $2, 'active', '{}', $3, 'a test')""",
            vm_id,
            f"vm-{vm_id.hex}",
            cluster_id,
        )
        return await services.manager.keep_secret(tx, Draft(vm_id, "vm", None, None), plain)


async def test_an_agent_reads_secrets_of_its_own_cluster_alone(client: httpx.AsyncClient, services: Services) -> None:
    mine, other = new_id(), new_id()
    secret_id = await _vm_with_secret(services, mine, b"#!/bin/sh\necho hello\n")
    path = f"/api/agent/v1/secrets/{secret_id}"
    mine_headers, other_headers = [await agent_headers(services, cluster_id) for cluster_id in (mine, other)]
    answer = await client.get(path, headers=mine_headers)
    assert (answer.status_code, answer.content) == (200, b"#!/bin/sh\necho hello\n")
    assert answer.headers["cache-control"] == "no-store"
    assert (await client.get(path, headers=other_headers)).status_code == 404
    assert (await client.get(f"/api/agent/v1/secrets/{new_id()}", headers=mine_headers)).status_code == 404
    assert (await client.get("/api/agent/v1/secrets/x", headers=mine_headers)).status_code == 422
    assert (await client.get(path)).status_code == 401


class Agent:
    """Answers console reads of one cluster over real HTTP, as told."""

    def __init__(self, services: Services, cluster_id: UUID, headers: dict[str, str]) -> None:
        self.services = services
        self.cluster_id = cluster_id
        self.asks: list[ConsoleRead] = []
        self.statuses: list[int] = []
        self.headers = headers
        self.content: bytes | AsyncIterator[bytes] = b""
        self.tasks: set[asyncio.Task[None]] = set()

    async def on_read(self, message: Msg) -> None:
        ask = ConsoleRead.model_validate_json(message.data)
        self.asks.append(ask)
        task = asyncio.create_task(self.answer(ask))
        self.tasks.add(task)

    async def answer(self, ask: ConsoleRead) -> None:
        async with httpx.AsyncClient(timeout=20) as http:
            answer = await http.post(ask.answer_url, content=self.content, headers=self.headers)
            self.statuses.append(answer.status_code)

    async def finish(self) -> None:
        await asyncio.gather(*self.tasks)


@pytest_asyncio.fixture
async def agent(services: Services, server: str) -> AsyncIterator[Agent]:
    host, port = server.removeprefix("http://").split(":")
    settings = Settings(data_dir=services.settings.data_dir, api_host=host, api_port=int(port))
    cluster_id = new_id()
    agent = Agent(replace(services, settings=settings), cluster_id, await agent_headers(services, cluster_id))
    subscription = await services.bus.nats.subscribe(read_subject(agent.cluster_id), cb=agent.on_read)
    yield agent
    await subscription.unsubscribe()


async def _read(agent: Agent, *, offset: int = 0, limit: int = 1 << 20) -> AsyncIterator[bytes]:
    return await read_console(agent.services, agent.cluster_id, new_id(), new_id(), offset, limit)


async def test_a_console_log_comes_through(agent: Agent) -> None:
    agent.content = b"login: " * 50_000
    host_id, vm_id = new_id(), new_id()
    pieces = await read_console(agent.services, agent.cluster_id, host_id, vm_id, 7, 1 << 20)
    assert b"".join([piece async for piece in pieces]) == agent.content
    await agent.finish()
    (ask,) = agent.asks
    assert (ask.host_id, ask.vm_id, ask.offset, ask.limit) == (host_id, vm_id, 7, 1 << 20)
    assert agent.statuses == [204]


async def test_no_more_than_asked_for_comes_through(agent: Agent) -> None:
    agent.content = b"x" * 100
    assert b"".join([piece async for piece in await _read(agent, limit=10)]) == b"x" * 10


async def test_an_answer_is_held_back_until_it_is_read(agent: Agent) -> None:
    sent = 0

    async def flood() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(512):
            sent += 1
            yield b"x" * (1 << 16)

    agent.content = flood()
    pieces = await _read(agent, limit=64 << 20)
    await asyncio.sleep(0.5)
    assert sent < 256  # what the sockets and the few held pieces take, not all
    assert sum([len(piece) async for piece in pieces]) == 512 << 16
    await agent.finish()


async def test_a_reader_who_leaves_lets_the_agent_go(agent: Agent) -> None:
    agent.content = b"x" * (8 << 20)
    pieces = await _read(agent, limit=64 << 20)
    async for _ in pieces:
        break
    await pieces.aclose()  # type: ignore[attr-defined]  # it is an async generator
    await asyncio.wait_for(asyncio.gather(*agent.tasks, return_exceptions=True), 5)


async def test_no_console_yet_is_told(agent: Agent) -> None:
    agent.headers["X-Groundplane-Status"] = "not_found"
    with pytest.raises(ConsoleNotFoundError):
        await _read(agent)
    await agent.finish()


async def test_an_agent_that_says_nothing_is_unreachable(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "ANSWER_SECONDS", 0.2)
    with pytest.raises(AgentUnreachableError) as refused:
        await read_console(services, new_id(), new_id(), new_id(), 0, 10)
    assert (refused.value.status, refused.value.code) == (503, "agent_unreachable")
    assert not services.answers._waiting


async def test_an_answer_is_taken_once_and_only_from_its_cluster(client: httpx.AsyncClient, services: Services) -> None:
    cluster_id = new_id()
    token, waiting, receiver = services.answers.open(cluster_id, 100)
    path = f"/api/agent/v1/answers/{token}"
    assert (await client.post(path, content=b"forged", headers=await agent_headers(services, new_id()))).status_code == 404
    assert not waiting.begun.done()
    assert (await client.post(path, content=b"true", headers=await agent_headers(services, cluster_id))).status_code == 204
    assert await receiver.receive() == b"true"
    assert (await client.post(path, content=b"again", headers=await agent_headers(services, cluster_id))).status_code == 404
    receiver.close()
