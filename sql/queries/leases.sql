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
            AND earlier.state IN ('WAITING', 'LEASED', 'SET_ASIDE')
    )
FOR NO KEY UPDATE OF b;

-- name: lock_held_batch(run_id, seq, lease, worker_id)$
-- Holds the batch if this worker still has it under this lease, wherever in its lane it is; null when it was fenced.
SELECT seq FROM run_batches
WHERE run_id = :run_id AND seq = :seq AND lease = :lease AND worker_id = :worker_id AND state = 'LEASED'
FOR NO KEY UPDATE;

-- name: store_batch(run_id, seq, lane, lease, worker_id, carry, bytes, counts, fragments, format, payload, streams)^
-- A page becomes a batch; no row when this worker does not hold the run under this lease, or the batch is there already.
SELECT * FROM store_batch(
    :run_id, :seq, :lane, :lease, :worker_id, :carry, :bytes, :counts, :fragments, :format, :payload, :streams
);

-- name: keep_failed_partitions(run_id, streams, partitions, kinds, messages)!
-- Partitions that the walk leaves out; one that failed in an earlier try of this run is told once.
INSERT INTO failed_partitions (run_id, stream, partition, error_kind, error_message)
SELECT :run_id, f.stream, f.partition, f.kind, f.message
FROM unnest(:streams::text [], :partitions::text [], :kinds::text [], :messages::text [])
    AS f (stream, partition, kind, message)
ON CONFLICT (run_id, stream, partition) DO UPDATE
SET error_kind = excluded.error_kind, error_message = excluded.error_message, failed_at = now();

-- name: begin_partial_run(run_id)
-- What a retry has to do, if that is less than everything: the partitions that the run before could not read, while
-- the last run that walked all of them is younger than the schedule interval. The run is marked as partial.
WITH this AS (
    SELECT r.id, r.job_id, r.is_partial, j.schedule_interval_minutes
    FROM job_runs AS r INNER JOIN etl_jobs AS j ON r.job_id = j.id
    WHERE r.id = :run_id AND r.trigger = 'retry'
),

before AS (
    SELECT b.id, b.error_kind, b.queued_at
    FROM job_runs AS b INNER JOIN this ON b.job_id = this.job_id AND b.id < this.id
    WHERE b.state IN ('SUCCEEDED', 'FAILED')
    ORDER BY b.id DESC
    LIMIT 1
),

undone AS (
    SELECT f.stream, f.partition
    FROM failed_partitions AS f INNER JOIN before ON f.run_id = before.id CROSS JOIN this
    WHERE before.error_kind = 'partitions'
        -- Somebody changed the checkpoint meanwhile: what he wants to be read again is not what had failed.
        AND NOT EXISTS (
            SELECT FROM job_checkpoint_history AS h
            WHERE h.job_id = this.job_id AND h.source <> 'run' AND h.cut_at > before.queued_at
        )
        AND (
            this.is_partial
            OR EXISTS (
                SELECT FROM job_runs AS w
                WHERE w.job_id = this.job_id AND NOT w.is_partial AND w.state IN ('SUCCEEDED', 'FAILED')
                    AND w.started_at > now() - make_interval(mins => this.schedule_interval_minutes)
            )
        )
),

marked AS (
    UPDATE job_runs SET is_partial = true
    WHERE id = :run_id AND NOT is_partial AND EXISTS (SELECT FROM undone)
)

SELECT undone.stream, undone.partition FROM undone;

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

-- name: adopt_batches(run_id, worker_id, formats)
-- The waiting batches of a run go to the worker that holds it now, in order; their leases rise. Not those of a lane in
-- which another worker has one, or which holds one that this worker cannot read, or of which the destination is asked.
WITH adopted AS (
    UPDATE run_batches AS b
    SET state = 'LEASED', lease = b.lease + 1, worker_id = :worker_id, in_hand_since = NULL
    WHERE b.run_id = :run_id AND b.state = 'WAITING'
        AND NOT EXISTS (
            SELECT FROM run_batches AS o
            WHERE o.run_id = :run_id AND o.lane = b.lane
                AND (o.state = 'LEASED' OR o.state = 'WAITING' AND (o.is_asked OR o.format <> ALL(:formats::smallint [])))
        )
    RETURNING b.run_id, b.seq, b.lane, b.lease, b.fragments, b.stored_at, b.attempts
)

