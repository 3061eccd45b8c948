"""Whoever fails too often waits, ever longer; whether there is such an account makes no difference."""

from datetime import timedelta

import httpx
import pytest
from tests.controlplane.gateway_frame.conftest import PASSWORD, MakeUser
from tests.controlplane.gateway_frame.logins import BASE, events

from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.identity import account, count_failure, login
from groundplane.kernel.ids import new_id

WRONG = "wrong wrong wrong"


async def _try(client: httpx.AsyncClient, email: str, password: str = WRONG) -> httpx.Response:
    return await client.post(f"{BASE}/auth/login", json={"email": email, "password": password})


async def _later(services: Services, seconds: float) -> None:
    """So much later, as far as lock-out can tell."""
    async with services.database.transaction() as tx:
        past = timedelta(seconds=seconds)
        await tx.execute(
            "UPDATE login_failure SET last_at = last_at - $1::interval, blocked_until = blocked_until - $1::interval", past
        )


@pytest.fixture(autouse=True)
async def _forgiven(services: Services) -> None:
    """This address has a clean sheet."""
    async with services.database.transaction() as tx:
        await tx.execute("DELETE FROM login_failure")


@pytest.mark.parametrize("known", [True, False])
async def test_after_five_failures_the_next_try_waits_ever_longer(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services, known: bool
) -> None:
    email = (await make_user()).user.email if known else f"{new_id().hex}@example.org"
    for _ in range(5):
        assert (await _try(client, email)).status_code == 401
    waits = []
    for _ in range(12):
        refused = await _try(client, email)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_attempts")
        waits.append(int(refused.headers["retry-after"]))
        await _later(services, waits[-1])
        assert (await _try(client, email)).status_code == 401
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
    event = next(each for each in await events(services, "identity.session.create") if each.code == "too_many_attempts")
    assert (event.outcome, event.detail) == ("denied", {"email": email})


async def test_who_waits_is_refused_with_the_right_password_too(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services
) -> None:
    email = (await make_user()).user.email
    for _ in range(5):
        await _try(client, email)
    assert (await _try(client, email.upper(), PASSWORD)).status_code == 429
    await _later(services, 1)
    assert (await _try(client, email, PASSWORD)).status_code == 200


async def test_success_begins_the_count_anew(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    email = (await make_user()).user.email
    for _ in range(3):
        for _ in range(4):
            assert (await _try(client, email)).status_code == 401
        assert (await _try(client, email, PASSWORD)).status_code == 200


async def test_failures_of_long_ago_do_not_count(client: httpx.AsyncClient, make_user: MakeUser, services: Services) -> None:
    email = (await make_user()).user.email
    for _ in range(5):
        await _try(client, email)
    await _later(services, 3601)
    assert (await _try(client, email)).status_code == 401
    assert (await _try(client, email)).status_code == 401


async def test_a_right_guess_in_a_burst_of_wrong_ones_gains_nothing(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    email = (await make_user()).user.email

    async def verify_while_others_fail(_encoded: str | None, _password: str) -> bool:
        for _ in range(5):
            async with services.database.transaction() as tx:
                await count_failure(tx, [account(email)])
        return True

    monkeypatch.setattr(login, "verify_password", verify_while_others_fail)
    assert (await _try(client, email, PASSWORD)).status_code == 429


async def test_one_address_that_tries_many_accounts_waits(client: httpx.AsyncClient, services: Services) -> None:
    for _ in range(2):
        assert (await _try(client, f"{new_id().hex}@example.org")).status_code == 401
    async with services.database.transaction() as tx:  # the other 47, without their hashes
        await tx.execute("UPDATE login_failure SET failures = 49 WHERE failures = 2")
    assert (await _try(client, f"{new_id().hex}@example.org")).status_code == 401
    refused = await _try(client, f"{new_id().hex}@example.org")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")


async def test_what_was_typed_is_not_stored(client: httpx.AsyncClient, services: Services) -> None:
    await _try(client, "my-password-in-the-wrong-field@example.org")
    async with services.database.transaction() as tx:
        assert "my-password" not in await tx.value("SELECT string_agg(login_failure::text, ' ') FROM login_failure")
