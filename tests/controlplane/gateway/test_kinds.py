"""The routes that follow from a kind's declaration, as a user meets them."""

import pytest
from tests.controlplane.gateway.conftest import Api, Json

CIDR = {"network": "lan", "cidr": "10.0.0.0/24"}


async def test_a_create_answers_with_the_resource_and_its_job(api: Api) -> None:
    answer = await api.post("/networks", {"name": "lan", "labels": {"env": "prod"}})
    assert answer.status_code == 202
    body = answer.json()
    assert body["status"] == "creating"
    assert body["job"]["state"] == "RUNNING"
    assert answer.headers["location"] == body["job"]["href"]
    await api.cloud.run()
    job = (await api.call("GET", body["job"]["href"])).json()
    assert job["state"] == "SUCCEEDED"
    assert [step["what"] for step in job["steps"]] == ["entered", "asked", "reported", "entered", "succeeded"]
    assert (await api.get("/networks/lan"))["status"] == "active"
    assert (await api.get(f"/networks/{body['id']}"))["labels"] == {"env": "prod"}


async def test_what_needs_no_agent_is_done_in_the_request(api: Api) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPbnbRiXzEFm4uXGvdLGIx0dg0b3z8iN0QF3lUYc9Yw ann"
    answer = await api.post("/ssh-keys", {"name": "ann", "spec": {"public_key": key}})
    assert answer.status_code == 201
    assert answer.json()["job"] is None
    assert answer.headers["location"].endswith(answer.json()["id"])
    answer = await api.call("DELETE", f"{api.project}/ssh-keys/ann")
    assert answer.status_code == 200
    assert answer.json()["status"] == "deleted"


async def test_pages_follow_one_another_and_labels_select(api: Api) -> None:
    for number in range(5):
        labels = {"env": "prod" if number % 2 else "dev", "tier": "web"}
        await api.post("/networks", {"name": f"n{number}", "labels": labels})
    first = await api.get("/networks?limit=2")
    second = await api.get(f"/networks?limit=2&cursor={first['next']}")
    third = await api.get(f"/networks?limit=2&cursor={second['next']}")
    names = [item["name"] for page in (first, second, third) for item in page["items"]]
    assert names == ["n0", "n1", "n2", "n3", "n4"]
    assert third["next"] is None
    prod = await api.get("/networks?label=env=prod,tier=web")
    assert [item["name"] for item in prod["items"]] == ["n1", "n3"]
    assert (await api.get("/networks?name=n2"))["items"][0]["name"] == "n2"


BAD: list[tuple[str, Json, int, str, str]] = [
    ("/networks", {"name": "lan", "spec": {"mtu": 1442, "colour": "red"}}, 422, "invalid_request", "/spec/colour"),
    ("/networks", {"name": "lan", "spec": {"mtu": "1442"}}, 422, "invalid_request", "/spec/mtu"),
    ("/networks", {"name": "Not A Name"}, 422, "invalid_request", "/name"),
    ("/networks", {}, 422, "invalid_request", "/name"),
    ("/networks", {"name": "lan", "labels": {"UPPER": "x"}}, 422, "invalid_request", "/labels"),
    ("/networks", {"name": "taken"}, 409, "name_taken", ""),
    ("/subnets", {"name": "b", "spec": {"network": "taken", "cidr": "10.0.0.128/25"}}, 409, "subnet_overlap", ""),
    ("/subnets", {"name": "b", "spec": {"network": "nowhere", "cidr": "10.1.0.0/24"}}, 422, "reference_not_found", ""),
    ("/subnets", {"name": "b", "spec": {"network": "taken", "cidr": "10.1.0.1/24"}}, 422, "invalid_request", "/spec/cidr"),
    (
        "/subnets",
        {"name": "b", "spec": {"network": "taken", "cidr": "10.1.0.0/24", "gateway": "10.2.0.1"}},
        422, "gateway_outside", "",
    ),
    ("/ssh-keys", {"name": "k", "spec": {"public_key": "-----BEGIN RSA PRIVATE KEY-----"}}, 422, "bad_public_key", ""),
    ("/volumes", {"name": "v", "spec": {"size_gib": 5000}}, 409, "pool_full", ""),
    (
        "/vms",
        {"name": "m", "spec": {"vcpus": 65, "memory_mib": 64, "root_volume": {"image": "image", "size_gib": 1}}},
        409, "no_capacity", "",
    ),
    (
        "/vms",
        {"name": "m", "spec": {"vcpus": 1, "memory_mib": 64, "root_volume": {"image": "nothing", "size_gib": 1}}},
        422, "reference_not_found", "",
    ),
    (
        "/vms", {"name": "m", "spec": {"vcpus": 1, "memory_mib": 64, "root_volume": {}}},
        422, "invalid_request", "/spec/root_volume",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "status", "code", "pointer"), BAD)
