"""Uploads: what is taken lies whole in the store, what is refused leaves nothing."""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from tests.controlplane.gateway_frame.conftest import MakeUser, Somebody, Tenant
from tests.controlplane.gateway_frame.enrolled import agent_headers

from groundplane.controlplane.audit import page
from groundplane.controlplane.gateway.images import collect_garbage
from groundplane.controlplane.gateway.services import Services
from groundplane.kernel.ids import new_id, parse_id

MIB = 1 << 20
DISK = (b"\0" * 510 + b"\x55\xaa").ljust(3 * MIB, b"\1")


def _path(tenant: Tenant) -> str:
    return f"/api/tenant/v1/projects/{tenant.project}/images"


def _files(services: Services) -> set[str]:
    return {str(path) for path in services.settings.blob_directory.rglob("*") if path.is_file()}


async def _need(services: Services, image_id: UUID, cluster_id: UUID) -> None:
    """A pool of this cluster may hold a copy."""
    pool_id = new_id()
    async with services.database.transaction() as tx:
        await tx.execute(
            """INSERT INTO resource (id, kind, name, status, spec, cluster_id, reason)
               VALUES ($1, 'pool', $2, 'active', '{}', $3, 'a test')""",
            pool_id,
            f"pool-{pool_id.hex}",
            cluster_id,
        )
        await tx.execute(
            "INSERT INTO pool_capacity (pool_id, host_id, cluster_id, gib) VALUES ($1, $2, $3, 1)",
            pool_id,
            new_id(),
            cluster_id,
        )
        await tx.execute("INSERT INTO image_copy (image_id, pool_id) VALUES ($1, $2)", image_id, pool_id)


@pytest.fixture
def nothing_left(services: Services) -> Iterator[None]:
    """The store is afterwards as it was before."""
    before = _files(services)
    yield
    assert _files(services) == before


async def test_an_upload_lies_whole_in_the_store_and_agents_get_it(
    client: httpx.AsyncClient, admin: Somebody, tenant: Tenant, services: Services
) -> None:
    query = {"name": "debian-13", "labels": "os=debian,release=13"}
    answer = await client.post(_path(tenant), params=query, content=DISK, headers=admin.headers)
    assert answer.status_code == 201, answer.text
    image = answer.json()
    assert answer.headers["location"] == f"{_path(tenant)}/{image['id']}"
    assert (image["status"], image["name"], image["labels"]) == ("active", "debian-13", {"os": "debian", "release": "13"})
    digest = hashlib.sha256(DISK).hexdigest()
    assert image["spec"] == {"format": "raw", "size_bytes": len(DISK), "virtual_size_bytes": len(DISK), "sha256": digest}
    assert (await client.get(answer.headers["location"], headers=admin.headers)).json()["spec"] == image["spec"]

    image_id = parse_id("img", image["id"])
    assert image_id is not None
    assert services.blobs.path(image_id).read_bytes() == DISK
    assert services.blobs.path(image_id).stat().st_mode & 0o777 == 0o600
    async with services.database.transaction() as tx:
        (event,) = await page(tx, resource_id=image_id)
    assert (event.action, event.outcome, event.project_id) == ("storage.image.create", "allowed", tenant.project_id)

    cluster_id, stranger_id = new_id(), new_id()
    agent, stranger = [await agent_headers(services, each) for each in (cluster_id, stranger_id)]
    assert (await client.get(f"/api/agent/v1/images/{image_id}", headers=agent)).status_code == 404
    await _need(services, image_id, cluster_id)
    assert (await client.get(f"/api/agent/v1/images/{image_id}", headers=stranger)).status_code == 404
    pulled = await client.get(f"/api/agent/v1/images/{image_id}", headers=agent)
    assert (pulled.status_code, hashlib.sha256(pulled.content).hexdigest()) == (200, digest)
    rest = await client.get(f"/api/agent/v1/images/{image_id}", headers={**agent, "Range": "bytes=510-511"})
    assert (rest.status_code, rest.content) == (206, b"\x55\xaa")
    assert (await client.get(f"/api/agent/v1/images/{new_id()}", headers=agent)).status_code == 404


@pytest.mark.usefixtures("nothing_left")
async def test_what_is_not_an_image_is_refused_and_audited(
    client: httpx.AsyncClient, admin: Somebody, tenant: Tenant, services: Services
) -> None:
    answer = await client.post(_path(tenant), params={"name": "text"}, content=b"hello\n" * 1000, headers=admin.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "not_an_image")
    assert "qemu-img convert" in answer.json()["detail"]
    async with services.database.transaction() as tx:
        event = (await page(tx, project_id=tenant.project_id))[0]
    assert (event.action, event.outcome, event.code) == ("storage.image.create", "failed", "not_an_image")
    assert event.detail["name"] == "text"
    assert "qemu-img convert" in event.detail["detail"]
    listed = await client.get(_path(tenant), params={"name": "text"}, headers=admin.headers)
    assert listed.json()["items"] == []


