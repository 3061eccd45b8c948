-- Row-level security: what a tenant's request may see, whatever its statements forget to ask.
--
-- A request that was let into an organization goes on as the role `groundplane_tenant`, which owns nothing, with
-- `groundplane.organization` set until the transaction ends. Rows without an organization are the provider's own (clusters,
-- hosts, pools): a create is placed on them. The platform itself (operators, worker) owns the tables and sees everything.

DO $$ BEGIN
    CREATE ROLE groundplane_tenant NOLOGIN NOINHERIT;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;  -- roles belong to the whole server
END $$;

CREATE FUNCTION tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('groundplane.organization', true), '')::uuid;

GRANT USAGE ON SCHEMA public TO groundplane_tenant;

-- Tables that say whose a row is.
DO $$
DECLARE
    each regclass;
BEGIN
    FOR each IN
        SELECT attrelid::regclass FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE attname = 'organization_id' AND NOT attisdropped AND relkind IN ('r', 'p') AND NOT relispartition
          AND relnamespace = 'public'::regnamespace AND relname <> 'traffic_rule'
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', each);
        EXECUTE format('CREATE POLICY own ON %s TO groundplane_tenant USING (organization_id = (SELECT tenant()))', each);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO groundplane_tenant', each);
    END LOOP;
END $$;
CREATE POLICY providers ON resource FOR SELECT TO groundplane_tenant USING (organization_id IS NULL);

-- Tables whose rows belong to a resource, or to a job, and are theirs who own that. A new row comes before its resource's.
DO $$
DECLARE
    part record;
BEGIN
    FOR part IN
        SELECT * FROM (VALUES
            ('link', 'resource', 'source_id'),
            ('placement', 'resource', 'resource_id'), ('pool_share', 'resource', 'resource_id'),
            ('image_copy', 'resource', 'image_id'),
            ('subnet_range', 'resource', 'subnet_id'), ('address', 'resource', 'port_id'),
            ('change_claim', 'resource', 'resource_id'), ('job_event', 'job', 'job_id')
        ) AS parts (name, owner, key)
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', part.name);
        EXECUTE format('CREATE POLICY own ON %1$I TO groundplane_tenant USING (EXISTS (SELECT FROM %2$I '
                       'WHERE %2$I.id = %1$I.%3$I AND %2$I.organization_id = (SELECT tenant()))) WITH CHECK (true)',
                       part.name, part.owner, part.key);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO groundplane_tenant', part.name);
    END LOOP;
END $$;

-- Quota: everybody reads the defaults; limits are set by operators, and go with what they are of.
CREATE POLICY defaults ON quota_limit FOR SELECT TO groundplane_tenant USING (organization_id IS NULL);
REVOKE INSERT, UPDATE ON quota_limit FROM groundplane_tenant;

-- The provider's: what a create is placed by, and what "why?" tells of.
GRANT SELECT, UPDATE ON host_capacity, pool_capacity TO groundplane_tenant;
GRANT SELECT ON agent_seen, host_seen, incident TO groundplane_tenant;
GRANT SELECT, UPDATE ON traffic_rule TO groundplane_tenant;
-- An answer is stored by the request that it answers, and read before that is let in anywhere.
GRANT INSERT ON idempotency_key TO groundplane_tenant;
GRANT SELECT (id, email, name, disabled_at, created_at, updated_at) ON user_account TO groundplane_tenant;
