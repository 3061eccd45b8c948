"""Invitations, groups, service accounts and roles over HTTP: who is let in, what is audited, what is never told again."""

from collections.abc import Sequence
from uuid import UUID

import httpx
import pytest
from tests.controlplane.gateway_frame.conftest import MakeUser, Tenant

from groundplane.controlplane.audit import AuditEvent, page
from groundplane.controlplane.gateway.services import Services
from groundplane.kernel.ids import format_id, new_id

BASE = "/api/common/v1"
PASSWORD = "correct horse battery"


async def _audit(
    services: Services, *, organization_id: UUID | None = None, resource_id: UUID | None = None
) -> Sequence[AuditEvent]:
    async with services.database.transaction() as tx:
        return await page(tx, limit=200, organization_id=organization_id, resource_id=resource_id)


async def test_somebody_new_is_invited_joins_and_is_let_in(
    client: httpx.AsyncClient, make_user: MakeUser, tenant: Tenant, services: Services
) -> None:
    owner = await make_user("owner", tenant.organization_id)
    path = f"{BASE}/organizations/{tenant.organization}/invitations"
    email = f"{new_id().hex}@example.org"
    body = {"email": email, "role": "project_operator", "project_id": tenant.project}
    key = {"Idempotency-Key": new_id().hex}
    made = await client.post(path, json=body, headers=owner.headers | key)
    assert made.status_code == 201, made.text
    token = made.json()["token"]
    again = await client.post(path, json=body, headers=owner.headers | key)
    assert again.json() == made.json()
    assert again.headers["idempotent-replayed"] == "true"
    async with services.database.transaction() as tx:
        stored = await tx.fetch("SELECT body FROM idempotency_key")
    assert all(token not in row["body"] for row in stored)

    listed = (await client.get(path, headers=owner.headers)).json()["items"]
    assert [each["status"] for each in listed if each["email"] == email] == ["open"]
    assert "token" not in listed[0]

    wrong = await client.post(f"{BASE}/invitations/join", json={"token": f"{token}x", "name": "Ann", "password": PASSWORD})
    assert (wrong.status_code, wrong.json()["code"]) == (404, "invalid_invitation")
    weak = await client.post(f"{BASE}/invitations/join", json={"token": token, "name": "Ann", "password": "short"})
    assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
    joined = await client.post(f"{BASE}/invitations/join", json={"token": token, "name": "Ann", "password": PASSWORD})
    assert joined.status_code == 201, joined.text
    assert (joined.json()["user"]["email"], joined.json()["invitation"]["status"]) == (email, "accepted")
    login = (await client.post(f"{BASE}/auth/login", json={"email": email, "password": PASSWORD})).json()
    me = await client.get(f"{BASE}/me", headers={"Authorization": f"Bearer {login['access_token']}"})
    assert [each["role"] for each in me.json()["role_bindings"]] == ["project_operator"]

    events = await _audit(services)
    told = [(event.action, event.outcome, event.code) for event in events if event.resource_kind == "invitation"][:4]
    assert told == [
        ("identity.invitation.join", "allowed", None),
        ("identity.invitation.join", "failed", "weak_password"),
        ("identity.invitation.join", "denied", "invalid_invitation"),
        ("identity.invitation.create", "allowed", None),
    ]
    assert token.partition(".")[2] not in repr(events)
    assert PASSWORD not in repr(events)


