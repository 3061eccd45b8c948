"""A listener to the change stream of a real server."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from tests.controlplane.gateway.conftest import Api

from groundplane.kernel.settings import Settings
from groundplane.processes.api import server_config

STREAM = {"Accept": "text/event-stream"}


@dataclass(frozen=True)
class Told:
    """One event. Without a name: a sign of life."""

    id: str | None
    name: str
    data: Any
    comment: str


@asynccontextmanager
async def serving(app: FastAPI, settings: Settings) -> AsyncIterator[tuple[uvicorn.Server, str]]:
    """The application behind the server that `groundplane api` runs; and its address."""
    config = server_config(app, settings)
    config.lifespan, config.port = "off", 0
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]  # pytest keeps its own handlers
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield server, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await task


@asynccontextmanager
async def listening(
    url: str, api: Api, path: str = "", *, cursor: str | None = None, resumed: str | None = None
) -> AsyncIterator[AsyncIterator[Told]]:
    """The events of the project, or of the path, as they come; leaving cuts the connection."""
    headers = {**api.headers, **STREAM, **({"Last-Event-ID": resumed} if resumed else {})}
    params = {"cursor": cursor} if cursor else {}
    async with (
        httpx.AsyncClient(base_url=url, timeout=30) as client,
        client.stream("GET", path or f"{api.project}/events", headers=headers, params=params) as answer,
    ):
        if answer.status_code != 200:
            await answer.aread()
            raise AssertionError(f"{answer.status_code} {answer.text}")
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _events(answer.aiter_lines())


async def _events(lines: AsyncIterator[str]) -> AsyncIterator[Told]:
    fields: dict[str, str] = {}
    async for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
            continue
        if set(fields) - {"retry"}:
            data = json.loads(fields["data"]) if "data" in fields else None
            yield Told(fields.get("id"), fields.get("event", ""), data, fields.get("", ""))
        fields = {}


async def the_next(events: AsyncIterator[Told], name: str, *, seconds: float = 10) -> Told:
    """The next event of this name."""
    async with asyncio.timeout(seconds):
        async for told in events:
            if told.name == name:
                return told
    raise AssertionError(f"the stream ended without {name}")


async def the_rest(events: AsyncIterator[Told], *, seconds: float = 10) -> list[Told]:
    """All until the stream ends."""
    async with asyncio.timeout(seconds):
        return [told async for told in events]
