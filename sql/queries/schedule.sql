-- What is to come: jobs with their usual durations, and what bars them.

-- name: list_planned_jobs(tenant)
-- Every job that is on, with what decides when it starts next, the limit of its integration, and how long its last three
-- runs that went through took, in seconds, where that limit makes others wait for it.
SELECT
    j.id, t.name AS tenant, j.job_name, i.name AS integration, i.max_runs, i.ready_at,
    j.status, j.due_at, j.held, j.held_until, j.last_run_started_at, j.schedule_interval_minutes,
    usual.seconds AS usual_seconds
FROM etl_jobs AS j
INNER JOIN tenants AS t ON j.tenant_id = t.id
INNER JOIN integrations AS i ON j.integration_id = i.id
LEFT JOIN LATERAL (
    SELECT avg(extract(EPOCH FROM r.finished_at - r.started_at))::float AS seconds
    FROM (
        SELECT o.started_at, o.finished_at
        FROM job_runs AS o
        WHERE o.job_id = j.id AND o.state = 'SUCCEEDED' AND i.max_runs IS NOT NULL
        ORDER BY o.id DESC
        LIMIT 3
    ) AS r
) AS usual ON true
WHERE j.active AND (:tenant::text IS NULL OR t.name = :tenant)
ORDER BY j.id;

-- name: list_window_spans(since, hours)
-- When each blackout window holds within so many hours; days and hours are local to its zone, as `window_end` has them.
SELECT
    w.id, t.name AS tenant, i.name AS integration, w.job_id, j.job_name, w.reason, w.created_by,
    span.starts, span.ends
FROM blackout_windows AS w
INNER JOIN tenants AS t ON w.tenant_id = t.id
LEFT JOIN integrations AS i ON w.integration_id = i.id
LEFT JOIN etl_jobs AS j ON w.job_id = j.id
CROSS JOIN LATERAL (
    SELECT
        (local_day + w.starts) AT TIME ZONE w.time_zone AS starts,
        ((local_day + w.ends) + CASE WHEN w.ends <= w.starts THEN interval '1 day' ELSE interval '0' END)
            AT TIME ZONE w.time_zone AS ends
    FROM (
        SELECT (:since::timestamptz AT TIME ZONE w.time_zone)::date + ahead AS local_day
        FROM generate_series(-1, :hours::integer / 24 + 1) AS ahead
    ) AS days
    WHERE extract(ISODOW FROM local_day)::integer = ANY(w.weekdays)
) AS span
WHERE span.ends > :since AND span.starts < :since + make_interval(hours => :hours)
ORDER BY span.starts, w.id;
