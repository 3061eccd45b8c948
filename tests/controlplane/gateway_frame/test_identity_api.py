"""Login, users and bindings over HTTP, and the audit row of each mutation and refusal."""

from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from tests.controlplane.gateway_frame.conftest import MakeUser, Somebody, Tenant

from groundplane.controlplane.audit import AuditEvent, page
from groundplane.controlplane.gateway.services import Services
from groundplane.kernel.ids import format_id, new_id

BASE = "/api/common/v1"
PASSWORD = "correct horse battery"


async def _audit(services: Services, **where: Any) -> Sequence[AuditEvent]:
    async with services.database.transaction() as tx:
        return await page(tx, limit=200, **where)


async def _last(services: Services) -> AuditEvent:
    return (await _audit(services))[0]


async def test_login_answers_a_token_that_works(client: httpx.AsyncClient, make_user: MakeUser, services: Services) -> None:
    somebody = await make_user()
    body = {"email": somebody.user.email.upper(), "password": PASSWORD}
    answer = await client.post(f"{BASE}/auth/login", json=body)
    assert answer.status_code == 200, answer.text
    login = answer.json()
    assert (login["token_type"], login["expires_in"], login["user"]["email"]) == ("Bearer", 900, somebody.user.email)
    me = await client.get(f"{BASE}/me", headers={"Authorization": f"Bearer {login['access_token']}"})
    assert me.json() == {"user": login["user"], "service_account": None, "role_bindings": []}
    event = await _last(services)
    assert (event.action, event.outcome, event.actor_id) == ("identity.session.create", "allowed", somebody.user.id)
    assert (event.address, event.request_id) == ("192.0.2.7", answer.headers["x-request-id"])


async def test_a_failed_login_is_audited_without_the_password(
    client: httpx.AsyncClient, make_user: MakeUser, services: Services
) -> None:
    somebody = await make_user()
    answers = []
    for email in (somebody.user.email, "nobody@example.org"):
        answer = await client.post(f"{BASE}/auth/login", json={"email": email, "password": "wrong secret 123"})
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
        answers.append({key: value for key, value in answer.json().items() if key != "request_id"})
        event = await _last(services)
        assert (event.action, event.outcome, event.code) == ("identity.session.create", "denied", "invalid_credentials")
        assert (event.actor_kind, event.detail) == ("anonymous", {"email": email})
        assert "wrong secret" not in repr(event)
    assert answers[0] == answers[1]


async def test_users_are_made_by_administrators_alone(
    client: httpx.AsyncClient, admin: Somebody, make_user: MakeUser, services: Services
) -> None:
    body = {"email": f"{new_id().hex}@example.org", "name": "Ada", "password": PASSWORD}
    answer = await client.post(f"{BASE}/users", json=body, headers=admin.headers)
    assert answer.status_code == 201, answer.text
    user = answer.json()
    assert answer.headers["location"] == f"{BASE}/users/{user['id']}"
    assert "password" not in answer.text
    event = await _last(services)
    assert (event.action, event.outcome, event.resource_kind) == ("identity.user.create", "allowed", "user")
    assert event.actor_id == admin.user.id
    assert PASSWORD not in repr(event)
    assert (await client.get(f"{BASE}/users/{user['id']}", headers=admin.headers)).json() == user

    again = await client.post(f"{BASE}/users", json=body, headers=admin.headers)
    assert (again.status_code, again.json()["code"]) == (409, "email_taken")
    event = await _last(services)
    assert (event.action, event.outcome, event.code) == ("identity.user.create", "failed", "email_taken")

    weak = await client.post(
        f"{BASE}/users", json={**body, "email": "weak@example.org", "password": "short"}, headers=admin.headers
    )
    assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")

    somebody = await make_user()
    denied = await client.post(f"{BASE}/users", json={**body, "email": "x@example.org"}, headers=somebody.headers)
    assert (denied.status_code, denied.json()["context"]) == (403, {"permission": "identity.user.create"})
    event = await _last(services)
    assert (event.action, event.outcome, event.actor_id) == ("identity.user.create", "denied", somebody.user.id)
    denied = await client.get(f"{BASE}/users", headers=somebody.headers)
    assert denied.status_code == 403
    assert (await _last(services)).action == "identity.user.list"


async def test_reads_that_are_allowed_leave_no_row(client: httpx.AsyncClient, admin: Somebody, services: Services) -> None:
    before = len(await _audit(services))
    assert (await client.get(f"{BASE}/users", headers=admin.headers)).status_code == 200
    assert (await client.get(f"{BASE}/users/usr_x", headers=admin.headers)).status_code == 404
    assert len(await _audit(services)) == before


