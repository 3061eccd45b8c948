"""What is not known is refused, everywhere: parameters, fields, bodies; what is too much, too."""

import json

import pytest
from tests.controlplane.gateway.conftest import Api
from tests.controlplane.gateway.test_completeness import Route, known_ids, routes

from groundplane.controlplane.gateway.strictness import DEEPEST, json_problems

JSON = {"Content-Type": "application/json"}


async def test_every_route_refuses_a_parameter_that_it_does_not_know(api: Api) -> None:
    checked = 0
    for route in routes(api.app):
        if route.path.rsplit("/", 1)[1] in {"docs", "openapi.json", "callback"}:
            continue  # providers of identities tell a callback more than it asks
        answer = await api.call(route.method, route.filled(known_ids(api)) + "?colour=red&colour=blue")
        assert answer.status_code == 422, f"{route}: {answer.status_code} {answer.text}"
        if route.method == "GET":  # others have a body that is missing too, and is told first
            assert [each["pointer"] for each in answer.json()["errors"]] == ["/query/colour"], route
        checked += 1
    assert checked > 80


async def test_a_parameter_comes_once(api: Api) -> None:
    answer = await api.call("GET", f"{api.project}/networks?limit=1&limit=2")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/query/limit")


async def test_a_dry_run_is_for_mutations(api: Api) -> None:
    assert (await api.call("GET", f"{api.project}/networks?dry_run=true")).status_code == 422
    answer = await api.call("POST", f"{api.project}/networks?dry_run=true", json={"name": "lan"})
    assert answer.json()["dry_run"] is True


@pytest.mark.parametrize(
    ("content", "status", "pointer"),
    [
        (b'{"name": "a", "name": "b"}', 422, "/name"),
        (b'{"name": "a", "labels": {"k": "1", "k": "2"}}', 422, "/k"),
        (b'{"name": "a", "spec": {"mtu": NaN}}', 400, None),
        (b'{"name": "a", "spec": {"mtu": Infinity}}', 400, None),
        (b'{"name": "a", "spec": {"mtu": 1e400}}', 422, "/spec/mtu"),
        (b'{"name": "a", "spec": {"mtu": 99999999999999999999999}}', 422, "/spec/mtu"),
        (b'{"name": "a", "labels": {"k": "\\u0000"}}', 422, "/labels"),
        (b'{"name": "a", "spec": ' + b"[" * 40 + b"]" * 40 + b"}", 422, "/spec"),
        (b'{"name": "a"}\xff', 400, None),
    ],
)
async def test_twisted_json_is_refused(api: Api, content: bytes, status: int, pointer: str | None) -> None:
    answer = await api.client.post(f"{api.project}/networks", content=content, headers={**api.headers, **JSON})
    assert answer.status_code == status, answer.text
    if pointer is not None:
        assert any(each["pointer"].startswith(pointer) for each in answer.json()["errors"])
    assert not (await api.get("/networks"))["items"]


async def test_json_has_a_greatest_depth(api: Api) -> None:
    def nested(depth: int) -> bytes:
        return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"

    assert json_problems(nested(DEEPEST)) == []
    (problem,) = json_problems(nested(DEEPEST + 1))
    assert problem.pointer == "/a" + "/0" * (DEEPEST - 1)
    assert json_problems(json.dumps({"text": "[" * 1000}).encode()) == []


async def test_a_body_where_none_belongs_is_refused(api: Api) -> None:
    await api.made("networks", "lan")
    path = f"{api.project}/networks/lan"
    answer = await api.client.request("DELETE", path, json={"force": True}, headers=api.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert (await api.get("/networks/lan"))["status"] == "active"
    answer = await api.client.request("DELETE", path, json={}, headers=api.headers)
    assert answer.status_code == 202


async def test_bodies_are_json(api: Api) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        headers = {**api.headers, "Content-Type": content_type}
        answer = await api.client.post(f"{api.project}/networks", content=b'{"name": "lan"}', headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


async def test_a_method_that_is_not_there_is_told_which_are(api: Api) -> None:
    for path, allow in (
        ("/networks", "GET, HEAD, OPTIONS, POST"),
        ("/networks/lan", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("/images", "GET, HEAD, OPTIONS, POST"),
    ):
        answer = await api.call("PUT", api.project + path, json={})
        assert (answer.status_code, answer.json()["code"], answer.headers["allow"]) == (405, "method_not_allowed", allow)
        answer = await api.call("OPTIONS", api.project + path)
        assert (answer.status_code, answer.content, answer.headers["allow"]) == (204, b"", allow)


async def test_head_is_get_without_the_body(api: Api) -> None:
    await api.made("networks", "lan")
    got = await api.call("GET", f"{api.project}/networks/lan")
    head = await api.call("HEAD", f"{api.project}/networks/lan")
    assert (head.status_code, head.content) == (200, b"")
    assert (head.headers["etag"], head.headers["content-length"]) == (got.headers["etag"], got.headers["content-length"])
    assert (await api.call("HEAD", f"{api.project}/networks/nothing")).status_code == 404


async def test_addresses_and_headers_have_a_greatest_length(api: Api) -> None:
    answer = await api.call("GET", f"{api.project}/networks?name={'x' * 9000}")
    assert (answer.status_code, answer.json()["code"]) == (414, "uri_too_long")
    for headers in ({"X-Long": "x" * 40_000}, {f"X-{number}": "1" for number in range(120)}):
        answer = await api.client.get(f"{api.project}/networks", headers={**api.headers, **headers})
        assert (answer.status_code, answer.json()["code"]) == (431, "headers_too_large")
        assert answer.headers["x-request-id"]


async def test_nul_and_broken_text_in_addresses_find_nothing_and_break_nothing(api: Api) -> None:
    for path in (
        "/networks/%00",
        "/networks/%ff%fe",
        "/networks/%ed%a0%80",
        "/jobs/%00",
        "/networks?name=%00",
        "/networks?label=%ff",
    ):
        answer = await api.call("GET", api.project + path)
        assert answer.status_code in {200, 404, 422}, f"{path}: {answer.status_code} {answer.text}"


async def test_an_organizations_owner_gets_into_no_route_of_operations(api: Api) -> None:
    owner = await api.as_("owner", api.cloud.organization_id)
    assert (await owner.get("/networks"))["items"] == []
    for route in routes(api.app):
        if not route.path.startswith("/api/ops/v1/") or route.path.rsplit("/", 1)[1] in {"docs", "openapi.json"}:
            continue
        query = {"q": "it"} if route.path.endswith("/search") else None
        answer = await owner.call(route.method, route.filled(known_ids(api)), json=_body(route), params=query)
        assert answer.status_code in {403, 422}, f"{route}: {answer.status_code} {answer.text}"
        if answer.status_code == 422:
            assert answer.json()["code"] == "invalid_request"
            assert route.method in {"POST", "PUT", "PATCH"}  # a body of this kind must say more


def _body(route: Route) -> dict[str, object] | None:
    return None if route.method == "GET" else {"name": "it"} if route.path.endswith("/clusters") else {}
