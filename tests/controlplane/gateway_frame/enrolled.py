"""Agents that are enrolled, as bare rows, for tests of what agents may fetch."""

from uuid import UUID

from groundplane.controlplane.fleet import enrolment
from groundplane.controlplane.gateway.services import Services
from groundplane.kernel.ids import new_id
from groundplane.kernel.nats_tokens import Nkey


async def agent_headers(services: Services, cluster_id: UUID) -> dict[str, str]:
    """The authorization of a new agent of this cluster."""
    agent_id = new_id()
    async with services.database.transaction() as tx:
        await tx.execute(
            """INSERT INTO resource (id, kind, name, status, spec, cluster_id, reason)
               VALUES ($1, 'agent', $2, 'active', '{}', $3, 'a test')""",
            agent_id,
            f"agent-{agent_id.hex}",
            cluster_id,
        )
    async with services.database.transaction() as tx:
        token, _ = await enrolment.invite(tx, agent_id, seconds=60)
        await enrolment.enrol(tx, token, Nkey.generate("user").public)
    return {"Authorization": f"Bearer {services.tokens.issue_agent(agent_id, cluster_id, 60)}"}
