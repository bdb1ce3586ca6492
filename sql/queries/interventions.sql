-- What people do to a job beside its schedule: cancel, release, hold, clear, snooze.

-- name: end_run_early(run_id, state, ended_by, counters, error_kind, error_message)!
-- Ends an open run where it is: its lease and those of its batches rise and what was not loaded is DISCARDED, so that
-- nothing of it lands afterwards. The caller holds job and run.
WITH discarded AS (
    UPDATE run_batches SET state = 'DISCARDED', lease = lease + 1, worker_id = NULL
    WHERE run_id = :run_id AND state IN ('WAITING', 'LEASED')
    RETURNING seq
),

-- After the batches, as a load does it: the other order deadlocks with one (m).
dropped AS (
    DELETE FROM batch_payloads WHERE run_id = :run_id AND (SELECT count(*) FROM discarded) >= 0
)

UPDATE job_runs
SET state = :state, finished_at = now(), lease = lease + 1, extract_done = true, wait_reason = NULL,
    cancel_requested_by = CASE WHEN :state = 'CANCELLED' THEN :ended_by ELSE cancel_requested_by END,
    counters = :counters,
    error_kind = :error_kind, error_message = :error_message
WHERE id = :run_id;

-- name: await_landings(run_id, ended_by, error_kind, error_message, wait_reason)!
-- A run that is to end, but not before its destination has said which of its batches are there: in nobody's hands,
-- nothing more is extracted. Cancelled where `ended_by` is given. The caller holds job and run.
UPDATE job_runs
SET state = 'RUNNING', lease = lease + 1, worker_id = NULL, extract_done = true, wait_reason = :wait_reason,
    cancel_requested_by = :ended_by,
    error_kind = coalesce(error_kind, :error_kind),
    error_message = CASE WHEN error_kind IS NULL THEN :error_message ELSE error_message END
WHERE id = :run_id;

-- name: rest_cancelled_job(job_id)!
-- A cancelled job is READY; its next time stays as planned from the start of this run, its failures in a row stay. After
-- a backfill it is what it was before.
UPDATE etl_jobs
SET status = coalesce(status_before_backfill, 'READY'), status_before_backfill = NULL,
    hold_outlasts_run = hold_outlasts_run AND status_before_backfill IS NULL
WHERE id = :job_id;

-- name: hold_job(job_id, held_by, reason, minutes)!
-- Waits for a person; with minutes the hold ends by itself. The success of a run that is open now does not end it.
UPDATE etl_jobs
SET held = true, held_by = :held_by, hold_reason = :reason, hold_outlasts_run = status = 'RUNNING',
    held_until = now() + make_interval(mins => :minutes::integer)
WHERE id = :job_id;

-- name: end_hold(job_id, reason)$
-- Ends the hold of this reason; no row when there is none, or another one by now.
UPDATE etl_jobs
SET held = false, hold_reason = NULL, held_by = NULL, held_until = NULL
WHERE id = :job_id AND held AND hold_reason = :reason
RETURNING id;

-- name: clear_job(job_id)!
-- Ends hold, failure and snooze: the job is as if it had not failed. A running one keeps its run.
UPDATE etl_jobs
SET held = false, hold_reason = NULL, held_by = NULL, held_until = NULL, not_before = NULL,
    status = CASE WHEN status = 'FAILED' THEN 'READY' ELSE status END,
    status_before_backfill = CASE WHEN status_before_backfill = 'FAILED' THEN 'READY' ELSE status_before_backfill END,
    error_message = NULL, error_kind = NULL, retry_count = 0
WHERE id = :job_id;

-- name: snooze_job(job_id, until)!
-- Not before then; null ends the snooze.
UPDATE etl_jobs SET not_before = :until WHERE id = :job_id;

-- name: list_overdue_runs()
-- Open runs past the deadline of their job; not those that only wait to hear what of them has landed, nor backfills, which
-- take as long as their range and their pace ask for.
SELECT r.id, j.deadline_minutes
FROM job_runs AS r INNER JOIN etl_jobs AS j ON r.job_id = j.id
WHERE r.state IN ('QUEUED', 'RUNNING') AND j.deadline_minutes IS NOT NULL
    AND r.started_at < now() - make_interval(mins => j.deadline_minutes)
    AND r.cancel_requested_by IS NULL AND r.error_kind IS DISTINCT FROM 'deadline' AND r.trigger <> 'backfill';

-- name: list_held(worker_id)
-- The runs (seq 0) and batches that a worker holds, with their leases: what it works on and does not find here was taken
-- from it.
SELECT id AS run_id, 0 AS seq, lease FROM job_runs WHERE worker_id = :worker_id AND state = 'RUNNING'
UNION ALL
SELECT run_id, seq, lease FROM run_batches
WHERE worker_id = :worker_id AND state = 'LEASED' AND in_hand_since IS NOT NULL;
