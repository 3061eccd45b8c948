"""Who was heard of last, and when by the database's own clock. Not journaled: it changes every few seconds."""

from groundplane.contracts.reports import Heartbeat
from groundplane.kernel.database import Tx


async def apply(tx: Tx, heartbeat: Heartbeat) -> None:
    """Note that the agent and its hosts live."""
    await tx.execute(
        """INSERT INTO agent_seen (agent_id, cluster_id, version, seen_at) VALUES ($1, $2, $3, clock_timestamp())
           ON CONFLICT (agent_id) DO UPDATE
           SET cluster_id = excluded.cluster_id, version = excluded.version, seen_at = excluded.seen_at""",
        heartbeat.agent_id,
        heartbeat.cluster_id,
        heartbeat.version,
    )
    await tx.execute(
        """INSERT INTO host_seen (host_id, agent_id, seen_at, facts)
           SELECT DISTINCT ON (host_id) (facts ->> 'host_id')::uuid AS host_id, $1, clock_timestamp(), facts - 'host_id'
           FROM jsonb_array_elements($2::jsonb) AS facts ORDER BY host_id
           ON CONFLICT (host_id) DO UPDATE
           SET agent_id = excluded.agent_id, seen_at = excluded.seen_at, facts = excluded.facts""",
        heartbeat.agent_id,
        [facts.model_dump(mode="json") for facts in heartbeat.hosts],
    )
