-- Pauses and blackout windows: what keeps jobs from starting for a while.

-- name: add_pause(tenant_id, integration_id, reason, paused_by)$
-- Nothing starts there; null when it is paused already.
INSERT INTO pauses (tenant_id, integration_id, reason, paused_by)
VALUES (:tenant_id, :integration_id, :reason, :paused_by)
ON CONFLICT DO NOTHING
RETURNING id;

-- name: remove_pause(tenant_id, integration_id)^
-- Starts again; no row when it was not paused.
DELETE FROM pauses
WHERE tenant_id IS NOT DISTINCT FROM :tenant_id AND integration_id IS NOT DISTINCT FROM :integration_id
RETURNING id, paused_by, reason, paused_at;

-- name: list_pauses()
-- Everything that is paused, the widest first.
SELECT p.id, t.name AS tenant, i.name AS integration, p.reason, p.paused_by, p.paused_at
FROM pauses AS p
LEFT JOIN tenants AS t ON p.tenant_id = t.id
LEFT JOIN integrations AS i ON p.integration_id = i.id
ORDER BY t.name NULLS FIRST, i.name NULLS FIRST;

-- name: add_window(tenant_id, integration_id, job_id, weekdays, starts, ends, time_zone, reason, created_by)$
-- A blackout window of a tenant, an integration or a job.
INSERT INTO blackout_windows (
    tenant_id, integration_id, job_id, weekdays, starts, ends, time_zone, reason, created_by
)
VALUES (
    :tenant_id, :integration_id, :job_id, :weekdays, :starts, :ends, :time_zone, :reason, :created_by
)
RETURNING id;

-- name: remove_window(window_id)^
-- No row when there is no such window.
DELETE FROM blackout_windows WHERE id = :window_id RETURNING id, tenant_id, job_id;

-- name: list_windows()
-- All windows with their place, and until when each holds now (null: it does not).
SELECT
    w.id, t.name AS tenant, i.name AS integration, j.job_name AS job, w.weekdays, w.starts, w.ends, w.time_zone,
    w.reason, w.created_by, window_end(w, now()) AS holds_until
FROM blackout_windows AS w
INNER JOIN tenants AS t ON w.tenant_id = t.id
LEFT JOIN integrations AS i ON w.integration_id = i.id
LEFT JOIN etl_jobs AS j ON w.job_id = j.id
ORDER BY t.name, i.name NULLS FIRST, j.job_name NULLS FIRST, w.id;

-- name: is_time_zone(name)$
-- Whether the server knows a zone of this name.
SELECT EXISTS (SELECT FROM pg_timezone_names WHERE name = :name);

-- name: place(tenant, integration)^
-- Ids of a tenant and of one of its integrations, null where there is none of that name.
SELECT
    (SELECT t.id FROM tenants AS t WHERE t.name = :tenant) AS tenant_id,
    (
        SELECT i.id FROM integrations AS i INNER JOIN tenants AS t ON i.tenant_id = t.id
        WHERE t.name = :tenant AND i.name = :integration
    ) AS integration_id;

-- name: limit_integration(integration_id, max_runs)!
-- Runs at once on an integration; null: no limit.
UPDATE integrations SET max_runs = :max_runs, last_updated_at = now() WHERE id = :integration_id;

-- name: limit_tenant(tenant_id, max_runs)!
-- Runs at once of a tenant; null: no limit.
UPDATE tenants SET max_runs = :max_runs, last_updated_at = now() WHERE id = :tenant_id;

-- name: limit_all(max_runs)!
-- Runs at once in all; null: no limit.
UPDATE dispatch_limits SET max_runs = :max_runs;

-- name: list_limits()
-- Every limit that is set, with the runs that count against it now.
SELECT NULL AS tenant, NULL AS integration, l.max_runs,
    (SELECT count(*) FROM job_runs WHERE state = 'RUNNING') AS running
FROM dispatch_limits AS l WHERE l.max_runs IS NOT NULL
UNION ALL
SELECT t.name, NULL, t.max_runs,
    (SELECT count(*) FROM job_runs AS r WHERE r.state = 'RUNNING' AND r.tenant_id = t.id)
FROM tenants AS t WHERE t.max_runs IS NOT NULL
UNION ALL
SELECT t.name AS tenant, i.name AS integration, i.max_runs,
    (
        SELECT count(*) FROM job_runs AS r INNER JOIN etl_jobs AS j ON r.job_id = j.id
        WHERE r.state = 'RUNNING' AND j.integration_id = i.id
    )
FROM integrations AS i INNER JOIN tenants AS t ON i.tenant_id = t.id WHERE i.max_runs IS NOT NULL
ORDER BY tenant NULLS FIRST, integration NULLS FIRST;

-- name: park_integration(job_id, until, reason)!
-- The source asked us to stay away: no run of this integration starts before then.
UPDATE integrations AS i
SET ready_at = greatest(i.ready_at, :until), wait_reason = :reason
FROM etl_jobs AS j
WHERE j.id = :job_id AND i.id = j.integration_id;
