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
-- Runs that a worker which is lost, stopped or forgotten holds, or of which it holds a batch. One of which nothing is
-- left to extract is in nobody's hands while its batches wait.
SELECT r.id
FROM job_runs AS r LEFT JOIN workers AS w ON r.worker_id = w.id
WHERE r.state = 'RUNNING' AND NOT (r.worker_id IS NULL AND r.extract_done)
    AND (w.id IS NULL OR w.lost_at IS NOT NULL OR w.stopped_at IS NOT NULL)
UNION
SELECT b.run_id
FROM run_batches AS b LEFT JOIN workers AS w ON b.worker_id = w.id
WHERE b.state = 'LEASED' AND (w.id IS NULL OR w.lost_at IS NOT NULL OR w.stopped_at IS NOT NULL)
ORDER BY 1;

-- name: worker_of_run(run_id)^
-- Who holds a run, whether he is gone, and whether he was lost.
SELECT
    w.host, w.pid, w.lost_at IS NOT NULL AS is_lost,
    w.id IS NULL OR w.lost_at IS NOT NULL OR w.stopped_at IS NOT NULL AS is_gone
FROM job_runs AS r LEFT JOIN workers AS w ON r.worker_id = w.id
WHERE r.id = :run_id;

-- name: count_clients()$
-- Other clients of this database.
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid();

-- name: list_workers(lost_after)
-- Workers alive, or gone within the last hour, newest first, with what each works on.
SELECT
    w.id, w.host, w.pid, w.version, w.stages, w.slots, w.started_at, w.draining_by,
    extract(EPOCH FROM now() - w.heartbeat_at)::float AS heartbeat_age_seconds,
    CASE
        WHEN w.stopped_at IS NOT NULL THEN 'stopped'
        WHEN w.lost_at IS NOT NULL THEN 'lost'
        WHEN w.heartbeat_at < now() - make_interval(secs => :lost_after) THEN 'silent'
        WHEN w.draining_by IS NOT NULL THEN 'draining'
        ELSE 'alive'
    END AS state,
    coalesce(held.runs, '{}') AS runs,
    coalesce(hand.slots_used, 0) AS slots_used, coalesce(hand.batches, 0) AS batches, coalesce(hand.holds, '[]') AS holds
FROM workers AS w
LEFT JOIN LATERAL (
    SELECT array_agg(
        format('%s/%s (run %s since %s)', t.name, j.job_name, r.id, to_char(r.started_at, 'HH24:MI:SS')) ORDER BY r.id
    ) AS runs
    FROM job_runs AS r
    INNER JOIN etl_jobs AS j ON r.job_id = j.id
    INNER JOIN tenants AS t ON r.tenant_id = t.id
    WHERE r.worker_id = w.id AND r.state = 'RUNNING'
) AS held ON true
LEFT JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE part.whole) AS slots_used,
        sum(part.batches)::integer AS batches,
        jsonb_agg(
            jsonb_build_object(
                'run_id', r.id, 'job_id', j.id, 'tenant', t.name, 'job', j.job_name, 'started_at', r.started_at,
                'whole', part.whole, 'batches', part.batches
            ) ORDER BY r.id
        ) AS holds
    FROM (
        SELECT each.run_id, bool_or(each.whole) AS whole, count(*) FILTER (WHERE NOT each.whole) AS batches
        FROM (
            SELECT id AS run_id, true AS whole FROM job_runs WHERE worker_id = w.id AND state = 'RUNNING'
            UNION ALL
            SELECT run_id, false FROM run_batches WHERE worker_id = w.id AND state = 'LEASED'
        ) AS each
        GROUP BY each.run_id
    ) AS part
    INNER JOIN job_runs AS r ON part.run_id = r.id
    INNER JOIN etl_jobs AS j ON r.job_id = j.id
    INNER JOIN tenants AS t ON r.tenant_id = t.id
) AS hand ON true
WHERE coalesce(w.stopped_at, w.lost_at, 'infinity') > now() - interval '1 hour'
ORDER BY w.id DESC;

