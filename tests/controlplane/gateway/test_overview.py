"""A project and the platform at a glance, and what is found by what somebody types; to each what they may read."""

from typing import Any

import pytest
from tests.controlplane.cloud import KINDS_BY_NAME
from tests.controlplane.gateway.conftest import Api
from tests.controlplane.gateway.test_tenancy import fill

from groundplane.contracts.faults import Fault
from groundplane.processes.catalog import KINDS

Json = dict[str, Any]


def counted(summary: Json) -> dict[str, dict[str, int]]:
    return {each["kind"]: each["statuses"] for each in summary["kinds"] if each["total"]}


async def recount(api: Api, *, everything: bool) -> dict[str, dict[str, int]]:
    """All resources, looked at one by one."""
    rows = await api.cloud.fetch("SELECT kind, status, project_id FROM resource WHERE deleted_at IS NULL")
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        if everything or (row["project_id"] == api.cloud.project_id and row["kind"] != "project"):
            of_kind = found.setdefault(row["kind"], {})
            of_kind[row["status"]] = of_kind.get(row["status"], 0) + 1
    return found


async def agreed(api: Api) -> Json:
    """The project's summary, which a recount agrees with, as it does with the platform's."""
    summary = await api.get("/summary")
    platform = (await api.call("GET", "/api/ops/v1/summary")).json()
    assert counted(summary) == await recount(api, everything=False)
    assert counted(platform) == await recount(api, everything=True)
    assert {each["kind"] for each in platform["kinds"]} == {kind.name for kind in KINDS}
    return summary


async def test_a_summary_follows_what_happens(api: Api) -> None:
    empty = await api.get("/summary")
    assert (empty["vms"], empty["drift_open"]) == ({"running": 0, "stopped": 0, "other": 0}, 0)
    await fill(api)
    assert (await agreed(api))["vms"] == {"running": 1, "stopped": 0, "other": 0}
    await api.post("/vms/web/stop")
    changing = await agreed(api)
    assert counted(changing)["vm"] == {"updating": 1}
    assert sum(changing["jobs"][state] for state in ("PENDING", "RUNNING")) == 1
    await api.cloud.run()
    assert (await agreed(api))["vms"] == {"running": 0, "stopped": 1, "other": 0}
    await api.post("/vms/web/start")
    await api.cloud.run()
    assert (await agreed(api))["vms"] == {"running": 1, "stopped": 0, "other": 0}
    await api.call("DELETE", f"{api.project}/vms/web")
    assert counted(await agreed(api))["vm"] == {"deleting": 1}
    await api.cloud.run()
    assert "vm" not in counted(await agreed(api))


async def test_what_failed_is_counted_until_it_is_well(api: Api) -> None:
    await api.post("/networks", {"name": "lan"})
    (task,) = api.cloud.tasks
    await api.cloud.report(api.cloud.answer(task, fault=Fault(code="engine_refused", fault_class="permanent", message="No.")))
    summary = await agreed(api)
    assert counted(summary)["network"] == {"error": 1}
    assert summary["jobs"]["failed_last_day"] == 1
    await api.call("DELETE", f"{api.project}/networks/lan")
    await api.cloud.run()
    assert "network" not in counted(await agreed(api))


async def test_what_one_may_not_read_is_not_counted(api: Api) -> None:
    await fill(api)
    role = {"name": "networker", "permissions": ["network.*.read", "resources.*.read"]}
    assert (await api.call("POST", f"{api.organization}/roles", json=role)).status_code == 201
    networker = await api.as_("networker", api.cloud.organization_id, api.cloud.project_id)
    summary = await networker.get("/summary")
    assert {each["kind"] for each in summary["kinds"]} == {"network", "subnet", "security_group", "port"}
    assert (summary["vms"], summary["jobs"], summary["drift_open"]) == (None, None, None)
    assert [item["kind"] for item in (await networker.get("/search?q=web"))["items"]] == ["port"]
    vm = (await api.get("/vms/web"))["id"]
    assert (await networker.get(f"/search?q={vm}"))["items"] == []


async def searched(api: Api, words: str, path: str | None = None) -> list[tuple[str, str, str]]:
    answer = await api.call("GET", f"{path or api.project}/search", params={"q": words})
    assert answer.status_code == 200, answer.text
    return [(item["matched"], item["kind"], item["name"]) for item in answer.json()["items"]]


async def test_things_are_found_by_what_one_types(api: Api) -> None:
    await fill(api)
    port = await api.get("/ports/web-nic0")
    assert await searched(api, port["id"]) == [("id", "port", "web-nic0")]
    assert await searched(api, "WEB") == [("name", "vm", "web"), ("name", "port", "web-nic0"), ("name", "volume", "web-root")]
    assert await searched(api, " web-r ") == [("name", "volume", "web-root")]
    assert await searched(api, port["spec"]["address"]) == [("address", "port", "web-nic0"), ("address", "vm", "web")]
    assert await searched(api, "env=prod") == [("label", "vm", "web")]
    assert await searched(api, "env") == [("label", "vm", "web")]
    assert await searched(api, "env=test") == []
    for nothing in ("_", "%", "web%", "host-0", "10.99.99.99", "999.1.1.1", "=", "é", "env=prod,tier=web"):
        assert await searched(api, nothing) == [], nothing


async def test_operators_find_everything(api: Api) -> None:
    await fill(api)
    port = await api.get("/ports/web-nic0")
    ops = "/api/ops/v1"
    assert ("name", "host", "host-0") in await searched(api, "host", ops)
    assert ("name", "vm", "web") in await searched(api, "web", ops)
    assert ("address", "vm", "web") in await searched(api, port["spec"]["address"], ops)
    assert await searched(api, "env=prod", ops) == [("label", "vm", "web")]
    assert await searched(api, port["id"], ops) == [("id", "port", "web-nic0")]
    found = (await api.call("GET", f"{ops}/search", params={"q": port["id"]})).json()["items"][0]
    assert found["project_id"] == api.project.rpartition("/")[2]


async def test_other_projects_are_not_searched(api: Api) -> None:
    await fill(api)
    port, home = await api.get("/ports/web-nic0"), api.cloud.project_id
    await api.cloud.open_project("sibling")
    assert api.cloud.project_id != home
    for words in (port["id"], "web", "env=prod", "env", port["spec"]["address"]):
        assert await searched(api, words) == [], words
    assert counted(await api.get("/summary")) == {}


@pytest.mark.parametrize("query", ["", "?q=", "?q=a&limit=51", "?q=a&limit=0", "?q=" + "a" * 141, "?q=%00"])
async def test_odd_questions_are_refused(api: Api, query: str) -> None:
    answer = await api.call("GET", f"{api.project}/search{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_a_dimension_of_a_kind_s_name_counts_its_resources_one_by_one() -> None:
    """Summaries take totals from the accounts of the quota."""
    dimensions = {name: set(kind.dimensions) for name, kind in KINDS_BY_NAME.items()}
    assert {name for name, own in dimensions.items() if KINDS_BY_NAME[name].plural.replace("-", "_") in own} == {
        "vm", "volume", "image", "network", "port", "security_group", "ssh_key", "secret"
    }  # fmt: skip
