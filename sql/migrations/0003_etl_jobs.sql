-- programs: none
-- The legacy schema, part 3: jobs that a central orchestrator ran one after the other, by execution_order.
-- Nothing guards `status`; 0005 tells what each value meant. The eight cursor columns are GitHub's, in every row.

CREATE TABLE etl_jobs (
    id SERIAL PRIMARY KEY,
    job_name VARCHAR NOT NULL,
    execution_order INTEGER NOT NULL DEFAULT 0,
    status VARCHAR(20) NOT NULL DEFAULT 'NOT_STARTED',
    last_run_started_at TIMESTAMP,
    last_success_at TIMESTAMP,
    last_finished_at TIMESTAMP,
    error_message TEXT,
    retry_count INTEGER DEFAULT 0,
    last_repo_sync_checkpoint TIMESTAMP,
    repo_processing_queue TEXT,
    last_pr_cursor VARCHAR,
    current_pr_node_id VARCHAR,
    last_commit_cursor VARCHAR,
    last_review_cursor VARCHAR,
    last_comment_cursor VARCHAR,
    last_review_thread_cursor VARCHAR,
    integration_id INTEGER REFERENCES integrations (id),
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    active BOOLEAN NOT NULL DEFAULT TRUE,
    created_at TIMESTAMP DEFAULT NOW(),
    last_updated_at TIMESTAMP DEFAULT NOW(),
    UNIQUE (job_name, tenant_id)
);
COMMENT ON COLUMN etl_jobs.repo_processing_queue IS 'JSON text: [{"repo_id", "full_name", "finished"}].';

CREATE INDEX idx_etl_jobs_tenant_order ON etl_jobs (tenant_id, execution_order);
