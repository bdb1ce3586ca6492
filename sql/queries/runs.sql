-- Runs as people see them.

-- name: run_by_id(run_id)^
-- One run; while it is open its counts are those of the batches loaded so far.
SELECT * FROM run_overview WHERE id = :run_id;

-- name: run_in_history(run_id)^
-- One run beside others: with its job's name, its options, and where the checkpoint went.
SELECT * FROM run_history WHERE id = :run_id;

-- name: list_runs(job_id, states, triggers, since, at_most)
-- The newest runs of a job, newest first: of these states and triggers, queued since then; null is any.
SELECT * FROM run_history
WHERE job_id = :job_id
    AND (:states::text [] IS NULL OR state = ANY(:states))
    AND (:triggers::text [] IS NULL OR trigger = ANY(:triggers))
    AND (:since::timestamptz IS NULL OR queued_at >= :since)
ORDER BY id DESC
LIMIT :at_most;

-- name: list_all_runs(tenant, states, triggers, since, at_most)
-- As `list_runs`, of all jobs, or those of a tenant.
SELECT * FROM run_history
WHERE (:tenant::text IS NULL OR tenant = :tenant)
    AND (:states::text [] IS NULL OR state = ANY(:states))
    AND (:triggers::text [] IS NULL OR trigger = ANY(:triggers))
    AND (:since::timestamptz IS NULL OR queued_at >= :since)
ORDER BY id DESC
LIMIT :at_most;

-- name: list_usual_runs(job_id, before_id, at_most)
-- The newest runs that went through as they usually do, before a run (null: of all): no replay, no backfill, no full
-- refresh, no retry of a part. What a run is measured against.
SELECT id, extract(EPOCH FROM finished_at - started_at)::float AS seconds, rows_extracted
FROM run_history
WHERE job_id = :job_id AND state = 'SUCCEEDED' AND trigger IN ('schedule', 'retry', 'manual')
    AND NOT is_partial AND NOT options ?| ARRAY['replay_rejects', 'full_refresh']
    AND (:before_id::bigint IS NULL OR id < :before_id)
ORDER BY id DESC
LIMIT :at_most;

-- name: list_hands(run_id)
-- The workers that hold or have loaded something of a run. Silent for 15 s counts as lost to be, as in `read_health`.
SELECT
    w.id AS worker_id,
    w.host || ':' || w.pid AS worker,
    CASE
        WHEN w.stopped_at IS NOT NULL THEN 'stopped'
        WHEN w.lost_at IS NOT NULL THEN 'lost'
        WHEN w.heartbeat_at < now() - interval '15 seconds' THEN 'silent'
        WHEN w.draining_by IS NOT NULL THEN 'draining'
        ELSE 'alive'
    END AS state,
    coalesce(bool_or(h.is_run), false) AS extracts,
    count(*) FILTER (WHERE h.state = 'LEASED') AS batches,
    coalesce(sum(h.rows) FILTER (WHERE h.state = 'LEASED'), 0)::bigint AS rows,
    min(coalesce(h.in_hand_since, h.stored_at)) FILTER (WHERE h.state = 'LEASED') AS since,
    count(*) FILTER (WHERE h.state = 'LOADED') AS batches_loaded,
    coalesce(sum(h.rows) FILTER (WHERE h.state = 'LOADED'), 0)::bigint AS rows_loaded,
    (
        sum(h.rows) FILTER (WHERE h.state = 'LOADED')
        / nullif(extract(EPOCH FROM max(h.loaded_at) - min(h.loaded_at)), 0)
    )::float AS rows_per_second
FROM (
    SELECT r.worker_id, true AS is_run, NULL AS state, 0 AS rows, NULL AS in_hand_since, NULL AS stored_at, NULL AS loaded_at
    FROM job_runs AS r WHERE r.id = :run_id AND r.state = 'RUNNING'
    UNION ALL
    SELECT
        b.worker_id, false, b.state, coalesce((b.counts ->> 'rows_extracted')::bigint, 0), b.in_hand_since, b.stored_at,
        b.loaded_at
    FROM run_batches AS b
    WHERE b.run_id = :run_id
) AS h
INNER JOIN workers AS w ON h.worker_id = w.id
GROUP BY w.id
ORDER BY w.id;

-- name: count_waiting_batches(run_id)$
-- Batches of a run that are in the hands of nobody.
SELECT count(*) FROM run_batches WHERE run_id = :run_id AND state = 'WAITING';

-- name: list_batches(run_id, unloaded_only, at_most)
-- The newest batches of a run, or of those that are not loaded, the newest first.
SELECT
    b.seq, b.lane, b.stage, b.state, b.bytes, b.attempts, b.worker_id, w.host || ':' || w.pid AS worker, b.lease,
    b.stored_at, b.in_hand_since, b.loaded_at, b.error,
    extract(EPOCH FROM coalesce(b.loaded_at, now()) - b.stored_at)::float AS age_seconds,
    coalesce((b.counts ->> 'rows_extracted')::bigint, 0) AS rows,
    coalesce((b.counts ->> 'rows_new')::bigint, 0) AS rows_new,
    coalesce((b.counts ->> 'rows_changed')::bigint, 0) AS rows_changed,
    coalesce((b.counts ->> 'rows_unchanged')::bigint, 0) AS rows_unchanged,
    coalesce((b.counts ->> 'rows_deleted')::bigint, 0) AS rows_deleted,
    coalesce((b.counts ->> 'rows_rejected')::bigint, 0) AS rows_rejected
