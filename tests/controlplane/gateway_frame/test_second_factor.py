"""The second factor over HTTP: a login needs a code, no code is taken twice, and a lost device is no lost account."""

import time

import httpx
import pyotp
import pytest
from tests.controlplane.gateway_frame.conftest import PASSWORD, MakeUser, Somebody
from tests.controlplane.gateway_frame.logins import BASE, bearer, events, log_in

from groundplane.controlplane.gateway.services import Services
from groundplane.kernel.ids import format_id


async def _enrolled(client: httpx.AsyncClient, somebody: Somebody) -> tuple[pyotp.TOTP, list[str]]:
    """A device, confirmed with the code of the time step before, and the recovery codes."""
    begun = await client.post(f"{BASE}/me/totp", headers=somebody.headers)
    assert begun.status_code == 201, begun.text
    device = pyotp.TOTP(begun.json()["secret"])
    body = {"code": device.at(int(time.time()) - 30)}
    confirmed = await client.post(f"{BASE}/me/totp/confirm", json=body, headers=somebody.headers)
    assert confirmed.status_code == 201, confirmed.text
    return device, confirmed.json()["recovery_codes"]


async def _challenge(client: httpx.AsyncClient, somebody: Somebody) -> str:
    answer = await client.post(f"{BASE}/auth/login", json={"email": somebody.user.email, "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (401, "totp_required")
    challenge: str = answer.json()["context"]["challenge"]
    return challenge


async def _finish(client: httpx.AsyncClient, challenge: str, code: str) -> httpx.Response:
    return await client.post(f"{BASE}/auth/totp", json={"challenge": challenge, "code": code})


async def test_an_enrolment_counts_only_once_it_is_confirmed(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    somebody = await make_user()
    begun = (await client.post(f"{BASE}/me/totp", headers=somebody.headers)).json()
    assert begun["uri"].startswith("otpauth://totp/Groundplane:")
    assert begun["secret"] in begun["uri"]
    await log_in(client, somebody)
    wrong = await client.post(f"{BASE}/me/totp/confirm", json={"code": "000000"}, headers=somebody.headers)
    assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_code")
    await log_in(client, somebody)
    _, codes = await _enrolled(client, somebody)
    assert len(set(codes)) == 10
    assert (await client.get(f"{BASE}/me/totp", headers=somebody.headers)).json() == {
        "enabled": True,
        "recovery_codes_left": 10,
    }
    again = await client.post(f"{BASE}/me/totp", headers=somebody.headers)
    assert (again.status_code, again.json()["code"]) == (409, "totp_exists")


async def test_a_login_needs_a_code_and_takes_each_once(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services
) -> None:
    somebody = await make_user()
    device, _ = await _enrolled(client, somebody)
    challenge = await _challenge(client, somebody)
    code = device.now()
    login = await _finish(client, challenge, code)
    assert login.status_code == 200, login.text
    sessions = await client.get(f"{BASE}/me/sessions", headers=bearer(login.json()["access_token"]))
    assert sessions.json()["items"][0]["method"] == "totp"
    replayed = await _finish(client, challenge, code)
    assert (replayed.status_code, replayed.json()["code"]) == (401, "invalid_code")
    event = (await events(services, "identity.session.create"))[0]
    assert (event.outcome, event.code, event.actor_id) == ("denied", "invalid_code", somebody.user.id)


async def test_the_challenge_is_no_token_and_a_token_is_no_challenge(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    somebody = await make_user()
    device, _ = await _enrolled(client, somebody)
    challenge = await _challenge(client, somebody)
    assert (await client.get(f"{BASE}/me", headers=bearer(challenge))).status_code == 401
    token = somebody.headers["Authorization"].removeprefix("Bearer ")
    assert (await _finish(client, token, device.now())).status_code == 401


async def test_a_recovery_code_is_good_once(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    somebody = await make_user()
    _, codes = await _enrolled(client, somebody)
    challenge = await _challenge(client, somebody)
    assert (await _finish(client, challenge, codes[3])).status_code == 200
    assert (await _finish(client, challenge, codes[3])).json()["code"] == "invalid_code"
    assert (await client.get(f"{BASE}/me/totp", headers=somebody.headers)).json()["recovery_codes_left"] == 9


async def test_codes_cannot_be_guessed(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    somebody = await make_user()
    device, _ = await _enrolled(client, somebody)
    challenge = await _challenge(client, somebody)
    for _ in range(5):
        assert (await _finish(client, challenge, "abcdef")).status_code == 401
    assert (await _finish(client, challenge, device.now())).status_code == 429


async def test_the_right_password_alone_does_not_begin_the_count_anew(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    somebody = await make_user()
    await _enrolled(client, somebody)
    for _ in range(5):
        assert (await _finish(client, await _challenge(client, somebody), "abcdef")).status_code == 401
    answer = await client.post(f"{BASE}/auth/login", json={"email": somebody.user.email, "password": PASSWORD})
    assert answer.status_code == 429


async def test_disabling_needs_the_password_or_a_code(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    somebody = await make_user()
    path, proofs = f"{BASE}/me/totp/disable", 0
    for proof in ("password", "code"):
        _, codes = await _enrolled(client, somebody)
        for wrong in ({"password": "wrong wrong wrong"}, {"code": "000000"}):
            refused = await client.post(path, json=wrong, headers=somebody.headers)
            assert (refused.status_code, refused.json()["code"]) == (403, "wrong_proof")
        right = {"password": PASSWORD} if proof == "password" else {"code": codes[0]}
        assert (await client.post(path, json=right, headers=somebody.headers)).status_code == 200
        proofs += 1
        await log_in(client, somebody)
    assert proofs == 2
    for body in ({}, {"password": PASSWORD, "code": "000000"}):
        assert (await client.post(path, json=body, headers=somebody.headers)).status_code == 422


async def test_an_administrator_takes_a_lost_one_away(
    client: httpx.AsyncClient, make_user: MakeUser, admin: Somebody, services: Services
) -> None:
    somebody = await make_user()
    await _enrolled(client, somebody)
    path = f"{BASE}/users/{format_id('usr', somebody.user.id)}/totp"
    assert (await client.delete(path, headers=somebody.headers)).status_code == 403
    assert (await client.delete(path, headers=admin.headers)).status_code == 200
    assert (await events(services, "identity.totp.delete"))[0].resource_id == somebody.user.id
    await log_in(client, somebody)
    assert (await client.delete(path, headers=admin.headers)).json()["code"] == "totp_not_found"


@pytest.mark.parametrize("table", ["totp", "recovery_code", "audit_event", "idempotency_key"])
async def test_secrets_lie_sealed_or_hashed(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services, table: str
) -> None:
    somebody = await make_user()
    headers = somebody.headers | {"Idempotency-Key": "once"}
    begun = (await client.post(f"{BASE}/me/totp", headers=headers)).json()
    again = await client.post(f"{BASE}/me/totp", headers=headers)
    assert again.json() == {"secret": None, "uri": None}
    body = {"code": pyotp.TOTP(begun["secret"]).now()}
    confirmed = await client.post(f"{BASE}/me/totp/confirm", json=body, headers=somebody.headers | {"Idempotency-Key": "two"})
    async with services.database.transaction() as tx:
        text = await tx.value(f"SELECT coalesce(string_agg(row::text, ' '), '') FROM {table} AS row")  # noqa: S608
    for secret in (begun["secret"], *confirmed.json()["recovery_codes"]):
        assert secret not in text
        assert secret.encode().hex() not in text
