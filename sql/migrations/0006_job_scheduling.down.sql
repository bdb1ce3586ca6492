-- The older schema has no column for holds, snoozes, an integration's config and its waiting: it refuses
-- while any of them is in use, unless told to discard them.
DO $$
BEGIN
    IF coalesce(current_setting('etl.discard', true), '') <> 'on' AND (
        EXISTS (SELECT FROM integrations WHERE config <> '{}')
        OR EXISTS (SELECT FROM etl_jobs WHERE held OR not_before > now())
    ) THEN
        RAISE EXCEPTION 'the older schema cannot hold integration configs, holds and snoozes: --discard gives them up';
    END IF;
END
$$;

DROP TRIGGER etl_jobs_touch ON etl_jobs;
DROP FUNCTION touch_etl_job();
DROP INDEX etl_jobs_due, etl_jobs_next_due, etl_jobs_changed, etl_jobs_finished, etl_jobs_running, etl_jobs_held;
ALTER TABLE etl_jobs
    DROP COLUMN due_at,
    DROP CONSTRAINT etl_jobs_schedule_bounds,
    DROP CONSTRAINT etl_jobs_retry_bounds,
    DROP CONSTRAINT etl_jobs_retry_shorter,
    DROP CONSTRAINT etl_jobs_own_integration,
    DROP COLUMN error_kind,
    DROP COLUMN held,
    DROP COLUMN hold_reason,
    DROP COLUMN held_by,
    DROP COLUMN held_until,
    DROP COLUMN not_before,
    DROP COLUMN off_by,
    DROP COLUMN off_reason,
    DROP COLUMN last_success_at,
    DROP COLUMN row_version,
    ALTER COLUMN created_at DROP NOT NULL,
    ALTER COLUMN last_updated_at DROP NOT NULL,
    ALTER COLUMN retry_count DROP NOT NULL;
ALTER TABLE integrations
    DROP CONSTRAINT integrations_tenant_key,
    DROP COLUMN config,
    DROP COLUMN ready_at,
    DROP COLUMN wait_reason;

DO $$
DECLARE
    zone constant text := (SELECT legacy_timezone FROM legacy_0006);
    aware record;
BEGIN
    FOR aware IN
        SELECT table_name, column_name
        FROM information_schema.columns
        WHERE table_schema = current_schema()
          AND table_name IN ('tenants', 'integrations', 'system_settings', 'etl_jobs')
          AND data_type = 'timestamp with time zone'
    LOOP
        EXECUTE format(
            'ALTER TABLE %I ALTER COLUMN %I TYPE timestamp USING %I AT TIME ZONE %L',
            aware.table_name, aware.column_name, aware.column_name, zone
        );
    END LOOP;
END
$$;
DROP TABLE legacy_0006;