-- name: list_schedulers(silent_after)
-- Schedulers alive, or stopped or silent within the last hour, newest first.
SELECT
    s.id, s.host, s.pid, s.version, s.started_at,
    extract(EPOCH FROM now() - s.heartbeat_at)::float AS heartbeat_age_seconds,
    CASE
        WHEN s.stopped_at IS NOT NULL THEN 'stopped'
        WHEN s.heartbeat_at < now() - make_interval(secs => :silent_after) THEN 'silent'
        ELSE 'alive'
    END AS state
FROM schedulers AS s
WHERE greatest(s.heartbeat_at, s.stopped_at) > now() - interval '1 hour'
ORDER BY s.id DESC;

-- name: drain_worker(worker_id, draining_by)^
-- It finishes what it holds and takes no more; null draining_by lets it work again. No row: not alive.
WITH old AS MATERIALIZED (
    SELECT w.id, w.draining_by FROM workers AS w
    WHERE w.id = :worker_id AND w.stopped_at IS NULL AND w.lost_at IS NULL
    FOR NO KEY UPDATE
)

UPDATE workers AS w SET draining_by = :draining_by
FROM old
WHERE w.id = old.id
RETURNING w.id, w.host, w.pid, old.draining_by AS was_draining_by;

-- name: list_stages()
-- Each stage: what is ready, how long the oldest has waited, what is in hand (runs of extract, batches of the others),
-- the rows a second of the open runs, and who serves it (vectorize looks at tables: nothing waits in it).
SELECT
    s.stage, coalesce(waiting.ready, 0) AS ready, waiting.oldest_age_seconds,
    coalesce(hand.held, 0) AS in_hand, pace.rows_per_second,
    coalesce(who.workers, 0) AS workers, coalesce(who.slots, 0) AS slots
FROM (VALUES ('extract', 1), ('transform', 2), ('load', 3)) AS s (stage, number)
LEFT JOIN (
    SELECT
        'extract' AS stage, count(*) AS ready,
        extract(EPOCH FROM now() - min(ready_at))::float AS oldest_age_seconds
    FROM job_runs WHERE state = 'QUEUED' AND ready_at <= now()
    UNION ALL
    SELECT stage, count(*), extract(EPOCH FROM now() - min(stored_at))::float
    FROM run_batches WHERE state = 'WAITING' GROUP BY stage
) AS waiting ON s.stage = waiting.stage
LEFT JOIN (
    SELECT 'extract' AS stage, count(*) AS held
    FROM job_runs WHERE state = 'RUNNING' AND worker_id IS NOT NULL AND NOT extract_done
    UNION ALL
    SELECT stage, count(*) FROM run_batches WHERE state = 'LEASED' GROUP BY stage
) AS hand ON s.stage = hand.stage
LEFT JOIN (
    SELECT p.stage, sum(p.rows / nullif(extract(EPOCH FROM p.updated_at - p.began_at), 0))::float AS rows_per_second
    FROM job_runs AS r INNER JOIN run_progress AS p ON r.id = p.run_id
    WHERE r.state = 'RUNNING'
    GROUP BY p.stage
) AS pace ON s.stage = pace.stage
LEFT JOIN (
    SELECT served.stage, count(*) AS workers, sum(w.slots) FILTER (WHERE w.draining_by IS NULL) AS slots
    FROM workers AS w CROSS JOIN unnest(w.stages) AS served (stage)
    WHERE w.stopped_at IS NULL AND w.lost_at IS NULL AND w.heartbeat_at > now() - interval '15 seconds'
    GROUP BY served.stage
) AS who ON s.stage = who.stage
ORDER BY s.number;

-- name: wake_scheduler_when_due(channel)$
-- A slot is free: somebody may claim at once what is due. Guarded: a commit with a NOTIFY takes a server-wide lock (m).
SELECT pg_notify(:channel, '') WHERE EXISTS (SELECT FROM etl_jobs WHERE due_at <= now());
