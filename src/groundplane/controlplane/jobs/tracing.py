"""What a job tells its trace: where it was moved, by which step, and what its agent told of the task."""

from contextlib import AbstractContextManager

from groundplane.contracts.reports import Report, SpanRecord
from groundplane.controlplane.jobs.job import Job
from groundplane.kernel.ids import format_id
from groundplane.kernel.telemetry import Attributes, Local, Span, current_span, record, trace_scope

JOB = "groundplane.job"
"""The attribute that says whose a span is and all below it: one trace may hold many jobs."""


def job_scope(job: Job, name: str) -> AbstractContextManager[str]:
    """Go on in the job's trace."""
    return trace_scope(job.trace, name, {JOB: format_id("job", job.id)}, local=Local(job.organization_id, job.project_id))


def step_attributes(job: Job) -> Attributes:
    """Which attempt of which job."""
    return {JOB: format_id("job", job.id), "groundplane.attempt": job.attempt}


def keep_spans(report: Report) -> None:
    """Keep what the agent told, in the job's own trace whatever the agent says of it."""
    here = current_span()
    if here is not None:
        for told in report.spans:
            record(_span(here, told))


def _span(here: Span, told: SpanRecord) -> Span:
    return Span(
        here.trace_id,
        told.span_id,
        told.parent_id,
        told.name,
        sampled=here.sampled,
        local=here.local,
        started_ns=told.started_ns,
        ended_ns=told.started_ns + told.nanoseconds,
        error=told.error,
        service="agent",
        attributes=told.attributes,
    )
