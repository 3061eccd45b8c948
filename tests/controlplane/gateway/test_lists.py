"""Every list has pages and filters; labels select; pages are stable and read no more than they answer."""

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from fastapi import FastAPI
from tests.controlplane.gateway.conftest import Api
from tests.controlplane.gateway.mutations import SSH_KEY
from tests.controlplane.gateway.test_completeness import known_ids, public_apps, routes

from groundplane.controlplane.gateway.selectors import parse_selector
from groundplane.controlplane.resources import pages
from groundplane.controlplane.resources.pages import Sort
from groundplane.controlplane.resources.selectors import Term
from groundplane.kernel.errors import InvalidRequestError
from groundplane.kernel.ids import format_id, new_id
from groundplane.processes.catalog import KINDS

OF_RESOURCES = {"label", "name", "name_prefix", "sort", "status", "created_after", "created_before", "uses"}
BORN = {"created_after", "created_before"}
OF_OTHERS = {
    "jobs": {"resource", "parent", "state", "verb", "kind"} | BORN,
    "audit-events": {"action", "outcome", "actor", "resource"} | BORN,
    "drift": {"open_only", "resource", "kind", "difference", "decision"} | BORN,
    "events": set(),
    "incidents": {"open_only", "code"} | BORN,
    "hosts-health": {"cluster", "name"},
    "traffic-rules": {"action", "organization", "project"} | BORN,
    "users": {"email", "name"},
    "groups": {"name"},
    "service-accounts": {"name"},
    "roles": {"name"},
    "api-keys": {"name"},
    "invitations": {"email"},
    "role-bindings": {"user", "role"},
    "members": {"email", "name"},
    "sessions": {"method"} | BORN,
}
WHOLE = {"/api/common/v1/permissions", "/api/common/v1/roles"}
"""Lists that are the same for everybody, and told whole."""
ON_HOSTS = "/api/ops/v1/hosts/{reference}/vms"
"""It is a filter itself: of one host. All machines are searched by other routes."""


def lists(app: FastAPI) -> Iterator[tuple[str, set[str]]]:
    """The path of each list, and the names of its parameters."""
    for prefix, each in public_apps(app):
        document = each.openapi()
        for path, item in document["paths"].items():
            schema = _answer_of(item.get("get", {}), document)
            if {"items", "next"} <= set(schema.get("properties", {})):
                yield prefix + path, {each["name"] for each in item["get"].get("parameters", ()) if each["in"] == "query"}


def _answer_of(operation: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    content = operation.get("responses", {}).get("200", {}).get("content", {})
    reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
    found: dict[str, Any] = document["components"]["schemas"].get(reference.rpartition("/")[2], {})
    return found


def test_every_list_has_pages_and_filters(api: Api) -> None:
    found = dict(lists(api.app))
    assert len(found) > 20
    plurals = {kind.plural: kind for kind in KINDS}
    for path, parameters in found.items():
        collection = path.rpartition("/")[2]
        if path in WHOLE:
            continue
        assert parameters >= {"limit", "cursor"}, path
        placed = {"cluster", "host"} if "/api/ops/" in path else set()
        if path == ON_HOSTS:
            continue
        wanted = OF_RESOURCES | placed if collection in plurals else OF_OTHERS[collection]
        assert parameters >= wanted, f"{path} lacks {wanted - parameters}"


async def test_every_filter_of_every_list_can_be_asked(api: Api) -> None:
    values = {
        "label": "a=b,!c,d in (e,f),g!=h", "name": "it", "name_prefix": "i", "sort": "-name",
        "status": "active", "created_after": "2020-01-01T00:00:00Z",
        "created_before": "2030-01-01T00:00:00Z", "uses": format_id("net", new_id()), "limit": "7",
        "resource": format_id("vm", new_id()), "parent": format_id("job", new_id()),
        "state": "FAILED", "verb": "create", "kind": "vm", "action": "compute.vm.create", "outcome": "denied",
        "actor": format_id("usr", new_id()), "open_only": "false", "difference": "missing",
        "decision": "ignore", "code": "job_overdue",
        "email": "nobody@example.org", "user": format_id("usr", new_id()), "role": "auditor",
        "organization": format_id("org", new_id()), "deleted": "true", "method": "sso", "project": format_id("prj", new_id()),
    }  # fmt: skip
    prefixes = {kind.name: kind.prefix for kind in KINDS}
    values |= {"cluster": format_id(prefixes["cluster"], new_id()), "host": format_id(prefixes["host"], new_id())}
    filled = {route.path: route.filled(known_ids(api)) for route in routes(api.app) if route.method == "GET"}
    for path, parameters in lists(api.app):
        if path in WHOLE or not set(re.findall(r"{(\w+)}", path)) <= set(known_ids(api)):
            continue  # of somebody who is not there
        rules = "traffic-rules" in path
        asked = {name: "pause" if rules and name == "action" else values[name] for name in parameters - {"cursor"}}
        for each in [{name: value} for name, value in asked.items()] + [asked]:
            answer = await api.call("GET", filled[path], params=each)
            assert answer.status_code == 200, f"{path} {each}: {answer.text}"
        assert answer.json()["items"] == [], path


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("env=prod", [Term("env", "in", ("prod",))]),
        ("env==prod", [Term("env", "in", ("prod",))]),
        (" env = prod , tier!=web ", [Term("env", "in", ("prod",)), Term("tier", "notin", ("web",))]),
        ("env=", [Term("env", "in", ("",))]),
        ("env", [Term("env", "exists")]),
        ("!env, x", [Term("env", "absent"), Term("x", "exists")]),
        ("env in (a, b),x notin (c)", [Term("env", "in", ("a", "b")), Term("x", "notin", ("c",))]),
        ("in in (in)", [Term("in", "in", ("in",))]),
        ("example.org/app=a_b-c.d", [Term("example.org/app", "in", ("a_b-c.d",))]),
        (None, []),
        ("", []),
    ],
)
def test_selectors_are_read(text: str | None, terms: list[Term]) -> None:
    assert parse_selector(text) == terms


