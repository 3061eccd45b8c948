"""The asynchronous SDK against the real application behind a real socket: what it waits for, and what it hears."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from tests.controlplane.gateway.conftest import Api
from tests.controlplane.gateway.listening import serving

from groundplane.controlplane.resources.project import PROJECT
from groundplane.kernel.news import Announcer
from groundplane.sdk import ApiError, AsyncClient, AsyncTenant, Client, Event, JobFailedError
from groundplane.sdk.records import ResourceEvent

AHEAD = "ffffffffffff-1"
"""A place in a journal that is not this one's."""


@pytest.fixture
async def url(api: Api) -> AsyncIterator[str]:
    """Where the application is served, in this loop."""
    api.cloud.database.on_write = Announcer(api.services.bus)
    async with serving(api.app, api.services.settings) as (_, address):
        yield address


@pytest.fixture
async def tenant(api: Api, url: str) -> AsyncIterator[AsyncTenant]:
    """The project, as its administrator's program sees it."""
    async with AsyncClient(url, _token(api)) as client:
        yield client.tenant(PROJECT.public_id(api.cloud.project_id))


@pytest.fixture
async def _everybody_works(api: Api) -> AsyncIterator[None]:
    """Worker and agent do what there is to do, all the while."""

    async def work() -> None:
        while True:
            await api.cloud.run()
            await api.cloud.resume()
            await asyncio.sleep(0.02)

    working = asyncio.create_task(work())
    yield
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working


@pytest.mark.usefixtures("_everybody_works")
async def test_networks_are_made_changed_and_deleted(tenant: AsyncTenant) -> None:
    told: list[str] = []
    made = await tenant.networks.create("lan", wait=True, on_step=lambda step: told.append(step.what))
    assert (made.status, made.job, told[-1]) == ("active", None, "succeeded")
    many = await tenant.networks.create_many("wan", 3, labels={"a": "b"}, wait=True)
    assert [(each.name, each.status) for each in many.items] == [(f"wan-{number}", "active") for number in (1, 2, 3)]
    assert {each.name async for each in tenant.networks.list(label={"a": "b"})} == {"wan-1", "wan-2", "wan-3"}
    assert (await tenant.networks.dry_run.delete("lan")).jobs_count == 1
    changed = await tenant.networks.update("lan", labels={"c": "d"}, if_match=made)
    assert changed.labels == {"c": "d"}
    with pytest.raises(ApiError, match="precondition_failed"):
        await tenant.networks.update("lan", labels={}, if_match=made)
    await asyncio.gather(*(tenant.networks.delete(each.id, wait=True) for each in many.items))
    assert [each.name async for each in tenant.networks.list()] == ["lan"]


async def test_a_job_that_failed_is_told(api: Api, tenant: AsyncTenant) -> None:
    made = await tenant.networks.create("lan")
    assert made.job is not None
    await tenant.jobs.cancel(made.job.id)
    waiting = asyncio.create_task(tenant.jobs.wait(made.job.id, 20))
    await api.cloud.run()
    with pytest.raises(JobFailedError) as caught:
        await waiting
    assert caught.value.code == "cancelled"


async def test_every_change_is_heard_once_however_often_the_connection_breaks(api: Api, url: str, tenant: AsyncTenant) -> None:
    cursor = (await api.get("/events"))["next"]
    async with breaking(url) as (address, cuts), AsyncClient(address, _token(api)) as client:
        listener = client.tenant(tenant.project_id).events(cursor=cursor)
        heard = asyncio.create_task(_until(listener, "last"))
        for name in (*(f"net-{number}" for number in range(6)), "last"):
            await api.made("networks", name)
            await asyncio.sleep(0.2)
        events = await asyncio.wait_for(heard, 30)
    assert len(cuts) >= 2
    assert len({event.cursor for event in events}) == len(events)
    revisions: dict[str, list[int]] = {}
    for event in events:
        if isinstance(event.data, ResourceEvent):
            revisions.setdefault(event.data.id, []).append(event.data.revision)
    assert len(revisions) == 7
    assert all(found == list(range(1, found[-1] + 1)) for found in revisions.values())


async def test_who_comes_too_late_is_told_to_read_again(tenant: AsyncTenant, api: Api) -> None:
    async with aclosing(tenant.events(cursor=AHEAD)) as events:
        first = await asyncio.wait_for(anext(events), 10)
        assert first.data is None
        await api.made("networks", "lan")
        second = await asyncio.wait_for(anext(events), 10)
        assert isinstance(second.data, ResourceEvent)
        assert second.data.name == "lan"
        assert second.cursor > first.cursor


async def test_whoever_may_not_listen_is_told(api: Api, url: str) -> None:
    stranger = await api.as_(None)
    async with AsyncClient(url, _token(stranger)) as client:
        with pytest.raises(ApiError) as caught:
            await anext(client.tenant(PROJECT.public_id(api.cloud.project_id)).events())
    assert caught.value.status in {403, 404}


async def test_threads_hear_too(api: Api, url: str) -> None:
    cursor = (await api.get("/events"))["next"]
    await api.made("networks", "lan")

    def hear() -> Event:
        with Client(url, _token(api)) as client:
            events: Iterator[Event] = client.tenant(PROJECT.public_id(api.cloud.project_id)).events(cursor=cursor)
            return next(event for event in events if isinstance(event.data, ResourceEvent))

    event = await asyncio.wait_for(asyncio.to_thread(hear), 20)
    assert isinstance(event.data, ResourceEvent)
    assert (event.data.name, event.data.status) == ("lan", "creating")


async def _until(events: AsyncIterator[Event], name: str) -> list[Event]:
    heard = []
    async for event in events:
        heard.append(event)
        if isinstance(event.data, ResourceEvent) and (event.data.name, event.data.status) == (name, "active"):
            break
    return heard


@asynccontextmanager
async def breaking(url: str, seconds: float = 0.25) -> AsyncIterator[tuple[str, list[float]]]:
    """A way to the application on which no connection lasts; how long each did."""
    port = int(url.rpartition(":")[2])
    cuts: list[float] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(65536):
                writer.write(piece)
                await writer.drain()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)
        both: Any = asyncio.gather(carry(reader, to_writer), carry(to_reader, writer))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(both, seconds)
        cuts.append(seconds)
        for each in (writer, to_writer):
            each.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", cuts


def _token(api: Api) -> str:
    return api.headers["Authorization"].removeprefix("Bearer ")
