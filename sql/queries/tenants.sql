-- Who owns data.

-- name: list_tenants()
-- All tenants by name, each with how many jobs and integrations it has.
SELECT
    t.id, t.name, t.active, t.created_at,
    (SELECT count(*) FROM etl_jobs AS j WHERE j.tenant_id = t.id) AS jobs,
    (SELECT count(*) FROM integrations AS i WHERE i.tenant_id = t.id) AS integrations
FROM tenants AS t
ORDER BY t.name;

-- name: tenant_by_name(name)^
-- One tenant, if there is one of exactly this name.
SELECT
    t.id, t.name, t.active, t.created_at,
    (SELECT count(*) FROM etl_jobs AS j WHERE j.tenant_id = t.id) AS jobs,
    (SELECT count(*) FROM integrations AS i WHERE i.tenant_id = t.id) AS integrations
FROM tenants AS t
WHERE t.name = :name;

-- name: add_tenant(name)$
-- The new tenant, its seeded jobs coming by trigger; null when the name is taken, by a concurrent command too.
INSERT INTO tenants (name) VALUES (:name) ON CONFLICT (name) DO NOTHING RETURNING id;
