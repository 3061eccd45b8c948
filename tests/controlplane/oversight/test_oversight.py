"""Quota and its limits, audit log, drift, incidents and the hosts' health, through the api and as each role sees them."""

import re
from typing import Any

import pytest
from tests.controlplane.cloud import Cloud
from tests.controlplane.gateway.conftest import Api, Json
from tests.controlplane.scenes import boot_machine, machine, prepare

from groundplane.controlplane.compute.vm import VM
from groundplane.controlplane.fleet.host import HOST
from groundplane.controlplane.resources.project import PROJECT
from groundplane.controlplane.resources.quota import dimensions
from groundplane.kernel.ids import format_id, new_id

OPS = "/api/ops/v1"
RAW_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


async def ops(api: Api, path: str, **query: Any) -> Json:
    """Read below the operators' namespace; no answer may hold an id of the database."""
    answer = await api.call("GET", OPS + path, params=query)
    assert answer.status_code == 200, answer.text
    assert not RAW_ID.search(answer.text), answer.text
    body: Json = answer.json()
    return body


async def set_quota(api: Api, limits: Json, project: str | None = None) -> Any:
    """PUT a project's limits."""
    project = project or PROJECT.public_id(api.cloud.project_id)
    return await api.call("PUT", f"{OPS}/projects/{project}/quota", json=limits)


async def walk(api: Api, path: str, **query: Any) -> list[Json]:
    """All of a list, one on each page."""
    found, cursor = [], None
    while True:
        page = await ops(api, path, limit=1, **query, **({"cursor": cursor} if cursor else {}))
        found += page["items"]
        assert len(page["items"]) <= 1
        cursor = page["next"]
        if cursor is None:
            return found


async def drifting(cloud: Cloud) -> Any:
    """A machine that was destroyed behind the platform's back, and was seen so."""
    vm = await boot_machine(cloud)
    cloud.engine.outside_destroy(vm.id)
    await cloud.sees("vm", vm.id)
    return vm


# Quota


async def test_what_a_project_uses_and_may_use(api: Api) -> None:
    await boot_machine(api.cloud)
    viewer = await api.as_("viewer", api.cloud.organization_id)
    answer = await viewer.get("/quota")
    assert answer["project_id"] == PROJECT.public_id(api.cloud.project_id)
    assert set(answer["dimensions"]) == set(dimensions(api.services.kinds.values()))
    assert answer["dimensions"]["vms"] == {"used": 1, "limit": 10_000, "own": False}
    assert answer["dimensions"]["memory_mib"]["used"] == 512


async def test_a_limit_that_is_set_is_kept_from_then_on(api: Api) -> None:
    answer = await set_quota(api, {"networks": 1})
    assert answer.status_code == 200, answer.text
    assert answer.json()["dimensions"]["networks"] == {"used": 0, "limit": 1, "own": True}
    assert answer.json()["dimensions"]["vms"]["limit"] == 10_000
    assert (await api.post("/networks", {"name": "one"})).status_code == 202
    refused = await api.post("/networks", {"name": "two"})
    assert (refused.status_code, refused.json()["code"]) == (403, "quota_exceeded")


async def test_limits_are_replaced_as_a_whole_and_are_one_projects_own(api: Api) -> None:
    await set_quota(api, {"networks": 1})
    await set_quota(api, {"vms": 2})
    limits = {name: each["limit"] for name, each in (await api.get("/quota"))["dimensions"].items()}
    assert (limits["vms"], limits["networks"]) == (2, 1000)
    other = await api.call("POST", f"{api.organization}/projects", json={"name": "other"})
    answer = await api.call("GET", f"/api/tenant/v1/projects/{other.json()['id']}/quota")
    assert answer.json()["dimensions"]["vms"]["limit"] == 10_000


