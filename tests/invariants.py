"""What must be true whenever nothing is going on any more, of the database and the simulated engine alike.

Every function answers the violations as sentences, none when all is well. `Reader` is a kernel `Tx` (its JSON comes as
objects); nothing here writes.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from groundplane.controlplane.compute.vm import VM
from groundplane.controlplane.network.port import PORT
from groundplane.controlplane.storage.volume import VOLUME
from groundplane.dataplane.providers.simulated import SimulatedEngine
from groundplane.kernel.database import Row
from groundplane.processes.catalog import KINDS

KINDS_BY_NAME = {kind.name: kind for kind in KINDS}
HELD_BY_ENGINES = ("vm", "volume", "network", "subnet", "security_group", "port")
"""Images too, as copies: see `_image_copies`."""
GIB = 1 << 30
AT_MOST = 20
"""So many sentences of one sort are enough to see what is wrong."""

Violations = list[str]


class Reader(Protocol):
    """Whoever can be asked for rows."""

    async def fetch(self, sql: str, *values: object) -> Sequence[Row]:
        """All rows."""


@dataclass(frozen=True)
class Promise:
    """A request that was accepted. `request` names it for people; `job_id` is None where there was nothing to do."""

    request: str
    verb: str
    kind: str
    name: str
    resource_id: UUID | None
    job_id: UUID | None


async def violations(reader: Reader, engine: SimulatedEngine, promises: Sequence[Promise] = ()) -> Violations:
    """Everything that is wrong."""
    found: Violations = []
    for check in (
        jobs_ended,
        resources_at_rest,
        names_are_unique,
        claims_are_of_the_living,
        quota_is_counted_right,
        hosts_are_counted_right,
        pools_are_counted_right,
        addresses_are_those_of_ports,
        usage_is_that_of_what_runs,
        journal_is_whole,
        nothing_set_aside,
    ):
        found += _some(await check(reader))
    found += _some(await engine_holds_what_it_should(reader, engine))
    return found + _some(await promises_were_kept(reader, promises))


def _some(found: Violations) -> Violations:
    more = len(found) - AT_MOST
    return [*found[:AT_MOST], f"… and {more} more like the last one"] if more > 0 else found


# Jobs and resources.


async def unrest(reader: Reader) -> Violations:
    """What is still going on: jobs that did not end, and drift that is to be corrected."""
    jobs = await reader.fetch("SELECT id, workflow, state, step, attempt, error FROM job WHERE ended_at IS NULL ORDER BY id")
    drift = await reader.fetch(
        """SELECT drift.kind, resource_id, difference, fields, drift.attempts, next_at - now() AS due, status FROM drift
           LEFT JOIN resource ON resource.id = resource_id WHERE resolved_at IS NULL AND drift_decision(drift) = 'correct'"""
    )
    return [
        *(f"job {row['id']} {row['workflow']} is {row['state']} in {row['step']}: {row['error']}" for row in jobs),
        *(
            f"{row['kind']} {row['resource_id']} ({row['status']}) has drifted: {row['difference']} {row['fields']}, "
            f"{row['attempts']} corrections, the next in {row['due']}"
            for row in drift
        ),
    ]


async def jobs_ended(reader: Reader) -> Violations:
    """No job goes on, asks anything or holds anything; each ended once, by its last ask, and a failed one says why."""
    found = await unrest(reader)
    found += [
        f"job {row['id']} {row['workflow']} has ended and still asks: {row['ask']}"
        for row in await reader.fetch("SELECT id, workflow, ask FROM job WHERE ended_at IS NOT NULL AND ask IS NOT NULL")
    ]
    found += [
        f"resource {row['resource_id']} is still claimed by job {row['job_id']}"
        for row in await reader.fetch("SELECT resource_id, job_id FROM change_claim")
    ]
    found += [
        f"job {row['id']} {row['workflow']} FAILED and does not say why"
        for row in await reader.fetch(
            "SELECT id, workflow FROM job WHERE state = 'FAILED' AND (error ->> 'code' IS NULL OR error ->> 'message' IS NULL)"
        )
    ]
    found += [
        f"job {row['id']} {row['workflow']} ended by the report of an ask that was not its last: stale_fence"
        for row in await reader.fetch("SELECT id, workflow FROM job WHERE error ->> 'code' = 'stale_fence'")
    ]
    ended = await reader.fetch(
        """SELECT job.id, workflow, count(revision.sequence) AS ends FROM job
           LEFT JOIN revision ON entity = 'job' AND entity_id = job.id AND revision.state ->> 'state' IN ('SUCCEEDED', 'FAILED')
           WHERE ended_at IS NOT NULL GROUP BY job.id HAVING count(revision.sequence) <> 1"""
    )
    return found + [f"job {row['id']} {row['workflow']} ended {row['ends']} times by its journal" for row in ended]


async def resources_at_rest(reader: Reader) -> Violations:
    """What is wanted is there and converged, what is not wanted is gone; or the last job failed and says why."""
    rows = await reader.fetch(
        """SELECT id, kind, name, status, wanted, deleted_at, generation, observed_generation,
                  (SELECT job.state || ': ' || coalesce(job.error ->> 'code', '') FROM job WHERE job.resource_id = resource.id
                   ORDER BY job.id DESC LIMIT 1) AS last_job
           FROM resource
           WHERE NOT (status = 'deleted' AND wanted = 'absent' AND deleted_at IS NOT NULL
                      OR status = 'active' AND wanted = 'present' AND deleted_at IS NULL
                         AND generation = observed_generation
                      OR status = 'error' AND deleted_at IS NULL
                         AND EXISTS (SELECT FROM drift WHERE drift.resource_id = resource.id AND resolved_at IS NULL))"""
    )
    return [
        f"{row['kind']} {row['name']} {row['id']} is not at rest: {row['status']}, wanted {row['wanted']}, generation "
        f"{row['observed_generation']} of {row['generation']}, deleted {row['deleted_at']}, last job {row['last_job']}"
        for row in rows
    ]


async def names_are_unique(reader: Reader) -> Violations:
    """No two living resources of one kind and scope have one name."""
    rows = await reader.fetch(
        """SELECT kind, name, count(*) FROM resource WHERE deleted_at IS NULL
           GROUP BY kind, scope_id, name HAVING count(*) > 1"""
    )
    return [f"there are {row['count']} living resources of kind {row['kind']} and name {row['name']}" for row in rows]


async def nothing_set_aside(reader: Reader) -> Violations:
    """Every report could be applied."""
    rows = await reader.fetch("SELECT error, message FROM report_set_aside ORDER BY id")
    return [f"a report was set aside: {row['error']}: {str(row['message'])[:400]}" for row in rows]


# Claims.


async def claims_are_of_the_living(reader: Reader) -> Violations:
    """Whatever was deleted has given back everything."""
    tables = {
        "quota_claim": "resource_id",
        "placement": "resource_id",
        "pool_share": "resource_id",
        "address": "port_id",
        "subnet_range": "subnet_id",
        "image_copy": "image_id",
        "link": "source_id",
        "label": "resource_id",
        "secret": "resource_id",
    }
    found = []
    for table, column in tables.items():
        rows = await reader.fetch(
            f"SELECT {column} AS id, status FROM {table} LEFT JOIN resource ON resource.id = {column} "  # noqa: S608  # our own
            "WHERE resource.id IS NULL OR deleted_at IS NOT NULL"
        )
        found += [f"{table} still has a row of {row['id']}, which is {row['status']}" for row in rows]
    return found


async def quota_is_counted_right(reader: Reader) -> Violations:
    """What a project, or an organization, uses is the sum of what its living resources take, and so are the claims."""
    wanted: defaultdict[UUID, Counter[str]] = defaultdict(Counter)
    found = []
    claims = {row["resource_id"]: row["amounts"] for row in await reader.fetch("SELECT resource_id, amounts FROM quota_claim")}
    for row in await _living(reader):
        if row["project_id"] is None or KINDS_BY_NAME[row["kind"]].namespace != "tenant":
            continue
        kind = KINDS_BY_NAME[row["kind"]]
        amounts = _positive(kind.quota(kind.spec.model_validate(row["spec"])))
        wanted[row["project_id"]].update(amounts)
        wanted[row["organization_id"]].update(amounts)
        if _positive(claims.get(row["id"], {})) != amounts:
            found.append(f"{row['kind']} {row['id']} holds quota {claims.get(row['id'])}, and its spec takes {amounts}")
    for row in await reader.fetch("SELECT * FROM quota_usage"):
        used = _positive(row["used"])
        if used != _positive(wanted[row["scope_id"]]):
            found.append(f"account {row['scope_id']} has used {used}, and its resources take {dict(wanted[row['scope_id']])}")
    return found


def _positive(amounts: Mapping[str, int]) -> dict[str, int]:
    return {name: amount for name, amount in amounts.items() if amount}


async def hosts_are_counted_right(reader: Reader) -> Violations:
    """Each living machine has its place, on its host and as large as it is; a host's sums are those of its places."""
    places = {row["resource_id"]: row for row in await reader.fetch("SELECT * FROM placement")}
    found = []
    for row in await _living(reader, VM.name):
        place = places.get(row["id"])
        wanted = (row["host_id"], row["spec"]["vcpus"], row["spec"]["memory_mib"])
        held = (place["host_id"], place["vcpus"], place["memory_mib"]) if place else None
        if held != wanted:
            found.append(f"vm {row['id']} is placed as {held}, and should be as {wanted} (host, vCPUs, MiB)")
    sums = await reader.fetch(
        """SELECT host.host_id, vcpus_used, memory_used, coalesce(sum(placement.vcpus), 0) AS vcpus,
                  coalesce(sum(placement.memory_mib), 0) AS memory
           FROM host_capacity AS host LEFT JOIN placement USING (host_id) GROUP BY host.host_id
           HAVING vcpus_used <> coalesce(sum(placement.vcpus), 0)
               OR memory_used <> coalesce(sum(placement.memory_mib), 0)"""
    )
    return found + [
        f"host {row['host_id']} has given away {row['vcpus_used']} vCPUs and {row['memory_used']} MiB, "
        f"and its places are {row['vcpus']} and {row['memory']}"
        for row in sums
    ]


