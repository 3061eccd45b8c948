"""The console's files: found by name alone, compressed as the browser takes it, under a strict policy."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from groundplane.controlplane.gateway.webconsole import web_console

FILES = {
    "index.html": b"<html>page</html>",
    "index.html.br": b"small page",
    "index.html.gz": b"middling page",
    "mark.svg": b"<svg/>",
    "assets/index-1a2b.js": b"script",
    "assets/index-1a2b.js.br": b"small script",
}


def _client(directory: Path) -> httpx.AsyncClient:
    app = FastAPI(openapi_url=None)
    app.include_router(web_console(directory))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api", headers={"Accept-Encoding": "identity"})


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Asks a console of a few files, beside which lies what is none of it."""
    built = tmp_path / "built"
    for name, body in FILES.items():
        (built / name).parent.mkdir(parents=True, exist_ok=True)
        (built / name).write_bytes(body)
    (tmp_path / "secret.txt").write_bytes(b"not for you")
    async with _client(built) as asking:
        yield asking


async def _bytes(client: httpx.AsyncClient, path: str, accepted: str) -> tuple[bytes, httpx.Headers]:
    """What is sent, not unpacked."""
    async with client.stream("GET", path, headers={"Accept-Encoding": accepted}) as response:
        assert response.status_code == 200
        return b"".join([part async for part in response.aiter_raw()]), response.headers


@pytest.mark.parametrize("path", ["/", "/console"])
async def test_the_beginning_leads_to_the_console(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path)
    assert (response.status_code, response.headers["location"]) == (307, "/console/")


@pytest.mark.parametrize("path", ["/console/", "/console/p/prj_1/volumes", "/console/ops/hosts/a", "/console/index.html"])
async def test_every_address_of_the_console_is_its_page(client: httpx.AsyncClient, path: str) -> None:
    body, headers = await _bytes(client, path, "identity")
    assert body == FILES["index.html"]
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["cache-control"] == "no-cache"


async def test_the_page_may_run_and_ask_nothing_but_its_own(client: httpx.AsyncClient) -> None:
    policy = dict(
        each.strip().split(" ", 1) for each in (await client.get("/console/")).headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"


async def test_assets_are_kept_for_ever_and_missing_ones_are_not_the_page(client: httpx.AsyncClient) -> None:
    response = await client.get("/console/assets/index-1a2b.js", headers={"Accept-Encoding": "identity"})
    assert (response.status_code, response.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
    assert (await client.get("/console/assets/index-0000.js")).status_code == 404


@pytest.mark.parametrize(
    ("accepted", "encoding", "file"),
    [
        ("gzip, deflate, br, zstd", "br", "index.html.br"),
        ("gzip", "gzip", "index.html.gz"),
        ("br;q=0, gzip;q=0.5", "gzip", "index.html.gz"),
        ("*", "br", "index.html.br"),
        ("*;q=0", None, "index.html"),
        ("br;q=0.000, *;q=0", None, "index.html"),
        ("", None, "index.html"),
        ("zstd", None, "index.html"),
        (",;;q,=", None, "index.html"),
    ],
)
async def test_the_smallest_copy_that_the_browser_takes(
    client: httpx.AsyncClient, accepted: str, encoding: str | None, file: str
) -> None:
    body, headers = await _bytes(client, "/console/", accepted)
    assert headers.get("content-encoding") == encoding
    assert body == FILES[file]
    assert headers["vary"] == "Accept-Encoding"


async def test_what_the_browser_has_is_not_sent_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/console/mark.svg")
    again = await client.get("/console/mark.svg", headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert (await client.get("/console/mark.svg", headers={"If-None-Match": '"other"'})).status_code == 200


@pytest.mark.parametrize(
    "name", ["../secret.txt", "..%2fsecret.txt", "assets/../../secret.txt", "%2e%2e/secret.txt", "mark.svg%00"]
)
async def test_only_its_own_files(client: httpx.AsyncClient, name: str) -> None:
    response = await client.get(f"/console/{name}")
    assert b"not for you" not in response.content


async def test_nothing_is_written_there(client: httpx.AsyncClient) -> None:
    assert (await client.post("/console/")).status_code == 405


async def test_without_a_build_it_says_how_to_get_one(tmp_path: Path) -> None:
    async with _client(tmp_path / "nothing") as client:
        response = await client.get("/console/")
        assert response.status_code == 503
        assert "make setup" in response.text
