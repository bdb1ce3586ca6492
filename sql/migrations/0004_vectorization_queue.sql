-- programs: none
-- The legacy schema, part 4: records that waited for their embedding. 0005 ends it: vectorising is a stage.

CREATE TABLE vectorization_queue (
    id SERIAL PRIMARY KEY,
    table_name VARCHAR(50) NOT NULL,
    external_id VARCHAR NOT NULL,
    operation VARCHAR(10) NOT NULL DEFAULT 'insert',
    entity_data JSONB,
    status VARCHAR(20) NOT NULL DEFAULT 'pending',
    error_message TEXT,
    retry_count INTEGER DEFAULT 0,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    active BOOLEAN NOT NULL DEFAULT TRUE,
    created_at TIMESTAMP DEFAULT NOW(),
    last_updated_at TIMESTAMP DEFAULT NOW()
);

CREATE INDEX idx_vectorization_queue_status ON vectorization_queue (status, tenant_id);