async def test_users_are_listed_page_by_page(client: httpx.AsyncClient, admin: Somebody, make_user: MakeUser) -> None:
    made = {format_id("usr", (await make_user()).user.id) for _ in range(3)}
    seen: list[str] = []
    query: dict[str, str | int] = {"limit": 2}
    while True:
        answer = (await client.get(f"{BASE}/users", params=query, headers=admin.headers)).json()
        assert len(answer["items"]) <= 2
        seen += [user["id"] for user in answer["items"]]
        if answer["next"] is None:
            break
        query["cursor"] = answer["next"]
    assert made <= set(seen)
    assert seen == sorted(set(seen))
    for bad in ({"cursor": "vm_x"}, {"limit": 0}, {"limit": 201}, {"limit": "x"}):
        assert (await client.get(f"{BASE}/users", params=bad, headers=admin.headers)).status_code == 422


async def test_a_disabled_user_is_out_at_once(client: httpx.AsyncClient, admin: Somebody, make_user: MakeUser) -> None:
    other = await make_user("admin")
    path = f"{BASE}/users/{format_id('usr', other.user.id)}"
    assert (await client.get(path, headers=other.headers)).status_code == 200
    disabled = await client.post(f"{path}/disable", headers=admin.headers)
    assert disabled.json()["disabled_at"] is not None
    assert (await client.get(path, headers=other.headers)).status_code == 401
    assert (await client.get(f"{BASE}/me", headers=other.headers)).status_code == 401


async def test_an_owner_gives_and_takes_roles_in_his_organization_alone(
    client: httpx.AsyncClient, make_user: MakeUser, tenant: Tenant, services: Services
) -> None:
    owner, friend, stranger = await make_user("owner", tenant.organization_id), await make_user(), await make_user()
    path = f"{BASE}/organizations/{tenant.organization}/role-bindings"
    body = {"user": friend.user.email, "role": "viewer", "project_id": tenant.project}
    made = await client.post(path, json=body, headers=owner.headers)
    assert made.status_code == 201, made.text
    binding = made.json()
    assert (binding["organization_id"], binding["project_id"]) == (tenant.organization, tenant.project)
    event = await _last(services)
    assert (event.organization_id, event.project_id) == (tenant.organization_id, tenant.project_id)
    assert (event.resource_kind, event.detail["role"]) == ("role_binding", "viewer")
    me = (await client.get(f"{BASE}/me", headers=friend.headers)).json()
    assert me["role_bindings"] == [binding]

    assert (await client.post(path, json=body, headers=owner.headers)).json()["code"] == "binding_exists"
    king = await client.post(path, json={**body, "role": "admin"}, headers=owner.headers)
    assert (king.status_code, king.json()["errors"][0]["pointer"]) == (422, "/role")
    ghost = await client.post(path, json={**body, "user": "ghost@example.org"}, headers=owner.headers)
    assert (ghost.status_code, ghost.json()["code"]) == (404, "user_not_found")
    platform = await client.post(
        f"{BASE}/role-bindings", json={"user": friend.user.email, "role": "admin"}, headers=owner.headers
    )
    assert platform.status_code == 403
    assert (await client.get(path, headers=friend.headers)).status_code == 403
    listed = (await client.get(path, headers=owner.headers)).json()
    assert binding in listed["items"]

    hidden = await client.get(path, headers=stranger.headers)
    nothing = await client.get(f"{BASE}/organizations/{format_id('org', new_id())}/role-bindings", headers=stranger.headers)
    assert hidden.status_code == nothing.status_code == 404
    assert hidden.json()["detail"] == nothing.json()["detail"]
    event = (await _audit(services, organization_id=tenant.organization_id))[0]
    assert (event.action, event.outcome, event.code) == ("identity.role_binding.list", "denied", "not_found")

    gone = await client.delete(f"{path}/{binding['id']}", headers=owner.headers)
    assert gone.json() == binding
    assert (await client.delete(f"{path}/{binding['id']}", headers=owner.headers)).status_code == 404
    assert (await client.get(f"{BASE}/me", headers=friend.headers)).json()["role_bindings"] == []


async def test_the_last_administrator_stays(client: httpx.AsyncClient, admin: Somebody, services: Services) -> None:
    listed = (await client.get(f"{BASE}/role-bindings", headers=admin.headers)).json()["items"]
    mine = format_id("usr", admin.user.id)
    for binding in listed:
        if binding["user_id"] != mine:
            assert (await client.delete(f"{BASE}/role-bindings/{binding['id']}", headers=admin.headers)).status_code == 200
    (last,) = [binding["id"] for binding in listed if binding["user_id"] == mine]
    refused = await client.delete(f"{BASE}/role-bindings/{last}", headers=admin.headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "last_administrator")
    assert (await client.get(f"{BASE}/users", headers=admin.headers)).status_code == 200


async def test_an_unexpected_failure_of_a_mutation_is_audited_too(
    client: httpx.AsyncClient, admin: Somebody, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("groundplane.controlplane.gateway.identity.users.disable_user", fail)
    answer = await client.post(f"{BASE}/users/{format_id('usr', new_id())}/disable", headers=admin.headers)
    assert answer.status_code == 500
    event = await _last(services)
    assert (event.action, event.outcome, event.code) == ("identity.user.disable", "failed", "internal")
