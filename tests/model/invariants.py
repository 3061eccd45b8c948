"""What must hold whatever was asked and whatever went wrong: each check answers a sentence for each violation.

`ALWAYS` holds between any two transactions, `AT_REST` once no job runs and drift was corrected. Nothing here writes.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from groundplane.controlplane.metering.spans import Use
from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.summary import tallies
from groundplane.dataplane.providers.simulated import SimulatedEngine
from groundplane.kernel.database import Row, Tx
from groundplane.processes.catalog import KINDS

Check = Callable[[Tx], Awaitable[list[str]]]

_KINDS: Mapping[str, Kind] = {kind.name: kind for kind in KINDS}
_HELD = ("network", "subnet", "security_group", "port", "volume", "vm")
"""The kinds of which an engine holds one thing for each resource; an image has a copy in each pool that needed one."""


def _told(sentence: str, rows: Sequence[Row]) -> list[str]:
    return [f"{sentence}: {dict(row)}" for row in rows]


def _apart(what: str, kept: Mapping[Any, Any], counted: Mapping[Any, Any]) -> list[str]:
    """A sentence for each key under which the two differ."""
    keys = [key for key in {**kept, **counted} if kept.get(key) != counted.get(key)]
    return [f"{what} of {key}: {kept.get(key)} is kept, a recount of the resources gives {counted.get(key)}" for key in keys]


async def _living(tx: Tx, kind: str) -> Sequence[Row]:
    return await tx.fetch("SELECT * FROM resource WHERE kind = $1 AND deleted_at IS NULL", kind)


# Always.


async def summaries_are_a_recount(tx: Tx) -> list[str]:
    """Of each kind so many, in such statuses, and so many machines that run, as all resources, looked at one by one, are."""
    rows = await tx.fetch(
        "SELECT project_id, kind, status, observed ->> 'power' AS power FROM resource WHERE deleted_at IS NULL"
    )
    wrong: list[str] = []
    for project_id in {None, *(row["project_id"] for row in rows)}:
        counted = await tallies(tx, KINDS, project_id=project_id)
        told: Counter[tuple[str, str | None]] = Counter()
        told.update({(kind, status): count for kind, tally in counted.items() for status, count in tally.statuses.items()})
        told.update({("power", power): count for power, count in counted["vm"].powers.items()})
        theirs = [row for row in rows if project_id in {None, row["project_id"]}]
        found: Counter[tuple[str, str | None]] = Counter((row["kind"], row["status"]) for row in theirs)
        found.update(("power", row["power"]) for row in theirs if row["kind"] == "vm")
        wrong += _apart(f"The summary of {project_id or 'the platform'}", +told, found)
    return wrong


async def quota_is_what_resources_use(tx: Tx) -> list[str]:
    """Each resource holds what its kind says; what a project, and what an organization uses, is the sum of theirs."""
    rows = await tx.fetch(
        """SELECT id, kind, organization_id, project_id, spec FROM resource
           WHERE deleted_at IS NULL AND project_id IS NOT NULL"""
    )
    needed: dict[UUID, Mapping[str, int]] = {}
    used: Counter[tuple[UUID, str]] = Counter()
    for row in rows:
        kind = _KINDS[row["kind"]]
        amounts = kind.quota(kind.spec.model_validate(row["spec"]))
        if amounts:
            needed[row["id"]] = dict(amounts)
        for scope_id in (row["project_id"], row["organization_id"]):
            used.update({(scope_id, name): amount for name, amount in amounts.items()})
    held = {row["resource_id"]: dict(row["amounts"]) for row in await tx.fetch("SELECT * FROM quota_claim")}
    accounts = await tx.fetch("SELECT scope_id, used FROM quota_usage")
    kept = {(row["scope_id"], name): amount for row in accounts for name, amount in row["used"].items() if amount}
    return _apart("The quota claim", held, needed) + _apart("The quota usage", kept, +used)


async def hosts_and_pools_add_up(tx: Tx) -> list[str]:
    """Machines hold what they ask of one host, volumes of one pool, and each total is the sum of its shares."""
    machines = {row["id"]: (row["host_id"], row["spec"]["vcpus"], row["spec"]["memory_mib"]) for row in await _living(tx, "vm")}
    placed = {
        row["resource_id"]: (row["host_id"], row["vcpus"], row["memory_mib"])
        for row in await tx.fetch("SELECT * FROM placement")
    }
    volumes = {row["id"]: row["spec"]["size_gib"] for row in await _living(tx, "volume")}
    shares = {row["resource_id"]: row["gib"] for row in await tx.fetch("SELECT * FROM pool_share")}
    hosts = await tx.fetch(
        """SELECT host_id, vcpus_used, memory_used FROM host_capacity AS host
           WHERE (vcpus_used, memory_used) <> (SELECT coalesce(sum(vcpus), 0), coalesce(sum(memory_mib), 0)
                                               FROM placement WHERE placement.host_id = host.host_id)"""
    )
    pools = await tx.fetch(
        """SELECT pool_id, gib_used FROM pool_capacity AS pool
           WHERE gib_used <> (SELECT coalesce(sum(gib), 0) FROM pool_share WHERE pool_share.pool_id = pool.pool_id)"""
    )
    return (
        _apart("The place", placed, machines) + _apart("The share of a pool", shares, volumes)
        + _told("A host's capacity is not the sum of its placements", hosts)
        + _told("A pool's capacity is not the sum of its shares", pools)
    )  # fmt: skip


async def addresses_are_those_of_ports(tx: Tx) -> list[str]:
    """Each living port has the one address and MAC that it was promised; each living subnet has its range."""
    ports = {row["id"]: (row["spec"]["address"], row["spec"]["mac"]) for row in await _living(tx, "port")}
    rows = await tx.fetch("SELECT port_id, host(address) AS address, mac::text AS mac FROM address ORDER BY address")
    subnets = {row["id"]: row["spec"]["cidr"] for row in await _living(tx, "subnet")}
    ranges = {
        row["subnet_id"]: row["range"] for row in await tx.fetch("SELECT subnet_id, range::text AS range FROM subnet_range")
    }
    claimed = {row["port_id"]: (row["address"], row["mac"]) for row in rows}
    twice = [f"Port {row['port_id']} has a second address, {row['address']}" for row in rows
             if claimed[row["port_id"]][0] != row["address"]]  # fmt: skip
    return _apart("The address", claimed, ports) + _apart("The range", ranges, subnets) + twice


async def links_join_the_living(tx: Tx) -> list[str]:
    """Nobody points at something gone, or from there."""
    rows = await tx.fetch(
        """SELECT link.*, source.name AS source, target.name AS target FROM link
           LEFT JOIN resource AS source ON source.id = source_id LEFT JOIN resource AS target ON target.id = target_id
           WHERE source.deleted_at IS NOT NULL OR target.deleted_at IS NOT NULL OR source.id IS NULL OR target.id IS NULL"""
    )
    labels = await tx.fetch(
        """SELECT id, name, labels, found FROM resource CROSS JOIN LATERAL
               (SELECT coalesce(jsonb_object_agg(key, value), '{}') AS found FROM label WHERE resource_id = id) AS searched
           WHERE found <> CASE WHEN deleted_at IS NULL THEN labels ELSE '{}' END"""
    )
    return _told("A link has an end that is gone", rows) + _told("What is searched for is not what is shown as labels", labels)


async def the_journal_is_whole(tx: Tx) -> list[str]:
    """Revisions count from 1 to n, and what they tell, one over the other, is the row as it is."""
    gaps = await tx.fetch(
        """SELECT resource.id, kind, name, resource.revision, told FROM resource CROSS JOIN LATERAL
               (SELECT array_agg(revision.revision ORDER BY sequence) AS told FROM revision
                WHERE entity = 'resource' AND entity_id = resource.id) AS journal
           WHERE told IS DISTINCT FROM ARRAY(SELECT generate_series(1, resource.revision))"""
    )
    apart = await tx.fetch(
        """SELECT resource.id, resource.kind, resource.name, key, newest.value AS told, to_jsonb(resource) -> key AS is
           FROM resource JOIN (SELECT DISTINCT ON (entity_id, key) entity_id, key, value
                               FROM revision CROSS JOIN jsonb_each(state) WHERE entity = 'resource'
                               ORDER BY entity_id, key, sequence DESC) AS newest ON entity_id = resource.id
           WHERE key <> 'fence' AND newest.value IS DISTINCT FROM to_jsonb(resource) -> key"""
    )
    jobs = await tx.fetch(
        """SELECT job.id, job.state, told FROM job CROSS JOIN LATERAL
               (SELECT state ->> 'state' AS told FROM revision WHERE entity = 'job' AND entity_id = job.id
                ORDER BY sequence DESC LIMIT 1) AS journal
           WHERE told IS DISTINCT FROM job.state"""
    )
    return (
        _told("The journal's revisions are not 1 to n", gaps) + _told("The journal's newest state is not the row's", apart)
        + _told("The journal tells another state of a job", jobs)
    )  # fmt: skip


async def usage_is_metered(tx: Tx) -> list[str]:
    """Open spans are exactly those of what is used now, and none of a meter lies upon another.

    What is being changed, or could not be, is metered as it was: what it uses is known when an engine says so.
    """
    rows = await tx.fetch(
        """SELECT id, kind, organization_id, project_id, spec, observed, status <> 'active' OR EXISTS (
                      SELECT FROM change_claim WHERE resource_id = resource.id) AS changing
           FROM resource WHERE deleted_at IS NULL"""
    )
    changing = {row["id"] for row in rows if row["changing"]}
    uses = [_use(row) for row in rows if not row["changing"]]
    used = {(use.resource_id, meter): amount for use in uses for meter, amount in use.amounts.items()}
    open_spans = await tx.fetch("SELECT resource_id, meter, amount FROM usage_span WHERE upper_inf(during)")
    metered = {(row["resource_id"], row["meter"]): row["amount"] for row in open_spans if row["resource_id"] not in changing}
    overlapping = await tx.fetch(
        """SELECT one.resource_id, one.meter, one.during, other.during AS other FROM usage_span AS one JOIN usage_span AS other
           ON one.resource_id = other.resource_id AND one.meter = other.meter AND one.during && other.during
              AND one.during < other.during"""
    )
    return _apart("The open usage span", metered, used) + _told("Usage is metered twice", overlapping)


def _use(row: Row) -> Use:
    kind = _KINDS[row["kind"]]
    amounts = kind.meters(kind.spec.model_validate(row["spec"]), row["observed"])
    return Use(row["id"], row["organization_id"], row["project_id"], amounts)


async def changes_are_held_by_running_jobs(tx: Tx) -> list[str]:
    """Who holds a change runs, every running job of a resource holds it, and nothing told was set aside."""
    idle = await tx.fetch(
        """SELECT change_claim.*, state FROM change_claim JOIN job ON job.id = job_id
           JOIN resource ON resource.id = change_claim.resource_id WHERE ended_at IS NOT NULL OR deleted_at IS NOT NULL"""
    )
    bare = await tx.fetch(
        """SELECT id, workflow, state FROM job WHERE ended_at IS NULL AND verb <> 'bulk'
           AND NOT EXISTS (SELECT FROM change_claim WHERE job_id = job.id AND resource_id = job.resource_id)"""
    )
    aside = await tx.fetch("SELECT error FROM report_set_aside")
    return (
        _told("A change is held for a job that ended, or of something gone", idle)
        + _told("A job runs without holding its change", bare) + _told("A report could not be applied", aside)
    )  # fmt: skip


ALWAYS: Sequence[Check] = (
    quota_is_what_resources_use,
    hosts_and_pools_add_up,
    addresses_are_those_of_ports,
    links_join_the_living,
    the_journal_is_whole,
    usage_is_metered,
    changes_are_held_by_running_jobs,
    summaries_are_a_recount,
)


async def nothing_gone_is_held(tx: Tx, engine: SimulatedEngine) -> list[str]:
    """Always: what the platform calls deleted, and whose claims it gave back, no engine holds any more."""
    held = {thing.key.id: thing.key for thing in engine.resources() if thing.key.kind != "image"}
    rows = await tx.fetch("SELECT id, kind, name FROM resource WHERE id = ANY($1) AND deleted_at IS NOT NULL", list(held))
    return _told("An engine holds what is called deleted", rows)


# At rest.


async def every_job_ended(tx: Tx) -> list[str]:
    """No job is left over, and nobody holds a change."""
    rows = await tx.fetch("SELECT id, workflow, state, step, attempt, error FROM job WHERE ended_at IS NULL")
    return _told("A job did not end", rows) + _told("A change is held", await tx.fetch("SELECT * FROM change_claim"))


async def wishes_are_fulfilled(tx: Tx) -> list[str]:
    """What is wanted is active as it is wanted, what is not is gone."""
    rows = await tx.fetch(
        """SELECT id, kind, name, status, wanted, generation, observed_generation FROM resource
           WHERE CASE wanted WHEN 'present' THEN status <> 'active' OR observed_generation <> generation
                             ELSE deleted_at IS NULL END"""
    )
    return _told("A wish is not fulfilled", rows)


AT_REST: Sequence[Check] = (every_job_ended, wishes_are_fulfilled)


async def engines_hold_what_is_wanted(tx: Tx, engine: SimulatedEngine) -> list[str]:
    """At rest: everything once, nothing that nobody knows, machines in the power that is wanted, copies where written down."""
    rows = await tx.fetch("SELECT id, kind, spec FROM resource WHERE deleted_at IS NULL AND kind = ANY($1)", list(_HELD))
    wanted = {(row["kind"], row["id"]): 1 for row in rows}
    held: dict[tuple[str, UUID], int] = {}
    power: dict[UUID, object] = {}
    copies: set[tuple[UUID, UUID]] = set()
    for thing in engine.resources():
        if thing.key.kind == "image":
            copies.add((thing.key.id, UUID(thing.key.scope)))
            continue
        held[thing.key.kind, thing.key.id] = held.get((thing.key.kind, thing.key.id), 0) + 1
        power[thing.key.id] = (thing.observed.get("power"), thing.observed.get("reboots"))
    wishes = {row["id"]: (row["spec"]["power"], row["spec"]["reboots"]) for row in rows if row["kind"] == "vm"}
    known = await tx.fetch("SELECT image_id, host_id FROM image_copy JOIN pool_capacity USING (pool_id)")
    unknown = copies - {(row["image_id"], row["host_id"]) for row in known}
    return (
        _apart("What engines hold", held, wanted)
        + _apart("The power and reboots", {vm_id: power.get(vm_id) for vm_id in wishes}, wishes)
        + [f"A host has a copy of an image that is not written down: {copy}" for copy in unknown]
    )
