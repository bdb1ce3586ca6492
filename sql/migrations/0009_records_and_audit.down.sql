-- Audit, logs and rejects have no place in the older schema. The destination tables themselves are left alone.
DO $$
BEGIN
    IF coalesce(current_setting('etl.discard', true), '') <> 'on' AND (
        EXISTS (SELECT FROM job_events) OR EXISTS (SELECT FROM rejected_records)
        OR EXISTS (SELECT FROM run_logs) OR EXISTS (SELECT FROM destination_tables)
    ) THEN
        RAISE EXCEPTION 'the older schema cannot hold audit, run logs, rejects and the register of tables: --discard gives them up';
    END IF;
END
$$;
DROP TABLE job_events, run_logs, rejected_records, destination_tables;
