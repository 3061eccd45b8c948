"""The tree of what was done for a job: made of the spans of its trace, or, without any, of the lines of its history."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from groundplane.controlplane.jobs.job import Job
from groundplane.controlplane.jobs.tracing import JOB
from groundplane.controlplane.traces import StoredSpan
from groundplane.kernel.database import Row


@dataclass
class Bar:
    """One bar of a waterfall, and those below it. `error` is a code, or empty."""

    name: str
    service: str
    began: datetime
    seconds: float
    error: str = ""
    span_id: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    children: "list[Bar]" = field(default_factory=list)

    def walk(self) -> "Iterator[Bar]":
        """This one and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def ended(self) -> datetime:
        """When it was over."""
        return self.began + timedelta(seconds=self.seconds)


def of_spans(spans: Sequence[StoredSpan], job_id: str | None) -> list[Bar]:
    """Trees of spans, each in the order of beginnings. With a job, what is done for another one in the same trace is left out.

    A span whose parent is not there is a tree of its own: the parent was the caller's, or was lost.
    """
    bars = {span.span_id: _bar(span) for span in spans}
    roots: list[Bar] = []
    for span in spans:
        parent = bars.get(span.parent_id) if span.parent_id != span.span_id else None
        (parent.children if parent is not None else roots).append(bars[span.span_id])
    return list(_own(roots, job_id)) if job_id else roots


def _bar(span: StoredSpan) -> Bar:
    return Bar(
        span.name, span.service, span.started_at, span.microseconds / 1e6, span.error, span.span_id, dict(span.attributes)
    )


def _own(bars: Iterable[Bar], job_id: str) -> Iterator[Bar]:
    for bar in bars:
        if bar.attributes.get(JOB, job_id) == job_id:
            bar.children = list(_own(bar.children, job_id))
            yield bar


def of_history(job: Job, history: Sequence[Row], now: datetime) -> list[Bar]:
    """The job, its steps, each one's tasks as the agent told them, and their calls."""
    end = job.ended_at or now
    whole = _between("job", job.created_at, end, error=str(job.error["code"]) if job.error and job.ended_at else "")
    step: Bar | None = None
    for row in history:
        if row["what"] == "entered" or step is None:
            if step is not None:
                step.seconds = _seconds(step.began, row["at"])
            step = _between(f"{job.workflow} {row['step']}", row["at"], end)
            step.attributes["groundplane.attempt"] = row["attempt"]
            whole.children.append(step)
        elif row["what"] == "reported":
            step.children.append(_task(row))
        elif row["what"] in {"retrying", "failed"} and row["detail"].get("fault"):
            step.error = row["detail"]["fault"]["code"]
    return [whole]


def _between(name: str, began: datetime, ended: datetime, *, service: str = "worker", error: str = "") -> Bar:
    return Bar(name, service, began, _seconds(began, ended), error)


def _seconds(began: datetime, ended: datetime) -> float:
    return max(0.0, (ended - began).total_seconds())


def _task(row: Row) -> Bar:
    """What the agent told of a task. Its calls came one after the other; the pauses between them are not known."""
    detail = row["detail"]
    ended = datetime.fromisoformat(detail["at"]) if detail.get("at") else row["at"]
    began = datetime.fromisoformat(detail["started_at"]) if detail.get("started_at") else ended
    task = _between("agent.task", began, ended, service="agent", error=(detail.get("fault") or {}).get("code", ""))
    at = began
    for call in detail.get("calls", ()):
        bar = Bar(f"{call['verb']} {call['kind']}", "agent", at, call["milliseconds"] / 1000)
        bar.attributes["groundplane.resource"] = call["id"]
        task.children.append(bar)
        at = bar.ended
    return task
