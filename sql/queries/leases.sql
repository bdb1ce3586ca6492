-- Steps of a run and its batches under a lease. Each begins by locking its lease row and looking at the lease: an
-- unlocked check lets a stale holder commit (m). Order of locks: job, run, batch; FOR NO KEY UPDATE only.

-- name: lock_run(run_id)^
-- Holds the run until the transaction ends.
SELECT * FROM job_runs WHERE id = :run_id FOR NO KEY UPDATE;

-- name: lock_job_of_run(run_id)^
-- Holds the job of a run until the transaction ends; before the run, never after.
SELECT j.*
FROM etl_jobs AS j
WHERE j.id = (SELECT r.job_id FROM job_runs AS r WHERE r.id = :run_id)
FOR NO KEY UPDATE;

-- name: lock_leased_run(run_id, lease, worker_id)$
-- Holds the run if this worker still has it under this lease; null when it was fenced. The worker too: a server that
-- lost its last commits (a failover to an asynchronous standby) may give the same lease twice.
SELECT id FROM job_runs
WHERE id = :run_id AND lease = :lease AND worker_id = :worker_id AND state = 'RUNNING'
FOR NO KEY UPDATE;

-- name: lock_leased_batch(run_id, seq, lease, worker_id)$
-- Holds the batch if this worker still has it under this lease and its lane is loaded up to it; null when the holder was fenced, or
-- when the database lost the commit of an earlier batch (a failover to a replica that was behind).
SELECT b.seq FROM run_batches AS b
WHERE
    b.run_id = :run_id AND b.seq = :seq AND b.lease = :lease AND b.worker_id = :worker_id AND b.state = 'LEASED'
    AND NOT EXISTS (
        SELECT FROM run_batches AS earlier
        WHERE
            earlier.run_id = b.run_id AND earlier.lane = b.lane AND earlier.seq < b.seq
            AND earlier.state IN ('WAITING', 'LEASED')
    )
FOR NO KEY UPDATE OF b;

-- name: store_batch(run_id, seq, lane, worker_id, bytes, counts, fragments)^
-- A page becomes a batch, leased to the worker that carries it on; its losses are over.
WITH forgiven AS (
    UPDATE job_runs SET losses = 0 WHERE id = :run_id AND losses > 0
)

INSERT INTO run_batches (run_id, seq, lane, stage, state, lease, worker_id, bytes, counts, fragments)
VALUES (:run_id, :seq, :lane, 'transform', 'LEASED', 1, :worker_id, :bytes, :counts, :fragments)
RETURNING seq, lease, stored_at;

-- name: store_payload(run_id, seq, payload)!
-- What another worker needs to carry the batch on.
INSERT INTO batch_payloads (run_id, seq, payload) VALUES (:run_id, :seq, :payload);

-- name: end_extract(run_id)!
-- Nothing more will be stored. The caller holds the run.
UPDATE job_runs SET extract_done = true WHERE id = :run_id;

-- name: fail_run(run_id, error_kind, error_message)!
-- The run will end FAILED: nothing more is stored, what is stored still loads. The first error stays.
UPDATE job_runs
SET extract_done = true,
    error_kind = coalesce(error_kind, :error_kind),
    error_message = CASE WHEN error_kind IS NULL THEN :error_message ELSE error_message END
WHERE id = :run_id;

-- name: adopt_batches(run_id, worker_id)
-- The unloaded batches of a run go to the worker that holds it now, in order; their leases rise.
WITH adopted AS (
    UPDATE run_batches
    SET state = 'LEASED', lease = lease + 1, worker_id = :worker_id
    WHERE run_id = :run_id AND state IN ('WAITING', 'LEASED')
    RETURNING seq, lane, lease, fragments, stored_at
)

SELECT * FROM adopted ORDER BY seq;

-- name: read_payload(run_id, seq)$
-- The stored records of a batch that is not loaded yet.
SELECT payload FROM batch_payloads WHERE run_id = :run_id AND seq = :seq;

-- name: last_seq(run_id)$
-- The highest stored batch of a run, 0 when none.
SELECT coalesce(max(seq), 0) FROM run_batches WHERE run_id = :run_id;

-- name: mark_loaded(run_id, seq, counts)$
-- The batch is in the destination; its payload goes with it. Rejects of extract and of transform add up.
WITH dropped AS (
    DELETE FROM batch_payloads WHERE run_id = :run_id AND seq = :seq
)

UPDATE run_batches
SET state = 'LOADED', stage = 'load', loaded_at = now(),
    counts = counts || :counts || jsonb_build_object(
        'rows_rejected',
        coalesce((counts ->> 'rows_rejected')::bigint, 0) + coalesce((:counts ->> 'rows_rejected')::bigint, 0)
    )
WHERE run_id = :run_id AND seq = :seq
RETURNING counts;

-- name: set_aside(run_id, seq, error)!
-- This batch cannot be loaded: it ends its lane.
UPDATE run_batches SET state = 'SET_ASIDE', error = :error WHERE run_id = :run_id AND seq = :seq;

-- name: discard_lane(run_id, lane)!
-- What follows in a lane that has ended is not loaded.
UPDATE run_batches SET state = 'DISCARDED', lease = lease + 1
WHERE run_id = :run_id AND lane = :lane AND state IN ('WAITING', 'LEASED');

-- name: discard_batches(run_id)!
-- Nothing more of this run is loaded.
UPDATE run_batches SET state = 'DISCARDED', lease = lease + 1
WHERE run_id = :run_id AND state IN ('WAITING', 'LEASED');

-- name: write_progress(run_id, lease, rows_expected)!
-- What screens show of an open run: the sums of its loaded batches. At most once a second, never in the transaction
-- of a load.
UPDATE job_runs
SET counters = jsonb_strip_nulls(
    jsonb_build_object('rows_expected', :rows_expected::bigint) || (
        SELECT
            jsonb_build_object(
                'batches', count(*),
                'rows_extracted', sum((b.counts ->> 'rows_extracted')::bigint),
                'rows_new', sum((b.counts ->> 'rows_new')::bigint),
                'rows_changed', sum((b.counts ->> 'rows_changed')::bigint),
                'rows_unchanged', sum((b.counts ->> 'rows_unchanged')::bigint),
                'rows_deleted', sum((b.counts ->> 'rows_deleted')::bigint),
                'rows_rejected', sum((b.counts ->> 'rows_rejected')::bigint)
            )
        FROM run_batches AS b
        WHERE b.run_id = :run_id AND b.state = 'LOADED'
    )
)
WHERE id = :run_id AND lease = :lease AND state = 'RUNNING';

-- name: release_run(run_id, ready_at, wait_reason, losses)!
-- Back to the queue: parked, given way, or taken from a lost worker. The caller holds the run. Its lease rises, and
-- so do those of its batches: a holder that comes back writes nothing.
WITH freed AS (
    UPDATE run_batches SET state = 'WAITING', lease = lease + 1, worker_id = NULL
    WHERE run_id = :run_id AND state = 'LEASED'
)

UPDATE job_runs
SET state = 'QUEUED', lease = lease + 1, worker_id = NULL, wait_reason = :wait_reason,
    ready_at = greatest(now(), coalesce(:ready_at::timestamptz, now())), losses = losses + :losses
WHERE id = :run_id;

-- name: find_batch(run_id, seq)^
-- A stored batch, if there is one: what a step whose COMMIT was not answered looks for.
SELECT seq, lease, stored_at, state, counts FROM run_batches WHERE run_id = :run_id AND seq = :seq;