async def pools_are_counted_right(reader: Reader) -> Violations:
    """Each living volume has its share, as large as it is; a pool's sum is that of its shares."""
    shares = {row["resource_id"]: row["gib"] for row in await reader.fetch("SELECT resource_id, gib FROM pool_share")}
    found = [
        f"volume {row['id']} has a share of {shares.get(row['id'])} GiB, and should have {row['spec']['size_gib']}"
        for row in await _living(reader, VOLUME.name)
        if shares.get(row["id"]) != row["spec"]["size_gib"]
    ]
    sums = await reader.fetch(
        """SELECT pool_id, gib_used, coalesce(sum(pool_share.gib), 0) AS gib
           FROM pool_capacity LEFT JOIN pool_share USING (pool_id) GROUP BY pool_id
           HAVING gib_used <> coalesce(sum(pool_share.gib), 0)"""
    )
    return found + [
        f"pool {row['pool_id']} has given away {row['gib_used']} GiB, and its shares are {row['gib']}" for row in sums
    ]


async def addresses_are_those_of_ports(reader: Reader) -> Violations:
    """Each living port has the address and the MAC that its spec says, and no others."""
    held: defaultdict[UUID, set[tuple[str, str]]] = defaultdict(set)
    for row in await reader.fetch("SELECT port_id, host(address) AS address, mac::text FROM address"):
        held[row["port_id"]].add((row["address"], row["mac"]))
    return [
        f"port {row['id']} holds {held[row['id']]}, and should hold {row['spec']['address']} {row['spec']['mac']}"
        for row in await _living(reader, PORT.name)
        if held[row["id"]] != {(row["spec"]["address"], row["spec"]["mac"])}
    ]


