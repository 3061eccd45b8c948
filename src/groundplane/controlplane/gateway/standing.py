"""Where a resource stands, and why, in one sentence. Pure: reads no table."""

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
    last = next((row for row in reversed(evidence.events) if row["job_id"] == job.id), None)
    where = f"step {job.step}, attempt {job.attempt} ({words.job(job.id)})"
    fault = fault_of(job.error)
    after = f"; the last error was {fault}" if fault else ""
    if job.state == "RETRYING":
        return f"{words.job(job.id)} tries step {job.step} again at {job.next_at:%H:%M:%S} UTC after {fault}"
    if last is not None and job.ask is not None:
        return f"waits for {words.agents_of(evidence.host)} since {seconds(last['age'])}, {where}{after}."
    if last is not None and last["what"] not in {"entered", "reported"}:
        return f"{where}: {event_sentence(last, job, evidence.host, words)}"
    return f"{where} goes on at {job.next_at:%H:%M:%S} UTC{after}." if job.next_at else f"{where} goes on{after}."


def _at_rest(evidence: Evidence, words: Words) -> str:
    """How the last job ended, and what is wrong meanwhile."""
    ended = [job for job in evidence.jobs if job.ended_at is not None and not _superseded(job)]
    last = ended[-1] if ended else None
    drift = next((row for row in evidence.drift if row["resolved_at"] is None), None)
    if last is None:
        made = "done in the request itself, no engine holds it."
    elif last.state == "SUCCEEDED":
        made = f"{words.job(last.id)} ({last.workflow}) succeeded in {seconds(job_seconds(last))}."
    else:
        made = f"{words.job(last.id)} ({last.workflow}) failed with {fault_of(last.error)}"
    return f"{made} {_differs(drift, words)}" if drift is not None and evidence.resource.status != "deleted" else made


def _superseded(job: Job) -> bool:
    return job.error is not None and job.error.get("code") == "superseded"


def _differs(drift: Row, words: Words) -> str:
    when = f" Corrections are tried from {drift['next_at']:%H:%M:%S} UTC." if drift["decision"] == "correct" else ""
    return f"{drift_sentence(drift, words)}{when}"
