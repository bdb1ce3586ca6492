-- How a run ends. The caller holds job and run, and only then counts: counting in the same statement, or without the
-- lock, leaves a run RUNNING for ever or its checkpoint short (m).

-- name: tally_batches(run_id)^
-- What became of a run's batches, and the sums of their rows.
SELECT * FROM tally_batches(:run_id);

-- name: frequent_reasons(run_id)
-- The three most frequent reasons of the rejects of a run, alike but for the values that they quote.
SELECT min(reason) AS reason, sum(count)::bigint AS times
FROM rejected_records
WHERE run_id = :run_id
GROUP BY regexp_replace(reason, $re$'(\\.|[^'\\])*'|"(\\.|[^"\\])*"|[0-9]+$re$, '', 'g')
ORDER BY times DESC, reason
LIMIT 3;

-- name: list_failed_partitions(run_id)
-- The partitions that a run could not read, in order.
SELECT stream, partition, error_kind, error_message
FROM failed_partitions
WHERE run_id = :run_id
ORDER BY stream, partition;

-- name: count_partitions(run_id, job_id)$
-- The partitions that a job is known to have: those with a checkpoint and those that this run could not read.
SELECT count(*)
FROM (
    SELECT stream, partition FROM job_checkpoints WHERE job_id = :job_id
    UNION
    SELECT stream, partition FROM failed_partitions WHERE run_id = :run_id
) AS known;

-- name: finish_job(job_id, succeeded, error_kind, error_message, hold_reason)^
-- What a job shows of a run that was ended early.
SELECT * FROM finish_job(:job_id, :succeeded, :error_kind, :error_message, :hold_reason);

-- name: end_run(run_id, job_id, state, counters, error_kind, error_message, hold_reason, actor)^
-- The end of a run and what its job shows of it; a version of the checkpoint is cut if the run moved it. The caller holds
-- the job, whose document is therefore the one before; it does not travel, for numbers would not come back as they were.
SELECT * FROM end_run(
    :run_id, :job_id, :state, :counters, :error_kind, :error_message, :hold_reason, :actor,
    (SELECT j.checkpoint_data FROM etl_jobs AS j WHERE j.id = :job_id)
);

-- name: end_clean_runs(run_ids, leases, worker_id)
-- Ends runs that went through, in one transaction: 'ended', 'fenced', 'undecided' when there is something to decide, or
-- 'busy' when somebody has its job in hand.
SELECT run_id, answer FROM end_clean_runs(:run_ids, :leases, :worker_id);

-- name: is_settleable(run_id)$
-- Whether a run only needs settling; looked at after a commit of one's own, so that of two workers that finish at once
-- at least one sees it.
SELECT EXISTS (
    SELECT FROM job_runs AS r
    WHERE r.id = :run_id AND r.state IN ('QUEUED', 'RUNNING') AND r.extract_done
        AND NOT EXISTS (
            SELECT FROM run_batches AS b WHERE b.run_id = r.id AND b.state IN ('WAITING', 'LEASED')
        )
);

-- name: cut_checkpoint(job_id, source, actor, reason, run_id)$
-- A version of the checkpoint, if it moved; returns the version that holds now. The caller holds the job.
SELECT cut_checkpoint(
    :job_id, :source, :actor, :reason, :run_id, (SELECT j.checkpoint_data FROM etl_jobs AS j WHERE j.id = :job_id)
);

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
-- A RUNNING job without an open run is a contradiction: FAILED, so that it is tried again and somebody sees it; at
-- max_failures it is switched off, as after any failure.
WITH alone AS MATERIALIZED (
    SELECT m.id, m.active
    FROM etl_jobs AS m
    WHERE m.status = 'RUNNING'
        AND NOT EXISTS (SELECT FROM job_runs AS r WHERE r.job_id = m.id AND r.state IN ('QUEUED', 'RUNNING'))
    FOR NO KEY UPDATE OF m SKIP LOCKED
)

SELECT alone.id, alone.active AND NOT ended.active AS switched_off, ended.off_reason
FROM alone
CROSS JOIN LATERAL finish_job(
    alone.id, false, 'internal',
    'the job was RUNNING without a run; mended by the scheduler, it will be tried again', NULL
) AS ended;

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