FROM run_batches AS b LEFT JOIN workers AS w ON b.worker_id = w.id
WHERE b.run_id = :run_id AND (NOT :unloaded_only OR b.state IN ('WAITING', 'LEASED'))
ORDER BY b.seq DESC
LIMIT :at_most;

-- name: list_spans(run_id)
-- When each stage of a run was at work, and with which stream. Stages as a whole go by the batches: what carries one on
-- in memory transforms it from when it is stored, and loads it behind that. Streams go by run_progress, which is told once
-- a second. A replay's batches are dated back; they were stored no sooner than the run began.
WITH run AS MATERIALIZED (
    SELECT
        r.id, r.queued_at, r.started_at, r.extract_done, r.state IN ('QUEUED', 'RUNNING') AS is_open,
        coalesce(r.finished_at, now()) AS until
    FROM job_runs AS r WHERE r.id = :run_id
),

told AS MATERIALIZED (
    SELECT p.stage, p.stream, p.rows, p.began_at, p.updated_at FROM run_progress AS p WHERE p.run_id = :run_id
),

batches AS MATERIALIZED (
    SELECT
        count(*) AS stored,
        coalesce(sum((b.counts ->> 'rows_extracted')::bigint), 0)::bigint AS rows_stored,
        min(greatest(b.stored_at, run.started_at)) AS first_stored,
        max(greatest(b.stored_at, run.started_at)) AS last_stored,
        count(*) FILTER (WHERE b.stage = 'load') AS typed,
        coalesce(sum((b.counts ->> 'rows_extracted')::bigint) FILTER (WHERE b.stage = 'load'), 0)::bigint AS rows_typed,
        count(*) FILTER (WHERE b.state IN ('WAITING', 'LEASED') AND b.stage = 'transform') AS to_type,
        count(*) FILTER (WHERE b.state = 'LOADED') AS loaded,
        coalesce(sum((b.counts ->> 'rows_extracted')::bigint) FILTER (WHERE b.state = 'LOADED'), 0)::bigint AS rows_loaded,
        count(*) FILTER (WHERE b.state IN ('WAITING', 'LEASED')) AS to_load,
        min(b.loaded_at) AS first_loaded,
        max(b.loaded_at) AS last_loaded
    FROM run_batches AS b CROSS JOIN run
    WHERE b.run_id = :run_id
)

SELECT
    'queued' AS stage, NULL AS stream, run.queued_at AS first_at, coalesce(run.started_at, run.until) AS last_at,
    NULL AS batches, 0 AS rows, run.started_at IS NOT NULL OR NOT run.is_open AS is_over
FROM run
UNION ALL
SELECT
    'extract', NULL, run.started_at,
    CASE WHEN run.extract_done THEN coalesce(b.last_stored, run.until) ELSE run.until END,
    b.stored, b.rows_stored, run.extract_done
FROM run CROSS JOIN batches AS b
WHERE run.started_at IS NOT NULL
UNION ALL
SELECT
    'transform', NULL, b.first_stored,
    greatest(b.first_stored, b.last_loaded, (SELECT max(t.updated_at) FROM told AS t WHERE t.stage = 'transform')),
    b.typed, b.rows_typed, NOT run.is_open OR run.extract_done AND b.to_type = 0
FROM run CROSS JOIN batches AS b
WHERE b.typed > 0
UNION ALL
SELECT
    'load', NULL, least(b.first_loaded, (SELECT min(t.began_at) FROM told AS t WHERE t.stage = 'load')), b.last_loaded,
    b.loaded, b.rows_loaded, NOT run.is_open OR run.extract_done AND b.to_load = 0
FROM run CROSS JOIN batches AS b
WHERE b.loaded > 0
UNION ALL
SELECT t.stage, t.stream, t.began_at, t.updated_at, NULL, t.rows, NOT run.is_open
FROM told AS t CROSS JOIN run
ORDER BY stage, stream NULLS FIRST;

-- name: open_run_of(job_id)^
-- The open run of a job, if it has one.
SELECT * FROM run_overview WHERE job_id = :job_id AND state IN ('QUEUED', 'RUNNING');

-- name: read_clock()$
-- The database's time.
SELECT now();

-- name: read_health()^
-- Who is alive, by the database clock (silent for 15 s counts as dead), what room there is, which stage nobody alive
-- serves although something waits for it, what is paused as a whole, at which version the schema is.
SELECT
    now() AS now,
    current_database() AS database,
    w.workers_alive, w.workers_draining, w.worker_last_seen, w.slots,
    s.schedulers_alive, s.scheduler_last_seen,
    (SELECT count(*) FROM job_runs WHERE state = 'RUNNING' AND worker_id IS NOT NULL) AS slots_taken,
    q.runs_queued, q.queue_oldest_at,
    (SELECT max(version) FROM schema_migrations) AS schema_version,
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
) AS s
CROSS JOIN (
    SELECT
        count(*) AS runs_queued,
        min(queued_at) AS queue_oldest_at
    FROM job_runs WHERE state = 'QUEUED' AND ready_at <= now()
) AS q;