async def test_bad_input_is_refused_and_nothing_is_half_made(
    api: Api, path: str, body: Json, status: int, code: str, pointer: str
) -> None:
    await api.cloud.image()
    await api.made("networks", "taken")
    await api.made("subnets", "a", {"network": "taken", "cidr": "10.0.0.0/24"})
    before = await _rows(api)
    answer = await api.post(path, body)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["detail"].endswith(".")
    assert pointer in [each["pointer"] for each in problem["errors"]] or not pointer
    assert await _rows(api) == before
    assert not api.cloud.tasks


async def _rows(api: Api) -> list[object]:
    tables = ("resource", "revision", "job", "link", "label", "secret", "placement", "pool_share", "address", "subnet_range")
    return [await api.cloud.value(f"SELECT count(*) FROM {table}") for table in tables] + [  # noqa: S608  # our own tables
        await api.cloud.value("SELECT sum(vcpus_used) FROM host_capacity"),
        await api.cloud.value("SELECT sum(gib_used) FROM pool_capacity"),
        await api.cloud.value("SELECT string_agg(used::text, ' ' ORDER BY scope_id) FROM quota_usage"),
    ]


async def test_what_is_used_stays_and_says_by_whom(api: Api) -> None:
    await api.made("networks", "lan")
    await api.made("subnets", "a", CIDR)
    answer = await api.call("DELETE", f"{api.project}/networks/lan")
    assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
    assert "subnet a" in answer.json()["detail"]
    assert (await api.get("/networks/lan"))["status"] == "active"


async def test_actions_and_power(api: Api) -> None:
    await api.cloud.image()
    spec = {"vcpus": 1, "memory_mib": 64, "root_volume": {"image": "image", "size_gib": 1}}
    assert (await api.made("vms", "web", spec))["observed"]["power"] == "running"
    for verb, power, reboots in (("stop", "stopped", 0), ("start", "running", 0), ("reboot", "running", 1)):
        answer = await api.post(f"/vms/web/{verb}")
        assert answer.status_code == 202, answer.text
        await api.cloud.run()
        vm = await api.get("/vms/web")
        assert (vm["observed"]["power"], vm["observed"]["reboots"], vm["status"]) == (power, reboots, "active")


async def test_a_second_change_is_refused_while_one_runs_but_a_delete_is_not(api: Api) -> None:
    await api.post("/security-groups", {"name": "web"})
    answer = await api.call("PATCH", f"{api.project}/security-groups/web", json={"spec": {"rules": []}})
    assert (answer.status_code, answer.json()["code"]) == (409, "change_in_progress")
    assert answer.json()["context"]["job"].startswith("job_")
    answer = await api.call("DELETE", f"{api.project}/security-groups/web")
    assert answer.status_code == 202
    await api.cloud.run()
    assert (await api.call("GET", f"{api.project}/security-groups/web")).status_code == 404


async def test_history_tells_who_and_why(api: Api) -> None:
    await api.made("networks", "lan")
    answer = await api.call("GET", f"{api.project}/networks/lan/history")
    assert [change["reason"] for change in answer.json()] == ["create network", "network.ensure succeeded"]
    assert answer.json()[0]["changed_by"].startswith("usr_")


async def test_a_project_with_something_in_it_stays(api: Api) -> None:
    await api.made("networks", "lan")
    path = f"{api.organization}/projects/{api.project.rpartition('/')[2]}"
    answer = await api.call("DELETE", path)
    assert (answer.status_code, answer.json()["code"]) == (409, "in_use")


async def test_every_mutation_leaves_its_audit_row(api: Api) -> None:
    await api.made("networks", "lan")
    await api.call("PATCH", f"{api.project}/networks/lan", json={"labels": {"a": "b"}})
    await api.call("DELETE", f"{api.project}/networks/lan")
    async with api.cloud.database.transaction() as tx:
        rows = await tx.fetch("SELECT action, outcome FROM audit_event WHERE resource_kind = 'network' ORDER BY id")
    assert [tuple(row) for row in rows] == [
        ("network.network.create", "allowed"),
        ("network.network.update", "allowed"),
        ("network.network.delete", "allowed"),
    ]
