"""Fills an installation's database with resources that nobody works on: half machines, half the volumes they run from.

By set-based SQL, past the platform: they belong to other organizations, and to hosts of a cluster that no agent serves, so that
no look compares them. Each has what the product would have left of it: links, labels, claims, an ended job with its history,
lines of the journal, a usage span and an audit row. Triggers and foreign keys are off in the sessions that fill only.
"""

import asyncio
import time
from collections import deque
from string import Template

import asyncpg

PROJECTS, HOSTS = 100, 1000
HANDS = 2
"""How many statements are under way at once."""
_SESSION = {"session_replication_role": "replica", "synchronous_commit": "off", "work_mem": "256MB"}

_STAND = """
    CREATE UNLOGGED TABLE crowd_project AS
        SELECT number, uuidv7(interval '-2 days') AS id, uuidv7(interval '-3 days') AS organization_id
        FROM generate_series(0, $projects - 1) AS number;
    CREATE UNLOGGED TABLE crowd_host AS
        SELECT number, uuidv7(interval '-2 days') AS id, uuidv7(interval '-2 days') AS pool_id
        FROM generate_series(0, $hosts - 1) AS number;
    CREATE UNLOGGED TABLE crowd_cluster AS SELECT uuidv7() AS id;
    CREATE UNLOGGED TABLE crowd AS
        SELECT each AS number, uuidv7(interval '-1 day') AS vm_id, uuidv7(interval '-25 hours') AS volume_id,
               uuidv7(interval '-1 day') AS vm_job, uuidv7(interval '-25 hours') AS volume_job,
               crowd_project.id AS project_id, organization_id, crowd_host.id AS host_id, pool_id
        FROM generate_series(1, $machines) AS each
        JOIN crowd_project ON crowd_project.number = each % $projects
        JOIN crowd_host ON crowd_host.number = each % $hosts
        ORDER BY each;

    INSERT INTO resource (id, kind, name, status, spec, observed_generation)
        SELECT id, 'cluster', 'crowd', 'active', '{"description": ""}', 1 FROM crowd_cluster;
    INSERT INTO resource (id, kind, organization_id, name, status, spec, observed_generation)
        SELECT organization_id, 'organization', organization_id, 'crowd-' || number, 'active', '{}', 1 FROM crowd_project;
    INSERT INTO resource (id, kind, organization_id, project_id, scope_id, name, status, spec, observed_generation)
        SELECT id, 'project', organization_id, id, organization_id, 'crowd-' || number, 'active', '{}', 1 FROM crowd_project;
    INSERT INTO quota_usage (scope_id, organization_id, used)
        SELECT account.id, organization_id, jsonb_build_object('vms', count(*), 'vcpus', count(*), 'memory_mib', count(*) * 64,
               'volumes', count(*), 'volume_gib', count(*))
        FROM crowd CROSS JOIN LATERAL (VALUES (project_id), (organization_id)) AS account (id)
        GROUP BY account.id, organization_id;
    INSERT INTO resource (id, kind, name, status, spec, cluster_id, host_id, observed_generation)
        SELECT crowd_host.id, 'host', 'crowd-' || number, 'active',
               jsonb_build_object('cluster', 'crowd', 'vcpus', 64, 'memory_mib', 65536, 'open', true), crowd_cluster.id,
               crowd_host.id, 1
        FROM crowd_host CROSS JOIN crowd_cluster;
    INSERT INTO resource (id, kind, name, status, spec, cluster_id, host_id, observed_generation)
        SELECT pool_id, 'pool', 'crowd-' || number, 'active',
               jsonb_build_object('host', 'crowd-' || number, 'engine_name', 'default', 'gib', 4096), crowd_cluster.id,
               crowd_host.id, 1
        FROM crowd_host CROSS JOIN crowd_cluster;
    INSERT INTO host_capacity (host_id, cluster_id, vcpus, memory_mib, vcpus_used, memory_used)
        SELECT host_id, crowd_cluster.id, count(*), count(*) * 64, count(*), count(*) * 64
        FROM crowd CROSS JOIN crowd_cluster GROUP BY host_id, crowd_cluster.id;
    INSERT INTO pool_capacity (pool_id, host_id, cluster_id, gib, gib_used)
        SELECT pool_id, host_id, crowd_cluster.id, count(*), count(*)
        FROM crowd CROSS JOIN crowd_cluster GROUP BY pool_id, host_id, crowd_cluster.id;
    INSERT INTO host_seen (host_id, agent_id, seen_at, facts)
        SELECT id, id, 'infinity', '{"reachable": true}' FROM crowd_host;
"""

