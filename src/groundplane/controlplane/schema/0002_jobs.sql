-- Jobs that cannot be lost, doubled or stuck: verbs, cancelling, parents, idempotency keys; exclusive parts by constraint.

ALTER TABLE job
    ADD COLUMN verb                text NOT NULL DEFAULT 'create',  -- create, update, delete, correct, bulk
    ADD COLUMN cluster_id          uuid,        -- whose agents it asks; for traffic rules
    ADD COLUMN cancel_requested_at timestamptz,
    ADD COLUMN undo_workflow       text,        -- what undoes the job, once it is to be cancelled
    ADD COLUMN undo_version        int,
    ADD COLUMN undoing             boolean NOT NULL DEFAULT false;
UPDATE job SET verb = CASE WHEN reason = 'drift correction' THEN 'correct' WHEN reason LIKE 'create %' THEN 'create'
                           WHEN reason LIKE 'delete %' THEN 'delete' ELSE 'update' END;
ALTER TABLE job ALTER COLUMN verb DROP DEFAULT,
    ADD CHECK (verb IN ('create', 'update', 'delete', 'correct', 'bulk'));
CREATE INDEX job_of_parent ON job (parent_id, id) WHERE parent_id IS NOT NULL;
CREATE INDEX job_open_of_parent ON job (parent_id) WHERE parent_id IS NOT NULL AND ended_at IS NULL;
CREATE INDEX job_timed_out ON job (ended_at) WHERE state = 'FAILED' AND error ->> 'code' IN ('deadline_exceeded', 'undo_incomplete');

-- A volume or a port belongs to one machine: the link that attaches it is the claim.
CREATE UNIQUE INDEX link_attachment ON link (target_id) WHERE role = 'root' OR role = 'disk' OR role LIKE 'nic%';

-- A volume's provider reference is the pool that it lies in, as the engine calls it: so a task can be made without a look.
UPDATE resource SET provider_reference = pool.spec ->> 'engine_name', reason = 'schema 0002'
FROM pool_share JOIN resource AS pool ON pool.id = pool_share.pool_id
WHERE pool_share.resource_id = resource.id AND resource.kind = 'volume';

-- The stored answers of mutations that carried an Idempotency-Key; written in the mutation's own transaction.
CREATE TABLE idempotency_key (
    principal_id uuid NOT NULL,
    route        text NOT NULL,                  -- method and path
    key          text NOT NULL,
    request_hash text NOT NULL,
    status       int NOT NULL,
    location     text,
    body         text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (principal_id, key, route)
);
CREATE INDEX idempotency_key_age ON idempotency_key (created_at);

-- What was refused under a name that nothing has.
CREATE INDEX audit_of_refused_name ON audit_event (project_id, (detail ->> 'name'), id) WHERE outcome = 'failed';

-- One check for all: each constraint is compiled anew for each statement that writes the row, and this is the hottest of a project.
ALTER TABLE quota_usage DROP CONSTRAINT quota_usage_vms_check, DROP CONSTRAINT quota_usage_vcpus_check,
    DROP CONSTRAINT quota_usage_memory_mib_check, DROP CONSTRAINT quota_usage_volumes_check,
    DROP CONSTRAINT quota_usage_volume_gib_check, DROP CONSTRAINT quota_usage_networks_check,
    DROP CONSTRAINT quota_usage_ports_check, DROP CONSTRAINT quota_usage_security_groups_check,
    DROP CONSTRAINT quota_usage_images_check, DROP CONSTRAINT quota_usage_ssh_keys_check,
    ADD CONSTRAINT quota_usage_positive CHECK (least(vms, vcpus, memory_mib, volumes, volume_gib, networks, ports,
                                                     security_groups, images, ssh_keys) >= 0);

-- Rows that change soon after they were made keep room on their page, so that the change leaves their indexes alone.
ALTER TABLE resource SET (fillfactor = 70);
ALTER TABLE quota_usage SET (fillfactor = 20);
ALTER TABLE host_capacity SET (fillfactor = 20);
ALTER TABLE pool_capacity SET (fillfactor = 20);
ALTER TABLE subnet_range SET (fillfactor = 20);
