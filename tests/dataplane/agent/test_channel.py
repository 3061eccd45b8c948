"""Bytes and secrets go over the agent's own channel, and consoles are posted through it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from unittest.mock import patch
from uuid import UUID, uuid4

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from tests.dataplane.agent.world import World
from tests.dataplane.conformance.rigs import machine

from groundplane.contracts.faults import ProviderError
from groundplane.contracts.specs import Disk, ImageSource, VolumeSpec
from groundplane.contracts.tasks import ConsoleRead, Ensure, read_subject
from groundplane.dataplane.agent import ApiChannel

TOKEN = "agents-token"


@dataclass
class Api:
    """The agents' API, as far as the channel knows it."""

    images: dict[str, list[bytes]] = field(default_factory=dict)
    secrets: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    url: str = ""

    def channel(self, token: str = TOKEN) -> ApiChannel:
        """A channel to it."""
        return ApiChannel(self.url, lambda: token)

    def app(self) -> Starlette:
        """The application."""
        return Starlette(
            routes=[
                Route("/api/agent/v1/images/{id}", self._image),
                Route("/api/agent/v1/secrets/{id}", self._secret),
                Route("/api/agent/v1/answers/{id}", self._answer, methods=["POST"]),
            ]
        )

    async def _image(self, request: Request) -> Response:
        pieces = self.images.get(request.path_params["id"])
        return _checked(request, StreamingResponse(iter(pieces)) if pieces else Response(status_code=404))

    async def _secret(self, request: Request) -> Response:
        secret = self.secrets.get(request.path_params["id"])
        return _checked(request, Response(secret) if secret else Response(status_code=404))

    async def _answer(self, request: Request) -> Response:
        response = _checked(request, Response(status_code=204))
        if response.status_code == 204:
            self.answers[request.path_params["id"]] = (request.headers["x-groundplane-status"], await request.body())
        return response


def _checked(request: Request, response: Response) -> Response:
    return response if request.headers.get("authorization") == f"Bearer {TOKEN}" else Response(status_code=401)


@asynccontextmanager
async def serving(api: Api) -> AsyncIterator[Api]:
    """The API on a free port of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(api.app(), log_config=None, lifespan="off"))
        with patch.object(server, "capture_signals", nullcontext):  # signals are pytest's
            running = asyncio.create_task(server.serve(sockets=[listening]))
            await asyncio.sleep(0.1)
            api.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            yield api
            server.should_exit = True
            await running


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """A running API."""
    async with serving(Api()) as api:
        yield api


def source(image_id: UUID) -> ImageSource:
    """An image of which only the id matters."""
    return ImageSource(image_id=image_id, sha256="", size_bytes=0, format="raw")


async def refusal(channel: ApiChannel, image_id: UUID) -> tuple[str, str]:
    """How fetching the image fails."""
    with pytest.raises(ProviderError) as refused:
        _ = [piece async for piece in channel.image(source(image_id))]
    await channel.close()
    return refused.value.fault.code, refused.value.fault.fault_class


async def test_an_image_comes_in_pieces(api: Api) -> None:
    image_id = uuid4()
    api.images[str(image_id)] = [b"a" * 300_000, b"b" * 300_000]
    channel = api.channel()
    pieces = [piece async for piece in channel.image(source(image_id))]
    assert b"".join(pieces) == b"a" * 300_000 + b"b" * 300_000
    assert len(pieces) > 1
    await channel.close()


async def test_a_secret_is_its_bytes(api: Api) -> None:
    secret_id = uuid4()
    api.secrets[str(secret_id)] = b"\x00#!"
    channel = api.channel()
    assert await channel.secret(secret_id) == b"\x00#!"
    await channel.close()


async def test_what_is_not_there_is_not_worth_another_try(api: Api) -> None:
    assert await refusal(api.channel(), uuid4()) == ("bytes_unknown", "permanent")


async def test_a_refused_token_is_worth_another_try(api: Api) -> None:
    assert await refusal(api.channel("old"), uuid4()) == ("channel_refused", "transient")


async def test_an_api_that_is_away_is_worth_another_try() -> None:
    channel = ApiChannel("http://127.0.0.1:9", lambda: TOKEN)
    assert await refusal(channel, uuid4()) == ("channel_unreachable", "transient")


async def test_the_token_is_sent_to_nobody_else(api: Api) -> None:
    stranger = Api()
    async with serving(stranger):
        channel = api.channel()
        for url in (f"{stranger.url}/api/agent/v1/answers/1", f"{api.url}@127.0.0.1/", "//127.0.0.1:9/answers/1"):
            with pytest.raises(ProviderError, match="not the api's"):
                await channel.answer(url, "ok", b"bytes")
        await channel.close()
    assert stranger.answers == {}


async def test_a_console_is_posted(world: World, api: Api) -> None:
    agent = await world.start_agent(channel=api.channel())
    host_id = world.host_ids[0]
    disk = VolumeSpec(id=uuid4(), pool="default", size_bytes=1)
    vm = machine(Disk(volume_id=disk.id, pool="default", serial="root"))
    report = await world.report(await world.ask(Ensure(fence=1, spec=disk), Ensure(fence=1, spec=vm)))
    assert report.outcome == "done"
    whole = await agent.agent._loop._drivers.hosts[host_id].compute.console_log(vm.id, 0, 1 << 20)

    async def read(vm_id: UUID, **part: int) -> tuple[str, bytes]:
        name = uuid4().hex
        asked = ConsoleRead(host_id=host_id, vm_id=vm_id, answer_url=f"{api.url}/api/agent/v1/answers/{name}", **part)
        await world.bus.nats.publish(read_subject(world.cluster_id), asked.model_dump_json().encode())
        await world.until(lambda: name in api.answers, "no answer")
        return api.answers[name]

    assert await read(vm.id) == ("ok", whole)
    assert await read(vm.id, offset=10, limit=5) == ("ok", whole[10:15])
    assert await read(vm.id, offset=len(whole)) == ("ok", b"")
    assert await read(uuid4()) == ("not_found", b"")


async def test_only_the_holder_answers(world: World, api: Api) -> None:
    first = await world.start_agent(channel=api.channel())
    await first.agent._lease.gained()
    await world.start_agent(channel=api.channel("would be refused"))
    for host_id in (world.host_ids[0], uuid4()):
        asked = ConsoleRead(host_id=host_id, vm_id=uuid4(), answer_url=f"{api.url}/api/agent/v1/answers/{host_id}")
        await world.bus.nats.publish(read_subject(world.cluster_id), asked.model_dump_json().encode())
    await world.until(lambda: str(world.host_ids[0]) in api.answers, "no answer")
    await asyncio.sleep(0.3)
    assert len(api.answers) == 1  # nobody serves the other host
