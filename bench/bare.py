"""The limit that the database sets: the bare SQL of plain creates and their reports, from one client on one connection.

No HTTP, no validation, no authorization, no bus: only the rows that the product writes for a machine alone on a volume that is
there, in the product's own schema with its triggers and foreign keys, in a database of its own of the same server.

A create is one statement and one commit: quota_usage of the project and of its organization, quota_claim, host_capacity,
placement, resource (and by trigger its line of the journal), link to the volume, job (journal), two lines of the job's history,
change_claim, audit_event, and the answer that is stored for the request's key. Reports are applied 20 at a time by one
statement and one commit: job (journal), three lines of its history, resource (journal), two usage spans, and the change_claim
deleted.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from groundplane.controlplane.schema.migrate import migrate
from groundplane.kernel.ids import format_id, new_id

DATABASE = "bare"
PROJECTS, HOSTS = 8, 10
REPORTS_AT_ONCE = 20
ROWS = {
    "resource": 1, "link": 1, "placement": 1, "quota_claim": 1, "job": 1, "job_event": 5, "usage_span": 2, "audit_event": 1,
    "revision": 4, "idempotency_key": 1,
}  # fmt: skip
"""What a create and its report leave in each table; of the journal: the resource made and active, the job made and ended."""

_FURNISH = """
    INSERT INTO resource (id, kind, organization_id, project_id, scope_id, name, status, spec, cluster_id, host_id, reason)
    SELECT id, kind, CASE WHEN kind IN ('project', 'volume') THEN project_id END,
           CASE WHEN kind IN ('project', 'volume') THEN project_id END, project_id, name, 'active', '{}', NULL, host_id, 'bench'
    FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[]) AS made (id, kind, project_id, host_id, name)
"""

_CREATE = """
    WITH quota AS (
        UPDATE quota_usage AS account SET used = used || jsonb_build_object(
            'vms', coalesce((used ->> 'vms')::bigint, 0) + 1, 'vcpus', coalesce((used ->> 'vcpus')::bigint, 0) + 1,
            'memory_mib', coalesce((used ->> 'memory_mib')::bigint, 0) + 64)
        FROM quota_limit
        WHERE account.scope_id IN ($3, $11) AND account.open
          AND quota_limit.scope_id = CASE WHEN account.scope_id = account.organization_id
              THEN '00000000-0000-0000-0000-000000000001'::uuid ELSE '00000000-0000-0000-0000-000000000000' END
          AND coalesce((used ->> 'vms')::bigint < (limits ->> 'vms')::bigint, true)
          AND coalesce((used ->> 'vcpus')::bigint < (limits ->> 'vcpus')::bigint, true)
          AND coalesce((used ->> 'memory_mib')::bigint + 64 <= (limits ->> 'memory_mib')::bigint, true)
    ), claim AS (
        INSERT INTO quota_claim (resource_id, scope_id, organization_id, amounts)
        VALUES ($1, $3, $11, '{"vms": 1, "vcpus": 1, "memory_mib": 64}')
    ), host AS (
        UPDATE host_capacity SET vcpus_used = vcpus_used + 1, memory_used = memory_used + 64
        WHERE host_id = $5 AND open AND vcpus > vcpus_used AND memory_mib >= memory_used + 64
    ), place AS (
        INSERT INTO placement (resource_id, host_id, vcpus, memory_mib) VALUES ($1, $5, 1, 64)
    ), vm AS (
        INSERT INTO resource (id, kind, organization_id, project_id, scope_id, name, status, spec, cluster_id, host_id, fence,
                              changed_by, reason)
        VALUES ($1, 'vm', $3, $3, $3, $6, 'creating', $7::text::jsonb, $5, $5, 1, $8, 'create vm')
    ), used AS (
        INSERT INTO link (source_id, target_id, role) VALUES ($1, $4, 'root')
    ), started AS (
        INSERT INTO job (id, workflow, version, organization_id, project_id, resource_id, resource_kind, state, step, ask,
                         ask_fence, next_at, step_deadline, deadline, requested_by, reason, trace, started_at,
                         verb, cluster_id)
        VALUES ($2, 'vm.create', 1, $3, $3, $1, 'vm', 'RUNNING', 'create', $9::text::jsonb,
                1, now() + interval '30 seconds', now() + interval '10 minutes', now() + interval '30 minutes', $8,
                'create vm', $10, clock_timestamp(), 'create', $5)
    ), history AS (
        INSERT INTO job_event (job_id, step, attempt, what, detail)
        VALUES ($2, 'create', 1, 'entered', '{}'), ($2, 'create', 1, 'asked', '{"fence": 1, "operations": ["ensure vm"]}')
    ), held AS (
        INSERT INTO change_claim (resource_id, job_id) VALUES ($1, $2)
    ), stored AS (
        INSERT INTO idempotency_key (principal_id, route, key, request_hash, status, location, body)
        VALUES ($8, 'POST /api/tenant/v1/projects/' || $3::text || '/vms', $2::text, repeat('0', 64), 202, $10,
                repeat($7::text, 3))
    )
    INSERT INTO audit_event (organization_id, project_id, actor_id, actor_kind, action, outcome, resource_kind, resource_id,
                             request_id, trace, address)
    VALUES ($3, $3, $8, 'user', 'compute.vm.create', 'allowed', 'vm', $1, $10, $10, '127.0.0.1')
