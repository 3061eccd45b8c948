"""Who uses whom: of one resource, and of a project as a picture; to each what they may read."""

from typing import Any

import pytest
from tests.controlplane.gateway.conftest import Api
from tests.controlplane.gateway.test_tenancy import fill

from groundplane.controlplane.gateway import links as routes


def named(ends: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(each["role"], each["resource"]["kind"], each["resource"]["name"]) for each in ends]


async def test_a_machine_and_what_it_stands_on(api: Api) -> None:
    await fill(api)
    vm = await api.get("/vms/web/links")
    assert named(vm["uses"]) == [("nic0", "port", "web-nic0"), ("root", "volume", "web-root")]
    assert vm["used_by"] == []
    assert vm["uses"][0]["resource"]["status"] == "active"
    port = await api.get("/ports/web-nic0/links")
    assert ("network", "network", "lan") in named(port["uses"])
    assert named(port["used_by"]) == [("nic0", "vm", "web")]
    network = await api.get("/networks/lan/links")
    assert ("network", "port", "web-nic0") in named(network["used_by"])
    assert network["uses"] == []  # the cluster is the operators' affair
    cluster = (await api.call("GET", "/api/ops/v1/clusters/it/links")).json()
    assert ("cluster", "host", "host-0") in named(cluster["used_by"])


async def test_one_sees_the_links_to_what_one_may_read(api: Api) -> None:
    await fill(api)
    role = {"name": "networker", "permissions": ["network.*.read", "resources.topology.read", "compute.vm.read"]}
    assert (await api.call("POST", f"{api.organization}/roles", json=role)).status_code == 201
    networker = await api.as_("networker", api.cloud.organization_id, api.cloud.project_id)
    assert named((await networker.get("/vms/web/links"))["uses"]) == [("nic0", "port", "web-nic0")]
    picture = await networker.get("/topology")
    assert {node["kind"] for node in picture["nodes"]} == {"vm", "port", "network", "subnet"}
    ids = {node["id"] for node in picture["nodes"]}
    assert picture["links"]
    assert all({link["from"], link["to"]} <= ids for link in picture["links"])


async def test_a_project_as_a_picture(api: Api) -> None:
    await fill(api)
    picture = await api.get("/topology")
    by_id = {node["id"]: node["name"] for node in picture["nodes"]}
    assert len(by_id) == len(picture["nodes"])
    seen = {(by_id[link["from"]], link["role"], by_id[link["to"]]) for link in picture["links"]}
    assert {("web", "root", "web-root"), ("web", "nic0", "web-nic0"), ("web-nic0", "network", "lan")} <= seen
    assert picture["truncated"] is False
    assert "cluster" not in {node["kind"] for node in picture["nodes"]}


async def test_pictures_and_users_have_an_end(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(api)
    whole = await api.get("/topology")
    monkeypatch.setattr(routes, "MOST_NODES", len(whole["nodes"]) - 1)
    cut = await api.get("/topology")
    assert cut["truncated"] is True
    assert 0 < len(cut["nodes"]) < len(whole["nodes"])
    monkeypatch.setattr(routes, "MOST_USERS", 1)
    network = await api.get("/networks/lan/links")
    assert (network["truncated"], len(network["used_by"])) == (True, 1)