async def test_who_has_an_account_accepts_and_a_revoked_invitation_is_worth_nothing(
    client: httpx.AsyncClient, make_user: MakeUser, tenant: Tenant, services: Services
) -> None:
    owner, friend, stranger = await make_user("owner", tenant.organization_id), await make_user(), await make_user()
    path = f"{BASE}/organizations/{tenant.organization}/invitations"
    body = {"email": friend.user.email, "role": "viewer"}
    first, second = [(await client.post(path, json=body, headers=owner.headers)).json() for _ in range(2)]
    accept = f"{BASE}/invitations/accept"
    refused = await client.post(accept, json={"token": first["token"]}, headers=stranger.headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "invited_somebody_else")
    accepted = await client.post(accept, json={"token": first["token"]}, headers=friend.headers)
    assert (accepted.status_code, accepted.json()["status"]) == (200, "accepted")
    event = (await _audit(services, organization_id=tenant.organization_id))[0]
    assert (event.action, event.resource_kind, event.actor_id) == (f"POST {accept}", "invitation", friend.user.id)

    revoked = await client.delete(f"{path}/{second['id']}", headers=owner.headers)
    assert revoked.json()["status"] == "revoked"
    refused = await client.post(accept, json={"token": second["token"]}, headers=friend.headers)
    assert (refused.status_code, refused.json()["code"]) == (404, "invalid_invitation")
    assert (await client.get(path, headers=friend.headers)).status_code == 403
    assert (await client.get(path, headers=stranger.headers)).status_code == 404


async def test_an_organization_admin_runs_it_but_makes_no_owner(
    client: httpx.AsyncClient, make_user: MakeUser, tenant: Tenant, services: Services
) -> None:
    admin, friend = await make_user("organization_admin", tenant.organization_id), await make_user()
    where = f"{BASE}/organizations/{tenant.organization}"
    name = f"g-{new_id().hex}"
    group = (await client.post(f"{where}/groups", json={"name": name}, headers=admin.headers)).json()
    members = f"{where}/groups/{group['id']}/members"
    added = await client.post(members, json={"user": friend.user.email}, headers=admin.headers)
    assert (added.status_code, added.json()["email"]) == (201, friend.user.email)
    event = (await _audit(services, organization_id=tenant.organization_id))[0]
    assert (event.action, event.detail) == ("identity.group.update", {"added": friend.user.email})

    role = {"name": f"r_{new_id().hex}", "permissions": ["compute.vm.*", "compute.ssh_key.read"]}
    custom = (await client.post(f"{where}/roles", json=role, headers=admin.headers)).json()
    bound = await client.post(
        f"{where}/role-bindings",
        json={"group": name, "role": role["name"], "project_id": tenant.project, "expires_at": "2099-01-01T00:00:00Z"},
        headers=admin.headers,
    )
    assert bound.status_code == 201, bound.text
    assert (bound.json()["group_id"], bound.json()["custom_role_id"]) == (group["id"], custom["id"])
    me = (await client.get(f"{BASE}/me", headers=friend.headers)).json()
    assert [each["role"] for each in me["role_bindings"]] == [role["name"]]
    used = await client.delete(f"{where}/roles/{custom['id']}", headers=admin.headers)
    assert (used.status_code, used.json()["code"]) == (409, "role_in_use")

    king = await client.post(f"{where}/role-bindings", json={"group": name, "role": "owner"}, headers=admin.headers)
    assert (king.status_code, king.json()["code"], king.json()["context"]) == (403, "escalation", {"missing": ["*"]})
    event = (await _audit(services, organization_id=tenant.organization_id))[0]
    assert (event.action, event.outcome, event.code) == ("identity.role_binding.create", "denied", "escalation")
    assert (await client.post(f"{where}/invitations", json={"email": "a@b", "role": "owner"}, headers=admin.headers)).json()[
        "code"
    ] == "escalation"

    removed = await client.delete(f"{members}/{format_id('usr', friend.user.id)}", headers=admin.headers)
    assert removed.status_code == 200
    assert (await client.get(f"{BASE}/me", headers=friend.headers)).json()["role_bindings"] == []