@pytest.mark.parametrize("text", ["=x", "a=b,", ",", "a=b c", "a in ()", "a in (b", "a in b", "!", "!!a", "a=(b)", "a,,b"])
def test_selectors_that_say_nothing_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse_selector(text)
    assert caught.value.errors[0].pointer == "/query/label"


def test_selectors_have_an_end() -> None:
    with pytest.raises(InvalidRequestError, match="errors"):
        parse_selector(",".join(f"k{number}" for number in range(17)))


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("env=prod", ["a", "b"]),
        ("env!=prod", ["c", "d"]),
        ("env", ["a", "b", "c"]),
        ("!env", ["d"]),
        ("env in (prod,test)", ["a", "b", "c"]),
        ("env notin (prod)", ["c", "d"]),
        ("env=prod,tier", ["a"]),
        ("env=prod,!tier", ["b"]),
        ("env=prod,tier=db", []),
    ],
)
async def test_labels_select(api: Api, selector: str, names: list[str]) -> None:
    labels = {"a": {"env": "prod", "tier": "web"}, "b": {"env": "prod"}, "c": {"env": "test"}, "d": {}}
    for name, each in labels.items():
        await api.post("/networks", {"name": name, "labels": each})
    answer = await api.call("GET", f"{api.project}/networks", params={"label": selector})
    assert [item["name"] for item in answer.json()["items"]] == names
    pages = await api.call("GET", f"{api.project}/networks", params={"label": selector, "limit": 1})
    if len(names) > 1:
        answer = await api.call("GET", f"{api.project}/networks", params={"label": selector, "cursor": pages.json()["next"]})
        assert [item["name"] for item in answer.json()["items"]] == names[1:]