# What is told of the past.


async def usage_is_that_of_what_runs(reader: Reader) -> Violations:
    """Spans do not overlap; those that are open are exactly the meters of what is there now."""
    overlaps = await reader.fetch(
        """SELECT a.resource_id, a.meter FROM usage_span AS a JOIN usage_span AS b
           ON a.resource_id = b.resource_id AND a.meter = b.meter AND a.during && b.during AND a.ctid < b.ctid"""
    )
    found = [f"usage of {row['resource_id']}, {row['meter']}, overlaps" for row in overlaps]
    spans = await reader.fetch("SELECT resource_id, meter, amount FROM usage_span WHERE upper_inf(during)")
    opened = Counter((row["resource_id"], row["meter"], row["amount"]) for row in spans)
    wanted: Counter[tuple[UUID, str, int]] = Counter()
    for row in await _living(reader):
        kind = KINDS_BY_NAME[row["kind"]]
        meters = kind.meters(kind.spec.model_validate(row["spec"]), row["observed"])
        wanted.update((row["id"], meter, amount) for meter, amount in meters.items())
    found += [f"no usage span is open for {resource}, {meter} = {amount}" for resource, meter, amount in (wanted - opened)]
    return found + [f"a usage span is open for {resource}, {meter} = {amount}" for resource, meter, amount in (opened - wanted)]


