-- Limits, pauses and windows have no place in the older schema: it refuses while there are any.
DO $$
BEGIN
    IF coalesce(current_setting('etl.discard', true), '') <> 'on' AND (
        EXISTS (SELECT FROM pauses) OR EXISTS (SELECT FROM blackout_windows)
        OR EXISTS (SELECT FROM integrations WHERE max_runs IS NOT NULL)
        OR EXISTS (SELECT FROM tenants WHERE max_runs IS NOT NULL)
        OR EXISTS (SELECT FROM dispatch_limits WHERE max_runs IS NOT NULL)
        OR EXISTS (SELECT FROM etl_jobs WHERE deadline_minutes IS NOT NULL OR max_failures <> 10)
    ) THEN
        RAISE EXCEPTION 'the older schema cannot hold limits, pauses, windows and deadlines: --discard gives them up';
    END IF;
END
$$;
DROP VIEW job_overview;
DROP INDEX etl_jobs_due, job_runs_open_of_tenant;
CREATE INDEX etl_jobs_due ON etl_jobs (tenant_id, due_at) WHERE due_at IS NOT NULL;
DROP FUNCTION dispatch_obstacle(integer, boolean);
DROP FUNCTION job_obstacle(integer, boolean, jsonb);
DROP FUNCTION place_obstacle(integer, boolean);
DROP FUNCTION window_end(blackout_windows, timestamptz);
DROP TABLE blackout_windows, pauses, dispatch_limits;
ALTER TABLE workers DROP COLUMN draining_by;
ALTER TABLE etl_jobs DROP COLUMN deadline_minutes, DROP COLUMN max_failures;
ALTER TABLE tenants DROP COLUMN max_runs;
ALTER TABLE integrations DROP COLUMN max_runs;

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