async def test_a_project_admin_gives_roles_in_the_project_alone(
    client: httpx.AsyncClient, make_user: MakeUser, tenant: Tenant
) -> None:
    admin = await make_user("project_admin", tenant.organization_id, tenant.project_id)
    friend = await make_user()
    where = f"{BASE}/organizations/{tenant.organization}"
    body = {"user": friend.user.email, "role": "viewer"}
    assert (await client.post(f"{where}/role-bindings", json=body, headers=admin.headers)).status_code == 403
    path = f"{where}/projects/{tenant.project}/role-bindings"
    made = await client.post(path, json=body, headers=admin.headers)
    assert (made.status_code, made.json()["project_id"]) == (201, tenant.project)
    listed = (await client.get(path, headers=admin.headers)).json()["items"]
    assert made.json() in listed
    assert {each["project_id"] for each in listed} == {tenant.project}
    assert (await client.delete(f"{path}/{made.json()['id']}", headers=admin.headers)).json() == made.json()


async def test_a_service_account_is_made_disabled_and_deleted(
    client: httpx.AsyncClient, make_user: MakeUser, tenant: Tenant, services: Services
) -> None:
    owner = await make_user("owner", tenant.organization_id)
    path = f"{BASE}/organizations/{tenant.organization}/service-accounts"
    body = {"name": f"ci-{new_id().hex}", "project_id": tenant.project}
    account = (await client.post(path, json=body, headers=owner.headers)).json()
    assert account["id"].startswith("sa_")
    taken = await client.post(path, json=body, headers=owner.headers)
    assert (taken.status_code, taken.json()["code"]) == (409, "service_account_exists")
    item = f"{path}/{account['id']}"
    assert (await client.post(f"{item}/disable", headers=owner.headers)).json()["disabled_at"] is not None
    assert (await client.post(f"{item}/enable", headers=owner.headers)).json() == account
    assert (await client.get(item, headers=owner.headers)).json() == account
    assert account in (await client.get(path, headers=owner.headers)).json()["items"]
    assert (await client.delete(item, headers=owner.headers)).json() == account
    assert (await client.get(item, headers=owner.headers)).json()["code"] == "service_account_not_found"
    event = (await _audit(services, organization_id=tenant.organization_id))[0]
    assert (event.action, event.resource_kind) == ("identity.service_account.delete", "service_account")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "king", "permissions": ["compute.vm.fly"]}, "/permissions/0"),
        ({"name": "king", "permissions": ["compute.*", "no?.such.[a]"]}, "/permissions/1"),
        ({"name": "king", "permissions": []}, "/permissions"),
        ({"name": "King", "permissions": ["*"]}, "/name"),
    ],
)
async def test_a_role_of_what_there_is_not_is_refused(
    client: httpx.AsyncClient, make_user: MakeUser, tenant: Tenant, body: dict[str, object], pointer: str
) -> None:
    owner = await make_user("owner", tenant.organization_id)
    answer = await client.post(f"{BASE}/organizations/{tenant.organization}/roles", json=body, headers=owner.headers)
    assert answer.status_code == 422, answer.text
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    "body",
    [
        {"role": "viewer"},
        {"user": "a@example.org", "group": "developers", "role": "viewer"},
        {"user": "a@example.org", "role": "viewer", "expires_at": "2099-01-01T00:00:00"},
    ],
)
async def test_a_binding_is_of_one_subject_and_ends_at_a_moment(
    client: httpx.AsyncClient, make_user: MakeUser, tenant: Tenant, body: dict[str, str]
) -> None:
    owner = await make_user("owner", tenant.organization_id)
    answer = await client.post(f"{BASE}/organizations/{tenant.organization}/role-bindings", json=body, headers=owner.headers)
    assert answer.status_code == 422, answer.text


async def test_the_built_in_roles_are_shown_to_everybody(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    somebody = await make_user()
    roles = {role["name"]: role for role in (await client.get(f"{BASE}/roles", headers=somebody.headers)).json()["items"]}
    assert roles["owner"]["levels"] == ["organization"]
    assert roles["viewer"]["levels"] == ["organization", "project"]
    assert roles["admin"]["permissions"] == ["*"]
