"""A user's own password over HTTP: changed by who knows it, and then every other login is over."""

import httpx
from tests.controlplane.gateway_frame.conftest import PASSWORD, MakeUser
from tests.controlplane.gateway_frame.logins import BASE, bearer, log_in, me

from groundplane.controlplane.gateway.services import Services

PATH = f"{BASE}/me/password"
ANOTHER = "another horse battery"


async def test_a_changed_password_is_the_only_one_that_is_good(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services
) -> None:
    somebody = await make_user()
    elsewhere, here = await log_in(client, somebody), await log_in(client, somebody)
    body = {"password": PASSWORD, "new_password": ANOTHER}
    answer = await client.post(PATH, json=body, headers=bearer(here["access_token"]))
    assert (answer.status_code, answer.json()) == (200, {"ended": 1})
    assert (await me(client, elsewhere["access_token"])).status_code == 401
    assert (await me(client, here["access_token"])).status_code == 200
    login = {"email": somebody.user.email, "password": PASSWORD}
    assert (await client.post(f"{BASE}/auth/login", json=login)).status_code == 401
    assert (await client.post(f"{BASE}/auth/login", json=login | {"password": ANOTHER})).status_code == 200
    async with services.database.transaction() as tx:
        kept = await tx.fetch("SELECT to_jsonb(audit_event)::text AS row FROM audit_event")
    assert not [row for row in kept if ANOTHER in row["row"] or PASSWORD in row["row"]]


async def test_who_does_not_know_the_password_changes_nothing_and_is_locked_out(
    client: httpx.AsyncClient, make_user: MakeUser
) -> None:
    somebody = await make_user()
    body = {"password": "wrong wrong wrong", "new_password": ANOTHER}
    codes = [(await client.post(PATH, json=body, headers=somebody.headers)).json()["code"] for _ in range(6)]
    assert codes[0] == "wrong_proof"
    assert codes[-1] == "too_many_attempts"


async def test_a_weak_password_is_refused(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    somebody = await make_user()
    refused = await client.post(PATH, json={"password": PASSWORD, "new_password": "short"}, headers=somebody.headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "weak_password")
    await log_in(client, somebody)
