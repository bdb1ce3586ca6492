-- programs: >=0.1
-- Runs that keep a checkpoint of their own: a backfill, and a full refresh until it is through.

ALTER TABLE job_runs
    DROP CONSTRAINT job_runs_trigger_check,
    ADD CONSTRAINT job_runs_trigger_check CHECK (trigger IN ('schedule', 'retry', 'manual', 'backfill'));

ALTER TABLE etl_jobs
    ADD COLUMN status_before_backfill text
        CHECK (status_before_backfill IS NULL OR status = 'RUNNING' AND status_before_backfill <> 'RUNNING');
COMMENT ON COLUMN etl_jobs.status_before_backfill IS
    'Set while a backfill is open: what the job becomes again when that ends, however it ends.';

-- What a batch says of where its run stands, where that is none of the job's business. Stored with the batch.
CREATE TABLE run_checkpoints (
    run_id bigint NOT NULL REFERENCES job_runs (id) ON DELETE CASCADE,
    seq integer NOT NULL,
    fragments jsonb NOT NULL,
    PRIMARY KEY (run_id, seq)
);

-- As in 0019, but of a backfill the job shows nothing: it is what it was before, and so is its next time.
CREATE OR REPLACE FUNCTION finish_jobs(
    of_jobs integer [], succeeded boolean, with_kind text, with_message text, hold text
) RETURNS TABLE (active boolean, off_reason text) LANGUAGE sql AS $$
    WITH rested AS (
        UPDATE etl_jobs AS j
        SET status = j.status_before_backfill, status_before_backfill = NULL, hold_outlasts_run = false
        WHERE j.id = ANY(of_jobs) AND j.status_before_backfill IS NOT NULL
        RETURNING j.active, j.off_reason
    ),

    finished AS (
        UPDATE etl_jobs AS j
        SET active = j.active AND (succeeded OR j.retry_count + 1 < j.max_failures),
            off_by = CASE
                WHEN j.active AND NOT succeeded AND j.retry_count + 1 >= j.max_failures THEN 'etl-tui' ELSE j.off_by
            END,
            off_reason = CASE
                WHEN j.active AND NOT succeeded AND j.retry_count + 1 >= j.max_failures
                    THEN format('%s failures in a row: %s', j.retry_count + 1, with_message)
                ELSE j.off_reason
            END,
            status = CASE WHEN succeeded THEN 'FINISHED' ELSE 'FAILED' END,
            last_run_finished_at = now(),
            last_success_at = CASE WHEN succeeded THEN now() ELSE j.last_success_at END,
            error_kind = with_kind,
            error_message = with_message,
            retry_count = CASE WHEN succeeded THEN 0 ELSE j.retry_count + 1 END,
            held = hold IS NOT NULL OR keeps_hold(j.held, j.held_by, j.hold_outlasts_run, succeeded),
            hold_reason = CASE
                WHEN hold IS NOT NULL THEN hold
                WHEN keeps_hold(j.held, j.held_by, j.hold_outlasts_run, succeeded) THEN j.hold_reason
            END,
            held_by = CASE
                WHEN hold IS NOT NULL THEN 'etl-tui'
                WHEN keeps_hold(j.held, j.held_by, j.hold_outlasts_run, succeeded) THEN j.held_by
            END,
            held_until = CASE
                WHEN hold IS NULL AND keeps_hold(j.held, j.held_by, j.hold_outlasts_run, succeeded) THEN j.held_until
            END,
            hold_outlasts_run = false
        WHERE j.id = ANY(of_jobs) AND j.status_before_backfill IS NULL
        RETURNING j.active, j.off_reason
    )

    SELECT r.active, r.off_reason FROM rested AS r
    UNION ALL
    SELECT f.active, f.off_reason FROM finished AS f
$$;

-- As in 0020; a run knows where it began since 0021, also when the versions of then are gone.
CREATE OR REPLACE VIEW run_history AS
SELECT
    o.*, t.name AS tenant, j.job_name, r.tenant_id, r.options, r.is_partial,
    coalesce(r.checkpoint_before, cut.first - 1, stood.version, 0) AS checkpoint_before,
    coalesce(cut.last, r.checkpoint_before, stood.version, 0) AS checkpoint_after,
    now() AS read_at
FROM job_runs AS r
INNER JOIN run_overview AS o ON r.id = o.id
INNER JOIN etl_jobs AS j ON r.job_id = j.id
INNER JOIN tenants AS t ON r.tenant_id = t.id
LEFT JOIN LATERAL (
    SELECT min(h.version) AS first, max(h.version) AS last
    FROM job_checkpoint_history AS h
    WHERE h.run_id = r.id
) AS cut ON true
LEFT JOIN LATERAL (
    SELECT max(h.version) AS version
    FROM job_checkpoint_history AS h
    WHERE r.checkpoint_before IS NULL AND cut.first IS NULL AND h.job_id = r.job_id AND h.cut_at <= coalesce(r.started_at, r.queued_at)
) AS stood ON true;
