-- Jobs as people see and steer them. Every change is one guarded statement: no row back means a conflict.

-- name: list_jobs(tenant)
-- All jobs (of one tenant, or of all when null), sorted by job_name (A and a alike), with what is known of their newest run.
SELECT * FROM job_overview AS o
WHERE :tenant::text IS NULL OR o.tenant = :tenant
ORDER BY lower(o.job_name), o.job_name, o.tenant;

-- name: list_first_jobs(tenant, at_most)
-- As list_jobs, the first of them: newest runs are looked up for those alone.
SELECT * FROM job_overview AS o
WHERE o.id = ANY(ARRAY(
    SELECT j.id
    FROM etl_jobs AS j INNER JOIN tenants AS t ON j.tenant_id = t.id
    WHERE :tenant::text IS NULL OR t.name = :tenant
    ORDER BY lower(j.job_name), j.job_name, t.name
    LIMIT :at_most
))
ORDER BY lower(o.job_name), o.job_name, o.tenant;

-- name: look_for_changes(since, tenant)^
-- The database's time, the ids of the jobs whose row changed since then, and (job, version of its run, whether it waits)
-- of every open run, for progress moves without the job's row: what every dashboard asks each second. A run's version is
-- the transaction that wrote it last. Values that the planner does not see, (SELECT :since), and a range with an upper end
-- have the generic plan cost what one for the values does, so that none is made anew each time; that was dearer than the
-- answer (m).
SELECT
    now() AS now,
    ARRAY(
        SELECT j.id
        FROM etl_jobs AS j INNER JOIN tenants AS t ON j.tenant_id = t.id
        WHERE
            j.last_updated_at > (SELECT :since::timestamptz) AND j.last_updated_at < 'infinity'
            AND coalesce(t.name = (SELECT :tenant::text), true)
    ) AS changed,
    ARRAY(
        SELECT ARRAY[r.job_id::bigint, r.xmin::text::bigint, (r.state = 'QUEUED')::integer::bigint]
        FROM job_runs AS r INNER JOIN tenants AS t ON r.tenant_id = t.id
        WHERE r.state IN ('QUEUED', 'RUNNING') AND coalesce(t.name = (SELECT :tenant::text), true)
    ) AS runs;

-- name: list_jobs_by_id(ids)
-- The jobs of these ids, in the order of the grid. ARRAY(...): planned once, as above, for however many.
SELECT * FROM job_overview AS o
WHERE o.id = any(ARRAY(SELECT unnest(:ids::integer[])))
ORDER BY lower(o.job_name), o.job_name, o.tenant;

-- name: list_job_versions(tenant)
-- Every (id, row_version): what a screen compares with its own to find late commits and deletions.
SELECT j.id, j.row_version
FROM etl_jobs AS j INNER JOIN tenants AS t ON j.tenant_id = t.id
WHERE :tenant::text IS NULL OR t.name = :tenant;

-- name: list_obstacles(tenant)
-- What bars each job that is due, or whose run is queued, right now; others have none.
SELECT o.id, o.obstacle_kind, o.obstacle, o.obstacle_until
FROM job_overview AS o
WHERE o.obstacle_kind IS NOT NULL AND (o.due_at <= now() OR o.status = 'RUNNING')
    AND (:tenant::text IS NULL OR o.tenant = :tenant);

-- name: job_by_id(job_id)^
-- One job with its document.
SELECT o.*, j.checkpoint_data
FROM job_overview AS o INNER JOIN etl_jobs AS j ON o.id = j.id
WHERE o.id = :job_id;

-- name: find_jobs(tenant, job_name)
-- Ids of the jobs of that name, in one tenant or in all when null.
SELECT j.id, t.name AS tenant
FROM etl_jobs AS j INNER JOIN tenants AS t ON j.tenant_id = t.id
WHERE j.job_name = :job_name AND (:tenant::text IS NULL OR t.name = :tenant)
ORDER BY t.name;

-- name: lock_job(job_id)^
-- Holds the job until the transaction ends. NO KEY: a plain FOR UPDATE deadlocks with foreign-key checks (m).
SELECT j.*, t.name AS tenant
FROM etl_jobs AS j INNER JOIN tenants AS t ON j.tenant_id = t.id
WHERE j.id = :job_id
FOR NO KEY UPDATE OF j;

-- name: start_manual_run(job_id, requested_by, options)$
-- Run now: RUNNING and its QUEUED run in one statement, from READY, FINISHED or FAILED; null when it may not.
-- The error badge goes when a new run starts; retry_count stays until one succeeds.
WITH started AS (
    UPDATE etl_jobs
    SET status = 'RUNNING', last_run_started_at = now(), error_message = NULL, error_kind = NULL
    WHERE id = :job_id
        AND status IN ('READY', 'FINISHED', 'FAILED')
        AND integration_id IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM job_runs AS r
            WHERE r.job_id = etl_jobs.id AND r.state IN ('QUEUED', 'RUNNING')
        )
    RETURNING id, tenant_id, checkpoint_version
)

