"""Projects that were deleted: nowhere to be seen, restored as they were until it is too late, and then gone for good."""

from datetime import timedelta
from typing import Any

import pytest
from tests.controlplane.gateway.conftest import Api, Json

from groundplane.controlplane.reconciler.purge import purge
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.controlplane.resources.project import PROJECT

WEEK = timedelta(days=7)


async def _deleted(api: Api, name: str = "fresh") -> str:
    """A project that was made, with a label, limits and a viewer of its own, and deleted; its id."""
    made = await api.call("POST", f"{api.organization}/projects", json={"name": name, "labels": {"env": "prod"}})
    project: str = made.json()["id"]
    assert (await api.call("PUT", f"/api/ops/v1/projects/{project}/quota", json={"networks": 3})).status_code == 200
    answer = await api.call("DELETE", f"{api.organization}/projects/{name}")
    assert (answer.status_code, answer.json()["status"]) == (200, "deleted")
    return project


async def _restore(api: Api, project: str, **query: str) -> Any:
    return await api.call("POST", f"{api.organization}/projects/{project}/restore", params=query)


async def _listed(api: Api, **query: Any) -> list[Json]:
    answer = await api.call("GET", f"{api.organization}/projects", params=query)
    assert answer.status_code == 200, answer.text
    items: list[Json] = answer.json()["items"]
    return items


async def _pass_days(api: Api, days: float) -> None:
    sql = """UPDATE resource SET deleted_at = deleted_at - $1::interval, reason = 'a test'
             WHERE kind = 'project' AND deleted_at IS NOT NULL"""
    await api.cloud.execute(sql, timedelta(days=days))


async def test_a_deleted_project_is_not_there(api: Api) -> None:
    project = await _deleted(api)
    tenant = await api.as_("owner", api.cloud.organization_id)
    for path in (f"/api/tenant/v1/projects/{project}/networks", f"/api/tenant/v1/projects/{project}/quota"):
        answer = await tenant.call("GET", path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await tenant.call("GET", f"{api.organization}/projects/{project}")).status_code == 404
    assert project not in [each["id"] for each in await _listed(tenant)]


async def test_it_is_listed_when_asked_for_and_says_until_when_it_can_be_restored(api: Api) -> None:
    project = await _deleted(api)
    (listed,) = await _listed(api, deleted="true")
    assert (listed["id"], listed["status"], listed["labels"]) == (project, "deleted", {"env": "prod"})
    assert listed["deleted_at"] < listed["restorable_until"]
    assert [each["name"] for each in await _listed(api, deleted="false")] == ["it"]


async def test_deleted_projects_are_listed_by_the_page_and_each_organization_sees_its_own(api: Api) -> None:
    projects = [await _deleted(api, f"fresh-{number}") for number in range(3)]
    first = (await api.call("GET", f"{api.organization}/projects?deleted=true&limit=2")).json()
    rest = (await api.call("GET", f"{api.organization}/projects?deleted=true&limit=2&cursor={first['next']}")).json()
    assert [each["id"] for each in first["items"] + rest["items"]] == projects
    assert rest["next"] is None
    other = (await api.call("POST", "/api/common/v1/organizations", json={"name": "other"})).json()["id"]
    assert (await api.call("GET", f"/api/common/v1/organizations/{other}/projects?deleted=true")).json()["items"] == []
    answer = await api.call("POST", f"/api/common/v1/organizations/{other}/projects/{projects[0]}/restore")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_it_comes_back_with_its_labels_limits_and_roles(api: Api) -> None:
    made = await api.call("POST", f"{api.organization}/projects", json={"name": "fresh", "labels": {"env": "prod"}})
    project = made.json()["id"]
    number = PROJECT.uuid(project)
    viewer = await api.as_("viewer", api.cloud.organization_id, number)
    await api.call("PUT", f"/api/ops/v1/projects/{project}/quota", json={"networks": 3})
    await api.call("DELETE", f"{api.organization}/projects/fresh")
    assert (await viewer.call("GET", f"/api/tenant/v1/projects/{project}/quota")).status_code == 404

    answer = await _restore(api, project)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["wanted"], answer.json()["labels"]) == ("active", "present", {"env": "prod"})
    quota = (await viewer.call("GET", f"/api/tenant/v1/projects/{project}/quota")).json()["dimensions"]
    assert quota["networks"] == {"used": 0, "limit": 3, "own": True}
    assert [each["name"] for each in await _listed(api, label="env=prod")] == ["fresh"]
    made = await api.call("POST", f"/api/tenant/v1/projects/{project}/networks", json={"name": "lan"})
    assert made.status_code == 202, made.text
    organization = await api.call("DELETE", api.organization)
    assert (organization.status_code, organization.json()["code"]) == (409, "in_use")
    history = await api.call("GET", f"{api.organization}/projects/fresh/history")
    assert history.json()[-1]["reason"] == "restore project"


