"""Sessions over HTTP: refresh tokens rotate, a stolen one ends its session, and what was ended is out on every replica."""

import asyncio
import time
from uuid import UUID

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from tests.controlplane.gateway_frame.conftest import MakeUser, Somebody
from tests.controlplane.gateway_frame.logins import BASE, bearer, events, log_in, me, refresh, replica_of, watch_of

from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.identity import watch
from groundplane.kernel.ids import format_id, parse_id


async def _age(services: Services, seconds: int) -> None:
    """So much later, as far as refresh tokens can tell."""
    async with services.database.transaction() as tx:
        await tx.execute("UPDATE refresh_token SET used_at = used_at - make_interval(secs => $1)", float(seconds))


async def _refused_soon(client: httpx.AsyncClient, token: str) -> None:
    """Within three seconds nobody is let in with this token any more."""
    since = time.monotonic()
    while (await me(client, token)).status_code != 401:
        assert time.monotonic() - since < 3
        await asyncio.sleep(0.05)


async def test_a_login_makes_a_session_that_is_listed(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    somebody = await make_user()
    answer = await client.post(
        f"{BASE}/auth/login",
        json={"email": somebody.user.email, "password": "correct horse battery"},
        headers={"User-Agent": "gp/1.0 \x7f(Linux)"},
    )
    first, second = answer.json(), await log_in(client, somebody)
    listed = (await client.get(f"{BASE}/me/sessions", headers=bearer(second["access_token"]))).json()
    assert [session["id"] for session in listed["items"]] == [first["session_id"], second["session_id"]]
    assert [session["current"] for session in listed["items"]] == [False, True]
    shown = listed["items"][0]
    assert (shown["address"], shown["user_agent"], shown["method"]) == ("192.0.2.7", "gp/1.0 (Linux)", "password")
    assert listed["next"] is None
    part = (await client.get(f"{BASE}/me/sessions?limit=1", headers=bearer(second["access_token"]))).json()
    rest = await client.get(f"{BASE}/me/sessions?cursor={part['next']}", headers=bearer(second["access_token"]))
    assert [session["id"] for session in rest.json()["items"]] == [second["session_id"]]


async def test_a_refresh_token_is_good_once_and_gives_its_successor(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    login = await log_in(client, await make_user())
    token = login["refresh_token"]
    seen = {token}
    for _ in range(3):
        renewed = (await refresh(client, token)).json()
        assert renewed["session_id"] == login["session_id"]
        assert (await me(client, renewed["access_token"])).status_code == 200
        token = renewed["refresh_token"]
        assert token not in seen
        seen.add(token)


async def test_tokens_lie_hashed_or_sealed_and_never_in_the_audit_log(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services
) -> None:
    login = await log_in(client, await make_user())
    successor = (await refresh(client, login["refresh_token"])).json()["refresh_token"]
    async with services.database.transaction() as tx:
        for table in ("session", "refresh_token", "audit_event", "idempotency_key"):
            text = await tx.value(f"SELECT coalesce(string_agg(row::text, ' '), '') FROM {table} AS row")  # noqa: S608
            for token in (login["refresh_token"], successor, login["access_token"]):
                assert token not in text
                assert token.encode().hex() not in text


async def test_a_used_refresh_token_that_comes_again_ends_the_session_for_thief_and_victim(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services
) -> None:
    login = await log_in(client, await make_user())
    stolen = login["refresh_token"]
    renewed = (await refresh(client, stolen)).json()
    await _age(services, 11)
    replayed = await refresh(client, stolen)
    assert (replayed.status_code, replayed.json()["code"]) == (401, "refresh_token_reused")
    late = await refresh(client, renewed["refresh_token"])
    assert (late.status_code, late.json()["code"]) == (401, "invalid_refresh_token")
    assert (await me(client, renewed["access_token"])).json()["code"] == "session_ended"
    (denied,) = [each for each in await events(services, "identity.session.refresh") if each.code == "refresh_token_reused"]
    assert (denied.outcome, denied.resource_kind) == ("denied", "session")
    assert format_id("ses", denied.resource_id or denied.id) == login["session_id"]


async def test_an_immediate_repetition_by_the_same_client_gets_the_very_same_successor(
    client: httpx.AsyncClient, make_user: MakeUser
) -> None:
    token = (await log_in(client, await make_user()))["refresh_token"]
    first, again = await asyncio.gather(refresh(client, token), refresh(client, token))
    assert first.json()["refresh_token"] == again.json()["refresh_token"]
    assert first.json()["session_id"] == again.json()["session_id"]


async def test_an_immediate_repetition_by_another_client_ends_the_session(
    client: httpx.AsyncClient, make_user: MakeUser
) -> None:
    token = (await log_in(client, await make_user()))["refresh_token"]
    assert (await refresh(client, token)).status_code == 200
    assert (await refresh(client, token, **{"User-Agent": "thief"})).json()["code"] == "refresh_token_reused"


async def test_a_repetition_after_the_successor_was_used_ends_the_session(
    client: httpx.AsyncClient, make_user: MakeUser
) -> None:
    token = (await log_in(client, await make_user()))["refresh_token"]
    successor = (await refresh(client, token)).json()["refresh_token"]
    assert (await refresh(client, successor)).status_code == 200
    assert (await refresh(client, token)).json()["code"] == "refresh_token_reused"


async def test_rubbish_and_expired_sessions_are_refused(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services
) -> None:
    assert (await refresh(client, "x" * 43)).json()["code"] == "invalid_refresh_token"
    login = await log_in(client, await make_user())
    async with services.database.transaction() as tx:
        session_id = parse_id("ses", login["session_id"])
        await tx.execute("UPDATE session SET expires_at = now() - interval '1 second' WHERE id = $1", session_id)
    assert (await refresh(client, login["refresh_token"])).json()["code"] == "invalid_refresh_token"


async def test_refreshing_does_not_make_a_session_immortal(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services
) -> None:
    login = await log_in(client, await make_user())
    assert login["refresh_expires_in"] == services.settings.session_idle_seconds
    async with services.database.transaction() as tx:
        old = "UPDATE session SET created_at = now() - make_interval(secs => $2) WHERE id = $1"
        await tx.execute(old, parse_id("ses", login["session_id"]), services.settings.session_seconds - 60.0)
    renewed = (await refresh(client, login["refresh_token"])).json()
    assert 50 <= renewed["refresh_expires_in"] <= 60


async def test_a_logout_ends_this_session_and_no_other(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services
) -> None:
    somebody = await make_user()
    here, there = await log_in(client, somebody), await log_in(client, somebody)
    assert (await client.post(f"{BASE}/auth/logout", headers=bearer(here["access_token"]))).status_code == 200
    assert (await me(client, here["access_token"])).json()["code"] == "session_ended"
    assert (await refresh(client, here["refresh_token"])).json()["code"] == "invalid_refresh_token"
    assert (await me(client, there["access_token"])).status_code == 200
    event = (await events(services, f"POST {BASE}/auth/logout"))[0]
    assert (event.outcome, event.resource_kind, event.actor_id) == ("allowed", "session", somebody.user.id)


async def test_a_user_ends_own_sessions_and_nobody_elses(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    somebody, stranger = await make_user(), await make_user()
    here, there, foreign = await log_in(client, somebody), await log_in(client, somebody), await log_in(client, stranger)
    mine = bearer(here["access_token"])
    assert (await client.delete(f"{BASE}/me/sessions/{foreign['session_id']}", headers=mine)).status_code == 404
    ended = await client.delete(f"{BASE}/me/sessions/{there['session_id']}", headers=mine)
    assert (ended.status_code, ended.json()["id"]) == (200, there["session_id"])
    assert (await me(client, there["access_token"])).status_code == 401
    assert (await me(client, foreign["access_token"])).status_code == 200
    assert (await client.delete(f"{BASE}/me/sessions/{there['session_id']}", headers=mine)).status_code == 404
    more = await log_in(client, somebody)
    assert (await client.delete(f"{BASE}/me/sessions", headers=mine)).json() == {"ended": 1}
    assert (await me(client, more["access_token"])).status_code == 401
    assert (await me(client, here["access_token"])).status_code == 200


async def test_an_administrator_ends_all_sessions_of_a_user(
    client: httpx.AsyncClient, make_user: MakeUser, admin: Somebody
) -> None:
    somebody = await make_user()
    login = await log_in(client, somebody)
    path = f"{BASE}/users/{format_id('usr', somebody.user.id)}/sessions"
    assert (await client.get(path, headers=bearer(login["access_token"]))).status_code == 403
    assert [each["id"] for each in (await client.get(path, headers=admin.headers)).json()["items"]] == [login["session_id"]]
    assert (await client.delete(path, headers=admin.headers)).json() == {"ended": 1}
    assert (await me(client, login["access_token"])).json()["code"] == "session_ended"
    assert (await client.delete(f"{BASE}/users/usr_x/sessions", headers=admin.headers)).status_code == 404


async def test_disabling_a_user_ends_his_sessions(
    client: httpx.AsyncClient, make_user: MakeUser, admin: Somebody, services: Services
) -> None:
    somebody = await make_user()
    login = await log_in(client, somebody)
    await client.post(f"{BASE}/users/{format_id('usr', somebody.user.id)}/disable", headers=admin.headers)
    async with services.database.transaction() as tx:
        reason = await tx.value("SELECT revoked_reason FROM session WHERE user_id = $1", somebody.user.id)
    assert reason == "user_disabled"
    assert (await refresh(client, login["refresh_token"])).status_code == 401
    await watch_of(services).look()
    assert (await me(client, login["access_token"])).json()["code"] == "session_ended"


async def test_what_one_process_ends_every_other_refuses_within_seconds_without_a_question_per_request(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services
) -> None:
    login = await log_in(client, await make_user())
    async with replica_of(services) as other:
        assert (await me(other.client, login["access_token"])).status_code == 200
        running = asyncio.create_task(other.watch.run())
        await client.post(f"{BASE}/auth/logout", headers=bearer(login["access_token"]))
        await _refused_soon(other.client, login["access_token"])
        running.cancel()


async def test_anybody_gets_the_keys_that_verify_access_tokens(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    login = await log_in(client, await make_user())
    answer = await client.get(f"{BASE}/.well-known/jwks.json")
    assert answer.headers["cache-control"] == "public, max-age=30"
    keys = KeySet.import_key_set(answer.json())
    claims = jwt.decode(login["access_token"], keys, algorithms=["Ed25519"]).claims
    assert format_id("ses", UUID(claims["sid"])) == login["session_id"]
    assert "d" not in answer.json()["keys"][0]


async def test_a_spoilt_look_does_not_end_the_watch(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.05)
    login = await log_in(client, await make_user())
    async with replica_of(services) as other:
        spoilt = services.settings.key_directory / "token-signing-20200101T000000Z.pem"
        spoilt.write_text("no key")
        running = asyncio.create_task(other.watch.run())
        await asyncio.sleep(0.2)
        spoilt.unlink()
        await client.post(f"{BASE}/auth/logout", headers=bearer(login["access_token"]))
        await _refused_soon(other.client, login["access_token"])
        running.cancel()


async def test_a_session_that_ends_during_a_look_is_not_forgotten(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services
) -> None:
    login = await log_in(client, await make_user())
    session_id = parse_id("ses", login["session_id"])
    assert session_id is not None
    looking = asyncio.create_task(services.revocations.refresh(services.database, lives_seconds=900))
    await asyncio.sleep(0)  # the look has begun, its question is not answered
    services.revocations.add(session_id)
    await looking
    assert session_id in services.revocations


async def test_ended_sessions_are_remembered_as_long_as_their_tokens_live_and_no_longer(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services
) -> None:
    login = await log_in(client, await make_user())
    await client.post(f"{BASE}/auth/logout", headers=bearer(login["access_token"]))
    session_id = parse_id("ses", login["session_id"])
    async with replica_of(services) as other:
        for seconds, remembered in ((890, True), (1200, False)):
            async with services.database.transaction() as tx:
                ago = "UPDATE session SET revoked_at = now() - make_interval(secs => $2) WHERE id = $1"
                await tx.execute(ago, session_id, float(seconds))
            await other.watch.look()
            assert (session_id in other.services.revocations) is remembered