_OF_KIND = (
    """INSERT INTO resource (id, kind, organization_id, project_id, scope_id, name, status, labels, spec, converged_spec,
           observed, provider_reference, cluster_id, host_id, observed_generation, revision, fence, created_at, updated_at)
       SELECT $id, '$kind', organization_id, project_id, project_id, '$kind-' || number, 'active',
              '{"env": "prod", "tier": "web"}', $spec, $spec, $observed, $reference, crowd_cluster.id, host_id, 1, 3, 1,
              $at, $at
       FROM crowd CROSS JOIN crowd_cluster""",
    """INSERT INTO revision (at, entity, entity_id, kind, organization_id, project_id, revision, job_id, reason, state)
       SELECT $at, 'resource', $id, '$kind', organization_id, project_id, line, $job, '$kind.create',
              jsonb_build_object('id', $id, 'kind', '$kind', 'status', status, 'spec', $spec, 'observed', $observed)
       FROM crowd CROSS JOIN (VALUES (1, 'creating'), (2, 'active')) AS change (line, status)""",
    """INSERT INTO job (id, workflow, version, organization_id, project_id, resource_id, resource_kind, state, step,
           deadline, reason, created_at, started_at, ended_at, verb)
       SELECT $job, '$kind.create', 1, organization_id, project_id, $id, '$kind', 'SUCCEEDED', 'done', $at,
              'create $kind', $at, $at, $at, 'create' FROM crowd""",
    """INSERT INTO job_event (job_id, at, step, attempt, what, detail)
       SELECT $job, $at, step, 1, what, '{}' FROM crowd
       CROSS JOIN (VALUES ('create', 'asked'), ('create', 'reported'), ('done', 'succeeded')) AS line (step, what)""",
    """INSERT INTO revision (at, entity, entity_id, kind, organization_id, project_id, revision, job_id, reason, state)
       SELECT $at, 'job', $job, '$kind.create', organization_id, project_id, 0, $job, 'create $kind',
              jsonb_build_object('state', 'SUCCEEDED', 'step', 'done', 'attempt', 1, 'resource_id', $id) FROM crowd""",
    """INSERT INTO audit_event (id, at, organization_id, project_id, actor_id, actor_kind, action, outcome, resource_kind,
           resource_id, request_id, address)
       SELECT uuidv7(interval '-1 day'), $at, organization_id, project_id, organization_id, 'user', '$service.$kind.create',
              'allowed', '$kind', $id, $job::text, '127.0.0.1' FROM crowd""",
    """INSERT INTO label (resource_id, organization_id, kind, key, value)
       SELECT $id, organization_id, '$kind', key, value
       FROM crowd CROSS JOIN (VALUES ('env', 'prod'), ('tier', 'web')) AS label (key, value)""",
    """INSERT INTO quota_claim (resource_id, scope_id, organization_id, amounts)
       SELECT $id, project_id, organization_id, '$amounts' FROM crowd""",
)
_AT = "now() - interval '1 day'"
_KINDS = (
    {
        "at": _AT, "kind": "vm", "id": "vm_id", "job": "vm_job", "service": "compute", "reference": "NULL",
        "amounts": '{"vms": 1, "vcpus": 1, "memory_mib": 64}',
        "spec": """jsonb_build_object('vcpus', 1, 'memory_mib', 64, 'hostname', 'vm-' || number, 'power', 'running',
            'reboots', 0, 'disks', jsonb_build_array(jsonb_build_object('volume', 'vol_' || volume_id, 'owned', false)),
            'nics', '[]'::jsonb, 'authorized_keys', '[]'::jsonb, 'user_data_secret', NULL)""",
        "observed": f"""'{{"power": "running", "reboots": 0, "hardware": "{"0" * 64}"}}'::jsonb""",
    },
    {
        "at": _AT, "kind": "volume", "id": "volume_id", "job": "volume_job", "service": "storage", "reference": "'default'",
        "amounts": '{"volumes": 1, "volume_gib": 1}',
        "spec": """'{"size_gib": 1, "image": null}'::jsonb""",
        "observed": """'{"size_bytes": 1073741824}'::jsonb""",
    },
)  # fmt: skip

_ONCE = (
    """INSERT INTO usage_span (resource_id, meter, amount, organization_id, project_id, during)
       SELECT vm_id, 'vm_vcpus', 1, organization_id, project_id, tstzrange(now() - interval '1 day', NULL) FROM crowd
       UNION ALL SELECT volume_id, 'volume_gib', 1, organization_id, project_id, tstzrange(now() - interval '1 day', NULL)
       FROM crowd""",
    "INSERT INTO link (source_id, target_id, role) SELECT vm_id, volume_id, 'root' FROM crowd",
    "INSERT INTO placement (resource_id, host_id, vcpus, memory_mib) SELECT vm_id, host_id, 1, 64 FROM crowd",
    "INSERT INTO pool_share (resource_id, pool_id, gib) SELECT volume_id, pool_id, 1 FROM crowd",
)


async def fill(superuser_url: str, resources: int, projects: int = PROJECTS) -> None:
    """So many resources more, and all that belongs to them; then VACUUM, ANALYZE and a checkpoint. Raises asyncpg's errors."""
    connection = await asyncpg.connect(superuser_url, server_settings=_SESSION)
    try:
        await connection.execute(Template(_STAND).substitute(projects=projects, hosts=HOSTS, machines=resources // 2))
        each = [Template(sql).substitute(kind) for sql in _OF_KIND for kind in _KINDS]
        longest, *others = _ONCE
        statements = deque([longest, *each, *others])
        await asyncio.gather(*(_work_off(superuser_url, statements) for _ in range(HANDS)))
        await connection.execute("DROP TABLE crowd, crowd_project, crowd_host, crowd_cluster")
        await connection.execute("VACUUM (ANALYZE)")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def _work_off(superuser_url: str, statements: deque[str]) -> None:
    connection = await asyncpg.connect(superuser_url, server_settings=_SESSION)
    try:
        while statements:
            sql = statements.popleft()
            began = time.monotonic()
            await connection.execute(sql)
            print(f"  {' '.join(sql.split()[:3]):<30} {time.monotonic() - began:6.1f} s", flush=True)
    finally:
        await connection.close()
