-- Agents' enrolment: who may become an agent, by which key each is known, and which keys are void.

CREATE TABLE agent_enrolment (      -- the one outstanding invitation of an agent; used once, it is gone
    agent_id   uuid PRIMARY KEY REFERENCES resource (id),
    token_hash bytea NOT NULL UNIQUE,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE agent_credential (
    nkey        text PRIMARY KEY,           -- the agent's public key, made by the agent
    agent_id    uuid NOT NULL REFERENCES resource (id),
    enrolled_at timestamptz NOT NULL,
    proven_at   bigint NOT NULL DEFAULT 0,  -- the newest proof that was accepted, in the agent's own milliseconds
    renewed_at  timestamptz,
    revoked_at  timestamptz
);
CREATE UNIQUE INDEX agent_credential_living ON agent_credential (agent_id) WHERE revoked_at IS NULL;
