-- As in 0018.
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
        held = CASE WHEN succeeded THEN false ELSE j.held OR hold IS NOT NULL END,
        hold_reason = CASE WHEN succeeded THEN NULL ELSE coalesce(hold, j.hold_reason) END,
        held_by = CASE WHEN succeeded THEN NULL WHEN hold IS NULL THEN j.held_by ELSE 'etl-tui' END,
        held_until = CASE WHEN succeeded OR hold IS NOT NULL THEN NULL ELSE j.held_until END
    WHERE j.id = ANY(of_jobs)
    RETURNING j.active, j.off_reason
$$;
DROP FUNCTION keeps_hold(boolean, text, boolean, boolean);
ALTER TABLE etl_jobs DROP COLUMN hold_outlasts_run;
