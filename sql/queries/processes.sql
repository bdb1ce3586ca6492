-- Who is alive. Times are Postgres's; a process never compares its own clock with another's.

-- name: register_worker(host, pid, version, stages, slots)$
-- A new incarnation; its id becomes the application_name of its connections.
INSERT INTO workers (host, pid, version, stages, slots)
VALUES (:host, :pid, :version, :stages, :slots)
RETURNING id;

-- name: beat_worker(worker_id)$
-- I am alive; null when a sweep has taken this incarnation for lost: it holds nothing any more.
UPDATE workers SET heartbeat_at = now()
WHERE id = :worker_id AND lost_at IS NULL AND stopped_at IS NULL
RETURNING id;

-- name: stop_worker(worker_id)!
-- A clean end.
UPDATE workers SET stopped_at = now(), heartbeat_at = now() WHERE id = :worker_id AND lost_at IS NULL;

-- name: register_scheduler(host, pid, version)$
-- A scheduler that says so: without one a banner warns.
INSERT INTO schedulers (host, pid, version) VALUES (:host, :pid, :version) RETURNING id;

-- name: beat_scheduler(scheduler_id)!
-- I am alive.
UPDATE schedulers SET heartbeat_at = now() WHERE id = :scheduler_id;

-- name: stop_scheduler(scheduler_id)!
-- A clean end.
UPDATE schedulers SET stopped_at = now() WHERE id = :scheduler_id;

-- name: declare_lost(lost_after)
-- Workers silent for lost_after seconds are lost, each declared so once.
UPDATE workers SET lost_at = now()
WHERE id IN (
    SELECT id FROM workers
    WHERE stopped_at IS NULL AND lost_at IS NULL
        AND heartbeat_at < now() - make_interval(secs => :lost_after)
    FOR NO KEY UPDATE SKIP LOCKED
)
RETURNING id, host, pid;

-- name: terminate_backends(application_name)$
-- Ends every connection of a lost incarnation: a stopped process keeps its locks in the middle of a COPY, and no
-- timeout of Postgres frees them (m). Returns how many.
SELECT count(*) FILTER (WHERE pg_terminate_backend(a.pid))
FROM pg_stat_activity AS a
WHERE a.application_name = :application_name AND a.datname = current_database() AND a.pid <> pg_backend_pid();

-- name: list_orphaned_runs()
-- RUNNING runs whose worker is lost, stopped or forgotten.
SELECT r.id, r.worker_id, w.host, w.pid, (w.lost_at IS NOT NULL) AS is_lost
FROM job_runs AS r LEFT JOIN workers AS w ON r.worker_id = w.id
WHERE r.state = 'RUNNING' AND (w.id IS NULL OR w.lost_at IS NOT NULL OR w.stopped_at IS NOT NULL)
ORDER BY r.id;

-- name: count_clients()$
-- Other clients of this database.
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid();
