"""Merges what is known of a resource into one causal order: request, claims, change, job, steps. Pure: reads no table.

Times are the database's clock, which each row was stamped with when it was written. But a transaction may write its rows
in any order, and a request's audit row comes last of all. So a transaction is told as a whole where its first row was written,
and within it cause comes before effect, whatever the stamps say.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

from groundplane.controlplane.audit import AuditEvent
from groundplane.controlplane.gateway.evidence import Evidence, Holdings
from groundplane.controlplane.gateway.kinds import told_state
from groundplane.controlplane.gateway.words import Who, Words, amounts, fault_of, seconds
from groundplane.controlplane.jobs.job import Job
from groundplane.controlplane.resources.kind import Kind
from groundplane.kernel.database import Row
from groundplane.kernel.telemetry import trace_id

_RANKS = ("request", "claim", "wish", "job", "event", "result", "drift")
"""What comes first within a transaction: a wish leads to a job, and the lines of a job to its result."""
_TOGETHER = timedelta(seconds=1)
"""Rows further apart are not of one transaction: a restored database gives all rows one xmin."""


@dataclass(frozen=True)
class Entry:
    """One thing that happened. `rank` and `number` order what has the same `batch`, its transaction."""

    at: datetime
    what: str
    sentence: str
    rank: str
    number: int = 0
    batch: str | None = None
    who: Who | None = None
    job_id: str | None = None
    step: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    def view(self) -> dict[str, Any]:
        """The entry as answered."""
        return {
            "at": self.at,
            "what": self.what,
            "who": self.who.id if self.who else None,
            "who_name": self.who.name if self.who else None,
            "job_id": self.job_id,
            "step": self.step,
            "sentence": self.sentence,
            "detail": self.detail,
        }


def entries(evidence: Evidence, words: Words) -> list[Entry]:
    """All of it, oldest first."""
    found = [
        *(refused(event, words) for event in evidence.refusals),
        *_requests(evidence, words),
        *_changes(evidence, words),
        *(_began(evidence, job, words) for job in evidence.jobs),
        *_events(evidence, words),
        *_drift(evidence, words),
    ]
    return in_order(found)


def in_order(found: Iterable[Entry]) -> list[Entry]:
    """Transaction by transaction, as they began; causes first within each. Times never go back."""
    began: dict[str, tuple[datetime, datetime]] = {}
    keyed = []
    for entry in sorted(found, key=lambda each: each.at):
        start = entry.at
        if entry.batch is not None:
            first, last = began.get(entry.batch, (start, start))
            start = first if entry.at - last <= _TOGETHER else entry.at
            began[entry.batch] = (start, entry.at)
        keyed.append(((start, entry.batch or "", _RANKS.index(entry.rank), entry.number, entry.at), entry))
    ordered = [entry for _, entry in sorted(keyed, key=lambda pair: pair[0])]
    times = accumulate((entry.at for entry in ordered), max)
    return [replace(entry, at=at) for entry, at in zip(ordered, times, strict=True)]


def refused(event: AuditEvent, words: Words) -> Entry:
    """A request that was refused: nothing is left of it but the numbers that failed."""
    sentence = f"{_who(event, words)} asked for {event.action}, which was refused with {refusal(event)}"
    who = words.who(event.actor_id)
    return Entry(event.at, "refused", sentence, "request", who=who, detail=_request_detail(event, words))


def _who(event: AuditEvent, words: Words) -> str:
    who = words.who(event.actor_id) if event.actor_kind in {"user", "service_account"} else None
    return who.name or who.id if who else event.actor_kind


def refusal(event: AuditEvent) -> str:
    """Why it was refused: the code, and the sentence that answered."""
    told = event.detail.get("detail")
    return f"{event.code}: {told}" if told else f"{event.code}"


def _request_detail(event: AuditEvent, words: Words) -> Mapping[str, Any]:
    return {
        "action": event.action,
        "outcome": event.outcome,
        "code": event.code,
        "address": event.address,
        "request_id": event.request_id,
        "trace_id": trace_id(event.trace),
        **({"resource_kind": event.resource_kind} if event.resource_kind else {}),
        **words.told(event.detail),
    }


def _requests(evidence: Evidence, words: Words) -> Iterator[Entry]:
    first = _first_rows(evidence)
    by_trace = {job.trace: job for job in reversed(evidence.jobs) if job.trace}
    taken: set[str] = set()
    for event in reversed(evidence.requests):  # oldest first: of two, the first one made the change
        if event.outcome != "allowed":
            yield refused(event, words)
            continue
        job = by_trace.get(event.trace)
        transaction = evidence.transaction_of_job.get(job.id) if job else _transaction_of(evidence, event, taken)
        if transaction is not None:
            taken.add(transaction)
        yield _requested(event, job, first.get(transaction or ""), words)


def _first_rows(evidence: Evidence) -> Mapping[str, Row]:
    """What each transaction wrote first of the resource or of its jobs."""
    first: dict[str, Row] = {}
    for row in sorted((*evidence.changes, *evidence.moves), key=lambda row: row["at"]):
        first.setdefault(row["transaction"], row)
    return first


def _transaction_of(evidence: Evidence, event: AuditEvent, taken: set[str]) -> str | None:
    """The transaction of a request that began no job: the one that its audit row was written with.

    Failing that (in a restored database, or across a savepoint), the last one before it: the request held the resource's
    row until it committed.
    """
    written = evidence.transaction_of(evidence.batches[event.id])
    mine = [row for row in evidence.changes if row["job_id"] is None and row["changed_by"] == event.actor_id]
    together = [row for row in mine if row["transaction"] == written and abs(row["at"] - event.at) <= _TOGETHER]
    before = [row for row in evidence.changes if row["at"] <= event.at][-1:]
    found = together or [row for row in before if row in mine]
    return next((str(row["transaction"]) for row in found if row["transaction"] not in taken), None)


def _requested(event: AuditEvent, job: Job | None, first: Row | None, words: Words) -> Entry:
    origin = f" from {event.address}" if event.address else ""
    return Entry(
        min(first["at"], event.at) if first else event.at,
        "requested",
        f"{_who(event, words)} asked for {event.action}{origin}.",
        "request",
        batch=first["transaction"] if first else None,
        who=words.who(event.actor_id),
        job_id=words.job(job.id) if job else None,
        detail=_request_detail(event, words),
    )


def _changes(evidence: Evidence, words: Words) -> Iterator[Entry]:
    before: Mapping[str, int] | None = None
    for row in evidence.changes:
        first = row["revision"] == 1
        spec = row["state"].get("spec")
        if spec is not None:
            quota = _quota(evidence.kind, spec)
            grown = quota if first else _grown(before, quota)
            before = quota
            if first or grown:
                yield _claimed(row, grown, words, holdings=evidence.holdings if first else None)
        yield _changed(row, words, host=evidence.host if first and words.operator else None)


def _quota(kind: Kind, spec: Mapping[str, Any]) -> Mapping[str, int]:
    return kind.quota(kind.spec.model_validate(spec))


def _grown(before: Mapping[str, int] | None, after: Mapping[str, int]) -> Mapping[str, int]:
    """What a change of the spec took more than there was; nothing when what was before is not known."""
    if before is None:
        return {}
    return {name: value - before.get(name, 0) for name, value in after.items() if value > before.get(name, 0)}


def _claimed(row: Row, quota: Mapping[str, int], words: Words, *, holdings: Holdings | None) -> Entry:
    """Quota as it was claimed then; of shares, addresses and links what is held still."""
    detail: dict[str, Any] = {"quota": dict(quota)}
    sentences = [f"{amounts(quota)} of the project's quota"] if quota else []
    if holdings is not None:
        detail |= _holdings_detail(holdings, words)
        sentences += _holdings_words(holdings, words)
    sentence = f"Claimed {'; '.join(sentences)}." if sentences else "Claimed nothing."
    return Entry(
        row["at"],
        "claimed",
        sentence,
        "claim",
        row["revision"],
        row["transaction"],
        words.who(row["changed_by"]),
        detail=detail,
    )


def _holdings_detail(holdings: Holdings, words: Words) -> dict[str, Any]:
    uses = [{"role": row["role"], "kind": row["kind"], "id": words.resource(row["kind"], row["id"]), "name": row["name"]}
            for row in holdings.uses]  # fmt: skip
    return {
        "host_share": words.told(dict(holdings.host)) if holdings.host else None,
        "pool_share": words.told(dict(holdings.pool)) if holdings.pool else None,
        "addresses": list(holdings.addresses),
        "uses": uses,
    }


def _holdings_words(holdings: Holdings, words: Words) -> list[str]:
    said = []
    if holdings.host is not None:
        host = f"host {holdings.host['host']}" if words.operator else "a host"
        said.append(f"{holdings.host['vcpus']} vCPUs and {holdings.host['memory_mib']} MiB of {host}")
    if holdings.pool is not None:
        pool = f"pool {holdings.pool['pool']}" if words.operator else "a storage pool"
        said.append(f"{holdings.pool['gib']} GiB of {pool}")
    said += holdings.addresses
    said += [f"the use of {row['kind'].replace('_', ' ')} {row['name']} as {row['role']}" for row in holdings.uses]
    return said


def _changed(row: Row, words: Words, *, host: str | None) -> Entry:
    state = told_state(row)
    status = state.get("status")
    what = "created" if row["revision"] == 1 else "deleted" if status == "deleted" else "changed"
    now = f"it is {status}" if status else f"{' and '.join(state)} changed" if state else "as it was wanted"
    detail = {"revision": row["revision"], "reason": row["reason"], "state": state}
    return Entry(
        row["at"],
        what,
        f"{row['reason']}: {now}.",
        "wish" if row["job_id"] is None or row["revision"] == 1 else "result",  # a part is made with its job, and wanted before
        row["revision"],
        row["transaction"],
        who=words.who(row["changed_by"]),
        job_id=words.job(row["job_id"]),
        detail=detail | ({"host": host} if host else {}),
    )


def _began(evidence: Evidence, job: Job, words: Words) -> Entry:
    move = next((row for row in evidence.moves if row["job_id"] == job.id), None)
    at, batch = (move["at"], move["transaction"]) if move else (job.created_at, None)
    subject = words.resource(job.resource_kind, job.resource_id)
    own = "" if job.resource_id == evidence.resource.id else f" of {subject}, which this came with"
    who = words.who(job.requested_by)
    detail = {"workflow": job.workflow, "version": job.version, "reason": job.reason, "deadline": job.deadline,
              "trace_id": trace_id(job.trace), "resource_kind": job.resource_kind, "resource_id": subject,
              "parent_id": words.job(job.parent_id)}  # fmt: skip
    sentence = f"{words.job(job.id)} began {job.workflow}{own}: {job.reason}."
    return Entry(at, "began", sentence, "job", batch=batch, who=who, job_id=words.job(job.id), detail=detail)


def _events(evidence: Evidence, words: Words) -> Iterator[Entry]:
    known = {job.id: job for job in evidence.jobs}
    for row in evidence.events:
        batch = evidence.transaction_of(row["batch"])
        sentence = event_sentence(row, known[row["job_id"]], evidence.host, words)
        detail = {"attempt": row["attempt"], **words.told(row["detail"])}
        yield Entry(row["at"], row["what"], sentence, "event", row["number"], batch, job_id=words.job(row["job_id"]),
                    step=row["step"], detail=detail)  # fmt: skip


def event_sentence(row: Row, job: Job, host: str | None, words: Words) -> str:
    """One line of a job's history as a sentence. What is not known here is told by its own word."""
    what, detail, step = row["what"], row["detail"], row["step"]
    fault = fault_of(detail)
    if what == "asked":
        return f"Asked {words.agents_of(host)} to {', '.join(detail.get('operations', ()))}; attempt {row['attempt']}."
    if what == "reported":
        return _receipt(detail, words)
    if what == "retrying":
        return f"{fault or 'It failed'} Step {step} is tried again in {seconds(float(detail.get('seconds', 0)))}."
    if what == "unanswered":
        return f"Nobody answered in time: {words.agents_of(host)} is asked again."
    if what in {"succeeded", "failed"}:
        return f"{job.workflow} {what}{f' with {fault}' if fault else '.'}"
    reason = fault or detail.get("reason") or ""
    return f"Step {step}: {what}{f', {reason}' if reason else ''}."


