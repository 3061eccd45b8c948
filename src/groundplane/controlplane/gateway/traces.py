"""`GET …/jobs/{id}/trace`: where the time of a job went. From the database alone; never empty. Reads only."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from groundplane.controlplane.gateway.jobs import find_job
from groundplane.controlplane.gateway.kinds import answer, path_scope, scope_parameters
from groundplane.controlplane.gateway.operation import Operation, operation
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import JOB_PREFIX, View
from groundplane.controlplane.gateway.waterfall import Bar, of_history, of_spans
from groundplane.controlplane.jobs import job as jobs
from groundplane.controlplane.jobs.job import Job
from groundplane.controlplane.traces import KEPT_HOURS, StoredSpan, spans_of_trace
from groundplane.kernel.ids import format_id
from groundplane.kernel.telemetry import is_sampled, trace_id

MOST = 1000
"""So many spans at most: the earliest."""
BEFORE_SECONDS = 60
"""How long before its job a trace's first span may have been stored."""
OPERATORS_ONLY = frozenset({"groundplane.scope"})
"""Attributes that say where something is."""

Kept = Literal["kept", "not_sampled", "gone"]

SENTENCES: dict[Kept, str] = {
    "kept": "These are the spans of the job's trace.",
    "not_sampled": "This trace was not sampled, so the waterfall is made of the job's history; what failed is kept all the "
    "same. To have the next one sampled, send a traceparent whose flags end in 01.",
    "gone": f"The trace's spans are gone, since they are kept for {KEPT_HOURS} hours, or were not written yet; the waterfall "
    "is made of the job's history.",
}


class SpanView(View):
    """One bar of the waterfall, and those below it."""

    span_id: str = Field(description="Empty for what is made of the job's history.")
    name: str
    service: str = Field(description="api, worker or agent.")
    start_ms: float = Field(description="From the beginning of the waterfall.")
    duration_ms: float
    status: Literal["ok", "error"]
    error: str | None = Field(description="A code.")
    attributes: dict[str, str | int | float | bool]
    children: list["SpanView"]


class TraceView(View):
    """Where the time of a job went."""

    job_id: str
    trace_id: str
    state: Kept
    sentence: str = Field(description="What the waterfall is made of, and why.")
    source: Literal["spans", "history"]
    started_at: datetime
    duration_ms: float
    truncated: bool = Field(description=f"Whether there are more spans than the first {MOST}.")
    spans: list[SpanView] = Field(description="Trees, in the order of their beginnings.")


def trace_router(services: Services, prefix: str) -> APIRouter:
    """`prefix` is where the jobs lie: below a project, or empty for all."""
    router = APIRouter(prefix=prefix, tags=["jobs"])

    @router.get(
        "/jobs/{job_id}/trace", response_model=TraceView, summary="Read where a job's time went", operation_id="job_trace",
        openapi_extra={"x-permission": "jobs.job.read", **scope_parameters(prefix)},
    )  # fmt: skip
    async def read_trace(request: Request, job_id: str) -> Response:
        scope = path_scope(request)
        async with operation(services, request, permission="jobs.job.read", project_id=scope.project_id) as op:
            job = await find_job(op, scope, job_id)
            spans = await _spans(op, job)
            history = await jobs.history(op.tx, job.id)
            now = op.tx.now
        return answer(_view(job, spans, history, now, hidden=OPERATORS_ONLY if scope.project_id else frozenset()))

    return router


async def _spans(op: Operation, job: Job) -> Sequence[StoredSpan]:
    number = trace_id(job.trace)
    if not number:
        return ()
    since = job.created_at - timedelta(seconds=BEFORE_SECONDS)
    return await spans_of_trace(op.tx, number, since=since, project_id=op.project_id, limit=MOST + 1)


def _view(
    job: Job, spans: Sequence[StoredSpan], history: Sequence[Any], now: datetime, *, hidden: frozenset[str]
) -> dict[str, Any]:
    job_id = format_id(JOB_PREFIX, job.id)
    bars = of_spans(spans[:MOST], None if job.verb == "bulk" else job_id)
    state: Kept = "not_sampled" if not is_sampled(job.trace) else "kept" if bars else "gone"
    if state != "kept":
        bars = [*of_history(job, history, now), *bars]
    began = min(bar.began for bar in bars)
    ended = max(bar.ended for root in bars for bar in root.walk())
    return {
        "job_id": job_id,
        "trace_id": trace_id(job.trace),
        "state": state,
        "sentence": SENTENCES[state],
        "source": "spans" if state == "kept" else "history",
        "started_at": began,
        "duration_ms": _milliseconds(ended - began),
        "truncated": len(spans) > MOST,
        "spans": [_span_view(bar, began, hidden) for bar in bars],
    }


def _span_view(bar: Bar, began: datetime, hidden: frozenset[str]) -> dict[str, Any]:
    return {
        "span_id": bar.span_id,
        "name": bar.name,
        "service": bar.service,
        "start_ms": _milliseconds(bar.began - began),
        "duration_ms": round(bar.seconds * 1000, 3),
        "status": "error" if bar.error else "ok",
        "error": bar.error or None,
        "attributes": {name: value for name, value in bar.attributes.items() if name not in hidden},
        "children": [_span_view(child, began, hidden) for child in bar.children],
    }


def _milliseconds(span: timedelta) -> float:
    return round(span.total_seconds() * 1000, 3)