async def test_fields_select(api: Api) -> None:
    lan = await api.made("networks", "lan")
    await api.made("networks", "other")
    await api.made("subnets", "a", {"network": "lan", "cidr": "10.0.0.0/24"})
    await api.made("subnets", "b", {"network": "other", "cidr": "10.0.0.0/24"})
    names = await _names(api, "subnets", uses=lan["id"])
    assert names == ["a"]
    assert await _names(api, "networks", status="creating") == []
    assert await _names(api, "networks", created_after=lan["created_at"]) == ["lan", "other"]
    assert await _names(api, "networks", created_before=lan["created_at"]) == []
    soon = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    assert await _names(api, "networks", created_after=soon) == []
    assert await _names(api, "networks", created_before=soon, name="other") == ["other"]
    answer = await api.call("GET", f"{api.project}/subnets", params={"uses": "lan"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/query/uses")


async def _names(api: Api, plural: str, **filters: str) -> list[str]:
    answer = await api.call("GET", f"{api.project}/{plural}", params=filters)
    assert answer.status_code == 200, answer.text
    return [item["name"] for item in answer.json()["items"]]


@pytest.mark.parametrize("few", [0, 100], ids=["walked", "gathered"])
@pytest.mark.parametrize("labels", [{}, {"env": "prod"}], ids=["all", "labelled"])
@pytest.mark.parametrize("prefix", ["", "a", "a-1"])
@pytest.mark.parametrize("sort", get_args(Sort))
async def test_pages_are_in_order(
    api: Api, monkeypatch: pytest.MonkeyPatch, few: int, labels: dict[str, str], prefix: str, sort: str
) -> None:
    """Whichever way the rows are found."""
    monkeypatch.setattr(pages, "FEW", few)
    made = [("a-10", True), ("b", True), ("a", False), ("a-1", True), ("c", False), ("a-2", True), ("a-1-x", False)]
    for name, labelled in made:
        answer = await api.post(
            "/ssh-keys", {"name": name, "labels": {"env": "prod" if labelled else "test"}, "spec": {"public_key": SSH_KEY}}
        )
        assert answer.status_code == 201, answer.text
    asked = {"sort": sort, "limit": 2, "name_prefix": prefix or None, "label": "env=prod" if labels else None}
    found: list[str] = []
    cursor = None
    while cursor or not found:
        query = {name: value for name, value in {**asked, "cursor": cursor}.items() if value is not None}
        answer = await api.call("GET", f"{api.project}/ssh-keys", params=query)
        assert answer.status_code == 200, answer.text
        found += [item["name"] for item in answer.json()["items"]]
        cursor = answer.json()["next"]
    wanted = [name for name, labelled in made if name.startswith(prefix) and (labelled or not labels)]
    wanted = sorted(wanted) if sort.endswith("name") else wanted
    assert found == (wanted[::-1] if sort.startswith("-") else wanted)


async def test_operators_and_organizations_sort_too(api: Api) -> None:
    for path, names in {"/api/ops/v1/hosts": ["b", "a"], f"{api.organization}/projects": ["z", "y"]}.items():
        spec = {"spec": {"cluster": "it", "vcpus": 1, "memory_mib": 1024}} if "hosts" in path else {}
        for name in names:
            assert (await api.call("POST", path, json={"name": name, **spec})).status_code == 201
        up, down = [
            [item["name"] for item in (await api.call("GET", path, params={"sort": sort})).json()["items"]]
            for sort in ("name", "-name")
        ]
        assert up == sorted(up)
        assert up == down[::-1]
        assert set(names) < set(up)
        first = await api.call("GET", path, params={"sort": "name", "limit": 1})
        rest = await api.call("GET", path, params={"sort": "name", "cursor": first.json()["next"]})
        assert [item["name"] for item in rest.json()["items"]] == up[1:]


@pytest.mark.parametrize(
    "query",
    [
        {"sort": "size"}, {"sort": "name", "cursor": "vm_01k"}, {"sort": "created_at", "cursor": "a"}, {"name_prefix": "A%"},
        {"name_prefix": ""}, {"sort": "name", "cursor": "a{"},
    ],
)  # fmt: skip
async def test_orders_and_cursors_that_are_none_are_refused(api: Api, query: dict[str, str]) -> None:
    answer = await api.call("GET", f"{api.project}/vms", params=query)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_operators_select_by_place(api: Api) -> None:
    hosts = (await api.call("GET", "/api/ops/v1/hosts")).json()["items"]
    pools = await api.call("GET", "/api/ops/v1/pools", params={"host": hosts[0]["id"]})
    assert {pool["host_id"] for pool in pools.json()["items"]} == {hosts[0]["id"]}
    nowhere = format_id(hosts[0]["id"].partition("_")[0], new_id())
    assert (await api.call("GET", "/api/ops/v1/pools", params={"host": nowhere})).json()["items"] == []
    answer = await api.call("GET", f"{api.project}/vms", params={"host": hosts[0]["id"]})
    assert answer.status_code == 422  # a tenant's list tells nothing of hosts


async def test_the_audit_log_and_jobs_select(api: Api) -> None:
    lan = await api.made("networks", "lan")
    await api.call("DELETE", f"{api.project}/networks/lan")
    jobs = (await api.get("/jobs?verb=delete"))["items"]
    assert [job["resource_id"] for job in jobs] == [lan["id"]]
    events = (await api.get(f"/audit-events?resource={lan['id']}&action=network.network.create"))["items"]
    assert [event["outcome"] for event in events] == ["allowed"]
    assert (await api.get(f"/audit-events?actor={events[0]['actor_id']}&outcome=denied"))["items"] == []


async def test_pages_miss_nothing_and_repeat_nothing_while_others_insert(api: Api) -> None:
    for number in range(12):
        await api.post("/networks", {"name": f"n{number:02}"})

    async def insert() -> None:
        for number in range(12, 30):
            await api.post("/networks", {"name": f"n{number:02}"})

    inserting = asyncio.create_task(insert())
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = await api.get(f"/networks?limit=3{f'&cursor={cursor}' if cursor else ''}")
        seen += [item["name"] for item in page["items"]]
        cursor = page["next"]
        await asyncio.sleep(0.01)
    await inserting
    assert seen[:12] == [f"n{number:02}" for number in range(12)]
    assert len(seen) == len(set(seen))
