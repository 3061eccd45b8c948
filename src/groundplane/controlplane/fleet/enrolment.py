"""Which process is which agent: one-time invitations, the keys by which agents are known, and which of those are void.

A token is known here by its hash alone, an agent by its public key. Issues nothing that opens a door; see `accounts`.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from groundplane.contracts.enrolment import ServedHost, renewal_statement
from groundplane.kernel.database import Tx
from groundplane.kernel.errors import UnauthenticatedError
from groundplane.kernel.nats_tokens import is_signed_by

TOKEN_PREFIX = "gpe_"  # noqa: S105  # how a token begins, so that people and scanners know it
CLOCK_SECONDS = 600
"""How far an agent's clock may be off: a proof from beyond that is not accepted."""


class EnrolmentRefusedError(UnauthenticatedError):
    """The enrolment token was used, replaced or expired, or never was. Ask an operator for another one."""

    code = "enrolment_refused"
    title = "Not enrolled"


class AgentNotEnrolledError(UnauthenticatedError):
    """This agent is not enrolled, or not any more. Enrol it with a token from POST /api/ops/v1/agents/AGENT/enrolment."""

    code = "agent_not_enrolled"
    title = "Not enrolled"


class ProofRefusedError(UnauthenticatedError):
    """The proof is not by this key, came before, or is by a clock more than ten minutes off. Set the clock and try again."""

    code = "proof_refused"
    title = "Not proven"


@dataclass(frozen=True)
class Enrolled:
    """A living agent with a key."""

    agent_id: UUID
    cluster_id: UUID
    nkey: str


async def invite(tx: Tx, agent_id: UUID, *, seconds: int) -> tuple[str, datetime]:
    """A token by which one process can become this agent, and until when. It replaces the one before."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    expires_at = tx.now + timedelta(seconds=seconds)
    await tx.execute(
        """INSERT INTO agent_enrolment (agent_id, token_hash, expires_at) VALUES ($1, $2, $3)
           ON CONFLICT (agent_id) DO UPDATE
           SET token_hash = excluded.token_hash, expires_at = excluded.expires_at, created_at = clock_timestamp()""",
        agent_id,
        _hash(token),
        expires_at,
    )
    return token, expires_at


async def enrol(tx: Tx, token: str, nkey: str) -> Enrolled:
    """Let the holder of a token be the agent, by this public key; the key before it is void. Raises EnrolmentRefusedError."""
    row = await tx.row(
        """DELETE FROM agent_enrolment AS enrolment USING resource
           WHERE token_hash = $1 AND expires_at > now() AND resource.id = agent_id AND deleted_at IS NULL
           RETURNING agent_id, cluster_id""",
        _hash(token),
    )
    if row is None or await tx.value("SELECT EXISTS (SELECT FROM agent_credential WHERE nkey = $1)", nkey):
        raise EnrolmentRefusedError
    await revoke(tx, row["agent_id"])
    await tx.execute("INSERT INTO agent_credential (nkey, agent_id, enrolled_at) VALUES ($1, $2, now())", nkey, row["agent_id"])
    return Enrolled(row["agent_id"], row["cluster_id"], nkey)


async def prove(tx: Tx, nkey: str, at: int, signature: str) -> Enrolled:
    """The agent that holds this key, if it is enrolled and the proof is good and new.

    Raises AgentNotEnrolledError, ProofRefusedError.
    """
    row = await tx.row(
        """SELECT agent_id, cluster_id, proven_at FROM agent_credential JOIN resource ON resource.id = agent_id
           WHERE nkey = $1 AND revoked_at IS NULL AND deleted_at IS NULL FOR UPDATE OF agent_credential""",
        nkey,
    )
    if row is None:
        raise AgentNotEnrolledError
    off = abs(at / 1_000 - tx.now.timestamp())
    if at <= row["proven_at"] or off > CLOCK_SECONDS or not is_signed_by(nkey, renewal_statement(nkey, at), _raw(signature)):
        raise ProofRefusedError
    await tx.execute("UPDATE agent_credential SET proven_at = $2, renewed_at = now() WHERE nkey = $1", nkey, at)
    return Enrolled(row["agent_id"], row["cluster_id"], nkey)


async def revoke(tx: Tx, agent_id: UUID) -> bool:
    """Make the agent's key void, and what was issued for it; was there one?"""
    await tx.execute("DELETE FROM agent_enrolment WHERE agent_id = $1", agent_id)
    rows = await tx.fetch(
        "UPDATE agent_credential SET revoked_at = now() WHERE agent_id = $1 AND revoked_at IS NULL RETURNING nkey", agent_id
    )
    return bool(rows)


async def require_enrolled(tx: Tx, agent_id: UUID, issued_at: int) -> None:
    """Raise AgentNotEnrolledError unless the agent is enrolled and was when this token was issued (seconds since 1970)."""
    enrolled = await tx.value(
        """SELECT EXISTS (SELECT FROM agent_credential JOIN resource ON resource.id = agent_id
                          WHERE agent_id = $1 AND revoked_at IS NULL AND deleted_at IS NULL
                            AND date_trunc('second', enrolled_at) <= to_timestamp($2))""",
        agent_id,
        issued_at,
    )
    if not enrolled:
        raise AgentNotEnrolledError


async def is_known(tx: Tx, nkey: str) -> bool:
    """Was an agent ever enrolled by this key?"""
    return bool(await tx.value("SELECT EXISTS (SELECT FROM agent_credential WHERE nkey = $1)", nkey))


async def void_keys(tx: Tx, *, lifetime_seconds: int) -> Mapping[UUID, Mapping[str, int]]:
    """The void keys of each living cluster, and until when what was issued for them might still be good.

    In seconds since 1970. Keys whose last token has expired by itself are left out.
    """
    rows = await tx.fetch(
        """SELECT cluster.id AS cluster_id, nkey,
                  ceil(extract(epoch FROM least(revoked_at, agent.deleted_at)) + $1)::bigint AS until
           FROM resource AS cluster
                LEFT JOIN (agent_credential JOIN resource AS agent ON agent.id = agent_id)
                     ON agent.cluster_id = cluster.id
                        AND least(revoked_at, agent.deleted_at) > now() - make_interval(secs => $1)
           WHERE cluster.kind = 'cluster' AND cluster.deleted_at IS NULL""",
        lifetime_seconds,
    )
    found: dict[UUID, dict[str, int]] = {}
    for row in rows:
        keys = found.setdefault(row["cluster_id"], {})
        if row["nkey"] is not None:
            keys[row["nkey"]] = row["until"]
    return found


async def served_hosts(tx: Tx, cluster_id: UUID) -> Sequence[ServedHost]:
    """The hosts that a cluster's agents drive."""
    rows = await tx.fetch(
        """SELECT id, name, spec FROM resource
           WHERE kind = 'host' AND cluster_id = $1 AND deleted_at IS NULL ORDER BY id""",
        cluster_id,
    )
    return [
        ServedHost(id=row["id"], name=row["name"], vcpus=row["spec"]["vcpus"], memory_mib=row["spec"]["memory_mib"])
        for row in rows
    ]


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _raw(signature: str) -> bytes:
    try:
        return base64.b64decode(signature, validate=True)
    except ValueError:
        return b""
