"""The waterfall of a job, whether its trace was sampled, not, or is gone."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from tests.controlplane.gateway.conftest import Api, Json

from groundplane.contracts.faults import Fault
from groundplane.contracts.reports import Report, SpanRecord
from groundplane.contracts.tasks import Task
from groundplane.controlplane.jobs.dispatcher import Said
from groundplane.controlplane.traces import SpanWriter
from groundplane.kernel.ids import new_id
from groundplane.kernel.telemetry import Local, Span, configure_tracing

CALLER = "b7ad6b7169203331"
TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = {"Traceparent": f"00-{TRACE}-{CALLER}-01"}
PERMANENT = Fault(code="engine_refused", fault_class="permanent", message="Refused.")


@pytest.fixture
async def writer(api: Api) -> AsyncIterator[SpanWriter]:
    """What the process keeps its spans in."""
    writer = SpanWriter(api.cloud.database)
    configure_tracing("here", ratio=0, sinks=(writer.take,))
    yield writer
    configure_tracing("", ratio=0)


async def _network(api: Api, *, sampled: bool, **body: Any) -> Json:
    headers = api.headers | (SAMPLED if sampled else {})
    answer = await api.client.post(f"{api.project}/networks", headers=headers, json={"name": "lan", **body})
    assert answer.status_code == 202, answer.text
    assert answer.headers["traceparent"].endswith("-01" if sampled else "-00")
    made: Json = answer.json()
    return made


async def _trace(api: Api, job: Json) -> Json:
    answer = await api.call("GET", f"{job['href']}/trace")
    assert answer.status_code == 200, answer.text
    body: Json = answer.json()
    return body


def _walk(spans: list[Json]) -> Iterator[Json]:
    for span in spans:
        yield span
        yield from _walk(span["children"])


def _named(trace: Json, name: str) -> Json:
    (found,) = [span for span in _walk(trace["spans"]) if span["name"] == name]
    return found


def _told(task: Task, report: Report) -> Report:
    """The report with a span of the agent's, below the step that asked."""
    span = SpanRecord(
        span_id="a" * 16, parent_id=task.trace.split("-")[2], name="agent.task", started_ns=10**18, nanoseconds=5_000_000,
        attributes={"groundplane.scope": task.scope},
    )  # fmt: skip
    return report.model_copy(update={"spans": (span,)})


async def test_a_sampled_job_answers_the_tree_of_its_spans(api: Api, writer: SpanWriter) -> None:
    network = await _network(api, sampled=True)
    task = api.cloud.tasks.pop()
    assert task.trace.split("-")[1::2] == [TRACE, "01"]
    await api.cloud.report(_told(task, await api.cloud.carry_out(task)))
    await writer.flush()
    trace = await _trace(api, network["job"])
    assert (trace["state"], trace["source"], trace["trace_id"], trace["truncated"]) == ("kept", "spans", TRACE, False)
    request = _named(trace, "POST /api/tenant/v1/projects/{project_id}/networks")
    assert request["attributes"] == {
        "http.response.status_code": 202,
        "http.route": "/api/tenant/v1/projects/{project_id}/networks",
    }
    asking, *_ = [span for span in _walk(request["children"]) if span["name"] == "network.ensure ensure"]
    (task_span,) = asking["children"]
    assert (task_span["name"], task_span["service"], task_span["duration_ms"]) == ("agent.task", "agent", 5.0)
    assert _named(trace, "report.apply")["attributes"]["groundplane.job"] == trace["job_id"]
    assert {span["status"] for span in _walk(trace["spans"])} == {"ok"}