async def test_a_limit_below_what_is_used_takes_nothing_away(api: Api) -> None:
    await api.made("networks", "lan")
    answer = await set_quota(api, {"networks": 0})
    assert answer.json()["dimensions"]["networks"] == {"used": 1, "limit": 0, "own": True}
    assert (await api.get("/networks/lan"))["status"] == "active"


async def test_owners_may_not_raise_their_own_limits(api: Api) -> None:
    owner = await api.as_("owner", api.cloud.organization_id)
    refused = await set_quota(owner, {"vms": 1_000_000})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert (await api.get("/quota"))["dimensions"]["vms"]["limit"] == 10_000
    assert await api.cloud.value("SELECT count(*) FROM quota_limit") == 2


@pytest.mark.parametrize(
    "limits", [{"vms": -1}, {"vms": "5"}, {"vms": 1.5}, {"vms": True}, {"vms": 1 << 63}, {"unknown": 1}, []]
)
async def test_limits_that_are_none_are_refused(api: Api, limits: Any) -> None:
    assert (await set_quota(api, limits)).status_code == 422
    assert await api.cloud.value("SELECT count(*) FROM quota_limit") == 2


@pytest.mark.parametrize("project", ["prj_01m846pxs3f4q92cr4rx1eqmxb", "nothing", "vm_01m846pxs3fjxv75yq79n0fmz4"])
async def test_limits_of_no_project(api: Api, project: str) -> None:
    refused = await set_quota(api, {"vms": 1}, project)
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


async def test_setting_limits_is_audited_where_the_projects_people_see_it(api: Api) -> None:
    await set_quota(api, {"vms": 7})
    viewer = await api.as_("viewer", api.cloud.organization_id)
    event = (await viewer.get("/audit-events"))["items"][0]
    assert (event["action"], event["outcome"], event["actor_kind"]) == ("resources.quota.update", "allowed", "user")
    assert event["resource_id"] == event["project_id"] == PROJECT.public_id(api.cloud.project_id)
    assert event["detail"] == {"limits": {"vms": 7}}


# The audit log


async def test_the_audit_log_names_who_did_what_to_which(api: Api) -> None:
    network = await api.made("networks", "lan")
    assert (await api.post("/networks", {"name": "lan"})).status_code == 409
    failed, made = (await ops(api, "/audit-events"))["items"][:2]
    assert (made["action"], made["outcome"], made["code"]) == ("network.network.create", "allowed", None)
    assert (made["resource_kind"], made["resource_id"]) == ("network", network["id"])
    assert made["actor_id"].startswith("usr_")
    assert made["id"].startswith("aud_")
    assert (failed["outcome"], failed["code"]) == ("failed", "name_taken")


async def test_a_project_shows_only_its_own_events(api: Api) -> None:
    await api.made("networks", "lan")
    await api.call("POST", "/api/common/v1/organizations", json={"name": "elsewhere"})
    everything = await walk(api, "/audit-events")
    own = (await api.get("/audit-events"))["items"]
    assert {event["resource_kind"] for event in own} == {"network"}
    assert {event["resource_kind"] for event in everything} == {"network", "organization"}
    assert [event["id"] for event in everything] == sorted((event["id"] for event in everything), reverse=True)


# Drift


async def test_drift_shows_both_sides_until_it_is_corrected(api: Api) -> None:
    vm = await drifting(api.cloud)
    (drift,) = (await api.get("/drift"))["items"]
    assert drift["id"].startswith("drf_")
    assert (drift["resource_id"], drift["resource_kind"], drift["resource_name"]) == (VM.public_id(vm.id), "vm", "it")
    assert (drift["difference"], drift["source"], drift["decision"]) == ("wrong_state", "event", "correct")
    assert drift["fields"] == {"power": {"wanted": "running", "observed": "stopped"}}
    assert (drift["job_id"], drift["resolved_at"]) == (None, None)

    await api.cloud.correct()
    await api.cloud.run()
    await api.cloud.correct()
    assert (await api.get("/drift"))["items"] == []
    (drift,) = (await api.get("/drift?open_only=false"))["items"]
    assert drift["resolved_at"] is not None
    job = await api.get(f"/jobs/{drift['job_id']}")
    assert (job["state"], job["resource_id"]) == ("SUCCEEDED", drift["resource_id"])


