-- programs: none
-- The legacy schema, part 1: who owns data, and the external systems of each. No program of ours runs on it.
-- Legacy times are naive (TIMESTAMP); 0006 makes them aware.

CREATE TABLE tenants (
    id SERIAL PRIMARY KEY,
    name VARCHAR NOT NULL UNIQUE,
    active BOOLEAN NOT NULL DEFAULT TRUE,
    created_at TIMESTAMP DEFAULT NOW(),
    last_updated_at TIMESTAMP DEFAULT NOW()
);

CREATE TABLE integrations (
    id SERIAL PRIMARY KEY,
    name VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    logo_filename VARCHAR,
    base_url VARCHAR,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    active BOOLEAN NOT NULL DEFAULT TRUE,
    created_at TIMESTAMP DEFAULT NOW(),
    last_updated_at TIMESTAMP DEFAULT NOW(),
    UNIQUE (name, tenant_id)
);
