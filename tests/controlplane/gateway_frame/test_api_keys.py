"""API keys over HTTP: what they open, what they never do, and that they end within seconds on every replica."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI, Request
from tests.controlplane.gateway_frame.conftest import MakeUser, Somebody, Tenant
from tests.controlplane.gateway_frame.logins import BASE, bearer, events, me, replica_of, watch_of

from groundplane.controlplane.gateway.auth import Authentication, current_actor
from groundplane.controlplane.gateway.middleware import Frame
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.identity import Actor
from groundplane.kernel.ids import format_id, new_id, parse_id


async def _key(client: httpx.AsyncClient, somebody: Somebody, **more: object) -> dict[str, str]:
    answer = await client.post(f"{BASE}/me/api-keys", json={"name": "ci", **more}, headers=somebody.headers)
    assert answer.status_code == 201, answer.text
    made: dict[str, str] = answer.json()
    return made


async def _bearer_of(services: Services, token: str) -> Actor:
    """Who the platform takes the bearer of this token for."""
    app, seen = FastAPI(), []

    @app.get("/who")
    async def who(request: Request) -> None:
        seen.append(current_actor(request))

    app.add_middleware(Authentication, services=services, audience="api", open_paths=())
    app.add_middleware(Frame)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        answer = await client.get("/who", headers=bearer(token))
    assert answer.status_code == 200, answer.text
    actor: Actor = seen[0]
    return actor


@pytest.fixture
async def service_account(services: Services, tenant: Tenant) -> UUID:
    """A service account of the tenant."""
    account_id = new_id()
    async with services.database.transaction() as tx:
        await tx.execute(
            """INSERT INTO service_account (id, organization_id, name, description, created_at)
               VALUES ($1, $2, $3, '', now())""",
            account_id,
            tenant.organization_id,
            f"robot-{account_id.hex}",
        )
    return account_id


async def test_a_key_is_its_owner(client: httpx.AsyncClient, make_user: MakeUser, services: Services) -> None:
    somebody = await make_user()
    key = await _key(client, somebody)
    assert key["token"].startswith("gp_")
    assert len(key["token"]) == 88
    answer = await me(client, key["token"])
    assert answer.json()["user"]["email"] == somebody.user.email
    assert await _bearer_of(services, key["token"]) == Actor(somebody.user.id, "user", somebody.user.email, None)
    listed = (await client.get(f"{BASE}/me/api-keys", headers=somebody.headers)).json()["items"]
    assert [each["id"] for each in listed] == [key["id"]]
    assert "token" not in listed[0]


async def test_a_key_carries_its_scopes(client: httpx.AsyncClient, make_user: MakeUser, services: Services) -> None:
    key = await _key(client, await make_user(), scopes=["compute.vm.*", "*.list"])
    assert (await _bearer_of(services, key["token"])).scopes == ("compute.vm.*", "*.list")


@pytest.mark.parametrize("scopes", [[], ["Compute"], ["a b"], [""], ["x" * 101]])
async def test_scopes_that_are_none_are_refused(client: httpx.AsyncClient, make_user: MakeUser, scopes: list[str]) -> None:
    body = {"name": "ci", "scopes": scopes}
    assert (await client.post(f"{BASE}/me/api-keys", json=body, headers=(await make_user()).headers)).status_code == 422


async def test_the_secret_is_stored_hashed_and_told_once(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services
) -> None:
    somebody = await make_user()
    headers = somebody.headers | {"Idempotency-Key": "once"}
    first = (await client.post(f"{BASE}/me/api-keys", json={"name": "ci"}, headers=headers)).json()
    again = (await client.post(f"{BASE}/me/api-keys", json={"name": "ci"}, headers=headers)).json()
    assert again == first | {"token": None}
    secret = first["token"][29:81]
    async with services.database.transaction() as tx:
        for table in ("api_key", "audit_event", "idempotency_key"):
            text = await tx.value(f"SELECT string_agg(row::text, ' ') FROM {table} AS row")  # noqa: S608
            assert secret not in text
            assert secret.encode().hex() not in text


async def test_a_mistyped_key_is_refused_without_a_look_into_the_database(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services
) -> None:
    token = (await _key(client, await make_user()))["token"]
    blind = replace(services, database=None)  # type: ignore[arg-type]  # whoever looks finds nothing to look into
    app = FastAPI()
    app.add_middleware(Authentication, services=blind, audience="api", open_paths=())
    app.add_middleware(Frame)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as stranger:
        changed = token[:40] + ("a" if token[40] != "a" else "b") + token[41:]
        for wrong in (changed, token[:-1], token + "a", "gp_", "gp_é"):
            answer = await stranger.get("/", headers={b"Authorization": f"Bearer {wrong}".encode()})
            assert answer.status_code == 401, wrong


async def test_a_well_formed_key_with_another_secret_is_refused(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    somebody = await make_user()
    mine, other = (await _key(client, somebody))["token"], (await _key(client, somebody))["token"]
    from groundplane.controlplane.identity.api_keys import _checksum  # noqa: PLC0415  # forged as a thief would

    text = mine[:29] + other[29:81]
    assert (await me(client, text + _checksum(text))).status_code == 401


async def test_a_revoked_key_is_out_on_every_replica(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services
) -> None:
    somebody = await make_user()
    key = await _key(client, somebody)
    async with replica_of(services) as other:
        assert (await me(other.client, key["token"])).status_code == 200  # and remembered there
        revoked = await client.delete(f"{BASE}/me/api-keys/{key['id']}", headers=somebody.headers)
        assert revoked.json()["revoked_at"] is not None
        assert (await me(client, key["token"])).json()["code"] == "session_ended"
        await other.watch.look()
        assert (await me(other.client, key["token"])).json()["code"] == "session_ended"
    assert (await client.delete(f"{BASE}/me/api-keys/{key['id']}", headers=somebody.headers)).status_code == 404
    assert (await events(services, f"DELETE {BASE}/me/api-keys/{key['id']}"))[0].code == "api_key_not_found"


async def test_a_key_expires(client: httpx.AsyncClient, make_user: MakeUser, services: Services) -> None:
    somebody = await make_user()
    soon = datetime.now(UTC) + timedelta(hours=1)
    key = await _key(client, somebody, expires_at=soon.isoformat())
    async with services.database.transaction() as tx:
        past = "UPDATE api_key SET expires_at = now() - interval '1 second' WHERE id = $1"
        await tx.execute(past, parse_id("key", key["id"]))
    assert (await me(client, key["token"])).json()["code"] == "token_expired"


@pytest.mark.parametrize("when", ["2020-01-01T00:00:00Z", "9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+23:00", "soon"])
async def test_a_key_that_never_was_or_never_ends_is_refused(client: httpx.AsyncClient, make_user: MakeUser, when: str) -> None:
    body = {"name": "ci", "expires_at": when}
    late = await client.post(f"{BASE}/me/api-keys", json=body, headers=(await make_user()).headers)
    assert (late.status_code, late.json()["errors"][0]["pointer"]) == (422, "/expires_at")


async def test_the_key_of_a_disabled_user_opens_nothing(
    client: httpx.AsyncClient, make_user: MakeUser, admin: Somebody
) -> None:
    somebody = await make_user()
    key = await _key(client, somebody)
    await client.post(f"{BASE}/users/{format_id('usr', somebody.user.id)}/disable", headers=admin.headers)
    assert (await me(client, key["token"])).status_code == 401


async def test_last_use_is_written_at_most_once_a_minute(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services
) -> None:
    somebody = await make_user()
    key = await _key(client, somebody)
    watch = watch_of(services)

    async def last_use() -> str | None:
        listed = (await client.get(f"{BASE}/me/api-keys", headers=somebody.headers)).json()["items"]
        used: str | None = listed[0]["last_used_at"]
        return used

    assert await last_use() is None
    await me(client, key["token"])
    assert await last_use() is None
    await watch.look()
    first = await last_use()
    assert first is not None
    await me(client, key["token"])
    await watch.look()
    assert await last_use() == first


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/me/api-keys", {"name": "more"}),
        ("GET", "/me/api-keys", None),
        ("DELETE", "/me/api-keys/key_x", None),
        ("GET", "/me/sessions", None),
        ("DELETE", "/me/sessions", None),
        ("POST", "/me/totp", None),
        ("POST", "/me/totp/confirm", {"code": "000000"}),
        ("POST", "/me/totp/disable", {"code": "000000"}),
        ("POST", "/me/password", {"password": "a", "new_password": "b"}),
        ("POST", "/auth/logout", None),
        ("POST", "/auth/device/approve", {"user_code": "BCDF-GHJK"}),
        ("POST", "/auth/device/deny", {"user_code": "BCDF-GHJK"}),
    ],
)
async def test_no_key_manages_credentials(
    client: httpx.AsyncClient, make_user: MakeUser, method: str, path: str, body: dict[str, str] | None
) -> None:
    key = await _key(client, await make_user())
    answer = await client.request(method, f"{BASE}{path}", json=body, headers=bearer(key["token"]))
    assert (answer.status_code, answer.json()["code"]) == (403, "session_required")


async def test_a_service_accounts_key(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services, tenant: Tenant, service_account: UUID
) -> None:
    owner = await make_user("owner", tenant.organization_id)
    path = f"{BASE}/organizations/{tenant.organization}/service-accounts/{format_id('sa', service_account)}/api-keys"
    made = await client.post(path, json={"name": "ci", "scopes": ["compute.*"]}, headers=owner.headers)
    assert made.status_code == 201, made.text
    key = made.json()
    assert (key["user_id"], key["organization_id"]) == (None, tenant.organization)
    actor = await _bearer_of(services, key["token"])
    assert actor == Actor(service_account, "service_account", f"robot-{service_account.hex}", ("compute.*",))
    assert [each["id"] for each in (await client.get(path, headers=owner.headers)).json()["items"]] == [key["id"]]
    event = (await events(services, "identity.api_key.create"))[0]
    assert (event.organization_id, event.resource_kind) == (tenant.organization_id, "api_key")
    assert (await client.delete(f"{path}/{key['id']}", headers=owner.headers)).status_code == 200
    assert (await me(client, key["token"])).json()["code"] == "session_ended"


async def test_a_scoped_key_makes_no_key_that_can_do_more(
    client: httpx.AsyncClient, make_user: MakeUser, tenant: Tenant, service_account: UUID
) -> None:
    key = await _key(client, await make_user("owner", tenant.organization_id), scopes=["identity.*"])
    path = f"{BASE}/organizations/{tenant.organization}/service-accounts/{format_id('sa', service_account)}/api-keys"
    refused = await client.post(path, json={"name": "ci"}, headers=bearer(key["token"]))
    assert (refused.status_code, refused.json()["code"]) == (403, "session_required")


async def test_a_disabled_service_accounts_key_opens_nothing(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services, tenant: Tenant, service_account: UUID
) -> None:
    owner = await make_user("owner", tenant.organization_id)
    path = f"{BASE}/organizations/{tenant.organization}/service-accounts/{format_id('sa', service_account)}/api-keys"
    key = (await client.post(path, json={"name": "ci"}, headers=owner.headers)).json()
    async with services.database.transaction() as tx:
        await tx.execute("UPDATE service_account SET disabled_at = now() WHERE id = $1", service_account)
    assert (await me(client, key["token"])).status_code == 401
    assert (await client.post(path, json={"name": "ci"}, headers=owner.headers)).status_code == 404


async def test_who_is_foreign_sees_no_service_account(
    client: httpx.AsyncClient, make_user: MakeUser, tenant: Tenant, service_account: UUID
) -> None:
    stranger, viewer = await make_user(), await make_user("viewer", tenant.organization_id)
    path = f"{BASE}/organizations/{tenant.organization}/service-accounts/{format_id('sa', service_account)}/api-keys"
    assert (await client.post(path, json={"name": "ci"}, headers=stranger.headers)).status_code == 404
    assert (await client.post(path, json={"name": "ci"}, headers=viewer.headers)).status_code == 403
    other = path.replace(format_id("sa", service_account), format_id("sa", new_id()))
    owner = await make_user("owner", tenant.organization_id)
    assert (await client.post(other, json={"name": "ci"}, headers=owner.headers)).status_code == 404
