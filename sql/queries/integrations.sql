-- The external systems of each tenant.

-- name: list_integrations(tenant)
-- All integrations (of one tenant, or of all when null) by tenant and name, each with how many jobs use it.
SELECT
    i.id, t.name AS tenant, i.name, i.type, i.active, i.config, i.max_runs, i.ready_at, i.wait_reason,
    i.schema_mode, i.destination_url,
    (SELECT count(*) FROM etl_jobs AS j WHERE j.integration_id = i.id) AS jobs
FROM integrations AS i INNER JOIN tenants AS t ON i.tenant_id = t.id
WHERE :tenant::text IS NULL OR t.name = :tenant
ORDER BY t.name, i.name;

-- name: integration_by_id(integration_id)^
-- One integration.
SELECT
    i.id, t.name AS tenant, i.name, i.type, i.active, i.config, i.max_runs, i.ready_at, i.wait_reason,
    i.schema_mode, i.destination_url,
    (SELECT count(*) FROM etl_jobs AS j WHERE j.integration_id = i.id) AS jobs
FROM integrations AS i INNER JOIN tenants AS t ON i.tenant_id = t.id
WHERE i.id = :integration_id;

-- name: add_integration(tenant_id, integration_name, integration_type, config, max_runs)$
-- The new integration; null when the tenant has one of this name, added by a concurrent command too.
INSERT INTO integrations (tenant_id, name, type, config, max_runs)
VALUES (:tenant_id, :integration_name, :integration_type, :config, :max_runs)
ON CONFLICT (name, tenant_id) DO NOTHING
RETURNING id;

-- name: change_config(tenant, integration_name, config)$
-- Another configuration for an integration; null when there is none of this name.
UPDATE integrations AS i
SET config = :config, last_updated_at = now()
FROM tenants AS t
WHERE i.tenant_id = t.id AND t.name = :tenant AND i.name = :integration_name
RETURNING i.id;

-- name: lock_configs()!
-- Nobody changes a configuration until the transaction ends; they may be read.
LOCK TABLE integrations IN SHARE ROW EXCLUSIVE MODE;

-- name: change_loading(integration_id, schema_mode, destination_url)!
-- How an integration takes new fields, and where its rows go (null: the state's own database).
UPDATE integrations
SET schema_mode = :schema_mode, destination_url = :destination_url, last_updated_at = now()
WHERE id = :integration_id;

-- name: has_tables(integration_id)$
-- Whether a job of this integration has loaded into a table.
SELECT EXISTS (
    SELECT FROM destination_tables AS d INNER JOIN etl_jobs AS j ON d.job_id = j.id
    WHERE j.integration_id = :integration_id
);
