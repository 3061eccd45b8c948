-- Quotas by project and by organization, with whatever dimensions the kinds declare; projects that can be restored.

-- Limits that were set, by dimension: a number, or null for none. What a scope does not name is as its default says; what that
-- does not name either has no limit. A scope is a project, an organization, or the default of all projects (the nil uuid) or
-- of all organizations (…0001).
ALTER TABLE quota_limit ADD COLUMN limits jsonb;
UPDATE quota_limit SET limits = jsonb_build_object(
    'vms', vms, 'vcpus', vcpus, 'memory_mib', memory_mib, 'volumes', volumes, 'volume_gib', volume_gib, 'networks', networks,
    'ports', ports, 'security_groups', security_groups, 'images', images, 'ssh_keys', ssh_keys);
ALTER TABLE quota_limit ALTER COLUMN limits SET NOT NULL,
    DROP COLUMN vms, DROP COLUMN vcpus, DROP COLUMN memory_mib, DROP COLUMN volumes, DROP COLUMN volume_gib, DROP COLUMN networks,
    DROP COLUMN ports, DROP COLUMN security_groups, DROP COLUMN images, DROP COLUMN ssh_keys,
    ADD COLUMN IF NOT EXISTS organization_id uuid;
UPDATE quota_limit SET organization_id = resource.organization_id FROM resource WHERE resource.id = quota_limit.scope_id;
INSERT INTO quota_limit (scope_id, limits) VALUES ('00000000-0000-0000-0000-000000000001', '{}');

-- What a project uses, and what all projects of an organization use together. Of a deleted project the account stays, closed,
-- for as long as it can be restored.
ALTER TABLE quota_usage ADD COLUMN used jsonb NOT NULL DEFAULT '{}', ADD COLUMN open boolean NOT NULL DEFAULT true,
    ADD COLUMN IF NOT EXISTS organization_id uuid;
UPDATE quota_usage SET organization_id = resource.organization_id, used = jsonb_build_object(
    'vms', vms, 'vcpus', vcpus, 'memory_mib', memory_mib, 'volumes', volumes, 'volume_gib', volume_gib, 'networks', networks,
    'ports', ports, 'security_groups', security_groups, 'images', images, 'ssh_keys', ssh_keys)
FROM resource WHERE resource.id = quota_usage.scope_id;
ALTER TABLE quota_usage DROP CONSTRAINT quota_usage_positive,
    DROP COLUMN vms, DROP COLUMN vcpus, DROP COLUMN memory_mib, DROP COLUMN volumes, DROP COLUMN volume_gib, DROP COLUMN networks,
    DROP COLUMN ports, DROP COLUMN security_groups, DROP COLUMN images, DROP COLUMN ssh_keys,
    ADD CONSTRAINT quota_usage_positive CHECK (NOT jsonb_path_exists(used, '$.* ? (@ < 0)'));
CREATE INDEX quota_usage_closed ON quota_usage (organization_id, scope_id) WHERE NOT open;

ALTER TABLE quota_claim ADD COLUMN IF NOT EXISTS organization_id uuid;
UPDATE quota_claim SET organization_id = resource.organization_id FROM resource WHERE resource.id = resource_id;

-- Organizations begin with what their projects' resources hold.
INSERT INTO quota_usage (scope_id, organization_id, used)
SELECT organization.id, organization.id, coalesce((
           SELECT jsonb_object_agg(name, total)
           FROM (SELECT key AS name, sum(value::bigint) AS total FROM quota_claim CROSS JOIN jsonb_each_text(amounts)
                 WHERE quota_claim.organization_id = organization.id GROUP BY key) AS held), '{}')
FROM resource AS organization WHERE kind = 'organization' AND deleted_at IS NULL;