SELECT * FROM adopted ORDER BY seq;

-- name: take_in_hand(run_id, seq, lease, worker_id)$
-- From now on a loss of this worker is charged to this batch; null when it is another's.
UPDATE run_batches SET in_hand_since = now()
WHERE run_id = :run_id AND seq = :seq AND lease = :lease AND worker_id = :worker_id AND state = 'LEASED'
RETURNING seq;

-- name: claim_batch(worker_id, stages, formats, loads, suspects)^
-- The best waiting batch of these stages: of a person's run first, then of the run with the fewest in work, oldest
-- first. A worker that loads takes only the head of a lane, for a lane loads in order. `suspects`: also batches that
-- cost a worker before; such a one is worked on alone. A worker that is to drain, or was taken for lost, gets none.
-- The beginning of the payload tells its size.
WITH picked AS MATERIALIZED (
    SELECT b.run_id, b.seq
    FROM run_batches AS b INNER JOIN job_runs AS r ON b.run_id = r.id
    WHERE b.state = 'WAITING' AND b.stage = ANY(:stages) AND b.format = ANY(:formats::smallint [])
        AND (b.attempts = 0 OR :suspects)
        AND r.state IN ('QUEUED', 'RUNNING')
        AND EXISTS (
            SELECT FROM workers AS w
            WHERE w.id = :worker_id AND w.draining_by IS NULL AND w.lost_at IS NULL AND w.stopped_at IS NULL
        )
        AND NOT (
            :loads AND EXISTS (
                SELECT FROM run_batches AS earlier
                WHERE earlier.run_id = b.run_id AND earlier.lane = b.lane AND earlier.seq < b.seq
                    AND earlier.state IN ('WAITING', 'LEASED', 'SET_ASIDE')
            )
        )
    ORDER BY
        (r.trigger <> 'manual'),
        (SELECT count(*) FROM run_batches AS held WHERE held.run_id = b.run_id AND held.state = 'LEASED'),
        b.stored_at, b.run_id, b.seq
    LIMIT 1
    FOR NO KEY UPDATE OF b SKIP LOCKED
),

claimed AS (
    UPDATE run_batches AS b
    SET state = 'LEASED', lease = b.lease + 1, worker_id = :worker_id, in_hand_since = now()
    FROM picked
    WHERE b.run_id = picked.run_id AND b.seq = picked.seq AND b.state = 'WAITING'
    RETURNING
        b.run_id, b.seq, b.lane, b.lease, b.stage, b.attempts, b.fragments, b.stored_at, b.lands_in, b.is_asked, b.error
)

SELECT
    c.*, r.job_id, r.tenant_id, r.trigger, r.options, r.uid AS run_uid, j.job_name, t.name AS tenant,
    i.name AS integration, i.type AS integration_type, i.config, s.streams,
    (
        SELECT substring(p.payload FOR 19) FROM batch_payloads AS p WHERE p.run_id = c.run_id AND p.seq = c.seq
    ) AS beginning
FROM claimed AS c
INNER JOIN job_runs AS r ON c.run_id = r.id
INNER JOIN etl_jobs AS j ON r.job_id = j.id
INNER JOIN tenants AS t ON r.tenant_id = t.id
LEFT JOIN integrations AS i ON j.integration_id = i.id
LEFT JOIN run_streams AS s ON c.run_id = s.run_id;

-- name: pass_on_batch(run_id, seq, lease, worker_id, format, payload, bytes, rows_rejected)$
-- A transformed batch waits for load, with its typed rows in place of its records; null when it is another's.
WITH passed AS (
    UPDATE run_batches
    SET state = 'WAITING', stage = 'load', lease = lease + 1, worker_id = NULL, in_hand_since = NULL, attempts = 0,
        format = :format, bytes = :bytes,
        counts = counts || jsonb_build_object(
            'rows_rejected', coalesce((counts ->> 'rows_rejected')::bigint, 0) + :rows_rejected::bigint
        )
    WHERE run_id = :run_id AND seq = :seq AND lease = :lease AND worker_id = :worker_id AND state = 'LEASED'
    RETURNING run_id, seq
)

