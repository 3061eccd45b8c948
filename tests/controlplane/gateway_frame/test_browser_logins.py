"""Login of browsers: the refresh token is in a cookie that no script reads, and no other page can use it."""

import httpx
import pytest
from tests.controlplane.gateway_frame.conftest import PASSWORD, MakeUser, Somebody
from tests.controlplane.gateway_frame.logins import BASE, OWN_PAGE, bearer, events

from groundplane.controlplane.gateway.services import Services

COOKIE = "groundplane_refresh"


async def _log_in(client: httpx.AsyncClient, somebody: Somebody, **headers: str) -> httpx.Response:
    body = {"email": somebody.user.email, "password": PASSWORD, "cookie": True}
    return await client.post(f"{BASE}/auth/login", json=body, headers=headers or OWN_PAGE)


def _token(answer: httpx.Response) -> str:
    return answer.headers["set-cookie"].partition(f"{COOKIE}=")[2].partition(";")[0]


async def _refresh(client: httpx.AsyncClient, token: str, headers: dict[str, str]) -> httpx.Response:
    client.cookies.clear()
    return await client.post(f"{BASE}/auth/refresh", json={}, headers=headers | {"Cookie": f"{COOKIE}={token}"})


async def test_the_refresh_token_is_in_a_closed_cookie_and_never_in_the_body(
    client: httpx.AsyncClient, make_user: MakeUser
) -> None:
    answer = await _log_in(client, await make_user())
    assert answer.status_code == 200, answer.text
    assert answer.json()["refresh_token"] is None
    token = _token(answer)
    assert len(token) >= 43
    assert token not in answer.text
    attributes = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert {"httponly", "samesite=strict", "secure", f"path={BASE}/auth"} <= attributes


async def test_the_cookie_goes_by_plain_http_on_this_machine_alone(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    somebody = await make_user()
    body = {"email": somebody.user.email, "password": PASSWORD, "cookie": True}
    for base, secure in (("http://127.0.0.1:8700", False), ("http://[::1]:1", False), ("https://127.0.0.1", True)):
        headers = OWN_PAGE | {"Origin": base}
        answer = await client.post(f"{base}{BASE}/auth/login", json=body, headers=headers)
        assert ("secure" in answer.headers["set-cookie"].lower()) is secure, base


async def test_a_page_of_ours_refreshes_by_cookie(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    token = _token(await _log_in(client, await make_user()))
    answer = await _refresh(client, token, OWN_PAGE)
    assert answer.status_code == 200, answer.text
    assert answer.json()["refresh_token"] is None
    assert _token(answer) not in {token, ""}


FORGED = [
    {},
    {"Origin": "http://api"},
    {"X-Groundplane-Client": "console"},
    OWN_PAGE | {"Origin": "https://evil.example"},
    OWN_PAGE | {"Origin": "http://api.evil.example"},
    OWN_PAGE | {"Origin": "null"},
    OWN_PAGE | {"Sec-Fetch-Site": "cross-site"},
    OWN_PAGE | {"Sec-Fetch-Site": "same-site"},
    OWN_PAGE | {"Sec-Fetch-Site": "none"},
]


@pytest.mark.parametrize("headers", FORGED)
async def test_a_forged_refresh_is_refused_and_audited_and_uses_nothing_up(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services, headers: dict[str, str]
) -> None:
    token = _token(await _log_in(client, await make_user()))
    answer = await _refresh(client, token, headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "forged_request")
    assert "set-cookie" not in answer.headers
    assert (await events(services, "identity.session.refresh"))[0].code == "forged_request"
    assert (await _refresh(client, token, OWN_PAGE)).status_code == 200


async def test_a_forged_login_is_refused_before_the_password_is_looked_at(
    client: httpx.AsyncClient, make_user: MakeUser
) -> None:
    answer = await _log_in(client, await make_user(), Origin="https://evil.example")
    assert (answer.status_code, answer.json()["code"]) == (403, "forged_request")


async def test_a_form_is_no_json(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    token = _token(await _log_in(client, await make_user()))
    headers = OWN_PAGE | {"Cookie": f"{COOKIE}={token}", "Content-Type": "text/plain"}
    answer = await client.post(f"{BASE}/auth/refresh", content="{}", headers=headers)
    assert answer.status_code == 415


async def test_a_logout_takes_the_cookie_away(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    login = await _log_in(client, await make_user())
    answer = await client.post(f"{BASE}/auth/logout", headers=bearer(login.json()["access_token"]))
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    assert (await _refresh(client, _token(login), OWN_PAGE)).json()["code"] == "invalid_refresh_token"
