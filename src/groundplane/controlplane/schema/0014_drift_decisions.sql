-- What a person decides about drift goes before what the reconciler thinks of it (`decision`), and is of what they saw: it ends
-- with the row, or when the difference becomes another one.

ALTER TABLE drift
    ADD COLUMN decided         text CHECK (decided IN ('correct', 'ignore')),
    ADD COLUMN decided_by      uuid,
    ADD COLUMN decided_by_kind text,            -- user, service_account
    ADD COLUMN decided_at      timestamptz,
    ADD COLUMN decided_reason  text,
    ADD COLUMN ignored_until   timestamptz,     -- NULL: for as long as it differs so
    ADD CHECK ((decided IS NULL) = (decided_at IS NULL)),
    ADD CHECK (ignored_until IS NULL OR decided = 'ignore');
UPDATE drift SET decision = 'correct' WHERE decision = 'accepted';
ALTER TABLE drift DROP CONSTRAINT drift_decision_check, ADD CHECK (decision IN ('correct', 'alert'));

CREATE FUNCTION drift_decision(drift) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN ($1).decided = 'ignore' AND (($1).ignored_until IS NULL OR ($1).ignored_until > now()) THEN 'ignore'
                WHEN ($1).decided = 'correct' THEN 'correct'
                ELSE ($1).decision END;