async def test_a_job_that_was_not_sampled_answers_its_history(api: Api, writer: SpanWriter) -> None:
    network = await _network(api, sampled=False)
    await api.cloud.run()
    await writer.flush()
    assert await api.cloud.value("SELECT count(*) FROM span") == 0
    trace = await _trace(api, network["job"])
    assert (trace["state"], trace["source"]) == ("not_sampled", "history")
    (job,) = trace["spans"]
    assert job["children"][0]["name"] == "network.ensure ensure"
    assert job["children"][0]["children"][0]["name"] == "agent.task"
    assert (job["start_ms"], job["status"]) == (0, "ok")
    assert job["duration_ms"] >= job["children"][0]["duration_ms"] > 0


async def test_what_failed_shows_by_its_code_sampled_or_not(api: Api, writer: SpanWriter) -> None:
    network = await _network(api, sampled=False)
    await api.cloud.report(api.cloud.answer(api.cloud.tasks.pop(), fault=PERMANENT))
    trace = await _trace(api, network["job"])
    (job,) = trace["spans"]
    assert (job["status"], job["error"]) == ("error", "engine_refused")
    assert "Refused." not in str(trace)


async def test_a_trace_that_is_gone_says_so_and_answers_the_history(api: Api) -> None:
    network = await _network(api, sampled=True)
    await api.cloud.run()
    trace = await _trace(api, network["job"])
    assert (trace["state"], trace["source"]) == ("gone", "history")
    assert "24 hours" in trace["sentence"]
    assert trace["spans"]


async def test_a_job_shows_nothing_of_another_in_the_same_trace(api: Api, writer: SpanWriter) -> None:
    parent = (await _network(api, sampled=True, count=2))["job"]
    await api.cloud.run()
    await writer.flush()
    children = (await api.get(f"/jobs?parent={parent['id']}"))["items"]
    assert len(children) == 2
    for child in children:
        trace = await _trace(api, {"href": child["links"]["self"]})
        jobs = {span["attributes"].get("groundplane.job") for span in _walk(trace["spans"])}
        assert jobs == {None, child["id"]}
    whole = {span["attributes"].get("groundplane.job") for span in _walk((await _trace(api, parent))["spans"])}
    assert whole >= {child["id"] for child in children}


async def test_where_it_runs_is_told_to_operators_only(api: Api, writer: SpanWriter) -> None:
    network = await _network(api, sampled=True)
    task = api.cloud.tasks.pop()
    await api.cloud.report(_told(task, await api.cloud.carry_out(task)))
    await writer.flush()
    assert "groundplane.scope" not in str(await _trace(api, network["job"]))
    ops = await _trace(api, {"href": f"/api/ops/v1/jobs/{network['job']['id']}"})
    assert "groundplane.scope" in str(ops)


async def test_spans_of_another_project_do_not_show(api: Api, writer: SpanWriter) -> None:
    network = await _network(api, sampled=True)
    foreign = Span(TRACE, "b" * 16, "", "another's secret", True, Local(None, new_id()), service="api")
    foreign.end()
    await writer.flush()
    assert "another's secret" not in str(await _trace(api, network["job"]))


async def test_who_may_not_read_the_job_may_not_read_its_trace(api: Api) -> None:
    network = await _network(api, sampled=True)
    stranger = await api.as_(None)
    answer = await stranger.call("GET", f"{network['job']['href']}/trace")
    assert answer.status_code == 404
    viewer = await api.as_("viewer", api.cloud.organization_id)
    assert (await viewer.call("GET", f"{network['job']['href']}/trace")).status_code == 200


async def test_spans_that_make_no_sense_are_dropped_and_the_report_is_not(api: Api) -> None:
    network = await _network(api, sampled=True)
    task = api.cloud.tasks.pop()
    report = (await api.cloud.carry_out(task)).model_dump(mode="json") | {"spans": [{"span_id": "no", "name": 7}]}
    assert Report.model_validate(report).spans == ()
    await api.cloud.inbox.apply([Said(Report.model_validate(report).model_dump_json().encode(), task.cluster_id)])
    assert (await api.get("/networks/lan"))["status"] == "active"
    assert (await _trace(api, network["job"]))["spans"]
