-- Which processes of the control plane live; each says so of itself. Agents have agent_seen.

CREATE TABLE process_seen (
    id         uuid PRIMARY KEY,
    kind       text NOT NULL CHECK (kind IN ('api', 'worker')),
    place      text NOT NULL,               -- machine and process id
    version    text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