async def test_operators_see_everybodys_drift_and_page_through_it(api: Api) -> None:
    vm = await drifting(api.cloud)
    # Nobody's: what an engine holds of a resource that the platform never had.
    await api.cloud.execute(
        """INSERT INTO drift (resource_id, kind, difference, fields, source, decision)
           VALUES (uuidv7(), 'volume', 'orphan', '{}', 'inventory', 'alert')"""
    )
    orphan, own = await walk(api, "/drift")
    assert own["resource_id"] == VM.public_id(vm.id)
    assert (orphan["resource_name"], orphan["project_id"], orphan["resource_id"][:4]) == (None, None, "vol_")
    assert [each["id"] for each in (await api.get("/drift"))["items"]] == [own["id"]]


async def test_another_project_shows_none_of_it(api: Api) -> None:
    await drifting(api.cloud)
    other = await api.call("POST", f"{api.organization}/projects", json={"name": "other"})
    answer = await api.call("GET", f"/api/tenant/v1/projects/{other.json()['id']}/drift")
    assert answer.json() == {"items": [], "next": None}


# Incidents and hosts


async def test_incidents_name_what_they_are_about_and_close_by_themselves(api: Api) -> None:
    await api.cloud.heartbeat(reachable=False)
    await api.cloud.incidents()
    (incident,) = [each for each in await walk(api, "/incidents") if each["code"] == "host_unreachable"]
    (host_id,) = api.cloud.hosts
    assert (incident["subject_kind"], incident["subject_id"]) == ("host", HOST.public_id(host_id))
    assert incident["id"].startswith("inc_")
    assert "no answer" in incident["detail"]
    await api.cloud.heartbeat()
    await api.cloud.incidents()
    assert "host_unreachable" not in {each["code"] for each in (await ops(api, "/incidents"))["items"]}
    (closed,) = [each for each in await walk(api, "/incidents", open_only=False) if each["code"] == "host_unreachable"]
    assert closed["closed_at"] is not None


async def test_incidents_about_what_is_no_resource_have_public_ids_too(api: Api) -> None:
    vm = await boot_machine(api.cloud)
    job = await api.cloud.last_job(vm.id)
    await api.cloud.execute(
        """INSERT INTO report_set_aside (message, error) VALUES ('{}', 'nonsense');
           INSERT INTO incident (code, subject_id, detail) SELECT 'report_set_aside', id, '' FROM report_set_aside"""
    )
    await api.cloud.execute("INSERT INTO incident (code, subject_id, detail) VALUES ('job_overdue', $1, '')", job.id)
    await api.cloud.execute(
        "INSERT INTO incident (code, subject_id, detail, context) VALUES ('correction_failed', $1, '', $2)",
        vm.id,
        {"job_id": str(job.id), "drift_id": str(new_id()), "code": "x", "provider_id": "not an id", "attempts": 2},
    )
    found = {each["code"]: each for each in (await ops(api, "/incidents"))["items"]}
    assert found["report_set_aside"]["subject_id"].startswith("rpt_")
    assert found["job_overdue"]["subject_id"] == format_id("job", job.id)
    failed = found["correction_failed"]
    assert failed["subject_id"] == VM.public_id(vm.id)
    assert failed["context"].pop("drift_id").startswith("drf_")
    assert failed["context"] == {
        "job_id": format_id("job", job.id), "code": "x", "provider_id": "not an id", "attempts": 2,
    }  # fmt: skip


