"""Bad input through the real API: a problem with a stable code and a sentence that says what to do; nothing half made."""

import asyncio
import json
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from tests.cloud.installation import Installation, idle_spec, wait_for

from groundplane.processes import proof
from groundplane.sdk import ApiError, Client, Tenant

CLAIMS = (
    "resource", "revision", "label", "link", "secret", "quota_usage", "quota_claim", "host_capacity", "placement",
    "pool_capacity", "pool_share", "image_copy", "subnet_range", "address", "usage_span", "job", "job_event", "change_claim",
)  # fmt: skip
"""The tables of what is made, claimed and started; a refused request leaves its mark in the audit log alone."""
MADE = {"revision": "WHERE entity <> 'quota'"}
"""Limits that a test sets and takes back stay in the journal."""


@dataclass(frozen=True)
class Refused:
    """A request, and how it is to be refused. `says`: what the sentence or the fields must name."""

    ask: Callable[[Tenant], object]
    status: int
    code: str
    says: tuple[str, ...] = ()
    context: dict[str, Any] = field(default_factory=dict)


def vm(**changes: Any) -> Callable[[Tenant], object]:
    spec: Any = {**idle_spec(), **changes}
    return lambda tenant: tenant.vms.create("never", spec)


def subnet(cidr: str, **more: Any) -> Callable[[Tenant], object]:
    spec: Any = {"network": "lan", "cidr": cidr, **more}
    return lambda tenant: tenant.subnets.create("never", spec)


def port(**spec: Any) -> Callable[[Tenant], object]:
    asked: Any = {"network": "lan", **spec}
    return lambda tenant: tenant.ports.create("never", asked)


UNKNOWN: Any = {"color": 1}
MISSING: Any = {"vcpus": 1}

REFUSED = {
    "unknown field": Refused(vm(cpus=2), 422, "invalid_request", ("/spec/cpus", "There is no such field here.")),
    "unknown field within": Refused(
        vm(root_volume={"image": "idle", "size_gib": 1, "bus": "ide"}), 422, "invalid_request", ("/spec/root_volume/bus",)
    ),
    "unknown field beside": Refused(lambda t: t.vms.update("owner-of-lan", spec=UNKNOWN), 422, "invalid_request"),
    "wrong type": Refused(vm(vcpus="two"), 422, "invalid_request", ("/spec/vcpus",)),
    "wrong type that looks right": Refused(vm(memory_mib="64"), 422, "invalid_request", ("/spec/memory_mib",)),
    "missing field": Refused(lambda t: t.vms.create("never", MISSING), 422, "invalid_request", ("/spec/memory_mib",)),
    "too little": Refused(vm(memory_mib=1), 422, "invalid_request", ("/spec/memory_mib",)),
    "bad name": Refused(lambda t: t.networks.create("No Name!"), 422, "invalid_request", ("/name",)),
    "neither image nor volume": Refused(vm(root_volume={}), 422, "invalid_request", ("Give image and size_gib",)),
    "overlapping subnet": Refused(subnet("10.30.0.128/25"), 409, "subnet_overlap", ("lan-a", "10.30.0.0/24")),
    "range with host bits": Refused(subnet("10.31.0.1/24"), 422, "invalid_request", ("/spec/cidr",)),
    "gateway elsewhere": Refused(subnet("10.31.0.0/24", gateway="10.32.0.1"), 422, "gateway_outside", ("10.32.0.1",)),
    "name taken": Refused(lambda t: t.networks.create("lan"), 409, "name_taken", ("lan",)),
    "machine's name taken": Refused(lambda t: t.vms.create("owner-of-lan", idle_spec()), 409, "name_taken"),
    "network in use": Refused(lambda t: t.networks.delete("lan"), 409, "in_use", ("lan-a",)),
    "subnet in use": Refused(lambda t: t.subnets.delete("lan-a"), 409, "in_use"),
    "port in use": Refused(lambda t: t.ports.delete("owner-of-lan-nic0"), 409, "in_use", ("owner-of-lan",)),
    "volume in use": Refused(lambda t: t.volumes.delete("owner-of-lan-root"), 409, "in_use", ("owner-of-lan",)),
    "image unknown": Refused(vm(root_volume={"image": "nix", "size_gib": 1}), 422, "reference_not_found", ("image", "nix")),
    "second network unknown": Refused(
        vm(nics=[{"network": "lan"}, {"network": "nix"}]), 422, "reference_not_found", ("network", "nix")
    ),
    "group unknown": Refused(port(security_groups=["nix"]), 422, "reference_not_found", ("security_groups", "nix")),
    "key unknown": Refused(vm(ssh_keys=["nix"]), 422, "reference_not_found", ("ssh_keys", "nix")),
    "no such key": Refused(
        lambda t: t.ssh_keys.create("never", {"public_key": "ssh-rsa no key at all"}), 422, "bad_public_key"
    ),
    "address outside": Refused(port(address="10.31.0.9"), 422, "address_outside"),
    "address of the gateway": Refused(port(address="10.30.0.1"), 422, "address_outside"),
    "address taken": Refused(port(address="10.30.0.77"), 409, "address_taken"),
    "no subnet": Refused(lambda t: t.ports.create("never", {"network": "bare"}), 409, "no_subnet"),
    "no capacity": Refused(vm(vcpus=256), 409, "no_capacity", ("256 vCPUs",), {"asked": {"vcpus": 256, "memory_mib": 64}}),
    "no memory": Refused(vm(memory_mib=1 << 24), 409, "no_capacity", (f"{1 << 24} MiB",), {"hosts": 1, "open_hosts": 1}),
    "no room in the pool": Refused(
        lambda t: t.volumes.create("never", {"size_gib": 60_000}), 409, "pool_full", ("60000 GiB",), {"asked_gib": 60_000}
    ),
    "nothing of that name": Refused(lambda t: t.vms.get("nix"), 404, "not_found"),
    "an id of another kind": Refused(lambda t: t.vms.get(t.networks.get("lan").id), 404, "not_found"),
    "a project that is not there": Refused(
        lambda t: Tenant(t._session, "prj_00000000000000000000000000").vms.create("never", idle_spec()), 404, "not_found"
    ),
}


