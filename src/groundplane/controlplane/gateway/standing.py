"""Where a resource stands, and why, in one sentence. Pure: reads no table."""

from datetime import datetime

from groundplane.controlplane.gateway.evidence import Evidence
from groundplane.controlplane.gateway.timeline import drift_sentence, event_sentence, job_seconds
from groundplane.controlplane.gateway.words import Words, fault_of, seconds
from groundplane.controlplane.jobs.job import Job
from groundplane.kernel.database import Row


def standing(evidence: Evidence, words: Words) -> str:
    """`creating: waits for an agent since 2.1 s, step create, attempt 2 (job_…).`"""
    holder = evidence.holder
    why = _at_rest(evidence, words) if holder is None else _carried_on(evidence, holder, words)
    return f"{evidence.resource.status}: {why}"


def _carried_on(evidence: Evidence, job: Job, words: Words) -> str:
    """What the running job is about."""
    lines = [row for row in evidence.events if row["job_id"] == job.id]
    asked = next((row for row in reversed(lines) if row["what"] == "asked"), None)
    where = f"step {job.step}, attempt {job.attempt} ({words.job(job.id)})"
    fault = fault_of(job.error)
    if job.state == "RETRYING":
        return f"{words.job(job.id)} tries step {job.step} again{_at(job.next_at)} after {fault}"
    after = f"; the last error was {fault}" if fault else "."
    if job.ask is not None and asked is not None:
        return f"waits for {words.agents_of(evidence.host)} since {seconds(asked['age'])}, {where}{after}"
    if lines and lines[-1]["what"] not in {"entered", "reported"}:
        return f"{where}: {event_sentence(lines[-1], job, evidence.host, words)}"
    return f"{where} goes on{_at(job.next_at)}{after}"


def _at(time: datetime | None) -> str:
    return f" at {time:%Y-%m-%d %H:%M:%S} UTC" if time else ""


def _at_rest(evidence: Evidence, words: Words) -> str:
    """How the last job ended, and what is wrong meanwhile."""
    ended = [job for job in evidence.jobs if job.ended_at is not None and not _superseded(job)]
    last = ended[-1] if ended else None
    drift = next((row for row in evidence.drift if row["resolved_at"] is None), None)
    if last is None:
        made = "done in the request itself, without a job."
    elif last.state == "SUCCEEDED":
        made = f"{words.job(last.id)} ({last.workflow}) succeeded in {seconds(job_seconds(last))}."
    else:
        made = f"{words.job(last.id)} ({last.workflow}) failed with {fault_of(last.error)}"
    return f"{made} {_differs(drift, words)}" if drift is not None and evidence.resource.status != "deleted" else made


def _superseded(job: Job) -> bool:
    return job.error is not None and job.error.get("code") == "superseded"


def _differs(drift: Row, words: Words) -> str:
    corrected = f" The next correction is due{_at(drift['next_at'])}." if drift["decision"] == "correct" else ""
    return f"{drift_sentence(drift, words)}{corrected}"
