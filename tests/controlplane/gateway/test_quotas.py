"""Quotas by the api: who reads them, who sets limits of what, and what is answered."""

from typing import Any

import pytest
from tests.controlplane.gateway.conftest import Api, Json

from groundplane.controlplane.resources.quota import dimensions

OPS = "/api/ops/v1"


def _project(api: Api) -> str:
    return f"{OPS}/projects/{api.project.rpartition('/')[2]}/quota"


def _organization(api: Api) -> str:
    return f"{OPS}/organizations/{api.organization.rpartition('/')[2]}/quota"


async def _said(api: Api, method: str, path: str, body: Json | None = None) -> Json:
    answer = await api.call(method, path, json=body)
    assert answer.status_code == 200, answer.text
    said: Json = answer.json()
    return said


# Reading.


async def test_members_of_an_organization_read_what_it_uses(api: Api) -> None:
    await api.made("networks", "lan")
    viewer = await api.as_("viewer", api.cloud.organization_id)
    said = await _said(viewer, "GET", f"{api.organization}/quota")
    assert (said["organization_id"], said["project_id"]) == (api.organization.rpartition("/")[2], None)
    assert set(said["dimensions"]) == set(dimensions(api.services.kinds.values()))
    assert said["dimensions"]["networks"] == {"used": 1, "limit": None, "own": False}
    assert await _said(api, "GET", _organization(api)) == said
    assert await _said(api, "GET", _project(api)) == await viewer.get("/quota")


async def test_strangers_read_nothing(api: Api) -> None:
    stranger = await api.as_(None)
    only_there = await api.as_("viewer", api.cloud.organization_id, api.cloud.project_id)
    assert (await stranger.call("GET", f"{api.organization}/quota")).status_code == 404
    assert (await stranger.call("GET", f"{api.project}/quota")).status_code == 404
    assert (await only_there.call("GET", f"{api.project}/quota")).status_code == 200
    assert (await only_there.call("GET", f"{api.organization}/quota")).status_code == 403


# Setting.


@pytest.mark.parametrize("path", [_project, _organization])
async def test_put_replaces_and_patch_changes(api: Api, path: Any) -> None:
    where = path(api)
    default = (await _said(api, "GET", where))["dimensions"]
    await _said(api, "PUT", where, {"networks": 3, "ports": 4})
    changed = (await _said(api, "PATCH", where, {"ports": None, "vms": 5}))["dimensions"]
    assert [changed[name]["limit"] for name in ("networks", "ports", "vms")] == [3, None, 5]
    assert [changed[name]["own"] for name in ("networks", "ports", "vms", "images")] == [True, True, True, False]
    replaced = (await _said(api, "PUT", where, {"vms": 6}))["dimensions"]
    assert replaced["vms"]["limit"] == 6
    assert replaced["networks"] == default["networks"]


async def test_an_organizations_limit_refuses_in_its_words(api: Api) -> None:
    await _said(api, "PUT", _organization(api), {"networks": 0})
    refused = await api.post("/networks", {"name": "lan"})
    assert (refused.status_code, refused.json()["code"]) == (403, "quota_exceeded")
    assert "organization it's quota of networks is 0; 0 are used and 1 more were asked for" in refused.json()["detail"]
    assert (refused.json()["context"]["of"], refused.json()["context"]["name"]) == ("organization", "it")


async def test_defaults_hold_where_nothing_else_is_said(api: Api) -> None:
    said = await _said(api, "PATCH", f"{OPS}/quota-defaults/projects", {"networks": 1})
    assert (said["of"], said["limits"]["networks"], said["limits"]["vms"]) == ("projects", 1, 10_000)
    assert (await api.get("/quota"))["dimensions"]["networks"] == {"used": 0, "limit": 1, "own": False}
    said = await _said(api, "PUT", f"{OPS}/quota-defaults/organizations", {"vms": 2})
    assert said == await _said(api, "GET", f"{OPS}/quota-defaults/organizations")
    assert said["limits"] == {**dict.fromkeys(dimensions(api.services.kinds.values())), "vms": 2}
    assert (await _said(api, "GET", _organization(api)))["dimensions"]["vms"]["limit"] == 2
    assert (await api.call("GET", f"{OPS}/quota-defaults/users")).status_code == 422


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_only_operators_set_limits(api: Api, method: str) -> None:
    owner = await api.as_("owner", api.cloud.organization_id)
    for path in (_project(api), _organization(api), f"{OPS}/quota-defaults/projects"):
        refused = await owner.call(method, path, json={"vms": 1_000_000})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    event = (await api.cloud.fetch("SELECT * FROM audit_event ORDER BY id DESC LIMIT 1"))[0]
    assert (event["action"], event["outcome"]) == ("resources.quota.update", "denied")


@pytest.mark.parametrize("body", [{"vms": -1}, {"vms": "5"}, {"vms": True}, {"unknown": 1}, {"vms": 1 << 61}, []])
async def test_limits_that_are_none_are_refused(api: Api, body: Any) -> None:
    for path in (_project(api), _organization(api), f"{OPS}/quota-defaults/projects"):
        for method in ("PUT", "PATCH"):
            assert (await api.call(method, path, json=body)).status_code == 422


async def test_limits_of_nothing(api: Api) -> None:
    for path in ("projects/prj_01m846pxs3f4q92cr4rx1eqmxb", "organizations/org_01m846pxs3f4q92cr4rx1eqmxb", "projects/nothing"):
        for method, body in (("GET", None), ("PUT", {}), ("PATCH", {})):
            refused = await api.call(method, f"{OPS}/{path}/quota", json=body)
            assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


# Dry run.


async def test_a_dry_run_tells_the_effect_on_both(api: Api) -> None:
    await api.made("networks", "lan")
    await _said(api, "PUT", _organization(api), {"networks": 9})
    answer = await api.call("POST", f"{api.project}/networks?dry_run=true", json={"name": "it", "count": 3})
    assert answer.json()["quota"] == {"networks": {"used": 1, "after": 4, "limit": 1000}}
    assert answer.json()["organization_quota"] == {"networks": {"used": 1, "after": 4, "limit": 9}}


async def test_a_dry_run_is_refused_by_either(api: Api) -> None:
    await _said(api, "PUT", _organization(api), {"networks": 2})
    answer = await api.call("POST", f"{api.project}/networks?dry_run=true", json={"name": "it", "count": 3})
    assert (answer.status_code, answer.json()["code"]) == (403, "quota_exceeded")
    assert answer.json()["context"]["of"] == "organization"