@pytest.mark.usefixtures("nothing_left")
async def test_a_name_already_taken_leaves_nothing(
    client: httpx.AsyncClient, admin: Somebody, tenant: Tenant, services: Services
) -> None:
    first = await client.post(_path(tenant), params={"name": "twice"}, content=DISK, headers=admin.headers)
    assert first.status_code == 201, first.text
    second = await client.post(_path(tenant), params={"name": "twice"}, content=DISK, headers=admin.headers)
    assert (second.status_code, second.json()["code"]) == (409, "name_taken")
    image_id = parse_id("img", first.json()["id"])
    assert image_id is not None
    services.blobs.delete(image_id)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("declared", [True, False])
async def test_too_much_is_refused(client: httpx.AsyncClient, admin: Somebody, tenant: Tenant, declared: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b"\0" * MIB

    content = b"\0" * (9 * MIB) if declared else pieces()
    answer = await client.post(_path(tenant), params={"name": "huge"}, content=content, headers=admin.headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert str(8 * MIB) in answer.json()["detail"]


async def test_who_may_not_is_told_so_before_anything_is_read(
    client: httpx.AsyncClient, make_user: MakeUser, tenant: Tenant
) -> None:
    read = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(100):
            read += 1
            yield b"\0" * MIB

    viewer, stranger = await make_user("viewer", tenant.organization_id), await make_user()
    for somebody, status in ((viewer, 403), (stranger, 404)):
        answer = await client.post(_path(tenant), params={"name": "x"}, content=pieces(), headers=somebody.headers)
        assert answer.status_code == status
    assert (await client.post(_path(tenant), params={"name": "x"}, content=pieces())).status_code == 401
    assert read == 0


@pytest.mark.parametrize(
    "query", [{}, {"name": "Not A Name"}, {"name": "x", "labels": "nonsense"}, {"name": "x", "labels": "A=b"}, {"name": "x\0"}]
)
@pytest.mark.usefixtures("nothing_left")
async def test_bad_names_and_labels(client: httpx.AsyncClient, admin: Somebody, tenant: Tenant, query: dict[str, str]) -> None:
    answer = await client.post(_path(tenant), params=query, content=DISK, headers=admin.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.usefixtures("nothing_left")
async def test_an_aborted_upload_leaves_nothing(server: str, admin: Somebody, tenant: Tenant, services: Services) -> None:
    host, port = server.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST {_path(tenant)}?name=aborted HTTP/1.1\r\nHost: api\r\nContent-Length: {len(DISK)}\r\n"
        f"Authorization: {admin.headers['Authorization']}\r\n\r\n"
    )
    writer.write(head.encode() + DISK[:MIB])
    await writer.drain()
    incoming = services.settings.blob_directory / "incoming"
    await _until(lambda: any(incoming.iterdir()))
    writer.transport.abort()
    await _until(lambda: not any(incoming.iterdir()))
    for _ in range(100):  # the refusal's row comes in a transaction of its own, after the file is gone
        async with services.database.transaction() as tx:
            event = (await page(tx, project_id=tenant.project_id))[0]
        if event.detail["name"] == "aborted":
            break
        await asyncio.sleep(0.02)
    assert (event.outcome, event.code, event.detail["name"]) == ("failed", "request_aborted", "aborted")


async def _until(condition: Callable[[], bool]) -> None:
    for _ in range(250):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("in vain")


async def test_garbage_goes_and_nothing_else(
    client: httpx.AsyncClient, admin: Somebody, tenant: Tenant, services: Services
) -> None:
    def aged(path: Path, seconds: float) -> Path:
        path.write_bytes(b"x")
        os.utime(path, (time.time() - seconds,) * 2)
        return path

    kept = await client.post(_path(tenant), params={"name": "kept"}, content=DISK, headers=admin.headers)
    deleted = await client.post(_path(tenant), params={"name": "deleted"}, content=DISK, headers=admin.headers)
    ids = [parse_id("img", answer.json()["id"]) for answer in (kept, deleted)]
    paths = [services.blobs.path(image_id) for image_id in ids if image_id]
    os.utime(paths[0], (0, 0))
    async with services.database.transaction() as tx:
        await tx.execute("UPDATE resource SET deleted_at = now(), status = 'deleted', reason = 'a test' WHERE id = $1", ids[1])
    directory = services.settings.blob_directory
    gone = [aged(directory / str(new_id()), 7200), aged(directory / "incoming" / "old", 90_000), paths[1]]
    stay = [aged(directory / str(new_id()), 60), aged(directory / "incoming" / "new", 3600), paths[0]]
    assert await collect_garbage(services) == 3
    assert [path.exists() for path in gone] == [False, False, False]
    assert [path.exists() for path in stay] == [True, True, True]
    for path in stay[:2]:
        path.unlink()