@pytest.fixture(scope="module")
def settled(cloud: Installation, tenant: Tenant) -> Tenant:
    """The module's project with something to collide with, and nothing going on."""
    tenant.networks.create("bare", wait=True)
    tenant.vms.create("owner-of-lan", idle_spec(), wait=True)
    tenant.ports.create("holder", {"network": "lan", "address": "10.30.0.77"}, wait=True)
    wait_for(lambda: tenant.ports.get("owner-of-lan-nic0").observed.up, "the machine's card is connected")
    wait_for(lambda: all(job.ended_at for job in cloud.admin.ops.jobs.list()), "no job runs")
    return tenant


@pytest.fixture(autouse=True)
def _nothing_is_half_made(cloud: Installation, settled: Tenant) -> Iterator[None]:
    before = everything(cloud)
    yield
    after = everything(cloud)
    changed = {part: (set(before[part]) ^ set(after[part])) for part in before if before[part] != after[part]}
    assert not changed


@pytest.fixture(scope="module", autouse=True)
def _what_is_there_goes_on(cloud: Installation, settled: Tenant) -> Iterator[None]:
    yield
    machine = settled.vms.get("owner-of-lan")
    assert (machine.status, machine.observed.power) == ("active", "running")
    settled.vms.delete("owner-of-lan", wait=True)


def everything(cloud: Installation) -> dict[str, list[str]]:
    """All rows of the tables of claims, the files of blobs and pool, and what OVN and libvirt hold."""
    return {
        **rows(cloud),
        "blobs": sorted(str(path) for path in Path(cloud.endpoints.blobs_path).rglob("*") if path.is_file()),
        "pool": proof.left_in_pool(cloud.endpoints),
        "ovn": sorted(proof.left_in_ovn(cloud.endpoints)),
        "libvirt": sorted(cloud.domains()),
    }


def rows(cloud: Installation) -> dict[str, list[str]]:
    async def read() -> dict[str, list[str]]:
        connection = await asyncpg.connect(cloud.endpoints.database_url)
        try:
            return {
                table: [row[0] for row in await connection.fetch(f"SELECT t::text FROM {which} ORDER BY 1")]  # noqa: S608
                for table, which in zip(CLAIMS, (f"{table} t {MADE.get(table, '')}" for table in CLAIMS), strict=True)
            }
        finally:
            await connection.close()

    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(read())
    finally:
        loop.close()


def assert_refused(error: ApiError, expected: Refused) -> None:
    assert (error.status, error.code) == (expected.status, expected.code), error
    assert error.detail.endswith("."), "a sentence"
    assert len(error.detail.split()) > 4, "that says what to do"
    assert error.request_id
    for words in expected.says:
        assert words in str(error)
    for key, value in expected.context.items():
        found = error.context[key]
        assert found == value or value.items() <= found.items()


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused_in_words(settled: Tenant, name: str) -> None:
    with pytest.raises(ApiError) as caught:
        REFUSED[name].ask(settled)
    assert_refused(caught.value, REFUSED[name])


def test_no_capacity_tells_the_numbers(settled: Tenant) -> None:
    with pytest.raises(ApiError) as caught:
        settled.vms.create("never", {**idle_spec(), "vcpus": 250})
    free = caught.value.context["most_free_on_one_host"]
    assert 0 < free["vcpus"] < 250
    for number in (250, free["vcpus"], free["memory_mib"], free["volume_gib"]):
        assert str(number) in caught.value.detail