async def journal_is_whole(reader: Reader) -> Violations:
    """A resource's revisions are 1 to n, in order, without gap or double; all of them together make its row."""
    gaps = await reader.fetch(
        """SELECT resource.id, resource.kind, resource.revision, count(*), min(journal.revision), max(journal.revision),
                  count(DISTINCT journal.revision) AS different
           FROM resource LEFT JOIN revision AS journal ON entity = 'resource' AND entity_id = resource.id
           GROUP BY resource.id
           HAVING NOT (count(journal.sequence) = resource.revision AND count(DISTINCT journal.revision) = resource.revision
                       AND min(journal.revision) = 1 AND max(journal.revision) = resource.revision)"""
    )
    found = [
        f"the journal of {row['kind']} {row['id']} has {row['count']} rows, {row['different']} different, from {row['min']} to "
        f"{row['max']}, and its revision is {row['revision']}"
        for row in gaps
    ]
    # The last word on each column, beside the column. A fence is no state, and not told by the journal alone.
    differing = await reader.fetch(
        """WITH told AS (SELECT DISTINCT ON (entity_id, key) entity_id, key, value
                         FROM revision, jsonb_each(revision.state)
                         WHERE entity = 'resource' AND key <> 'fence' ORDER BY entity_id, key, revision.revision DESC)
           SELECT resource.id, resource.kind, told.key, told.value, to_jsonb(resource) -> told.key AS is
           FROM told JOIN resource ON resource.id = told.entity_id
           WHERE told.value IS DISTINCT FROM to_jsonb(resource) -> told.key"""
    )
    return found + [
        f"the journal of {row['kind']} {row['id']} says {row['key']} = {row['value']}, and it is {row['is']}"
        for row in differing
    ]


# The engine.


async def engine_holds_what_it_should(reader: Reader, engine: SimulatedEngine) -> Violations:
    """Exactly the living, each once, where it should be and as it should be."""
    living = {(row["kind"], row["id"]): row for row in await _living(reader) if row["kind"] in HELD_BY_ENGINES}
    held = [row for row in engine.resources() if row.key.kind != "image"]
    times = Counter((row.key.kind, row.key.id) for row in held)
    found = [f"the engine holds {kind} {each} {count} times" for (kind, each), count in times.items() if count > 1]
    found += [
        f"{kind} {each} is an orphan: no living row says that it should be" for kind, each in times.keys() - living.keys()
    ]
    found += [f"{kind} {each} is missing in the engine" for kind, each in living.keys() - times.keys()]
    for row in held:
        resource = living.get((row.key.kind, row.key.id))
        if resource is not None:
            found += _differences(resource, UUID(row.key.scope), row.observed)
    return found + await _image_copies(reader, engine)


def _differences(resource: Row, scope: UUID, observed: Mapping[str, Any]) -> Iterable[str]:
    kind, spec = resource["kind"], resource["spec"]
    wanted_scope = resource["host_id"] if kind in {"vm", "volume"} else resource["cluster_id"]
    if scope != wanted_scope:
        yield f"{kind} {resource['id']} is at {scope}, and should be at {wanted_scope}"
    wanted: dict[str, Any] = {}
    if kind == "vm":
        wanted = {"power": spec["power"], "reboots": spec["reboots"]}
    elif kind == "volume":
        wanted = {"size_bytes": spec["size_gib"] * GIB}
    elif kind == "port":
        wanted = {"address": spec["address"], "mac": spec["mac"]}
    for name, value in wanted.items():
        if observed.get(name) != value:
            yield f"{kind} {resource['id']} has {name} {observed.get(name)} in the engine, and should have {value}"
        if kind == "vm" and resource["observed"].get(name) != value:
            yield f"{kind} {resource['id']} was observed with {name} {resource['observed'].get(name)}, and should have {value}"


