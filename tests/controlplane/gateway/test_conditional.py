"""ETag, If-None-Match and If-Match: what was read is what is changed."""

import asyncio
from dataclasses import replace

import httpx
import pytest
from tests.controlplane.gateway.conftest import Api

from groundplane.processes.api import build


async def _etag(api: Api, path: str) -> str:
    answer = await api.call("GET", api.project + path)
    assert answer.status_code == 200, answer.text
    return answer.headers["etag"]


async def _send(api: Api, method: str, path: str, tag: str, **more: object) -> httpx.Response:
    return await api.client.request(method, api.project + path, headers={**api.headers, "If-Match": tag}, **more)  # type: ignore[arg-type]


async def test_a_resource_has_a_strong_tag_that_changes_with_it(api: Api) -> None:
    await api.made("networks", "lan")
    first = await _etag(api, "/networks/lan")
    assert first.startswith('"net_')
    assert await _etag(api, "/networks/lan") == first
    changed = await api.call("PATCH", f"{api.project}/networks/lan", json={"labels": {"a": "b"}})
    assert changed.headers["etag"] == await _etag(api, "/networks/lan") != first


async def test_a_tag_changes_with_the_job_that_is_answered_too(api: Api) -> None:
    made = await api.post("/networks", {"name": "lan"})
    at_work = await _etag(api, "/networks/lan")
    assert made.json()["job"]["id"] in at_work
    await api.cloud.run()
    assert await _etag(api, "/networks/lan") != at_work


async def test_what_the_client_has_is_not_sent_again(api: Api) -> None:
    await api.made("networks", "lan")
    tag = await _etag(api, "/networks/lan")
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        headers = {**api.headers, "If-None-Match": known}
        answer = await api.client.get(f"{api.project}/networks/lan", headers=headers)
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag), known
    answer = await api.client.get(f"{api.project}/networks/lan", headers={**api.headers, "If-None-Match": '"other"'})
    assert answer.status_code == 200


async def test_a_change_of_what_was_not_read_is_refused(api: Api) -> None:
    await api.made("networks", "lan")
    old = await _etag(api, "/networks/lan")
    assert (await _send(api, "PATCH", "/networks/lan", old, json={"labels": {"by": "ann"}})).status_code == 200
    for method, path in (("PATCH", "/networks/lan"), ("DELETE", "/networks/lan")):
        more = {"json": {"labels": {"by": "bob"}}} if method == "PATCH" else {}
        answer = await _send(api, method, path, old, **more)
        assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
    assert (await api.get("/networks/lan"))["labels"] == {"by": "ann"}
    assert (await _send(api, "DELETE", "/networks/lan", await _etag(api, "/networks/lan"))).status_code == 202


async def test_actions_honour_it_too(api: Api) -> None:
    await api.cloud.image()
    spec = {"vcpus": 1, "memory_mib": 64, "root_volume": {"image": "image", "size_gib": 1}}
    await api.made("vms", "web", spec)
    tag = await _etag(api, "/vms/web")
    assert (await _send(api, "POST", "/vms/web/stop", '"vm_other-1"')).status_code == 412
    assert (await _send(api, "POST", "/vms/web/stop", tag)).status_code == 202
    await api.cloud.run()
    assert (await _send(api, "POST", "/vms/web/start", tag)).status_code == 412


async def test_a_tag_of_one_that_had_the_name_before_does_not_fit(api: Api) -> None:
    await api.made("networks", "lan")
    old = await _etag(api, "/networks/lan")
    await api.call("DELETE", f"{api.project}/networks/lan")
    await api.cloud.run()
    await api.made("networks", "lan")
    assert (await _send(api, "PATCH", "/networks/lan", old, json={"labels": {}})).status_code == 412


@pytest.mark.parametrize("body", [{"labels": {"x": "1"}}, {"spec": {"rules": []}}])
async def test_of_two_at_once_that_read_the_same_exactly_one_wins(api: Api, body: dict[str, object]) -> None:
    for number in range(8):
        await api.made("security-groups", f"sg-{number}")
        path = f"/security-groups/sg-{number}"
        tag = await _etag(api, path)
        answers = await asyncio.gather(*(_send(api, "PATCH", path, tag, json=body) for _ in range(4)))
        assert sorted(answer.status_code // 100 for answer in answers) == [2, 4, 4, 4]
        assert {answer.status_code for answer in answers if answer.is_error} == {412}


async def test_a_change_that_comes_between_reading_and_locking_is_seen(api: Api) -> None:
    await api.made("networks", "lan")
    tag = await _etag(api, "/networks/lan")
    async with api.cloud.database.transaction() as tx:  # somebody else has the row, and changes it
        await tx.execute("UPDATE resource SET labels = '{\"a\": \"b\"}', reason = 'a test' WHERE name = 'lan'")
        waiting = asyncio.create_task(_send(api, "PATCH", "/networks/lan", tag, json={"labels": {"by": "me"}}))
        await asyncio.sleep(0.3)
        assert not waiting.done()
    answer = await waiting
    assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
    assert (await api.get("/networks/lan"))["labels"] == {"a": "b"}


async def test_stars_lists_and_weak_tags(api: Api) -> None:
    await api.made("networks", "lan")
    body = {"labels": {"a": "b"}}
    assert (await _send(api, "PATCH", "/networks/lan", "*", json=body)).status_code == 200
    tag = await _etag(api, "/networks/lan")
    assert (await _send(api, "PATCH", "/networks/lan", f"W/{tag}", json=body)).status_code == 412
    assert (await _send(api, "PATCH", "/networks/lan", f'"x-1", {tag}', json=body)).status_code == 200
    assert (await _send(api, "PATCH", "/networks/lan", "unquoted", json=body)).status_code == 422


async def test_a_repetition_is_answered_as_the_first_was_with_its_tag(api: Api) -> None:
    await api.made("networks", "lan")
    headers = {**api.headers, "If-Match": await _etag(api, "/networks/lan"), "Idempotency-Key": "one"}
    url = f"{api.project}/networks/lan"
    first = await api.client.patch(url, json={"labels": {"a": "b"}}, headers=headers)
    again = await api.client.patch(url, json={"labels": {"a": "b"}}, headers=headers)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.headers["etag"] == again.headers["etag"]
    assert again.headers["idempotent-replayed"] == "true"


async def test_an_operator_may_demand_it_of_every_change(api: Api) -> None:
    await api.made("networks", "lan")
    services = replace(api.services, settings=api.services.settings.model_copy(update={"require_if_match": True}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(build(services)), base_url="http://api") as client:
        strict = replace(api, client=client)
        answer = await strict.call("PATCH", f"{api.project}/networks/lan", json={"labels": {}})
        assert (answer.status_code, answer.json()["code"]) == (428, "precondition_required")
        tag = await _etag(strict, "/networks/lan")
        assert (await _send(strict, "PATCH", "/networks/lan", tag, json={"labels": {}})).status_code == 200
        assert (await strict.call("DELETE", f"{api.project}/networks/lan")).status_code == 202
