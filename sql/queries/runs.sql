-- Runs as people see them.

-- name: run_by_id(run_id)^
-- One run; while it is open its counts are those of the batches loaded so far.
SELECT * FROM run_overview WHERE id = :run_id;

-- name: list_runs(job_id, at_most)
-- The newest runs of a job, newest first.
SELECT * FROM run_overview WHERE job_id = :job_id ORDER BY id DESC LIMIT :at_most;

-- name: open_run_of(job_id)^
-- The open run of a job, if it has one.
SELECT * FROM run_overview WHERE job_id = :job_id AND state IN ('QUEUED', 'RUNNING');

-- name: read_clock()$
-- The database's time.
SELECT now();

-- name: read_health()^
-- Who is alive, by the database clock (silent for 15 s counts as dead), what room there is, which stage nobody alive
-- serves although something waits for it, what is paused as a whole.
SELECT
    now() AS now,
    current_database() AS database,
    w.workers_alive, w.workers_draining, w.worker_last_seen, w.slots,
    s.schedulers_alive, s.scheduler_last_seen,
    (SELECT count(*) FROM job_runs WHERE state = 'RUNNING' AND worker_id IS NOT NULL) AS slots_taken,
    (SELECT count(*) FROM job_runs WHERE state = 'QUEUED' AND ready_at <= now()) AS runs_queued,
    ARRAY(
        SELECT stage.name
        FROM (VALUES ('extract'), ('transform'), ('load')) AS stage (name)
        WHERE w.workers_alive > 0 AND NOT stage.name = ANY(string_to_array(w.stages, ','))
            AND (
                stage.name = 'extract'
                OR EXISTS (SELECT FROM run_batches AS b WHERE b.state = 'WAITING' AND b.stage = stage.name)
            )
    ) AS stages_missing,
    (
        SELECT coalesce(
            jsonb_agg(
                jsonb_build_object('tenant', t.name, 'paused_by', p.paused_by, 'reason', p.reason)
                ORDER BY t.name NULLS FIRST
            ), '[]'
        )
        FROM pauses AS p LEFT JOIN tenants AS t ON p.tenant_id = t.id
        WHERE p.integration_id IS NULL
    ) AS pauses
FROM (
    SELECT
        count(*) FILTER (WHERE alive) AS workers_alive,
        count(*) FILTER (WHERE alive AND draining_by IS NOT NULL) AS workers_draining,
        coalesce(sum(slots) FILTER (WHERE alive AND draining_by IS NULL AND 'extract' = ANY(stages)), 0) AS slots,
        coalesce(string_agg(array_to_string(stages, ','), ',') FILTER (WHERE alive), '') AS stages,
        max(heartbeat_at) AS worker_last_seen
    FROM (
        SELECT
            slots, stages, draining_by, heartbeat_at,
            stopped_at IS NULL AND lost_at IS NULL AND heartbeat_at > now() - interval '15 seconds' AS alive
        FROM workers
    ) AS each_worker
) AS w
CROSS JOIN (
    SELECT
        count(*) FILTER (WHERE stopped_at IS NULL AND heartbeat_at > now() - interval '15 seconds')
            AS schedulers_alive,
        max(greatest(heartbeat_at, stopped_at)) AS scheduler_last_seen
    FROM schedulers
) AS s;