"""

_REPORT = """
    WITH ended AS (
        UPDATE job SET state = 'SUCCEEDED', step = 'done', ask = NULL, ask_fence = NULL, next_at = NULL, step_deadline = NULL,
               ended_at = clock_timestamp()
        WHERE id = ANY($1::uuid[]) AND ended_at IS NULL AND ask_fence = 1 RETURNING id, resource_id, requested_by
    ), history AS (
        INSERT INTO job_event (job_id, step, attempt, what, detail)
        SELECT id, step, 1, what, detail FROM ended CROSS JOIN (VALUES
            ('create', 'reported', $2::text::jsonb), ('done', 'entered', '{}'), ('done', 'succeeded', '{}')
        ) AS line (step, what, detail)
    ), seen AS (
        UPDATE resource SET status = 'active', observed = $3::text::jsonb, observed_generation = generation,
               converged_spec = spec, reason = 'vm.create succeeded', job_id = ended.id, changed_by = requested_by
        FROM ended WHERE resource.id = resource_id
        RETURNING resource.id, organization_id, project_id
    ), spans AS (
        INSERT INTO usage_span (resource_id, meter, amount, organization_id, project_id, during)
        SELECT id, meter, amount, organization_id, project_id, tstzrange(clock_timestamp(), NULL)
        FROM seen CROSS JOIN (VALUES ('vm_vcpus', 1), ('vm_memory_mib', 64)) AS used (meter, amount)
    )
    DELETE FROM change_claim USING ended WHERE change_claim.job_id = ended.id
"""


@dataclass(frozen=True)
class Ground:
    """What the creates stand on: projects of one organization, and volumes with the hosts on which they lie."""

    organization_id: UUID
    projects: Sequence[UUID]
    volumes: Sequence[tuple[UUID, UUID]]


async def creates_per_second(superuser_url: str, machines: int) -> float:
    """Make a database on the server, carry out so many creates and reports in it, and drop it.

    `superuser_url` is the address of any other database there. Raises asyncpg's errors; RuntimeError when not every machine
    came to be active.
    """
    server = await asyncpg.connect(superuser_url)
    try:
        await server.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        await server.execute(f"CREATE DATABASE {DATABASE}")
        url = _of_database(superuser_url, DATABASE)
        await migrate(url)
        connection = await asyncpg.connect(url)
        try:
            ground = await furnish(connection, machines)
            began = time.perf_counter()
            await create_all(connection, ground)
            seconds = time.perf_counter() - began
            active = await connection.fetchval("SELECT count(*) FROM resource WHERE kind = 'vm' AND status = 'active'")
        finally:
            await connection.close()
        await server.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
    finally:
        await server.close()
    if active != machines:
        raise RuntimeError(f"{active} of {machines} machines are active")
    return machines / seconds


async def furnish(connection: Any, machines: int) -> Ground:
    """Projects, hosts and a volume for each machine, as bare rows."""
    organization_id = new_id()
    projects, hosts = [new_id() for _ in range(PROJECTS)], [new_id() for _ in range(HOSTS)]
    volumes = [(new_id(), hosts[number % HOSTS]) for number in range(machines)]
    rows: list[tuple[UUID, str, UUID | None, UUID | None, str]] = [
        (organization_id, "organization", None, None, "organization"),
        *((each, "project", each, None, f"project-{number}") for number, each in enumerate(projects)),
        *((each, "host", None, each, f"host-{number}") for number, each in enumerate(hosts)),
        *((each, "volume", projects[n % PROJECTS], host, f"volume-{n}") for n, (each, host) in enumerate(volumes)),
    ]
    async with connection.transaction():
        await connection.execute(_FURNISH, *map(list, zip(*rows, strict=True)))
        await connection.execute(
            "INSERT INTO quota_usage (scope_id, organization_id) SELECT each, $2 FROM unnest($1::uuid[]) AS each",
            [*projects, organization_id],
            organization_id,
        )
        await connection.execute(
            "INSERT INTO host_capacity (host_id, cluster_id, vcpus, memory_mib) SELECT host, host, 100000, 1 << 30"
            " FROM unnest($1::uuid[]) AS host",
            hosts,
        )
    await connection.execute("ANALYZE")
    return Ground(organization_id, projects, volumes)


async def create_all(connection: Any, ground: Ground) -> None:
    """A machine on each volume, one after another; their reports whenever there are enough of them."""
    actor_id, waiting = new_id(), list[UUID]()
    calls = [{"verb": "ensure", "kind": "vm", "id": str(actor_id), "milliseconds": 0.5}]
    detail = json.dumps({"outcome": "done", "at": "2026-01-01T00:00:00.000000Z", "calls": calls})
    observed = json.dumps({"power": "running", "reboots": 0, "hardware": "0" * 64})
    ask = json.dumps({"then": "done", "idle": 30.0, "scope": str(actor_id)})
    for number, (volume_id, host_id) in enumerate(ground.volumes):
        name, project_id, job_id = f"bare-{number}", ground.projects[number % PROJECTS], new_id()
        spec = json.dumps(_spec(name, volume_id))
        trace = f"00-{job_id.hex}-{job_id.hex[:16]}-01"
        values = (
            new_id(), job_id, project_id, volume_id, host_id, name, spec, actor_id, ask, trace, ground.organization_id,
        )  # fmt: skip
        await connection.execute(_CREATE, *values)
        waiting.append(job_id)
        if len(waiting) == REPORTS_AT_ONCE or number + 1 == len(ground.volumes):
            await connection.execute(_REPORT, waiting, detail, observed)
            waiting.clear()


def _spec(name: str, volume_id: UUID) -> dict[str, Any]:
    disks = [{"volume": format_id("vol", volume_id), "owned": False}]
    return {
        "vcpus": 1, "memory_mib": 64, "hostname": name, "power": "running", "reboots": 0, "disks": disks, "nics": [],
        "authorized_keys": [], "user_data_secret": None,
    }  # fmt: skip


def _of_database(url: str, name: str) -> str:
    """The address of another database of the same server."""
    server, _, query = url.partition("?")
    return f"{server.rpartition('/')[0]}/{name}?{query}"
