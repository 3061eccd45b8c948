"""Rate limits: by principal and class of routes after authentication, by address before it, logins strictly."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network

import httpx
import pytest
from pydantic import SecretStr, ValidationError
from starlette.datastructures import Headers
from tests.controlplane.gateway_frame.conftest import MakeUser, Somebody, probe_router

from groundplane.controlplane.gateway.app import build_app
from groundplane.controlplane.gateway.identity_api import identity_router
from groundplane.controlplane.gateway.limits import RateLimits, WindowCounts, network_of
from groundplane.controlplane.gateway.middleware import client_address
from groundplane.controlplane.gateway.services import Services
from groundplane.kernel.settings import Settings
from groundplane.processes.api import credential_routers

THING = "/api/ops/v1/things/x"
LOGIN = "/api/common/v1/auth/login"
WRONG = {"email": "nobody@example.org", "password": "not the password"}


@asynccontextmanager
async def limited(services: Services, address: str = "192.0.2.1", **settings: object) -> AsyncIterator[httpx.AsyncClient]:
    """A client, of this address, of an api with these settings."""
    services = replace(services, settings=services.settings.model_copy(update=settings))
    app = build_app(
        services, tenant=[], ops=[probe_router()], common=[identity_router(services), *credential_routers(services)], agent=[]
    )
    transport = httpx.ASGITransport(app, client=(address, 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


@pytest.fixture(autouse=True)
def _early_in_the_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window that ends while a test counts would count for less."""
    began, base = time.monotonic(), int(time.time() // 3600) * 3600 + 3600.0
    monkeypatch.setattr("groundplane.controlplane.gateway.limits.time.time", lambda: base + time.monotonic() - began)


async def test_who_asks_too_much_waits(services: Services, admin: Somebody) -> None:
    async with limited(services, rate_limit_read="3/hour") as client:
        answers = [await client.get(THING, headers=admin.headers) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert [answer.headers["ratelimit"].split(";")[1] for answer in answers] == ["r=2", "r=1", "r=0", "r=0", "r=0"]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"read";q=3;w=3600'}
    refused = answers[-1]
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "rate_limited"
    assert int(refused.headers["retry-after"]) == refused.json()["context"]["retry_after_seconds"] >= 1
    assert refused.headers["ratelimit"] == f'"read";r=0;t={refused.headers["retry-after"]}'


async def test_each_principal_and_each_class_has_its_own(services: Services, admin: Somebody, make_user: MakeUser) -> None:
    other = await make_user("admin")
    async with limited(services, rate_limit_read="1/hour", rate_limit_write="1/hour") as client:
        assert (await client.get(THING, headers=admin.headers)).status_code == 200
        assert (await client.get(THING, headers=admin.headers)).status_code == 429
        assert (await client.get(THING, headers=other.headers)).status_code == 200
        for expected in (200, 429):
            answer = await client.post("/api/ops/v1/echo", json={"name": "x", "inner": {"count": 1}}, headers=admin.headers)
            assert answer.status_code == expected
        assert answer.headers["ratelimit-policy"].startswith('"write"')


async def test_logins_are_limited_by_address_before_the_password_is_looked_at(services: Services) -> None:
    async with limited(services, rate_limit_login="2/hour") as client:
        answers = [await client.post(LOGIN, json=WRONG) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [401, 401, 429]
        assert answers[-1].headers["ratelimit-policy"] == '"login";q=2;w=3600'
        assert (await client.get(THING)).status_code == 401  # the rest is open to the address


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/common/v1/invitations/join", {"token": "gpi_x", "name": "Ann", "password": "correct horse battery"}),
        ("/api/agent/v1/enrol", {"token": "gpe_x", "nkey": "U"}),
        ("/api/agent/v1/renew", {"nkey": "U", "at": 1, "signature": "AA=="}),
    ],
)
async def test_one_time_tokens_cannot_be_tried_at_will(services: Services, path: str, body: dict[str, object]) -> None:
    async with limited(services, rate_limit_login="2/hour") as client:
        answers = [await client.post(path, json=body) for _ in range(3)]
        assert [answer.status_code == 429 for answer in answers] == [False, False, True]
        assert answers[-1].headers["ratelimit-policy"] == '"login";q=2;w=3600'


async def test_the_consoles_files_are_limited_by_address_apart_from_the_api(services: Services) -> None:
    async with limited(services, rate_limit_console="2/hour", rate_limit_address="1/hour") as client:
        answers = [(await client.get("/console/")).status_code == 429 for _ in range(3)]
        assert answers == [False, False, True]
        assert (await client.get("/console")).status_code == 429
        assert (await client.get(THING)).status_code == 401  # the api is another class


async def test_an_address_is_limited_before_anybody_is_authenticated(services: Services, admin: Somebody) -> None:
    async with limited(services, rate_limit_address="2/hour") as client:
        assert [(await client.get(THING)).status_code for _ in range(3)] == [401, 401, 429]
        assert (await client.get(THING, headers=admin.headers)).status_code == 429
        assert (await client.get("/healthz")).status_code == 200


async def test_an_ipv6_user_has_one_network_not_a_countless_number_of_addresses() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:2") == "2001:db8::/64"
    assert network_of("192.0.2.1") == "192.0.2.1"


async def test_without_limits_nothing_is_counted(services: Services, admin: Somebody) -> None:
    off = dict.fromkeys((f"rate_limit_{name}" for name in ("read", "write", "upload", "login", "address")), "")
    async with limited(services, **off) as client:
        answers = [await client.get(THING, headers=admin.headers) for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    assert not any("ratelimit" in answer.headers for answer in answers)


async def test_a_storage_that_does_not_answer_stops_nobody(
    services: Services, admin: Somebody, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_arguments: object) -> bool:
        raise ConnectionRefusedError

    monkeypatch.setattr(WindowCounts, "acquire_sliding_window_entry", broken)
    async with limited(services, rate_limit_read="1/hour") as client:
        assert {(await client.get(THING, headers=admin.headers)).status_code for _ in range(3)} == {200}


async def test_the_window_slides(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0 * 60
    monkeypatch.setattr("groundplane.controlplane.gateway.limits.time.time", lambda: now)
    counts = WindowCounts()

    async def allowed(at: float) -> int:
        nonlocal now
        now = 1_000_000.0 * 60 + at
        return [await counts.acquire_sliding_window_entry("me", 10, 60) for _ in range(20)].count(True)

    assert [await allowed(at) for at in (59, 60, 90, 119)] == [10, 0, 5, 5]
    assert await allowed(300) == 10
    assert await counts.get_sliding_window("me", 60) == (0, 0.0, 10, 120.0)


async def test_ten_thousand_callers_cost_each_no_more_than_one(services: Services) -> None:
    limits = RateLimits(services.settings)
    for number in range(10_000):
        await limits.refusal("read", str(number), {"state": {}})
    began = time.perf_counter()
    for _ in range(1000):
        await limits.refusal("read", "0", {"state": {}})
    assert (time.perf_counter() - began) / 1000 < 0.0005  # with the library's own memory storage: two milliseconds


TRUSTED = [ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.1", ["198.51.100.1"], "192.0.2.1"),  # whoever is no proxy of ours speaks for nobody
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.1"], "198.51.100.1"),  # what is before it, the client wrote
        ("10.0.0.1", ["203.0.113.9, 198.51.100.1, 10.2.3.4"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.9", "198.51.100.1, 2001:db8::7"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, rubbish"], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", [""], "10.0.0.1"),
    ],
)
def test_the_last_hop_that_is_not_trusted_is_the_client(peer: str, forwarded: list[str], address: str) -> None:
    headers = Headers(raw=[(b"x-forwarded-for", line.encode()) for line in forwarded])
    assert client_address(peer, headers, TRUSTED) == address


async def test_behind_a_proxy_clients_are_limited_each_for_itself(services: Services) -> None:
    settings = {"rate_limit_address": "1/hour", "trusted_proxies": TRUSTED}
    async with limited(services, "10.0.0.1", **settings) as client:
        for forwarded, expected in (("198.51.100.1", 401), ("198.51.100.1", 429), ("198.51.100.2", 401)):
            assert (await client.get(THING, headers={"X-Forwarded-For": forwarded})).status_code == expected


@pytest.mark.parametrize("text", ["many", "0/minute", "10", "10/fortnight"])
def test_a_limit_that_is_none_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(ValidationError):
        Settings(rate_limit_read=text)


def test_a_storage_that_is_not_known_is_refused_at_the_start() -> None:
    with pytest.raises(Exception, match="must specify one of the following schemes"):
        RateLimits(Settings(rate_limit_storage=SecretStr("gopher://somewhere")))
