-- Spans of sampled traces, kept for a day: one partition for each hour in which they were stored, by the database's clock.

CREATE TABLE span (
    stored_at       timestamptz NOT NULL DEFAULT now(),
    trace_id        uuid NOT NULL,
    span_id         text NOT NULL,               -- 16 hex digits; a span may be told twice
    parent_id       text NOT NULL,               -- '' at the root
    service         text NOT NULL,               -- api, worker, agent
    name            text NOT NULL,
    started_at      timestamptz NOT NULL,        -- by the clock of whoever made it
    microseconds    bigint NOT NULL,
    error           text NOT NULL,               -- a code; '' if it went well
    attributes      jsonb NOT NULL,
    organization_id uuid,
    project_id      uuid
) PARTITION BY RANGE (stored_at);
CREATE INDEX span_of_trace ON span (trace_id);

-- Makes the partitions of the next hours, takes away those that are older than a day; answers how many of each. Any number may call it at
-- once: whoever comes second finds nothing to do. It runs as the schema's owner, since others may make no tables.
CREATE FUNCTION keep_span_partitions(OUT made int, OUT dropped int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    hours_ahead CONSTANT int := 6;
    kept        CONSTANT interval := '25 hours';  -- a day, and the hour that its first span lies in
    first_hour  timestamptz := date_trunc('hour', now(), 'UTC');
    lower_bound timestamptz;
    partition   text;
BEGIN
    made := 0;
    dropped := 0;
    PERFORM pg_advisory_xact_lock(7301982);
    FOR number IN 0..hours_ahead LOOP
        lower_bound := first_hour + number * interval '1 hour';
        partition := 'span_' || to_char(lower_bound AT TIME ZONE 'UTC', 'YYYYMMDDHH24');
        IF to_regclass(partition) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF span FOR VALUES FROM (%L) TO (%L)',
                           partition, lower_bound, lower_bound + interval '1 hour');
            made := made + 1;
        END IF;
    END LOOP;
    FOR partition IN
        SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'span'::regclass
        AND relname < 'span_' || to_char((first_hour - kept) AT TIME ZONE 'UTC', 'YYYYMMDDHH24') ORDER BY relname
    LOOP
        EXECUTE format('DROP TABLE %I', partition);
        dropped := dropped + 1;
    END LOOP;
END $$;
SELECT keep_span_partitions();
