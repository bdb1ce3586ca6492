-- What doctor looks at. Reads only.

-- name: read_server()^
-- The server, its clock and who we are on it; runs on any schema and on servers that are too old.
SELECT
    current_setting('server_version') AS version,
    current_setting('server_version_num')::integer AS version_number,
    current_database() AS database,
    current_user AS role,
    pg_is_in_recovery() AS read_only,
    clock_timestamp() AS now;

-- name: list_processes()
-- Schedulers and workers that neither stopped nor were declared lost in the last day, oldest heartbeat last.
SELECT 'worker' AS kind, w.host, w.pid, w.version, w.stages, extract(EPOCH FROM now() - w.heartbeat_at)::float AS age
FROM workers AS w
WHERE w.stopped_at IS NULL AND w.lost_at IS NULL AND w.heartbeat_at > now() - interval '1 day'
UNION ALL
SELECT 'scheduler', s.host, s.pid, s.version, '{}', extract(EPOCH FROM now() - s.heartbeat_at)::float
FROM schedulers AS s
WHERE s.stopped_at IS NULL AND s.heartbeat_at > now() - interval '1 day'
ORDER BY age;

-- name: summarise_jobs(tolerance)^
-- How many jobs are overdue by more than the tolerance, held, or on but without an integration; a name of each.
WITH named AS (
    SELECT
        t.name || '/' || j.job_name AS job,
        j.active,
        j.held,
        j.active AND j.integration_id IS NULL AND t.active AS unconnected,
        j.due_at < now() - :tolerance::interval AS overdue,
        j.due_at
    FROM etl_jobs AS j INNER JOIN tenants AS t ON j.tenant_id = t.id
)

SELECT
    count(*) AS jobs,
    count(*) FILTER (WHERE active) AS active,
    count(*) FILTER (WHERE held) AS held,
    count(*) FILTER (WHERE unconnected) AS unconnected,
    count(*) FILTER (WHERE overdue) AS overdue,
    min(job) FILTER (WHERE held) AS a_held_one,
    min(job) FILTER (WHERE unconnected) AS an_unconnected_one,
    (array_agg(job ORDER BY due_at) FILTER (WHERE overdue))[1] AS the_most_overdue,
    extract(EPOCH FROM now() - min(due_at) FILTER (WHERE overdue))::float AS overdue_by
FROM named;
