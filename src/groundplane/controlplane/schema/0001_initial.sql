CREATE EXTENSION IF NOT EXISTS btree_gist;

-- Resources ----------------------------------------------------------------------------------------------------------

CREATE TABLE resource (
    id                  uuid PRIMARY KEY,
    kind                text NOT NULL,
    organization_id     uuid,
    project_id          uuid,
    scope_id            uuid,                -- where the name is unique: the project, the organization, or everywhere
    name                text NOT NULL,
    status              text NOT NULL CHECK (status IN ('creating', 'active', 'updating', 'deleting', 'deleted', 'error')),
    wanted              text NOT NULL DEFAULT 'present' CHECK (wanted IN ('present', 'absent')),
    labels              jsonb NOT NULL DEFAULT '{}',
    spec                jsonb NOT NULL,
    spec_version        int NOT NULL DEFAULT 1,
    converged_spec      jsonb,               -- the last spec that an engine confirmed
    observed            jsonb NOT NULL DEFAULT '{}',
    provider_reference  text,
    cluster_id          uuid,                -- where the infrastructure of this resource is
    host_id             uuid,
    generation          bigint NOT NULL DEFAULT 1,
    observed_generation bigint NOT NULL DEFAULT 0,
    revision            bigint NOT NULL DEFAULT 1,
    fence               bigint NOT NULL DEFAULT 0,
    linkable            boolean NOT NULL DEFAULT true,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    deleted_at          timestamptz,
    -- Who, which job and why, for the change that is being written. The journal trigger moves them into the journal and
    -- leaves NULL here, so that a change which does not say its reason is refused.
    changed_by          uuid,
    job_id              uuid,
    reason              text,
    UNIQUE (id, linkable)
);
CREATE UNIQUE INDEX resource_name ON resource (kind, scope_id, name) NULLS NOT DISTINCT WHERE deleted_at IS NULL;
CREATE INDEX resource_of_project ON resource (project_id, kind, id) WHERE deleted_at IS NULL;
CREATE INDEX resource_of_kind ON resource (kind, id) WHERE deleted_at IS NULL;
CREATE INDEX resource_of_host ON resource (host_id, kind) WHERE deleted_at IS NULL AND host_id IS NOT NULL;
CREATE INDEX resource_of_cluster ON resource (cluster_id, kind) WHERE deleted_at IS NULL AND cluster_id IS NOT NULL;

CREATE TABLE revision (
    sequence        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_id  xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    entity          text NOT NULL,           -- resource, job
    entity_id       uuid NOT NULL,
    kind            text NOT NULL,
    organization_id uuid,
    project_id      uuid,
    revision        bigint NOT NULL,
    changed_by      uuid,
    job_id          uuid,
    reason          text NOT NULL,
    state           jsonb NOT NULL           -- what changed, as it is after the change; everything on the first row
);
CREATE INDEX revision_of_entity ON revision (entity_id, sequence);
CREATE INDEX revision_stream ON revision (transaction_id, sequence);

CREATE FUNCTION resource_journal() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    after jsonb;
    before jsonb;
BEGIN
    -- A fence is a token, not a state: raising it alone is told by the job's own events.
    IF TG_OP = 'UPDATE' AND NEW.reason IS NULL AND NEW.fence > OLD.fence
       AND to_jsonb(NEW) - 'fence' = to_jsonb(OLD) - 'fence' THEN
        RETURN NEW;
    END IF;
    IF NEW.reason IS NULL THEN
        RAISE EXCEPTION 'a change of resource % says no reason', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    IF TG_OP = 'UPDATE' THEN
        NEW.revision := OLD.revision + 1;
        NEW.updated_at := clock_timestamp();
        before := to_jsonb(OLD) - '{reason,changed_by,job_id,revision,updated_at}'::text[];
        after := to_jsonb(NEW) - '{reason,changed_by,job_id,revision,updated_at}'::text[];
        after := coalesce((SELECT jsonb_object_agg(key, value) FROM jsonb_each(after)
                           WHERE before -> key IS DISTINCT FROM value), '{}');
    ELSE
        after := to_jsonb(NEW) - '{reason,changed_by,job_id,revision,updated_at,converged_spec}'::text[];
    END IF;
    INSERT INTO revision (entity, entity_id, kind, organization_id, project_id, revision, changed_by, job_id, reason, state)
    VALUES ('resource', NEW.id, NEW.kind, NEW.organization_id, NEW.project_id, NEW.revision, NEW.changed_by, NEW.job_id,
            NEW.reason, after);
    NEW.reason := NULL;
    NEW.changed_by := NULL;
    NEW.job_id := NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER resource_journal BEFORE INSERT OR UPDATE ON resource FOR EACH ROW EXECUTE FUNCTION resource_journal();

