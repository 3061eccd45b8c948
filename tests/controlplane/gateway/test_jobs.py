"""Jobs as a user reads, filters, cancels and retries them."""

import asyncio

import pytest
from tests.controlplane.gateway.conftest import Api, Json

from groundplane.contracts.faults import Fault
from groundplane.controlplane.resources.project import PROJECT

TRANSIENT = Fault(code="engine_busy", fault_class="transient", message="Busy.")
PERMANENT = Fault(code="engine_refused", fault_class="permanent", message="Refused.")


async def _network(api: Api, name: str = "lan") -> Json:
    answer = await api.post("/networks", {"name": name})
    assert answer.status_code == 202
    body: Json = answer.json()
    return body


async def _read(api: Api, href: str) -> Json:
    answer = await api.call("GET", href)
    assert answer.status_code == 200, answer.text
    body: Json = answer.json()
    return body


async def test_a_job_tells_all_that_happened_to_it(api: Api) -> None:
    network = await _network(api)
    await api.cloud.report(api.cloud.answer(api.cloud.tasks.pop(), fault=TRANSIENT))
    retrying = await _read(api, network["job"]["href"])
    assert (retrying["state"], retrying["attempt"]) == ("RETRYING", 1)
    assert retrying["next_at"] is not None
    await api.cloud.pass_time(61)
    await api.cloud.resume()
    await api.cloud.report(api.cloud.answer(api.cloud.tasks.pop(), fault=PERMANENT))
    job = await _read(api, network["job"]["href"])
    assert (job["state"], job["verb"], job["workflow"], job["resource_kind"]) == (
        "FAILED",
        "create",
        "network.ensure",
        "network",
    )
    assert job["error"] == PERMANENT.model_dump()
    errors = [(error["step"], error["attempt"], error["code"], error["fault_class"]) for error in job["errors"]]
    assert errors == [("ensure", 1, "engine_busy", "transient"), ("ensure", 2, "engine_refused", "permanent")]
    what = [step["what"] for step in job["steps"]]
    assert what == ["entered", "asked", "reported", "retrying", "asked", "reported", "failed"]
    assert job["requested_by"].startswith("usr_")
    assert len(job["trace_id"]) == 32
    assert job["created_at"] < job["ended_at"] < job["deadline"]


async def test_links_lead_to_the_job_and_its_resource(api: Api) -> None:
    network = await _network(api)
    job = await _read(api, network["job"]["href"])
    assert job["links"]["self"] == network["job"]["href"]
    assert (await _read(api, job["links"]["resource"]))["id"] == network["id"]
    assert (job["links"]["parent"], job["links"]["children"]) == (None, None)


async def test_lists_are_filtered_by_state_resource_and_parent(api: Api) -> None:
    await _network(api, "failed")
    await api.cloud.report(api.cloud.answer(api.cloud.tasks.pop(), fault=PERMANENT))
    await api.made("networks", "made")
    running = await _network(api, "running")
    many = (await api.post("/networks", {"name": "many", "count": 3})).json()

    async def names(query: str) -> list[str]:
        return [job["resource_id"] for job in (await api.get(f"/jobs?{query}"))["items"]]

    assert len(await names("state=FAILED")) == len(await names("state=SUCCEEDED")) == 1
    assert len(await names("state=RUNNING")) == 5  # one, and three under a parent
    assert await names("state=PENDING") == []
    assert await names(f"resource={running['id']}") == [running["id"]]
    assert sorted(await names(f"parent={many['job']['id']}")) == sorted(item["id"] for item in many["items"])
    assert await names(f"parent={many['job']['id']}&state=FAILED") == []
    assert len(await names("limit=200")) == 7
    for query in ("state=running", "state=DONE", "parent=nonsense", "resource=nonsense", "cursor=nonsense"):
        assert (await api.call("GET", f"{api.project}/jobs?{query}")).status_code == 422, query


async def test_operators_see_all_and_a_project_only_its_own(api: Api) -> None:
    network = await _network(api)
    job_id = network["job"]["id"]
    assert (await _read(api, f"/api/ops/v1/jobs/{job_id}"))["id"] == job_id
    await api.cloud.open_project("other")
    elsewhere = f"/api/tenant/v1/projects/{PROJECT.public_id(api.cloud.project_id)}"
    assert (await _read(api, f"{elsewhere}/jobs"))["items"] == []
    for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry")):
        answer = await api.call(method, f"{elsewhere}/jobs/{job_id}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert not api.cloud.stops


async def test_a_long_poll_answers_as_soon_as_the_job_moves(api: Api) -> None:
    network = await _network(api)
    waiting = asyncio.create_task(_read(api, f"{network['job']['href']}?wait=20"))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await api.cloud.run()
    async with asyncio.timeout(5):
        assert (await waiting)["state"] == "SUCCEEDED"
    assert (await _read(api, f"{network['job']['href']}?wait=20"))["state"] == "SUCCEEDED"  # at once


async def test_a_cancel_is_told_from_its_beginning_to_its_end(api: Api) -> None:
    network = await _network(api)
    href = network["job"]["href"]
    answer = await api.call("POST", f"{href}/cancel")
    assert answer.status_code == 202
    assert answer.json()["cancel_requested_at"] is not None
    assert (answer.json()["state"], answer.json()["undoing"]) == ("RUNNING", False)
    assert len(api.cloud.stops) == 1
    await api.cloud.run()
    job = await _read(api, href)
    assert (job["state"], job["error"]["code"], job["undoing"]) == ("FAILED", "cancelled", True)
    what = [step["what"] for step in job["steps"]]
    assert what == ["entered", "asked", "cancelling", "reported", "undoing", "asked", "reported", "entered", "failed"]
    assert (await api.call("GET", f"{api.project}/networks/lan")).status_code == 404
    again = await api.call("POST", f"{href}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "job_ended")
    retried = await api.call("POST", f"{href}/retry")
    assert (retried.status_code, retried.json()["code"]) == (409, "not_retryable")


async def test_a_delete_cannot_be_cancelled(api: Api) -> None:
    await api.made("networks", "lan")
    deletion = (await api.call("DELETE", f"{api.project}/networks/lan")).json()
    before = await api.cloud.contents()
    answer = await api.call("POST", f"{deletion['job']['href']}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_cancellable")
    after = await api.cloud.contents()
    assert {name for name in after if after[name] != before[name]} == {"audit_event"}
    assert not api.cloud.stops


async def test_a_retry_answers_with_the_new_job(api: Api) -> None:
    network = await _network(api)
    await api.cloud.report(api.cloud.answer(api.cloud.tasks.pop(), fault=PERMANENT))
    answer = await api.call("POST", f"{network['job']['href']}/retry")
    assert answer.status_code == 202
    again = answer.json()
    assert again["id"] != network["job"]["id"]
    assert again["reason"] == "retry of network.ensure"
    await api.cloud.run()
    assert (await _read(api, again["links"]["self"]))["state"] == "SUCCEEDED"


@pytest.mark.parametrize("verb", ["cancel", "retry"])
async def test_who_may_only_look_neither_cancels_nor_retries(api: Api, verb: str) -> None:
    network = await _network(api)
    viewer = await api.as_("viewer", api.cloud.organization_id)
    assert (await _read(viewer, network["job"]["href"]))["state"] == "RUNNING"
    answer = await viewer.call("POST", f"{network['job']['href']}/{verb}")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