INSERT INTO job_runs (job_id, tenant_id, trigger, requested_by, options, checkpoint_before)
SELECT id, tenant_id, 'manual', :requested_by, :options, checkpoint_version FROM started
RETURNING id;

-- name: start_backfill(job_id, requested_by, options)$
-- RUNNING and a QUEUED run of trigger backfill in one statement, from READY, FINISHED or FAILED; null when it may not. When
-- it ends the job is what it was before (`finish_jobs`): what it shows of its last run, and with it its next time, stays.
WITH started AS (
    UPDATE etl_jobs
    SET status = 'RUNNING', status_before_backfill = status
    WHERE id = :job_id
        AND status IN ('READY', 'FINISHED', 'FAILED')
        AND integration_id IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM job_runs AS r
            WHERE r.job_id = etl_jobs.id AND r.state IN ('QUEUED', 'RUNNING')
        )
    RETURNING id, tenant_id, checkpoint_version
)

INSERT INTO job_runs (job_id, tenant_id, trigger, requested_by, options, checkpoint_before)
SELECT id, tenant_id, 'backfill', :requested_by, :options, checkpoint_version FROM started
RETURNING id;

-- name: change_intervals(job_id, schedule_minutes, retry_minutes, expected_version)^
-- Both intervals at once; no row when the job was changed since expected_version (null: whatever it is now).
UPDATE etl_jobs
SET schedule_interval_minutes = :schedule_minutes, retry_interval_minutes = :retry_minutes
WHERE id = :job_id AND (:expected_version::bigint IS NULL OR row_version = :expected_version)
RETURNING id, schedule_interval_minutes, retry_interval_minutes;

-- name: set_deadline(job_id, minutes)!
-- How long a run of the job may take; null: as long as it needs. The caller holds the job.
UPDATE etl_jobs SET deadline_minutes = :minutes WHERE id = :job_id;

-- name: set_max_failures(job_id, count)!
-- After so many failures in a row the job is switched off. The caller holds the job.
UPDATE etl_jobs SET max_failures = :count WHERE id = :job_id;

-- name: change_active(job_id, active, changed_by, reason)!
-- On or off; off remembers who and why. Switched on again after too many failures, the job starts counting anew.
UPDATE etl_jobs
SET active = :active,
    retry_count = CASE WHEN :active AND off_by = 'etl-tui' THEN 0 ELSE retry_count END,
    off_by = CASE WHEN :active THEN NULL ELSE :changed_by::text END,
    off_reason = CASE WHEN :active THEN NULL ELSE :reason::text END
WHERE id = :job_id;

-- name: cancel_unstarted_run(job_id, cancelled_by)$
-- Off cancels a run that never started: the run is CANCELLED and the job READY (after a backfill: what it was); a started
-- one goes on to its end.
WITH cancelled AS (
    UPDATE job_runs
    SET state = 'CANCELLED', finished_at = now(), lease = lease + 1, cancel_requested_by = :cancelled_by
    WHERE job_id = :job_id AND state = 'QUEUED' AND started_at IS NULL
    RETURNING id, job_id
),

rested AS (
    UPDATE etl_jobs SET status = coalesce(status_before_backfill, 'READY'), status_before_backfill = NULL
    FROM cancelled
    WHERE etl_jobs.id = cancelled.job_id
)

SELECT id FROM cancelled;

-- name: assign_integration(job_id, integration_name)$
-- Gives a job an integration of its own tenant; null when that tenant has none of this name.
UPDATE etl_jobs AS j
SET integration_id = i.id
FROM integrations AS i
WHERE j.id = :job_id AND i.tenant_id = j.tenant_id AND i.name = :integration_name
RETURNING i.id;

-- name: add_job(tenant_id, job_name, integration_id, schedule_minutes, retry_minutes)$
-- A new job, on from the start; null when the tenant has one of this name.
INSERT INTO etl_jobs (tenant_id, job_name, integration_id, schedule_interval_minutes, retry_interval_minutes)
VALUES (:tenant_id, :job_name, :integration_id, :schedule_minutes, :retry_minutes)
ON CONFLICT (job_name, tenant_id) DO NOTHING
RETURNING id;

-- name: find_integration(tenant, integration_name)^
-- A tenant and, when it has one of that name, its integration.
SELECT t.id AS tenant_id, i.id AS integration_id
FROM tenants AS t
LEFT JOIN integrations AS i ON i.tenant_id = t.id AND i.name = :integration_name
WHERE t.name = :tenant;

-- name: notify_scheduler(channel, payload)$
-- Wakes the schedulers when the transaction commits, so that they ring for a run that a person asked for.
SELECT pg_notify(:channel, :payload);

-- name: streams_of(job_id)$
-- The names of the streams that a job has a table or a checkpoint of, sorted.
SELECT coalesce(array_agg(s.stream ORDER BY s.stream), '{}')
FROM (
    SELECT t.stream FROM destination_tables AS t WHERE t.job_id = :job_id
    UNION
    SELECT c.stream FROM job_checkpoints AS c WHERE c.job_id = :job_id
) AS s;
