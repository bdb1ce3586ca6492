-- How a run ends. The caller holds job and run, and only then counts: counting in the same statement, or without the
-- lock, leaves a run RUNNING for ever or its checkpoint short (m).

-- name: tally_batches(run_id)^
-- What became of a run's batches, and the sums of their rows.
SELECT
    count(*) FILTER (WHERE state IN ('WAITING', 'LEASED')) AS unloaded,
    count(*) FILTER (WHERE state = 'SET_ASIDE') AS set_aside,
    (array_agg(error ORDER BY seq) FILTER (WHERE state = 'SET_ASIDE'))[1] AS set_aside_error,
    (array_agg(seq ORDER BY seq) FILTER (WHERE state = 'SET_ASIDE'))[1] AS set_aside_seq,
    count(*) FILTER (WHERE state = 'LOADED') AS batches,
    count(*) AS stored,
    coalesce(sum(bytes), 0)::bigint AS bytes,
    coalesce(sum((counts ->> 'rows_extracted')::bigint), 0)::bigint AS rows_extracted,
    coalesce(sum((counts ->> 'rows_new')::bigint), 0)::bigint AS rows_new,
    coalesce(sum((counts ->> 'rows_changed')::bigint), 0)::bigint AS rows_changed,
    coalesce(sum((counts ->> 'rows_unchanged')::bigint), 0)::bigint AS rows_unchanged,
    coalesce(sum((counts ->> 'rows_deleted')::bigint), 0)::bigint AS rows_deleted,
    coalesce(sum((counts ->> 'rows_rejected')::bigint), 0)::bigint AS rows_rejected
FROM run_batches
WHERE run_id = :run_id;

-- name: frequent_reasons(run_id)
-- The three most frequent reasons of the rejects of a run, alike but for the values that they quote.
SELECT min(reason) AS reason, sum(count)::bigint AS times
FROM rejected_records
WHERE run_id = :run_id
GROUP BY regexp_replace(reason, $re$'(\\.|[^'\\])*'|"(\\.|[^"\\])*"|[0-9]+$re$, '', 'g')
ORDER BY times DESC, reason
LIMIT 3;

-- name: finish_run(run_id, state, counters, error_kind, error_message)!
-- The end of a run; its holder is fenced.
UPDATE job_runs
SET state = :state, finished_at = now(), lease = lease + 1, wait_reason = NULL,
    counters = :counters, error_kind = :error_kind, error_message = :error_message
WHERE id = :run_id;

-- name: drop_payloads(run_id)!
-- What was not loaded is not needed any more: the next run reads it again from the checkpoint.
DELETE FROM batch_payloads WHERE run_id = :run_id;

-- name: finish_job(job_id, succeeded, error_kind, error_message, hold_reason)^
-- FINISHED or FAILED. retry_count counts failures in a row; success clears a hold. So many failures in a row as
-- max_failures switch the job off.
UPDATE etl_jobs
SET active = active AND (:succeeded OR retry_count + 1 < max_failures),
    off_by = CASE WHEN active AND NOT :succeeded AND retry_count + 1 >= max_failures THEN 'etl-tui' ELSE off_by END,
    off_reason = CASE
        WHEN active AND NOT :succeeded AND retry_count + 1 >= max_failures
            THEN format('%s failures in a row: %s', retry_count + 1, :error_message::text)
        ELSE off_reason
    END,
    status = CASE WHEN :succeeded THEN 'FINISHED' ELSE 'FAILED' END,
    last_run_finished_at = now(),
    last_success_at = CASE WHEN :succeeded THEN now() ELSE last_success_at END,
    error_kind = :error_kind,
    error_message = :error_message,
    retry_count = CASE WHEN :succeeded THEN 0 ELSE retry_count + 1 END,
    held = CASE WHEN :succeeded THEN false ELSE held OR :hold_reason::text IS NOT NULL END,
    hold_reason = CASE WHEN :succeeded THEN NULL ELSE coalesce(:hold_reason, hold_reason) END,
    held_by = CASE WHEN :succeeded THEN NULL WHEN :hold_reason::text IS NULL THEN held_by ELSE 'etl-tui' END,
    held_until = CASE WHEN :succeeded OR :hold_reason::text IS NOT NULL THEN NULL ELSE held_until END
WHERE id = :job_id
RETURNING active, retry_count, off_reason;

-- name: cut_checkpoint(job_id, source, actor, reason, run_id, document_before)$
-- A version of the checkpoint, if it moved; returns the version that holds now. The caller holds the job.
SELECT cut_checkpoint(:job_id, :source, :actor, :reason, :run_id, :document_before);

-- name: list_unsettled_runs()
-- Open runs that only need settling: extract is done and nothing is left to load.
SELECT r.id
FROM job_runs AS r
WHERE r.state IN ('QUEUED', 'RUNNING') AND r.extract_done
    AND NOT EXISTS (
        SELECT FROM run_batches AS b
        WHERE b.run_id = r.id AND b.state IN ('WAITING', 'LEASED')
    );

-- name: mend_running_without_run()
-- A RUNNING job without an open run is a contradiction: FAILED, so that it is tried again and somebody sees it.
UPDATE etl_jobs AS j
SET status = 'FAILED', last_run_finished_at = now(), error_kind = 'internal', retry_count = retry_count + 1,
    error_message = 'the job was RUNNING without a run; mended by the scheduler, it will be tried again'
WHERE j.id IN (
    SELECT m.id FROM etl_jobs AS m
    WHERE m.status = 'RUNNING'
        AND NOT EXISTS (SELECT FROM job_runs AS r WHERE r.job_id = m.id AND r.state IN ('QUEUED', 'RUNNING'))
    FOR NO KEY UPDATE OF m SKIP LOCKED
)
AND NOT EXISTS (SELECT FROM job_runs AS r WHERE r.job_id = j.id AND r.state IN ('QUEUED', 'RUNNING'))
RETURNING j.id;

-- name: mend_open_run_without_running()
-- An open run whose job is not RUNNING: the run is the truth, the job shows it.
UPDATE etl_jobs AS j
SET status = 'RUNNING'
WHERE j.id IN (
    SELECT m.id FROM etl_jobs AS m
    INNER JOIN job_runs AS r ON m.id = r.job_id AND r.state IN ('QUEUED', 'RUNNING')
    WHERE m.status <> 'RUNNING'
    FOR NO KEY UPDATE OF m SKIP LOCKED
)
RETURNING j.id;
