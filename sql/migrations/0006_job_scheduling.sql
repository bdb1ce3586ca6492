-- programs: >=0.1
-- A job's row becomes its schedule: aware times, bounds on the intervals, holds and snoozes, and `due_at`,
-- a stored generated column with a partial index that tells the scheduler what to claim.
-- Legacy times are naive; the zone they were written in is asked for (etl.legacy_timezone, set by the runner).

CREATE TABLE legacy_0006 (legacy_timezone text NOT NULL);
COMMENT ON TABLE legacy_0006 IS 'The zone that naive times were read in; the way back writes them in it again.';
INSERT INTO legacy_0006 VALUES (coalesce(nullif(current_setting('etl.legacy_timezone', true), ''), 'UTC'));

-- Every legacy time of every table of ours. Base types cannot change once a generated column reads them (m).
DO $$
DECLARE
    zone constant text := (SELECT legacy_timezone FROM legacy_0006);
    naive record;
BEGIN
    FOR naive IN
        SELECT table_name, column_name
        FROM information_schema.columns
        WHERE table_schema = current_schema()
          AND table_name IN ('tenants', 'integrations', 'system_settings', 'etl_jobs')
          AND data_type = 'timestamp without time zone'
    LOOP
        EXECUTE format(
            'ALTER TABLE %I ALTER COLUMN %I TYPE timestamptz USING %I AT TIME ZONE %L',
            naive.table_name, naive.column_name, naive.column_name, zone
        );
    END LOOP;
END
$$;

UPDATE etl_jobs SET created_at = coalesce(created_at, last_run_started_at, now()) WHERE created_at IS NULL;
UPDATE etl_jobs SET last_updated_at = coalesce(last_updated_at, created_at) WHERE last_updated_at IS NULL;
UPDATE etl_jobs SET retry_count = 0 WHERE retry_count IS NULL OR retry_count < 0;
ALTER TABLE etl_jobs
    ALTER COLUMN created_at SET NOT NULL,
    ALTER COLUMN last_updated_at SET NOT NULL,
    ALTER COLUMN retry_count SET NOT NULL;

-- Intervals that no job may have are mended, and each is reported.
DO $$
DECLARE
    ten_years constant int := 5256000;
    mended record;
BEGIN
    FOR mended IN
        SELECT
            id, job_name, tenant_id, schedule_interval_minutes AS old_schedule, retry_interval_minutes AS old_retry,
            least(greatest(schedule_interval_minutes, 2), ten_years) AS new_schedule
        FROM etl_jobs
        WHERE schedule_interval_minutes NOT BETWEEN 2 AND ten_years
           OR retry_interval_minutes < 1
           OR retry_interval_minutes >= schedule_interval_minutes
        ORDER BY id
    LOOP
        UPDATE etl_jobs
        SET schedule_interval_minutes = mended.new_schedule,
            retry_interval_minutes = CASE
                WHEN mended.old_retry BETWEEN 1 AND mended.new_schedule - 1 THEN mended.old_retry
                ELSE least(15, mended.new_schedule - 1)
            END
        WHERE id = mended.id;
        RAISE NOTICE 'job % (%): intervals % / % min became % / % (retry must be shorter than the schedule)',
            mended.id, mended.job_name, mended.old_schedule, mended.old_retry,
            mended.new_schedule, (SELECT retry_interval_minutes FROM etl_jobs WHERE id = mended.id);
    END LOOP;
END
$$;

-- A job may use an integration of its own tenant only; a legacy row that crosses loses it, and is reported.
DO $$
DECLARE
    crossing record;
BEGIN
    FOR crossing IN
        SELECT j.id, j.job_name, i.name AS integration
        FROM etl_jobs AS j JOIN integrations AS i ON i.id = j.integration_id
        WHERE i.tenant_id <> j.tenant_id
        ORDER BY j.id
    LOOP
        UPDATE etl_jobs SET integration_id = NULL WHERE id = crossing.id;
        RAISE NOTICE 'job % (%): integration % belongs to another tenant and was taken off it',
            crossing.id, crossing.job_name, crossing.integration;
    END LOOP;
END
$$;

ALTER TABLE integrations
    ADD COLUMN config jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(config) = 'object'),
    ADD COLUMN ready_at timestamptz,
    ADD COLUMN wait_reason text,
    ADD CONSTRAINT integrations_tenant_key UNIQUE (tenant_id, id);
COMMENT ON COLUMN integrations.config IS 'What the connector reads; secrets only as references (env:NAME, file:/path).';
COMMENT ON COLUMN integrations.ready_at IS 'Until then the source asked us to stay away (rate limit).';

