-- programs: >=0.1
-- A hold that a person sets while a run is under way outlasts that run; one for a refused credential does not
-- outlast a run that a person tried and that ended of something else.

ALTER TABLE etl_jobs ADD COLUMN hold_outlasts_run boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN etl_jobs.hold_outlasts_run IS 'It was set while a run was open, whose success says nothing of it.';

CREATE FUNCTION keeps_hold(
    held boolean, held_by text, outlasts_run boolean, succeeded boolean
) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT held AND CASE WHEN succeeded THEN outlasts_run ELSE held_by IS DISTINCT FROM 'etl-tui' END
$$;

CREATE OR REPLACE FUNCTION finish_jobs(
    of_jobs integer [], succeeded boolean, with_kind text, with_message text, hold text
) RETURNS TABLE (active boolean, off_reason text) LANGUAGE sql AS $$
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
    WHERE j.id = ANY(of_jobs)
    RETURNING j.active, j.off_reason
$$;