async def _image_copies(reader: Reader, engine: SimulatedEngine) -> Violations:
    """A copy is written down before the first volume of it is asked for, so there may be fewer, never others."""
    rows = await reader.fetch("SELECT image_id, host_id FROM image_copy JOIN pool_capacity USING (pool_id)")
    known = {(row["image_id"], row["host_id"]) for row in rows}
    held = {(row.key.id, UUID(row.key.scope)) for row in engine.resources(kind="image")}
    return [f"host {host} has a copy of image {image} that nobody knows of" for image, host in held - known]


# Promises.


async def promises_were_kept(reader: Reader, promises: Sequence[Promise]) -> Violations:
    """Each accepted request made or changed one resource, and its job ended."""
    jobs = {row["id"]: row for row in await reader.fetch("SELECT id, ended_at, error ->> 'code' AS code FROM job")}
    rows = await reader.fetch("SELECT id, kind, name, status, wanted, deleted_at FROM resource")
    resources = {row["id"]: row for row in rows}
    of_name = Counter((row["kind"], row["name"]) for row in rows)
    found = []
    for promise in promises:
        job = jobs.get(promise.job_id) if promise.job_id else None
        if promise.job_id and (job is None or job["ended_at"] is None):
            found.append(f"{promise.request}: its job {promise.job_id} {'is not there' if job is None else 'did not end'}")
        resource = resources.get(promise.resource_id) if promise.resource_id else None
        if promise.resource_id and resource is None:
            found.append(f"{promise.request}: its resource {promise.resource_id} is not there")
        if promise.verb == "create" and of_name[promise.kind, promise.name] != 1:
            found.append(f"{promise.request}: made {of_name[promise.kind, promise.name]} resources")
        cancelled = job is not None and job["code"] == "cancelled"
        if promise.verb == "delete" and resource is not None and resource["deleted_at"] is None and not cancelled:
            found.append(f"{promise.request}: {promise.resource_id} is {resource['status']}, wanted {resource['wanted']}")
    return found


async def refusals_made_nothing(reader: Reader, refusals: Sequence[Promise]) -> Violations:
    """No resource, living or deleted, has the kind and name of a create that was refused."""
    names = {(row["kind"], row["name"]) for row in await reader.fetch("SELECT kind, name FROM resource")}
    return _some([f"{each.request}: was refused, and made it" for each in refusals if (each.kind, each.name) in names])


async def audit_is_exact(
    reader: Reader, accepted: Mapping[str, Sequence[str]], refused: Mapping[str, Sequence[str]], *, once: bool
) -> Violations:
    """One `allowed` row for each request that was accepted, none for one that was refused, no row twice.

    Both map what names a request to the request ids of its attempts. Without `once` (idempotency keys are not honoured, and
    an attempt whose answer was lost may have done it already) a request may leave one row for each attempt.
    """
    rows = await reader.fetch(
        "SELECT request_id, count(*) FROM audit_event WHERE outcome = 'allowed' AND request_id IS NOT NULL GROUP BY request_id"
    )
    counts = Counter({row["request_id"]: row["count"] for row in rows})
    found = []
    for request, ids in accepted.items():
        left = sum(counts[each] for each in ids)
        if not 1 <= left <= (1 if once else len(ids)):
            found.append(f"{request} was accepted and left {left} audit rows")
    for request, ids in refused.items():
        if left := sum(counts[each] for each in (ids if once else ids[-1:])):
            found.append(f"{request} was refused and left {left} audit rows that say allowed")
    return _some(found + [f"request id {each} left {count} audit rows" for each, count in counts.items() if count > 1])


async def _living(reader: Reader, kind: str | None = None) -> Sequence[Row]:
    return await reader.fetch(
        """SELECT id, kind, name, organization_id, project_id, cluster_id, host_id, spec, observed, status
           FROM resource
           WHERE deleted_at IS NULL AND ($1::text IS NULL OR kind = $1)""",
        kind,
    )