ALTER TABLE etl_jobs
    ADD CONSTRAINT etl_jobs_schedule_bounds CHECK (schedule_interval_minutes BETWEEN 2 AND 5256000),
    ADD CONSTRAINT etl_jobs_retry_bounds CHECK (retry_interval_minutes >= 1),
    ADD CONSTRAINT etl_jobs_retry_shorter CHECK (retry_interval_minutes < schedule_interval_minutes),
    ADD CONSTRAINT etl_jobs_own_integration FOREIGN KEY (tenant_id, integration_id)
        REFERENCES integrations (tenant_id, id),
    ADD COLUMN error_kind text,
    ADD COLUMN held boolean NOT NULL DEFAULT false,
    ADD COLUMN hold_reason text,
    ADD COLUMN held_by text,
    ADD COLUMN held_until timestamptz,
    ADD COLUMN not_before timestamptz,
    ADD COLUMN off_by text,
    ADD COLUMN off_reason text,
    ADD COLUMN last_success_at timestamptz,
    ADD COLUMN row_version bigint NOT NULL DEFAULT 1;
COMMENT ON COLUMN etl_jobs.held IS 'Waits for a person: a refused credential, an edit in progress.';
COMMENT ON COLUMN etl_jobs.held_until IS 'When the hold ends by itself; null: a person ends it.';
COMMENT ON COLUMN etl_jobs.not_before IS 'A person''s snooze.';
COMMENT ON COLUMN etl_jobs.off_by IS 'Who switched it off; null while it is on, or when it never was.';
COMMENT ON COLUMN etl_jobs.row_version IS 'Raised by every update, so that a screen sees a row once per change.';

-- The job last worked when its last run finished, unless that run failed.
UPDATE etl_jobs SET last_success_at = last_run_finished_at WHERE status IN ('READY', 'FINISHED');

-- When the job is due, or null while nothing but a person or a run can make it so. CASE is outermost, because
-- greatest(null, x) is x and would wake sleeping jobs (m). Intervals are added at UTC: timestamptz + interval
-- is only STABLE. STORED is said aloud: PostgreSQL 18 makes VIRTUAL by default and cannot index it (m).
-- A new job waits a spread by its id, so that a thousand seeded together do not start together. Its divisor
-- is never 0: the column is computed before the bounds are checked, and the bounds have the better message.
ALTER TABLE etl_jobs ADD COLUMN due_at timestamptz GENERATED ALWAYS AS (
    CASE
        WHEN NOT active OR status = 'RUNNING' OR held OR integration_id IS NULL THEN NULL
        WHEN status = 'FAILED' AND error_kind IS DISTINCT FROM 'permanent' THEN greatest(
            (
                (coalesce(last_run_finished_at, last_run_started_at, created_at) AT TIME ZONE 'UTC')
                + make_interval(mins => retry_interval_minutes)
            ) AT TIME ZONE 'UTC',
            not_before
        )
        WHEN last_run_started_at IS NULL THEN greatest(
            (
                (created_at AT TIME ZONE 'UTC')
                + make_interval(secs => mod(id::bigint * 7919, 60 * least(greatest(schedule_interval_minutes, 1), 5)))
            ) AT TIME ZONE 'UTC',
            not_before
        )
        ELSE greatest(
            (
                (last_run_started_at AT TIME ZONE 'UTC')
                + make_interval(mins => schedule_interval_minutes)
            ) AT TIME ZONE 'UTC',
            not_before
        )
    END
) STORED;

CREATE INDEX etl_jobs_due ON etl_jobs (tenant_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX etl_jobs_next_due ON etl_jobs (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX etl_jobs_changed ON etl_jobs (last_updated_at);
CREATE INDEX etl_jobs_finished ON etl_jobs (last_run_finished_at) WHERE status = 'FINISHED';
CREATE INDEX etl_jobs_running ON etl_jobs (id) WHERE status = 'RUNNING';
CREATE INDEX etl_jobs_held ON etl_jobs (held_until) WHERE held AND held_until IS NOT NULL;

CREATE FUNCTION touch_etl_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The clock, not the transaction's start: a screen that looks back 5 s must not miss a long transaction.
    NEW.last_updated_at := clock_timestamp();
    NEW.row_version := OLD.row_version + 1;
    RETURN NEW;
END
$$;
CREATE TRIGGER etl_jobs_touch BEFORE UPDATE ON etl_jobs FOR EACH ROW EXECUTE FUNCTION touch_etl_job();