def _receipt(detail: Mapping[str, Any], words: Words) -> str:
    calls = ", ".join(f"{call['verb']} {call['kind']} in {call['milliseconds']:.0f} ms" for call in detail.get("calls", ()))
    took = _took(detail)
    fault = fault_of(detail)
    outcome = f"failed with {fault}" if fault else str(detail.get("outcome", "done"))
    return f"{words.agent(detail.get('agent_id')).capitalize()} reported: {outcome}{took}{f'; {calls}' if calls else ''}."


def _took(detail: Mapping[str, Any]) -> str:
    """How long the agent took, by its own clock."""
    if not detail.get("started_at") or not detail.get("at"):
        return ""
    took = datetime.fromisoformat(detail["at"]) - datetime.fromisoformat(detail["started_at"])
    return f" after {seconds(took.total_seconds())}"


def _drift(evidence: Evidence, words: Words) -> Iterator[Entry]:
    for row in evidence.drift:
        job_id = words.job(row["job_id"])
        names = ("difference", "fields", "source", "decision", "attempts", "next_at", "resolved_at")
        detail = words.told({name: row[name] for name in names})
        yield Entry(row["detected_at"], "drifted", drift_sentence(row, words), "drift", job_id=job_id, detail=detail)
        if row["decided_at"] is not None:
            what = "correct it" if row["decided"] == "correct" else "ignore it"
            who = words.who(row["decided_by"]) if words.operator else None
            sentence = f"A person decided to {what}: {_as_part(row['decided_reason'])}."
            yield Entry(row["decided_at"], "decided", sentence, "drift", who=who)
        if row["resolved_at"] is not None:
            yield Entry(row["resolved_at"], "resolved", "It is as it should be again.", "drift", job_id=job_id)


def _ignored(row: Row) -> str:
    until = f" until {row['ignored_until']:%Y-%m-%d %H:%M} UTC" if row["ignored_until"] else ""
    return f"it is ignored{until}: {_as_part(row['decided_reason'])}"


def _as_part(reason: str) -> str:
    """What a person gave as a reason, within a sentence that has an end of its own."""
    return reason.rstrip(" .")


def drift_sentence(row: Row, words: Words) -> str:
    """Both sides of a difference, and what becomes of it."""
    sides = "; ".join(
        f"{name} should be {sides.get('wanted')} and is {sides.get('observed')}" for name, sides in row["fields"].items()
    )
    corrected = f"{words.job(row['job_id'])} corrects it" if row["job_id"] else "it is to be corrected"
    decision = {"correct": corrected, "alert": "a person is to decide what becomes of it"}.get(row["decision"])
    decision = decision or _ignored(row)
    return f"Found {row['difference'].replace('_', ' ')} by {row['source']}: {sides}; {decision}."


def job_seconds(job: Job) -> float:
    """How long a job took that ended."""
    return ((job.ended_at or job.created_at) - job.created_at).total_seconds()
