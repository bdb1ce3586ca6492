-- programs: none
-- The legacy schema, part 2: settings by key, per tenant. Seven of them steered the orchestrator; 0005 ends them.

CREATE TABLE system_settings (
    id SERIAL PRIMARY KEY,
    setting_key VARCHAR NOT NULL,
    setting_value TEXT,
    setting_type VARCHAR NOT NULL DEFAULT 'string',
    description VARCHAR,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    active BOOLEAN NOT NULL DEFAULT TRUE,
    created_at TIMESTAMP DEFAULT NOW(),
    last_updated_at TIMESTAMP DEFAULT NOW(),
    UNIQUE (setting_key, tenant_id)
);