def test_over_quota_tells_the_numbers(cloud: Installation, settled: Tenant) -> None:
    limits: Any = {name: usage.limit for name, usage in settled.quota.get().dimensions.items()}
    cloud.admin.ops.quota.change(settled.project_id, {"ports": 3})
    try:
        with pytest.raises(ApiError) as caught:
            vm(nics=[{"network": "lan"}, {"network": "lan"}])(settled)
    finally:
        cloud.admin.ops.quota.update(settled.project_id, limits)
    assert_refused(caught.value, Refused(vm(), 403, "quota_exceeded", ("ports is 3; 2 are used and 2 more",)))
    numbers = {"quota": "ports", "of": "project", "limit": 3, "used": 2, "asked": 2}
    assert caught.value.context.items() >= numbers.items()


def png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


def qcow2(scratch: Path, *options: str) -> bytes:
    path = scratch / "made.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, str(path), "1M"], check=True)
    return path.read_bytes()


IMAGES: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "text": (lambda _: b"To whom it may concern\n" * 100, "not_an_image"),
    "png": (lambda _: png(), "not_an_image"),
    "nothing": (lambda _: b"", "not_an_image"),
    "zeros": (lambda _: bytes(1 << 20), "not_an_image"),
    "the beginning of a qcow2": (lambda scratch: qcow2(scratch)[:60], "not_an_image"),
    "a qcow2 that is cut off": (lambda scratch: qcow2(scratch)[:65_536], "not_an_image"),
    "backed by a secret": (lambda scratch: qcow2(scratch, "-b", "/etc/shadow", "-F", "raw", "-u"), "image_refused"),
    "backed by a device": (lambda scratch: qcow2(scratch, "-b", "nbd://127.0.0.1:1/x", "-F", "raw", "-u"), "image_refused"),
    "data in another file": (
        lambda scratch: qcow2(scratch, "-o", f"data_file={scratch / 'other.raw'},data_file_raw=on"),
        "image_refused",
    ),
}


@pytest.mark.parametrize("name", IMAGES)
def test_what_is_no_image_is_refused(settled: Tenant, tmp_path: Path, name: str) -> None:
    make, code = IMAGES[name]
    path = tmp_path / "image"
    path.write_bytes(make(tmp_path))
    with pytest.raises(ApiError) as caught:
        settled.images.upload(path, name="never")
    assert_refused(caught.value, Refused(lambda _: None, 422, code))


@dataclass(frozen=True)
class Raw:
    """A request that no client of ours would send."""

    method: str
    path: str
    status: int
    code: str
    body: bytes = b""
    media: str = "application/json"


RAW = {
    "half a document": Raw("POST", "/vms", 400, "malformed_json", b'{"name": "never", '),
    "not a document": Raw("POST", "/vms", 422, "invalid_request", b"[]"),
    "a form": Raw("POST", "/vms", 415, "unsupported_media_type", b"name=never", "application/x-www-form-urlencoded"),
    "nothing": Raw("POST", "/vms", 422, "invalid_request", b""),
    "too much": Raw("POST", "/vms", 413, "body_too_large", b'"' + b"x" * (5 << 20) + b'"'),
    "no such way": Raw("PUT", "/vms", 405, "method_not_allowed", b"{}"),
    "no such place": Raw("POST", "/virtual-machines", 404, "route_not_found", b"{}"),
    "a strange cursor": Raw("GET", "/vms?cursor=nix", 422, "invalid_request"),
    "a page of all": Raw("GET", "/vms?limit=1000000", 422, "invalid_request"),
}


@pytest.mark.parametrize("name", RAW)
def test_broken_requests_are_problems_too(cloud: Installation, settled: Tenant, name: str) -> None:
    raw = RAW[name]
    token = cloud.admin.session.conversation.token
    response = httpx.request(
        raw.method,
        f"{cloud.endpoints.api}/api/tenant/v1/projects/{settled.project_id}{raw.path}",
        content=raw.body or None,
        headers={"Authorization": f"Bearer {token}", "Content-Type": raw.media},
        trust_env=False,
    )
    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, problem["status"], problem["code"]) == (raw.status, raw.status, raw.code), json.dumps(problem)
    assert problem["type"].endswith(raw.code)
    assert problem["detail"].endswith(".")


def test_strangers_are_refused(cloud: Installation, settled: Tenant) -> None:
    with Client(cloud.endpoints.api) as nobody, pytest.raises(ApiError) as caught:
        nobody.tenant(settled.project_id).vms.create("never", idle_spec())
    assert (caught.value.status, caught.value.code) == (401, "unauthenticated")
    cloud.admin.common.users.create(email="eve@test.example", name="Eve", password="correct horse battery")
    with Client(cloud.endpoints.api) as eve:
        eve.login("eve@test.example", "correct horse battery")
        with pytest.raises(ApiError) as caught:
            eve.tenant(settled.project_id).vms.create("never", idle_spec())
    assert caught.value.status in {403, 404}
    with Client(cloud.endpoints.api) as eve, pytest.raises(ApiError) as caught:
        eve.login("eve@test.example", "wrong")
    assert caught.value.status == 401
