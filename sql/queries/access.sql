-- What this connection may do, and how the jobs of a database stand in one look. Reads only.

-- name: read_access()^
-- Whether the server is a standby, the session read-only, and whether the role may write where every action
-- of a person does; a right on some of the columns counts.
SELECT
    current_user AS role,
    pg_is_in_recovery() AS is_standby,
    current_setting('transaction_read_only')::boolean AS is_read_only,
    has_any_column_privilege('etl_jobs', 'UPDATE')
    AND has_any_column_privilege('job_runs', 'INSERT')
    AND has_any_column_privilege('job_events', 'INSERT') AS may_write;

-- name: read_standing(tenant)^
-- As the dashboard's header counts them: what failed and is switched off is no failure any more.
SELECT
    count(*) AS jobs,
    count(*) FILTER (WHERE j.active AND j.status = 'FAILED') AS failed,
    count(*) FILTER (WHERE j.status = 'RUNNING') AS running
FROM etl_jobs AS j
INNER JOIN tenants AS t ON j.tenant_id = t.id
WHERE :tenant::text IS NULL OR t.name = :tenant;