async def test_a_project_with_something_in_it_is_not_deleted(api: Api) -> None:
    await api.made("networks", "lan")
    answer = await api.call("DELETE", f"{api.organization}/projects/it")
    assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
    assert (await api.get("/networks/lan"))["status"] == "active"
    assert (await api.post("/networks", {"name": "another"})).status_code == 202


async def test_its_name_is_free_and_whoever_took_it_keeps_it(api: Api) -> None:
    project = await _deleted(api)
    assert (await api.call("POST", f"{api.organization}/projects", json={"name": "fresh"})).status_code == 201
    refused = await _restore(api, project)
    assert (refused.status_code, refused.json()["code"]) == (409, "name_taken")
    assert [each["id"] for each in await _listed(api, deleted="true")] == [project]
    await api.call("PATCH", f"{api.organization}/projects/fresh", json={"name": "another"})
    assert (await _restore(api, project)).status_code == 200


async def test_what_was_not_deleted_is_not_restored(api: Api) -> None:
    refused = await _restore(api, api.project.rpartition("/")[2])
    assert (refused.status_code, refused.json()["code"]) == (409, "not_deleted")
    for nothing in ("prj_01m846pxs3f4q92cr4rx1eqmxb", "fresh"):
        refused = await _restore(api, nothing)
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


async def test_after_the_window_it_is_too_late(api: Api) -> None:
    project = await _deleted(api)
    await _pass_days(api, 6.99)
    assert await purge(api.cloud.database, window=WEEK) == 0
    assert len(await _listed(api, deleted="true")) == 1
    await _pass_days(api, 0.02)
    assert await _listed(api, deleted="true") == []
    refused = await _restore(api, project)
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


async def test_the_worker_purges_what_is_left(api: Api) -> None:
    project = PROJECT.uuid(await _deleted(api))
    await api.cloud.execute(
        """INSERT INTO role_binding (id, user_id, role, organization_id, project_id)
           SELECT uuidv7(), id, 'viewer', $1, $2 FROM user_account LIMIT 1""",
        api.cloud.organization_id,
        project,
    )
    await _pass_days(api, 7.01)
    assert await purge(api.cloud.database, window=WEEK) == 1
    assert await purge(api.cloud.database, window=WEEK) == 0
    for left in ("quota_usage WHERE scope_id", "quota_limit WHERE scope_id", "role_binding WHERE project_id"):
        assert await api.cloud.value(f"SELECT count(*) FROM {left} = $1", project) == 0, left  # noqa: S608
    journal = "SELECT reason FROM revision WHERE entity_id = $1 ORDER BY sequence DESC LIMIT 1"
    assert await api.cloud.value(journal, project) == "undo window over"
    audited = await api.cloud.fetch("SELECT * FROM audit_event WHERE action = 'identity.project.purge'")
    assert [(row["resource_id"], row["actor_kind"], row["outcome"]) for row in audited] == [(project, "system", "allowed")]


async def test_an_organization_takes_its_deleted_projects_along(api: Api) -> None:
    other = (await api.call("POST", "/api/common/v1/organizations", json={"name": "other"})).json()["id"]
    path = f"/api/common/v1/organizations/{other}"
    project = (await api.call("POST", f"{path}/projects", json={"name": "fresh"})).json()["id"]
    await api.call("DELETE", f"{path}/projects/fresh")
    assert (await api.call("DELETE", path)).status_code == 200
    refused = await api.call("POST", f"{path}/projects/{project}/restore")
    assert refused.status_code in {404, 422}, refused.text
    assert ORGANIZATION.uuid(other) not in {row["scope_id"] for row in await api.cloud.fetch("SELECT * FROM quota_usage")}


@pytest.mark.parametrize(
    ("role", "in_project", "status"), [("owner", False, 200), ("viewer", False, 403), ("project_admin", True, 403)]
)
async def test_who_may_restore(api: Api, role: str, *, in_project: bool, status: int) -> None:
    """A role in the project alone gives nothing while the project is deleted."""
    project = (await api.call("POST", f"{api.organization}/projects", json={"name": "fresh"})).json()["id"]
    somebody = await api.as_(role, api.cloud.organization_id, PROJECT.uuid(project) if in_project else None)
    await api.call("DELETE", f"{api.organization}/projects/fresh")
    assert (await _restore(somebody, project)).status_code == status


async def test_restoring_is_audited(api: Api) -> None:
    project = await _deleted(api)
    await _restore(api, project)
    row = (await api.cloud.fetch("SELECT * FROM audit_event ORDER BY id DESC LIMIT 1"))[0]
    assert (row["action"], row["outcome"]) == ("identity.project.restore", "allowed")
    assert row["resource_id"] == row["project_id"] == PROJECT.uuid(project)
