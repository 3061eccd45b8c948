"""Traffic rules through the API: operators make, read, change and end them; tenants are told the reason, and nothing else."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.controlplane.gateway.conftest import Api, Json

from groundplane.controlplane.fleet.cluster import CLUSTER
from groundplane.controlplane.jobs.dispatcher import release_held, resume_due
from groundplane.controlplane.resources.organization import ORGANIZATION, OrganizationSpec
from groundplane.controlplane.resources.project import PROJECT, ProjectSpec

RULES = "/api/ops/v1/traffic-rules"


def _soon(**more: float) -> str:
    return (datetime.now(UTC) + timedelta(**(more or {"hours": 1}))).isoformat()


def _pause(**more: Any) -> Json:
    return {"action": "pause", "reason": "The racks move.", "expires_at": _soon(), **more}


async def _made(api: Api, **more: Any) -> Json:
    answer = await api.call("POST", RULES, json=_pause(**more))
    assert answer.status_code == 201, answer.text
    body: Json = answer.json()
    assert answer.headers["Location"] == f"{RULES}/{body['id']}"
    return body


async def _job_of(api: Api, made: Json) -> Json:
    answer = await api.call("GET", made["job"]["href"])
    assert answer.status_code == 200, answer.text
    body: Json = answer.json()
    return body


async def test_a_rule_is_made_read_listed_changed_and_ended(api: Api) -> None:
    made = await _made(api, action="rate", limit=5, kind="network", organization="it", project="it", cluster="it")
    assert made["id"].startswith("trf_")
    assert made["owner_id"].startswith("usr_")
    assert made["organization_id"] == ORGANIZATION.public_id(api.cloud.organization_id)
    assert made["project_id"] == PROJECT.public_id(api.cloud.project_id)
    assert made["cluster_id"] == CLUSTER.public_id(api.cloud.cluster_id)
    assert (made["verbs"], made["expired"], made["held_jobs"]) == (["create", "update"], False, 0)
    path = f"{RULES}/{made['id']}"
    assert (await api.call("GET", path)).json() == made
    assert (await api.call("GET", RULES)).json()["items"] == [made]

    later = _soon(days=2)
    changed = (await api.call("PATCH", path, json={"limit": 9, "reason": "Slower.", "expires_at": later})).json()
    assert (changed["limit"], changed["reason"]) == (9, "Slower.")
    assert datetime.fromisoformat(changed["expires_at"]) == datetime.fromisoformat(later)

    assert (await api.call("DELETE", path)).json()["id"] == made["id"]
    for method in ("GET", "PATCH", "DELETE"):
        answer = await api.call(method, path, json=None if method == "GET" else {})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_each_change_of_rules_is_audited(api: Api) -> None:
    made = await _made(api)
    await api.call("PATCH", f"{RULES}/{made['id']}", json={"reason": "Still."})
    await api.call("DELETE", f"{RULES}/{made['id']}")
    events = (await api.call("GET", "/api/ops/v1/audit-events")).json()["items"][:3]
    assert [event["action"].rpartition(".")[2] for event in events] == ["delete", "update", "create"]
    assert {event["resource_id"] for event in events} == {made["id"]}
    assert {event["project_id"] for event in events} == {None}
    assert events[2]["detail"]["reason"] == "The racks move."


async def test_a_key_makes_one_rule_and_a_dry_run_none(api: Api) -> None:
    body = _pause()
    keyed = {**api.headers, "Idempotency-Key": "once"}
    first, second = [await api.client.post(RULES, headers=keyed, json=body) for _ in range(2)]
    assert first.json() == second.json()
    tried = await api.call("POST", f"{RULES}?dry_run=true", json=body)
    assert (tried.status_code, tried.json()["dry_run"]) == (200, True)
    assert len((await api.call("GET", RULES)).json()["items"]) == 1


async def test_rules_are_paged_and_tell_when_they_are_over(api: Api) -> None:
    made = [await _made(api) for _ in range(3)]
    await api.cloud.execute("UPDATE traffic_rule SET expires_at = now() - interval '1 minute'")
    first = (await api.call("GET", f"{RULES}?limit=2")).json()
    rest = (await api.call("GET", f"{RULES}?limit=2&cursor={first['next']}")).json()
    assert [rule["id"] for rule in first["items"] + rest["items"]] == [rule["id"] for rule in made]
    assert rest["next"] is None
    assert all(rule["expired"] for rule in first["items"])
    assert (await api.call("GET", f"{RULES}?cursor=rubbish")).status_code == 422


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"action": "stop"}, ["/action"]),
        ({"action": "rate"}, ["/limit"]),
        ({"action": "concurrency", "limit": 0}, ["/limit"]),
        ({"limit": 3}, ["/limit"]),
        ({"action": "reject", "verbs": ["correct"]}, ["/verbs"]),
        ({"verbs": []}, ["/verbs"]),
        ({"verbs": ["create", "create"]}, ["/verbs"]),
        ({"verbs": ["bulk"]}, ["/verbs/0"]),
        ({"reason": "  "}, ["/reason"]),
        ({"reason": "nul \0"}, ["/reason"]),
        ({"expires_at": "2020-01-01T00:00:00Z"}, ["/expires_at"]),
        ({"expires_at": "2030-01-01T00:00:00"}, ["/expires_at"]),
        ({"expires_at": _soon(days=31)}, ["/expires_at"]),
        ({"owner": "usr_1"}, ["/owner"]),
        (
            {"organization": "no-such", "project": "no-such", "cluster": "no-such", "kind": "no-such"},
            ["/organization", "/project", "/cluster", "/kind"],
        ),
        ({"kind": "ssh_key"}, ["/kind"]),
        ({"action": "rate", "expires_at": "2020-01-01T00:00:00Z"}, ["/expires_at", "/limit"]),
    ],
)
async def test_what_is_wrong_is_named(api: Api, body: Json, pointers: list[str]) -> None:
    answer = await api.call("POST", RULES, json=_pause(**body))
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == pointers


async def test_a_reason_and_an_expiry_must_be_said(api: Api) -> None:
    answer = await api.call("POST", RULES, json={"action": "pause"})
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/reason", "/expires_at"]


async def test_a_change_is_looked_at_as_the_rule_was(api: Api) -> None:
    path = f"{RULES}/{(await _made(api))['id']}"
    for body, pointer in (({"limit": 3}, "/limit"), ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
                          ({"expires_at": _soon(days=31)}, "/expires_at"), ({"kind": "vm"}, "/kind")):  # fmt: skip
        answer = await api.call("PATCH", path, json=body)
        assert answer.status_code == 422, answer.text
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_a_name_must_say_which_project_is_meant(api: Api) -> None:
    organization = (
        await api.cloud.make(ORGANIZATION, OrganizationSpec(), name="second", project=False, organization=False)
    ).resource
    async with api.cloud.database.transaction() as tx:
        twin = await api.cloud.manager.create(
            tx, PROJECT, ProjectSpec(), name="it", labels={}, actor_id=None, organization_id=organization.id, project_id=None
        )
    answer = await api.call("POST", RULES, json=_pause(project="it"))
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/project"]
    assert (await _made(api, project="it", organization="second"))["project_id"] == PROJECT.public_id(twin.resource.id)
    other = await api.call("POST", RULES, json=_pause(project=PROJECT.public_id(api.cloud.project_id), organization="second"))
    assert [error["pointer"] for error in other.json()["errors"]] == ["/project"]


@pytest.mark.parametrize("role", ["owner", "viewer"])
async def test_no_tenant_sees_or_makes_rules(api: Api, role: str) -> None:
    made = await _made(api)
    tenant = await api.as_(role, api.cloud.organization_id)
    for method, path in (("GET", RULES), ("POST", RULES), ("GET", f"{RULES}/{made['id']}"),
                         ("PATCH", f"{RULES}/{made['id']}"), ("DELETE", f"{RULES}/{made['id']}")):  # fmt: skip
        body = None if method == "GET" else _pause() if method == "POST" else {}
        assert (await tenant.call(method, path, json=body)).status_code == 403
    assert (await api.call("GET", f"{RULES}/{made['id']}")).json() == made


async def test_a_held_tenant_is_told_why_and_is_carried_on_when_the_rule_ends(api: Api) -> None:
    rule = await _made(api, project="it")
    tenant = await api.as_("owner", api.cloud.organization_id)
    answer = await tenant.post("/networks", {"name": "lan"})
    assert answer.status_code == 202
    job = await _job_of(tenant, answer.json())
    assert (job["state"], job["started_at"]) == ("PENDING", None)
    assert job["held"] == {
        "rule_id": rule["id"], "action": "pause", "reason": "The racks move.", "until": rule["expires_at"],
    }  # fmt: skip
    assert "The racks move." in (await tenant.get("/networks/lan/why"))["summary"]
    assert (await api.call("GET", f"{RULES}/{rule['id']}")).json()["held_jobs"] == 1

    await api.call("DELETE", f"{RULES}/{rule['id']}")
    await release_held(api.cloud.database, api.cloud.platform.engine)
    await resume_due(api.cloud.database, api.cloud.platform.engine)
    await api.cloud.run()
    job = await _job_of(tenant, answer.json())
    assert (job["state"], job["held"]) == ("SUCCEEDED", None)


async def test_a_refused_tenant_is_told_why_and_nothing_is_made(api: Api) -> None:
    rule = await _made(api, action="reject", organization="it", kind="network")
    tenant = await api.as_("owner", api.cloud.organization_id)
    for body in ({"name": "lan"}, {"name": "lan", "count": 3}):
        answer = await tenant.post("/networks", body)
        assert answer.status_code == 409
        problem = answer.json()
        assert problem["code"] == "rejected_by_rule"
        assert "The racks move." in problem["detail"]
        assert problem["context"]["rule"] == rule["id"]
        assert datetime.fromisoformat(problem["context"]["expires_at"]) == datetime.fromisoformat(rule["expires_at"])
    assert (await tenant.get("/networks"))["items"] == []
    assert (await tenant.get("/quota"))["dimensions"]["networks"]["used"] == 0
    (event, *_) = (await tenant.get("/audit-events"))["items"]
    assert (event["outcome"], event["code"]) == ("failed", "rejected_by_rule")
    assert (await tenant.post("/security-groups", {"name": "web"})).status_code == 202


async def test_a_held_job_can_be_cancelled_and_its_resource_deleted(api: Api) -> None:
    await _made(api)
    first = (await api.post("/networks", {"name": "first"})).json()
    second = (await api.post("/networks", {"name": "second"})).json()
    assert (await api.call("POST", f"{first['job']['href']}/cancel")).status_code == 202
    assert (await api.call("DELETE", f"{api.project}/networks/second")).status_code == 202
    await api.cloud.run()
    errors = [(await _job_of(api, made))["error"]["code"] for made in (first, second)]
    assert errors == ["cancelled", "superseded"]
    assert (await api.get("/networks"))["items"] == []


async def test_a_dry_run_takes_nothing_of_a_rate(api: Api) -> None:
    await _made(api, action="rate", limit=1)
    assert (await api.call("POST", f"{api.project}/networks?dry_run=true", json={"name": "lan"})).status_code == 200
    made = await api.post("/networks", {"name": "lan"})
    assert (await _job_of(api, made.json()))["held"] is None
