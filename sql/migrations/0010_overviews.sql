-- programs: >=0.1
-- What grid and command line read: one row per job with its newest run, one row per run with its counts.
-- Without checkpoint documents: a list of 10,000 jobs must not read them.

CREATE VIEW run_overview AS
SELECT
    r.id, r.job_id, r.state, r.trigger, r.queued_at, r.started_at, r.finished_at,
    coalesce((r.counters ->> 'rows_extracted')::bigint, 0) AS rows_extracted,
    coalesce((r.counters ->> 'rows_new')::bigint, 0) AS rows_new,
    coalesce((r.counters ->> 'rows_changed')::bigint, 0) AS rows_changed,
    coalesce((r.counters ->> 'rows_unchanged')::bigint, 0) AS rows_unchanged,
    coalesce((r.counters ->> 'rows_deleted')::bigint, 0) AS rows_deleted,
    coalesce((r.counters ->> 'rows_rejected')::bigint, 0) AS rows_rejected,
    coalesce((r.counters ->> 'batches')::bigint, 0) AS batches,
    (r.counters ->> 'rows_expected')::bigint AS rows_expected,
    r.losses, r.error_kind, r.error_message, r.requested_by, r.wait_reason, r.ready_at
FROM job_runs AS r;

CREATE VIEW job_overview AS
SELECT
    j.id, j.job_name, j.status, j.active, j.schedule_interval_minutes, j.retry_interval_minutes,
    j.integration_id, i.type AS integration_type, i.logo_filename AS integration_logo_filename,
    j.last_run_started_at, j.last_run_finished_at, j.created_at, j.last_updated_at,
    j.error_message, j.retry_count, j.checkpoint_version,
    t.name AS tenant, i.name AS integration,
    j.due_at, j.held, j.hold_reason, j.held_by, j.held_until, j.not_before, j.off_by, j.off_reason,
    j.error_kind, j.last_success_at, j.row_version,
    r.id AS run_id, r.state AS run_state, r.trigger AS run_trigger, r.queued_at AS run_queued_at,
    r.started_at AS run_started_at, r.finished_at AS run_finished_at, r.wait_reason AS run_wait_reason,
    r.ready_at AS run_ready_at,
    r.rows_extracted, r.rows_new, r.rows_changed, r.rows_unchanged, r.rows_deleted, r.rows_rejected, r.rows_expected
FROM etl_jobs AS j
INNER JOIN tenants AS t ON j.tenant_id = t.id
LEFT JOIN integrations AS i ON j.integration_id = i.id
LEFT JOIN LATERAL (SELECT * FROM run_overview AS o WHERE o.job_id = j.id ORDER BY o.id DESC LIMIT 1) AS r ON true;
