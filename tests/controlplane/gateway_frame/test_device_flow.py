"""The device flow over HTTP, as RFC 8628 wants it."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.controlplane.gateway_frame.conftest import MakeUser
from tests.controlplane.gateway_frame.logins import BASE, events, me, refresh

from groundplane.controlplane.gateway.services import Services

WAITING = f"{BASE}/auth/device/waiting"
GRANT = "urn:ietf:params:oauth:grant-type:device_code"


async def _ask(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.post(f"{BASE}/auth/device", json={}, headers={"User-Agent": "gp"})
    assert answer.status_code == 200, answer.text
    codes: dict[str, Any] = answer.json()
    return codes


async def _poll(client: httpx.AsyncClient, codes: dict[str, Any]) -> httpx.Response:
    body = {"device_code": codes["device_code"], "grant_type": GRANT}
    return await client.post(f"{BASE}/auth/device/token", json=body)


async def _later(services: Services, seconds: int) -> None:
    async with services.database.transaction() as tx:
        await tx.execute(
            """UPDATE device_authorization SET polled_at = polled_at - make_interval(secs => $1),
                      expires_at = expires_at - make_interval(secs => $1)""",
            float(seconds),
        )


async def test_a_device_waits_until_a_person_lets_it_in(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services
) -> None:
    somebody, codes = await make_user(), await _ask(client)
    assert (codes["interval"], codes["expires_in"]) == (5, 600)
    assert codes["verification_uri"] == "http://api/console/device"
    assert codes["user_code"] in codes["verification_uri_complete"]
    waiting = await _poll(client, codes)
    assert (waiting.status_code, waiting.json()["error"], waiting.json()["code"]) == (400, *["authorization_pending"] * 2)
    seen = await client.get(WAITING, params={"user_code": codes["user_code"]}, headers=somebody.headers)
    asked, until = (datetime.fromisoformat(seen.json()[moment]) for moment in ("created_at", "expires_at"))
    assert (seen.json()["address"], seen.json()["user_agent"]) == ("192.0.2.7", "gp")
    assert timedelta(seconds=599) < until - asked < timedelta(seconds=601)
    typed = codes["user_code"].lower().replace("-", " ")
    approved = await client.post(f"{BASE}/auth/device/approve", json={"user_code": typed}, headers=somebody.headers)
    assert approved.json() == {"address": "192.0.2.7", "user_agent": "gp"}
    login = (await _poll(client, codes)).json()
    assert login["user"]["email"] == somebody.user.email
    assert (await me(client, login["access_token"])).status_code == 200
    assert (await refresh(client, login["refresh_token"])).status_code == 200
    event = (await events(services, "identity.session.create"))[0]
    assert (event.outcome, event.actor_id, event.detail["method"]) == ("allowed", somebody.user.id, "device")
    assert (await events(services, f"POST {BASE}/auth/device/approve"))[0].actor_id == somebody.user.id
    assert (await _poll(client, codes)).json()["error"] == "invalid_grant"


async def test_who_polls_too_fast_is_slowed_down_for_good(client: httpx.AsyncClient, services: Services) -> None:
    codes = await _ask(client)
    assert (await _poll(client, codes)).json()["error"] == "authorization_pending"
    assert (await _poll(client, codes)).json()["error"] == "slow_down"
    await _later(services, 6)
    assert (await _poll(client, codes)).json()["error"] == "slow_down"
    await _later(services, 16)
    assert (await _poll(client, codes)).json()["error"] == "authorization_pending"


async def test_a_device_that_is_denied_or_late_gets_nothing(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services
) -> None:
    somebody, denied, late = await make_user(), await _ask(client), await _ask(client)
    code = {"user_code": denied["user_code"]}
    assert (await client.post(f"{BASE}/auth/device/deny", json=code, headers=somebody.headers)).status_code == 200
    assert (await _poll(client, denied)).json()["error"] == "access_denied"
    assert (await client.post(f"{BASE}/auth/device/approve", json=code, headers=somebody.headers)).status_code == 404
    await _later(services, 601)
    assert (await _poll(client, late)).json()["error"] == "expired_token"
    code = {"user_code": late["user_code"]}
    assert (await client.post(f"{BASE}/auth/device/approve", json=code, headers=somebody.headers)).status_code == 404


async def test_an_unknown_device_code_and_another_grant_are_refused(client: httpx.AsyncClient) -> None:
    assert (await _poll(client, {"device_code": "x" * 43})).json()["error"] == "invalid_grant"
    body = {"device_code": "x" * 43, "grant_type": "password"}
    assert (await client.post(f"{BASE}/auth/device/token", json=body)).status_code == 422


@pytest.mark.parametrize("verb", ["approve", "deny"])
async def test_user_codes_cannot_be_guessed(client: httpx.AsyncClient, make_user: MakeUser, verb: str) -> None:
    somebody, codes = await make_user(), await _ask(client)
    for _ in range(5):
        wrong = await client.post(f"{BASE}/auth/device/{verb}", json={"user_code": "BBBB-BBBB"}, headers=somebody.headers)
        assert (wrong.status_code, wrong.json()["code"]) == (404, "user_code_not_found")
    right = {"user_code": codes["user_code"]}
    answer = await client.post(f"{BASE}/auth/device/{verb}", json=right, headers=somebody.headers)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")


async def test_nor_by_looking_who_waits(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    somebody, codes = await make_user(), await _ask(client)
    for _ in range(5):
        wrong = await client.get(WAITING, params={"user_code": "BBBB-BBBB"}, headers=somebody.headers)
        assert (wrong.status_code, wrong.json()["code"]) == (404, "user_code_not_found")
    answer = await client.get(WAITING, params={"user_code": codes["user_code"]}, headers=somebody.headers)
    assert answer.status_code == 429


async def test_what_is_decided_or_late_waits_no_more(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services
) -> None:
    somebody, denied, late = await make_user(), await _ask(client), await _ask(client)
    code = {"user_code": denied["user_code"]}
    await client.post(f"{BASE}/auth/device/deny", json=code, headers=somebody.headers)
    await _later(services, 601)
    for codes in (denied, late):
        seen = await client.get(WAITING, params={"user_code": codes["user_code"]}, headers=somebody.headers)
        assert seen.status_code == 404
    assert (await client.get(WAITING, params={"user_code": late["user_code"]})).status_code == 401


async def test_a_device_of_a_user_disabled_since_gets_nothing(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services
) -> None:
    somebody, codes = await make_user(), await _ask(client)
    code = {"user_code": codes["user_code"]}
    await client.post(f"{BASE}/auth/device/approve", json=code, headers=somebody.headers)
    async with services.database.transaction() as tx:
        await tx.execute("UPDATE user_account SET disabled_at = now() WHERE id = $1", somebody.user.id)
    assert (await _poll(client, codes)).json()["error"] == "access_denied"


async def test_the_device_code_lies_hashed(client: httpx.AsyncClient, services: Services) -> None:
    codes = await _ask(client)
    async with services.database.transaction() as tx:
        text = await tx.value("SELECT string_agg(row::text, ' ') FROM device_authorization AS row")
    assert codes["device_code"] not in text
    assert codes["device_code"].encode().hex() not in text
