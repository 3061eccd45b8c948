-- Traffic rules: what operators hold up, and how much of it may be at work at once.

CREATE TABLE traffic_rule (
    id              uuid PRIMARY KEY,
    action          text NOT NULL CHECK (action IN ('pause', 'reject', 'rate', 'concurrency')),
    "limit"         int CHECK ("limit" > 0),     -- rate: jobs a minute; concurrency: jobs at work at once
    -- Which jobs it is about; NULL: any.
    organization_id uuid,
    project_id      uuid,
    kind            text,
    cluster_id      uuid,
    verbs           text[] NOT NULL,
    owner_id        uuid NOT NULL,
    reason          text NOT NULL,
    expires_at      timestamptz NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The bucket of a rate: what was in it when somebody last took from it.
    tokens          double precision NOT NULL DEFAULT 0,
    tokens_at       timestamptz NOT NULL DEFAULT '2000-01-01',  -- long ago: it begins full
    CHECK (("limit" IS NOT NULL) = (action IN ('rate', 'concurrency')))
);

-- Which rule holds a job that has not begun, and why: {rule, action, reason}. It looks again by `next_at`, the rule's expiry.
ALTER TABLE job ADD COLUMN held jsonb;
CREATE INDEX job_held ON job ((held ->> 'rule'), id) WHERE held IS NOT NULL;
