-- What is counted for a summary, without counting all there is. How many resources of a kind there are, the accounts of the
-- quota know; which of them are changing, the open jobs. What is left are those that are not well, and these are kept here:
-- resources in error, and machines that do not run. A create that goes well never touches this table.

CREATE TABLE resource_apart (
    resource_id     uuid PRIMARY KEY REFERENCES resource (id) ON DELETE CASCADE,
    organization_id uuid,
    project_id      uuid,
    kind            text NOT NULL,
    status          text NOT NULL,
    power           text
);
CREATE INDEX resource_apart_of_project ON resource_apart (project_id, kind);
ALTER TABLE resource_apart ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON resource_apart TO groundplane_tenant USING (organization_id = (SELECT tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON resource_apart TO groundplane_tenant;

CREATE FUNCTION resource_set_apart() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.deleted_at IS NULL AND (NEW.status = 'error' OR (NEW.kind = 'vm' AND NEW.status <> 'creating'
                                                            AND NEW.observed ->> 'power' IS DISTINCT FROM 'running')) THEN
        INSERT INTO resource_apart AS kept (resource_id, organization_id, project_id, kind, status, power)
        VALUES (NEW.id, NEW.organization_id, NEW.project_id, NEW.kind, NEW.status, NEW.observed ->> 'power')
        ON CONFLICT (resource_id) DO UPDATE SET status = excluded.status, power = excluded.power
        WHERE (kept.status, kept.power) IS DISTINCT FROM (excluded.status, excluded.power);
    ELSE
        DELETE FROM resource_apart WHERE resource_id = NEW.id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER resource_set_apart AFTER UPDATE ON resource FOR EACH ROW
    WHEN (OLD.status = 'error' OR (NEW.status = 'error' AND NEW.deleted_at IS NULL)
          OR (NEW.kind = 'vm' AND ((OLD.status <> 'creating' AND OLD.observed ->> 'power' IS DISTINCT FROM 'running')
                                   OR (NEW.status <> 'creating' AND NEW.observed ->> 'power' IS DISTINCT FROM 'running'
                                       AND NEW.deleted_at IS NULL)))) EXECUTE FUNCTION resource_set_apart();

INSERT INTO resource_apart (resource_id, organization_id, project_id, kind, status, power)
    SELECT id, organization_id, project_id, kind, status, observed ->> 'power' FROM resource
    WHERE deleted_at IS NULL
      AND (status = 'error' OR (kind = 'vm' AND status <> 'creating' AND observed ->> 'power' IS DISTINCT FROM 'running'));

-- Failed jobs, the newest of all projects together: an entry is made only when a job fails.
CREATE INDEX job_failed ON job (ended_at, project_id) WHERE state = 'FAILED';
