"""Gathers all that is known of one resource's past and present, each part bounded. Reads only; tells nothing yet."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from groundplane.controlplane import audit
from groundplane.controlplane.audit import AuditEvent
from groundplane.controlplane.fleet import timeline as fleet
from groundplane.controlplane.jobs import job as jobs
from groundplane.controlplane.jobs import timeline as job_timeline
from groundplane.controlplane.jobs.job import Job
from groundplane.controlplane.network import timeline as network
from groundplane.controlplane.resources import links, timeline
from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.resource import Resource
from groundplane.kernel.database import Row, Tx


@dataclass(frozen=True)
class Holdings:
    """What a resource holds now: shares of a host and a pool, addresses, and what it uses."""

    host: Row | None
    pool: Row | None
    addresses: Sequence[str]
    uses: Sequence[Row]


@dataclass(frozen=True)
class Evidence:
    """What the tables say of a resource. Every sequence but `refusals` and `requests` is oldest first.

    holder     the job that is changing the resource now
    batches    the xmin of each request's audit row
    refusals   creates of its name that were refused before it was there
    host       the name of the host that it is on
    cut        whether there was more of something than was read
    """

    kind: Kind
    resource: Resource
    changes: Sequence[Row]
    jobs: Sequence[Job]
    holder: Job | None
    moves: Sequence[Row]
    events: Sequence[Row]
    drift: Sequence[Row]
    requests: Sequence[AuditEvent]
    batches: Mapping[UUID, str]
    refusals: Sequence[AuditEvent]
    holdings: Holdings
    host: str | None
    cut: bool = False
    transaction_of_job: Mapping[UUID, str] = field(init=False)
    _transactions: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """A job begins in the first transaction in which it moves."""
        first = {row["job_id"]: row["transaction"] for row in reversed(self.moves)}
        object.__setattr__(self, "transaction_of_job", first)
        rows = (*self.changes, *self.moves)
        known = {str(int(row["transaction"]) % (1 << 32)): row["transaction"] for row in rows}
        object.__setattr__(self, "_transactions", known | {row["batch"]: row["transaction"] for row in rows})

    def people(self) -> Iterator[UUID | None]:
        """Whoever asked for anything of it."""
        yield from (row["changed_by"] for row in self.changes)
        yield from (job.requested_by for job in self.jobs)
        yield from (event.actor_id for event in (*self.requests, *self.refusals))
        yield from (row["decided_by"] for row in self.drift)
        yield from (UUID(row["detail"]["requested_by"]) for row in self.events if row["detail"].get("requested_by"))

    def transaction_of(self, batch: str) -> str:
        """The transaction in which a row of this xmin was written, as far as the journal knows it; else the xmin itself."""
        return self._transactions.get(batch, batch)


async def gather(tx: Tx, kind: Kind, resource: Resource, *, limit: int) -> Evidence:
    """The newest `limit` of each part, and one more of each if there is, so that what is older is known to be there."""
    more = limit + 1
    changes = await timeline.changes(tx, resource.id, limit=more)
    about = await _jobs(tx, resource, changes, more)
    events = await job_timeline.events(tx, [job.id for job in about], limit=more)
    drift = await fleet.drift_of(tx, resource.id, limit=more)
    requests = await _requests(tx, resource, about, more)
    refusals = await audit.refusals_of_name(
        tx,
        kind.permission("create"),
        resource.name,
        organization_id=resource.organization_id,
        project_id=resource.project_id if kind.namespace == "tenant" else None,
        before=resource.created_at,
        limit=more,
    )
    parts: Sequence[Sequence[object]] = (changes, about, events, drift, requests, refusals)
    return Evidence(
        kind=kind,
        resource=resource,
        changes=changes,
        jobs=about[::-1],
        holder=await jobs.holder(tx, resource.id),
        moves=await timeline.moves(tx, [job.id for job in about]),
        events=events,
        drift=drift,
        requests=requests,
        batches=await audit.batches(tx, requests),
        refusals=refusals,
        holdings=await _holdings(tx, resource),
        host=await timeline.name_of(tx, resource.host_id) if resource.host_id else None,
        cut=any(len(part) > limit for part in parts),
    )


async def _jobs(tx: Tx, resource: Resource, changes: Sequence[Row], limit: int) -> Sequence[Job]:
    """Its own jobs, those that the journal names, and those that a request about it began for something else."""
    named = {row["job_id"] for row in changes if row["job_id"] is not None}
    asked = {
        row["transaction"] for row in changes
        if row["job_id"] is None and row["changed_by"] is not None and row["revision"] > 1  # creates share transactions
    }  # fmt: skip
    beside = await timeline.jobs_beside(tx, resource.id, sorted(asked), limit=limit) if asked else ()
    return await job_timeline.jobs_about(tx, resource.id, [*named, *beside], limit=limit)


async def _requests(tx: Tx, resource: Resource, about: Sequence[Job], limit: int) -> Sequence[AuditEvent]:
    """About the resource itself, and about what it came with, newest first."""
    own = await audit.page(tx, resource_id=resource.id, limit=limit)
    others = {job.resource_id for job in about} - {resource.id}
    traces = {job.trace for job in about if job.trace}
    if not others or not traces:
        return own
    beside = await audit.requests_of_traces(tx, sorted(others), sorted(traces), limit=limit)
    return sorted([*own, *beside], key=lambda event: event.id, reverse=True)[:limit]


async def _holdings(tx: Tx, resource: Resource) -> Holdings:
    return Holdings(
        host=await fleet.host_share(tx, resource.id),
        pool=await fleet.pool_share(tx, resource.id),
        addresses=await network.addresses(tx, resource.id),
        uses=await links.uses(tx, resource.id),
    )