UPDATE batch_payloads AS p SET payload = :payload
FROM passed WHERE p.run_id = passed.run_id AND p.seq = passed.seq
RETURNING p.seq;

-- name: return_batch(run_id, seq, lease, worker_id)!
-- Back to its stage, unfinished, by the worker that holds it.
UPDATE run_batches
SET state = 'WAITING', lease = lease + 1, worker_id = NULL, in_hand_since = NULL
WHERE run_id = :run_id AND seq = :seq AND lease = :lease AND worker_id = :worker_id AND state = 'LEASED';

-- name: count_unloaded(run_id)^
-- What of a run waits to be loaded, or is being loaded: batches and bytes as stored.
SELECT count(*) AS batches, coalesce(sum(bytes), 0)::bigint AS bytes
FROM run_batches
WHERE run_id = :run_id AND state IN ('WAITING', 'LEASED');

-- name: others_wait(than_seconds)$
-- Whether a run that could start has waited for a slot longer than so many seconds.
SELECT EXISTS (
    SELECT FROM ready_runs AS r
    WHERE r.bar = 'none' AND r.ready_at < now() - make_interval(secs => :than_seconds)
);

-- name: has_every_lane_ended(run_id)$
-- Whether a run has lanes, and each of them ended with a batch that was set aside.
SELECT count(*) > 0 AND count(*) = count(*) FILTER (WHERE lanes.has_ended)
FROM (
    SELECT b.lane, bool_or(b.state = 'SET_ASIDE') AS has_ended
    FROM run_batches AS b
    WHERE b.run_id = :run_id
    GROUP BY b.lane
) AS lanes;

-- name: list_unloaded_fragments(run_id)
-- What a run has extracted beyond its checkpoint, in order: extract goes on behind it.
SELECT seq, fragments FROM run_batches
WHERE run_id = :run_id AND state IN ('WAITING', 'LEASED')
ORDER BY seq;

-- name: keep_run_checkpoint(run_id, seq, fragments)!
-- Where a run that keeps a checkpoint of its own stands behind a batch; in the transaction that stores it.
INSERT INTO run_checkpoints (run_id, seq, fragments) VALUES (:run_id, :seq, :fragments);

-- name: list_run_checkpoints(run_id)
-- Where such a run stands, in order: what it has stored and nobody gave up.
SELECT c.seq, c.fragments
FROM run_checkpoints AS c INNER JOIN run_batches AS b ON c.run_id = b.run_id AND c.seq = b.seq
WHERE c.run_id = :run_id AND b.state IN ('WAITING', 'LEASED', 'LOADED')
ORDER BY c.seq;

-- name: read_payload(run_id, seq)$
-- The stored records of a batch that is not loaded yet.
SELECT payload FROM batch_payloads WHERE run_id = :run_id AND seq = :seq;

-- name: last_seq(run_id)$
-- The highest stored batch of a run, 0 when none.
SELECT coalesce(max(seq), 0) FROM run_batches WHERE run_id = :run_id;

-- name: set_aside(run_id, seq, error)$
-- This batch cannot be loaded: it ends its lane, whose name is returned.
UPDATE run_batches
SET state = 'SET_ASIDE', error = :error, lease = lease + 1, worker_id = NULL, in_hand_since = NULL
WHERE run_id = :run_id AND seq = :seq
RETURNING lane;

-- name: discard_lane(run_id, lane)!
-- What follows in a lane that has ended is not loaded. What is before still is: transform is in no order, so that it may
-- be a batch behind others that ends a lane.
UPDATE run_batches SET state = 'DISCARDED', lease = lease + 1
WHERE run_id = :run_id AND lane = :lane AND state IN ('WAITING', 'LEASED')
    AND seq > (
        SELECT min(aside.seq) FROM run_batches AS aside
        WHERE aside.run_id = :run_id AND aside.lane = :lane AND aside.state = 'SET_ASIDE'
    );