async def test_the_hosts_health(api: Api) -> None:
    (first,) = api.cloud.hosts
    await api.cloud.heartbeat()
    await api.cloud.pass_time(20)
    await api.cloud.add_host("never-seen")
    seen, never = await walk(api, "/hosts-health")
    assert (seen["host_id"], seen["host_name"]) == (HOST.public_id(first), "host-0")
    assert seen["facts"]["reachable"] is True
    assert 20 <= seen["silent_seconds"] < 60
    assert seen["agent"]["id"] == format_id("agt", api.cloud.agent_id)
    assert seen["agent"]["version"] == "0"
    assert 20 <= seen["agent"]["silent_seconds"] < 60
    assert never["host_name"] == "never-seen"
    assert (never["seen_at"], never["silent_seconds"], never["facts"], never["agent"]) == (None, None, None, None)


async def test_the_hosts_health_says_how_full_they_are(api: Api) -> None:
    vm = await boot_machine(api.cloud)
    (host,) = await walk(api, "/hosts-health")
    spec = (await ops(api, f"/hosts/{host['host_id']}"))["spec"]
    assert host["open"] is True
    assert host["capacity"]["vcpus"] == {"claimed": vm.spec["vcpus"], "total": spec["vcpus"]}
    assert host["capacity"]["memory_mib"] == {"claimed": vm.spec["memory_mib"], "total": spec["memory_mib"]}
    pools = (await ops(api, "/pools"))["items"]
    assert host["capacity"]["disk_gib"]["total"] == sum(pool["spec"]["gib"] for pool in pools)
    assert 0 < host["capacity"]["disk_gib"]["claimed"] < host["capacity"]["disk_gib"]["total"]
    await api.call("PATCH", f"{OPS}/hosts/host-0", json={"spec": {"open": False}})
    (closed,) = await walk(api, "/hosts-health")
    assert closed["open"] is False


async def test_a_host_tells_its_machines_and_whose_they_are(api: Api) -> None:
    await prepare(api.cloud)
    made = [await api.cloud.made(VM, machine(), name=f"web-{number}") for number in range(3)]
    await api.cloud.add_host("other")
    first = await ops(api, "/hosts/host-0/vms", limit=2)
    second = await ops(api, "/hosts/host-0/vms", limit=2, cursor=first["next"])
    assert [each["id"] for each in (*first["items"], *second["items"])] == [VM.public_id(vm.id) for vm in made]
    assert second["next"] is None
    told, vm = first["items"][0], made[0]
    assert (told["name"], told["status"], told["power"]) == ("web-0", "active", "running")
    assert (told["vcpus"], told["memory_mib"]) == (vm.spec["vcpus"], vm.spec["memory_mib"])
    project = (await api.call("GET", f"{api.organization}/projects")).json()["items"][0]
    assert (told["project_id"], told["project_name"]) == (project["id"], project["name"])
    assert told["organization_id"] == project["organization_id"]
    assert told["organization_name"]
    assert await ops(api, "/hosts/other/vms") == {"items": [], "next": None}
    assert (await api.call("GET", f"{OPS}/hosts/nowhere/vms")).status_code == 404


# Who may


@pytest.mark.parametrize("path", ["/audit-events", "/drift", "/incidents", "/hosts-health", "/hosts/host-0/vms"])
async def test_tenants_see_nothing_of_the_operators(api: Api, path: str) -> None:
    owner = await api.as_("owner", api.cloud.organization_id)
    answer = await owner.call("GET", OPS + path)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize("path", ["/quota", "/audit-events", "/drift"])
async def test_strangers_see_nothing_of_a_project(api: Api, path: str) -> None:
    stranger = await api.as_(None)
    answer = await stranger.call("GET", api.project + path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["/audit-events", "/drift", "/incidents", "/hosts-health", "/hosts/host-0/vms"])
async def test_a_cursor_of_another_list_is_refused(api: Api, path: str) -> None:
    answer = await api.call("GET", OPS + path, params={"cursor": format_id("xyz", new_id())})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
