-- Secrets under a data key for each organization. A key-encryption key, which is not in the database, wraps the data keys.

CREATE TABLE data_key (
    id                    uuid PRIMARY KEY,
    organization_id       uuid,                 -- NULL: the platform's own
    version               int NOT NULL,
    wrapped               bytea NOT NULL,
    key_encryption_key_id text NOT NULL,
    created_at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    retired_at            timestamptz,          -- since then it seals nothing new; when it seals nothing at all, the row goes
    UNIQUE NULLS NOT DISTINCT (organization_id, version)
);
CREATE UNIQUE INDEX data_key_current ON data_key (organization_id) NULLS NOT DISTINCT WHERE retired_at IS NULL;
CREATE INDEX data_key_retired ON data_key (id) WHERE retired_at IS NOT NULL;
CREATE INDEX data_key_wrapped_by ON data_key (key_encryption_key_id);

ALTER TABLE secret ADD COLUMN version int NOT NULL DEFAULT 1;
ALTER TABLE secret ALTER COLUMN version DROP DEFAULT;
-- NULL: an envelope of before, with a data key of its own, which the key-encryption key wraps directly. Rotation moves it.
ALTER TABLE secret ADD COLUMN data_key_id uuid REFERENCES data_key (id);
DROP INDEX secret_of_resource;
CREATE UNIQUE INDEX secret_version ON secret (resource_id, version);
CREATE INDEX secret_of_data_key ON secret (data_key_id);

UPDATE quota_limit SET limits = limits || '{"secrets": 1000}' WHERE scope_id = '00000000-0000-0000-0000-000000000000';
