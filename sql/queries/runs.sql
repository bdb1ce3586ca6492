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

-- name: read_health()^
-- Who is alive, by the database clock; silent for 15 s counts as dead.
SELECT
    now() AS now,
    current_database() AS database,
    (
        SELECT count(*) FROM workers
        WHERE stopped_at IS NULL AND lost_at IS NULL AND heartbeat_at > now() - interval '15 seconds'
    ) AS workers_alive,
    (
        SELECT count(*) FROM schedulers
        WHERE stopped_at IS NULL AND heartbeat_at > now() - interval '15 seconds'
    ) AS schedulers_alive;