CREATE TABLE label (
    resource_id     uuid NOT NULL REFERENCES resource (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    organization_id uuid,
    kind            text NOT NULL,
    key             text NOT NULL,
    value           text NOT NULL,
    PRIMARY KEY (resource_id, key)
);
CREATE INDEX label_equals ON label (organization_id, kind, key, value, resource_id);

-- Who uses whom, as what. A living link keeps its target from being deleted: admission of a delete sets `linkable` to
-- false, which the foreign key refuses while links stand.
CREATE TABLE link (
    source_id       uuid NOT NULL REFERENCES resource (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    target_id       uuid NOT NULL,
    role            text NOT NULL,
    target_linkable boolean NOT NULL DEFAULT true CHECK (target_linkable),
    PRIMARY KEY (source_id, target_id, role),
    CONSTRAINT link_target FOREIGN KEY (target_id, target_linkable) REFERENCES resource (id, linkable)
);
CREATE INDEX link_of_target ON link (target_id);

CREATE TABLE secret (
    id              uuid PRIMARY KEY,
    resource_id     uuid NOT NULL REFERENCES resource (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    organization_id uuid,
    envelope        bytea NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX secret_of_resource ON secret (resource_id);

-- Claims (written before the resource's own row, so that the row and its journal entry are written once: hence the
-- deferred keys) -------------------------------------------------------------------------------------------------------------

CREATE TABLE quota_limit (
    scope_id   uuid PRIMARY KEY,             -- a project, or the nil uuid: the default of every project
    vms        bigint NOT NULL,
    vcpus      bigint NOT NULL,
    memory_mib bigint NOT NULL,
    volumes    bigint NOT NULL,
    volume_gib bigint NOT NULL,
    networks   bigint NOT NULL,
    ports      bigint NOT NULL,
    security_groups bigint NOT NULL,
    images     bigint NOT NULL,
    ssh_keys   bigint NOT NULL
);
INSERT INTO quota_limit VALUES
    ('00000000-0000-0000-0000-000000000000', 10000, 20000, 20000000, 20000, 200000, 1000, 20000, 1000, 1000, 1000);

CREATE TABLE quota_usage (
    scope_id   uuid PRIMARY KEY REFERENCES resource (id) DEFERRABLE INITIALLY DEFERRED,
    vms        bigint NOT NULL DEFAULT 0 CHECK (vms >= 0),
    vcpus      bigint NOT NULL DEFAULT 0 CHECK (vcpus >= 0),
    memory_mib bigint NOT NULL DEFAULT 0 CHECK (memory_mib >= 0),
    volumes    bigint NOT NULL DEFAULT 0 CHECK (volumes >= 0),
    volume_gib bigint NOT NULL DEFAULT 0 CHECK (volume_gib >= 0),
    networks   bigint NOT NULL DEFAULT 0 CHECK (networks >= 0),
    ports      bigint NOT NULL DEFAULT 0 CHECK (ports >= 0),
    security_groups bigint NOT NULL DEFAULT 0 CHECK (security_groups >= 0),
    images     bigint NOT NULL DEFAULT 0 CHECK (images >= 0),
    ssh_keys   bigint NOT NULL DEFAULT 0 CHECK (ssh_keys >= 0)
);

-- What a resource holds of its project's quota, so that a release gives back exactly what was claimed.
CREATE TABLE quota_claim (
    resource_id uuid PRIMARY KEY REFERENCES resource (id) DEFERRABLE INITIALLY DEFERRED,
    scope_id    uuid NOT NULL,
    amounts     jsonb NOT NULL
);

CREATE TABLE host_capacity (
    host_id     uuid PRIMARY KEY REFERENCES resource (id) DEFERRABLE INITIALLY DEFERRED,
    cluster_id  uuid NOT NULL,
    open        boolean NOT NULL DEFAULT true,   -- takes new machines
    vcpus       bigint NOT NULL,
    memory_mib  bigint NOT NULL,
    vcpus_used  bigint NOT NULL DEFAULT 0,
    memory_used bigint NOT NULL DEFAULT 0,
    CHECK (vcpus_used >= 0 AND memory_used >= 0),
    CONSTRAINT host_full CHECK (vcpus_used <= vcpus AND memory_used <= memory_mib)
);

CREATE TABLE placement (
    resource_id uuid PRIMARY KEY REFERENCES resource (id) DEFERRABLE INITIALLY DEFERRED,
    host_id     uuid NOT NULL REFERENCES host_capacity (host_id),
    vcpus       bigint NOT NULL,
    memory_mib  bigint NOT NULL
);
CREATE INDEX placement_of_host ON placement (host_id);

CREATE TABLE pool_capacity (
    pool_id    uuid PRIMARY KEY REFERENCES resource (id) DEFERRABLE INITIALLY DEFERRED,
    host_id    uuid NOT NULL,
    cluster_id uuid NOT NULL,
    gib        bigint NOT NULL,
    gib_used   bigint NOT NULL DEFAULT 0 CHECK (gib_used >= 0),
    CONSTRAINT pool_full CHECK (gib_used <= gib)
);
CREATE INDEX pool_of_host ON pool_capacity (host_id);

CREATE TABLE pool_share (
    resource_id uuid PRIMARY KEY REFERENCES resource (id) DEFERRABLE INITIALLY DEFERRED,
    pool_id     uuid NOT NULL REFERENCES pool_capacity (pool_id),
    gib         bigint NOT NULL
);

-- Which pools may hold a copy of an image: written before the first volume of it is asked for there.
CREATE TABLE image_copy (
    image_id uuid NOT NULL REFERENCES resource (id),
    pool_id  uuid NOT NULL REFERENCES pool_capacity (pool_id),
    PRIMARY KEY (image_id, pool_id)
);

CREATE TABLE subnet_range (
    subnet_id  uuid PRIMARY KEY REFERENCES resource (id) DEFERRABLE INITIALLY DEFERRED,
    network_id uuid NOT NULL,
    range      inet NOT NULL,
    next_host  bigint NOT NULL DEFAULT 2,        -- where the search for a free address begins
    CONSTRAINT subnet_overlap EXCLUDE USING gist (network_id WITH =, range inet_ops WITH &&)
);

CREATE TABLE address (
    subnet_id uuid NOT NULL REFERENCES subnet_range (subnet_id),
    address   inet NOT NULL,
    port_id   uuid NOT NULL REFERENCES resource (id) DEFERRABLE INITIALLY DEFERRED,
    mac       macaddr NOT NULL,
    PRIMARY KEY (subnet_id, address),
    UNIQUE (mac)
);
CREATE INDEX address_of_port ON address (port_id);

CREATE TABLE usage_span (
    resource_id     uuid NOT NULL REFERENCES resource (id) DEFERRABLE INITIALLY DEFERRED,
    meter           text NOT NULL,
    amount          bigint NOT NULL,
    organization_id uuid,
    project_id      uuid,
    during          tstzrange NOT NULL CHECK (NOT isempty(during)),
    PRIMARY KEY (resource_id, meter, during WITHOUT OVERLAPS)
);
CREATE INDEX usage_span_open ON usage_span (resource_id) WHERE upper_inf(during);

-- Jobs ---------------------------------------------------------------------------------------------------------------

CREATE TABLE job (
    id              uuid PRIMARY KEY,
    workflow        text NOT NULL,
    version         int NOT NULL,
    organization_id uuid,
    project_id      uuid,
    resource_id     uuid NOT NULL,
    resource_kind   text NOT NULL,
    parent_id       uuid REFERENCES job (id),
    state           text NOT NULL CHECK (state IN ('PENDING', 'RUNNING', 'RETRYING', 'SUCCEEDED', 'FAILED')),
    step            text NOT NULL,
    attempt         int NOT NULL DEFAULT 1,      -- of the present step
    data            jsonb NOT NULL DEFAULT '{}', -- what the steps tell one another
    -- The outstanding ask. A report is applied only if its task and fence match; the row is the outbox.
    ask             jsonb,
    ask_fence       bigint,
    next_at         timestamptz,                 -- when a worker must look, if nothing happens before
    step_deadline   timestamptz,                 -- of the present ask, however much it moves
    deadline        timestamptz NOT NULL,
    error           jsonb,
    requested_by    uuid,
    reason          text NOT NULL,
    trace           text NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at      timestamptz,
    ended_at        timestamptz,
    CHECK ((state IN ('SUCCEEDED', 'FAILED')) = (ended_at IS NOT NULL))
);
CREATE INDEX job_due ON job (next_at) WHERE ended_at IS NULL;
CREATE INDEX job_of_resource ON job (resource_id, id);
CREATE INDEX job_of_project ON job (project_id, id);
CREATE INDEX job_overdue ON job (deadline) WHERE ended_at IS NULL;

CREATE TABLE job_event (
    job_id  uuid NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    number  bigint GENERATED ALWAYS AS IDENTITY,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    step    text NOT NULL,
    attempt int NOT NULL,
    what    text NOT NULL,                       -- entered, asked, progress, reported, retrying, succeeded, failed
    detail  jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (job_id, number)
);

CREATE FUNCTION job_journal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO revision (entity, entity_id, kind, organization_id, project_id, revision, changed_by, job_id, reason, state)
    VALUES ('job', NEW.id, NEW.workflow, NEW.organization_id, NEW.project_id, 0, NEW.requested_by, NEW.id, NEW.reason,
            jsonb_build_object('state', NEW.state, 'step', NEW.step, 'attempt', NEW.attempt, 'error', NEW.error,
                               'resource_id', NEW.resource_id));
    RETURN NULL;
END $$;
CREATE TRIGGER job_created AFTER INSERT ON job FOR EACH ROW EXECUTE FUNCTION job_journal();
CREATE TRIGGER job_moved AFTER UPDATE ON job FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state OR OLD.step IS DISTINCT FROM NEW.step) EXECUTE FUNCTION job_journal();

-- One change of a resource at a time.
CREATE TABLE change_claim (
    resource_id uuid PRIMARY KEY REFERENCES resource (id) DEFERRABLE INITIALLY DEFERRED,
    job_id      uuid NOT NULL REFERENCES job (id)
);
CREATE INDEX change_claim_of_job ON change_claim (job_id);

-- Reports that could not be applied; they hold up nobody.
CREATE TABLE report_set_aside (
    id      uuid PRIMARY KEY DEFAULT uuidv7(),
    at      timestamptz NOT NULL DEFAULT now(),
    message jsonb NOT NULL,
    error   text NOT NULL
);

-- Reconciliation -----------------------------------------------------------------------------------------------------

CREATE TABLE inventory_chunk (
    look_id  uuid NOT NULL,
    scope    text NOT NULL,
    number   int NOT NULL,
    total    int NOT NULL,
    received timestamptz NOT NULL DEFAULT now(),
    states   jsonb NOT NULL,
    PRIMARY KEY (look_id, scope, number)
);

CREATE TABLE drift (
    id          uuid PRIMARY KEY DEFAULT uuidv7(),
    resource_id uuid NOT NULL,
    kind        text NOT NULL,
    organization_id uuid,
    project_id  uuid,
    difference  text NOT NULL CHECK (difference IN ('missing', 'orphan', 'modified', 'wrong_state')),
    fields      jsonb NOT NULL,                  -- {field: {wanted, observed}}
    source      text NOT NULL,                   -- event, inventory
    decision    text NOT NULL CHECK (decision IN ('correct', 'alert', 'accepted')),
    attempts    int NOT NULL DEFAULT 0,
    next_at     timestamptz NOT NULL DEFAULT now(),
    job_id      uuid,
    detected_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    resolved_at timestamptz
);
CREATE UNIQUE INDEX drift_open ON drift (resource_id) WHERE resolved_at IS NULL;
CREATE INDEX drift_recent ON drift (id) WHERE resolved_at IS NULL;
CREATE INDEX drift_of_resource ON drift (resource_id, detected_at);

CREATE TABLE incident (
    id          uuid PRIMARY KEY DEFAULT uuidv7(),
    code        text NOT NULL,
    subject_id  uuid NOT NULL,
    detail      text NOT NULL,
    context     jsonb NOT NULL DEFAULT '{}',
    opened_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at   timestamptz
);
CREATE UNIQUE INDEX incident_open ON incident (code, subject_id) WHERE closed_at IS NULL;

-- What agents say of themselves and their hosts; noisy, so not journaled.
CREATE TABLE agent_seen (
    agent_id   uuid PRIMARY KEY,
    cluster_id uuid NOT NULL,
    version    text NOT NULL,
    seen_at    timestamptz NOT NULL
);
CREATE TABLE host_seen (
    host_id   uuid PRIMARY KEY,
    agent_id  uuid NOT NULL,
    seen_at   timestamptz NOT NULL,
    facts     jsonb NOT NULL
);

-- Identity -----------------------------------------------------------------------------------------------------------

CREATE TABLE user_account (
    id            uuid PRIMARY KEY,
    email         text NOT NULL,
    name          text NOT NULL,
    password_hash text NOT NULL,
    disabled_at   timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX user_email ON user_account (lower(email));

CREATE TABLE role_binding (
    id              uuid PRIMARY KEY,
    user_id         uuid NOT NULL REFERENCES user_account (id),
    role            text NOT NULL,
    organization_id uuid REFERENCES resource (id),   -- NULL: the whole platform
    project_id      uuid REFERENCES resource (id),   -- NULL: the whole organization
    created_at      timestamptz NOT NULL DEFAULT now(),
    CHECK (project_id IS NULL OR organization_id IS NOT NULL),
    UNIQUE NULLS NOT DISTINCT (user_id, role, organization_id, project_id)
);

-- Audit --------------------------------------------------------------------------------------------------------------

CREATE TABLE audit_event (
    id              uuid PRIMARY KEY DEFAULT uuidv7(),
    at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    organization_id uuid,
    project_id      uuid,
    actor_id        uuid,
    actor_kind      text NOT NULL,               -- user, agent, system, anonymous
    action          text NOT NULL,               -- compute.vm.create
    outcome         text NOT NULL CHECK (outcome IN ('allowed', 'denied', 'failed')),
    resource_kind   text,
    resource_id     uuid,
    code            text,
    request_id      text,
    trace           text NOT NULL DEFAULT '',
    address         text,
    detail          jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_of_organization ON audit_event (organization_id, id);
CREATE INDEX audit_of_project ON audit_event (project_id, id);
CREATE INDEX audit_of_resource ON audit_event (resource_id, id);
CREATE INDEX audit_of_refused_name ON audit_event (project_id, (detail ->> 'name'), id) WHERE outcome = 'failed';

CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit_event FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_event FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER revision_append_only BEFORE UPDATE OR DELETE ON revision FOR EACH ROW EXECUTE FUNCTION append_only();