-- name: discard_batches(run_id)$
-- Nothing more of this run is loaded. Of batches that may be in another database already it is asked there; how many.
WITH discarded AS (
    UPDATE run_batches
    SET state = CASE WHEN lands_in IS NULL THEN 'DISCARDED' ELSE 'WAITING' END, is_asked = lands_in IS NOT NULL,
        lease = lease + 1, worker_id = NULL, in_hand_since = NULL
    WHERE run_id = :run_id AND state IN ('WAITING', 'LEASED')
    RETURNING is_asked
)

SELECT count(*) FILTER (WHERE is_asked) FROM discarded;

-- name: discard_batch(run_id, seq)!
-- This one is not loaded, and was not. The caller holds it.
UPDATE run_batches SET state = 'DISCARDED', lease = lease + 1, worker_id = NULL, in_hand_since = NULL
WHERE run_id = :run_id AND seq = :seq;

-- name: announce_landing(run_id, seq, lease, worker_id, lands_in)$
-- From now on the rows of this batch may be in that other database; null when the batch is another's.
UPDATE run_batches SET lands_in = :lands_in
WHERE run_id = :run_id AND seq = :seq AND lease = :lease AND worker_id = :worker_id AND state = 'LEASED'
RETURNING seq;

-- name: ask_landing(run_id, seq, error)$
-- This batch is not loaded any more, but may have been: its destination is asked. Null when it cannot be there.
UPDATE run_batches SET is_asked = true, error = :error
WHERE run_id = :run_id AND seq = :seq AND state = 'WAITING' AND lands_in IS NOT NULL
RETURNING seq;

-- name: release_run(run_id, ready_at, wait_reason, losses)!
-- Back to the queue: parked, given way, or taken from a lost worker. The caller holds the run. Its lease rises, and
-- so do those of the batches that its worker carried: a holder that comes back writes nothing. A run of which nothing
-- is left to extract stays RUNNING, in nobody's hands, until its batches are loaded.
WITH freed AS (
    UPDATE run_batches AS b
    SET state = 'WAITING', lease = b.lease + 1, worker_id = NULL, in_hand_since = NULL
    FROM job_runs AS r
    WHERE r.id = :run_id AND b.run_id = r.id AND b.state = 'LEASED' AND b.worker_id = r.worker_id
)

UPDATE job_runs
SET state = CASE WHEN extract_done THEN 'RUNNING' ELSE 'QUEUED' END,
    lease = lease + 1, worker_id = NULL, wait_reason = :wait_reason,
    ready_at = greatest(now(), coalesce(:ready_at::timestamptz, now())), losses = losses + :losses
WHERE id = :run_id;

-- name: free_batches(run_id)
-- Batches whose worker is lost, stopped or forgotten wait for another; one that a lost worker had in hand is charged.
-- The caller holds job and run.
WITH gone AS MATERIALIZED (
    SELECT
        b.seq, b.worker_id, w.host, w.pid,
        coalesce(w.lost_at IS NOT NULL AND b.in_hand_since IS NOT NULL, false) AS is_charged
    FROM run_batches AS b LEFT JOIN workers AS w ON b.worker_id = w.id
    WHERE b.run_id = :run_id AND b.state = 'LEASED'
        AND (w.id IS NULL OR w.lost_at IS NOT NULL OR w.stopped_at IS NOT NULL)
)

UPDATE run_batches AS b
SET state = 'WAITING', lease = b.lease + 1, worker_id = NULL, in_hand_since = NULL,
    attempts = b.attempts + gone.is_charged::integer
FROM gone
WHERE b.run_id = :run_id AND b.seq = gone.seq AND b.state = 'LEASED' -- it may have been loaded before the lock was ours
RETURNING b.seq, b.lane, b.stage, b.attempts, gone.is_charged, gone.worker_id, gone.host, gone.pid;

-- name: find_batch(run_id, seq)^
-- A stored batch, if there is one: what a step whose COMMIT was not answered looks for.
SELECT seq, lease, stored_at, state, stage, counts FROM run_batches WHERE run_id = :run_id AND seq = :seq;
