"""Incidents: what a person should look at. Each code is a query of what is wrong now: rows open and close by themselves."""

from collections.abc import Mapping

from groundplane.controlplane.reconciler.correction import LOAD
from groundplane.kernel.database import Tx

UNSEEN_AFTER = "30 seconds"
OVERDUE_GRACE = "30 seconds"

_UNSEEN = f"""
    SELECT resource.id AS subject_id,
           format('%s %s has not been heard of since %s. See whether its agent runs and reaches the message bus.',
                  initcap(kind), name, coalesce(to_char(seen_at, 'YYYY-MM-DD HH24:MI:SS TZ'), 'it was added')) AS detail,
           jsonb_build_object('name', name, 'seen_at', seen_at) AS context
    FROM resource LEFT JOIN {{seen}} ON {{seen}}.{{key}} = resource.id
    WHERE kind = '{{kind}}' AND deleted_at IS NULL
      AND coalesce(seen_at, resource.created_at) < now() - interval '{UNSEEN_AFTER}'
"""  # noqa: S608  # our own words

CONDITIONS: Mapping[str, str] = {
    "agent_unseen": _UNSEEN.format(seen="agent_seen", key="agent_id", kind="agent"),
    "host_unseen": _UNSEEN.format(seen="host_seen", key="host_id", kind="host"),
    "host_unreachable": """
        SELECT host_seen.host_id AS subject_id,
               format('The engine of host %s does not answer: %s', name, facts ->> 'reason') AS detail,
               jsonb_build_object('name', name, 'reason', facts ->> 'reason') AS context
        FROM host_seen JOIN resource ON resource.id = host_seen.host_id
        WHERE deleted_at IS NULL AND NOT (facts ->> 'reachable')::boolean
    """,
    "job_overdue": f"""
        SELECT id AS subject_id, format('Job %s is past its deadline and has not ended. See whether a worker runs.',
                                        workflow) AS detail,
               jsonb_build_object('workflow', workflow, 'step', step, 'deadline', deadline) AS context
        FROM job WHERE ended_at IS NULL AND deadline < now() - interval '{OVERDUE_GRACE}'
    """,  # noqa: S608  # our own words
    "job_timed_out": """
        SELECT job.id AS subject_id,
               format('Job %s of a %s failed: %s', workflow, resource_kind, error ->> 'message') AS detail,
               jsonb_build_object('workflow', workflow, 'step', step, 'deadline', deadline, 'resource_id', resource_id,
                                  'code', error ->> 'code') AS context
        FROM job
        WHERE job.state = 'FAILED' AND error ->> 'code' IN ('deadline_exceeded', 'undo_incomplete')
          AND ended_at > now() - interval '1 day'
          AND NOT EXISTS (SELECT FROM job AS later WHERE later.resource_id = job.resource_id AND later.id > job.id
                                                     AND later.state = 'SUCCEEDED')
          AND EXISTS (SELECT FROM resource WHERE resource.id = job.resource_id AND deleted_at IS NULL)
    """,
    "report_set_aside": """
        SELECT id AS subject_id, 'A message of an agent could not be applied: ' || left(error, 500) AS detail,
               jsonb_build_object('at', at) AS context
        FROM report_set_aside WHERE at > now() - interval '1 day'
    """,
    "correction_failed": """
        SELECT drift.resource_id AS subject_id,
               format('The correction of a %s failed: %s', drift.kind,
                      coalesce(job.error ->> 'message', 'It could not be started.')) AS detail,
               jsonb_build_object('job_id', job.id, 'drift_id', drift.id, 'attempts', attempts, 'code', job.error ->> 'code')
               AS context
        FROM drift LEFT JOIN job ON job.id = drift.job_id
        WHERE resolved_at IS NULL AND attempts > 0 AND drift_decision(drift) <> 'ignore'
          AND (job.id IS NULL OR job.state = 'FAILED' AND job.error ->> 'code' <> 'superseded')
    """,
    "correction_brake": f"""
        SELECT coalesce(cluster_id, '00000000-0000-0000-0000-000000000000') AS subject_id,
               format('%s corrections are due at once, more than may be started in a minute. See what happened to the '
                      'cluster before the rest follows.', due) AS detail,
               jsonb_build_object('due', due, 'allowed', allowed) AS context
        FROM ({LOAD}) AS load WHERE due > allowed
    """,  # noqa: S608  # our own words
    "drift_alert": """
        SELECT resource_id AS subject_id,
               format(CASE difference WHEN 'orphan' THEN 'An engine holds a %s that nobody knows. Decide what becomes of it.'
                                      ELSE 'A %s is %s, and making it anew would hide that. Decide what becomes of it.' END,
                      kind, difference) AS detail,
               jsonb_build_object('drift_id', id, 'kind', kind, 'fields', fields) AS context
        FROM drift WHERE resolved_at IS NULL AND drift_decision(drift) = 'alert'
    """,
}


async def refresh(tx: Tx) -> None:
    """Open what is wrong now and was not, close what was and is no more."""
    if not await tx.value("SELECT pg_try_advisory_xact_lock(hashtextextended('groundplane.incidents', 0))"):
        return
    for code, condition in CONDITIONS.items():
        await tx.execute(
            f"""WITH wrong AS MATERIALIZED ({condition}), closed AS (
                    UPDATE incident SET closed_at = clock_timestamp() WHERE code = $1 AND closed_at IS NULL
                    AND NOT EXISTS (SELECT FROM wrong WHERE wrong.subject_id = incident.subject_id))
                INSERT INTO incident (code, subject_id, detail, context) SELECT $1, subject_id, detail, context FROM wrong
                ON CONFLICT (code, subject_id) WHERE closed_at IS NULL DO NOTHING""",  # noqa: S608  # our own words
            code,
        )
