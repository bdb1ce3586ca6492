-- programs: >=0.1
-- Where loaded data goes, what could not be loaded, what a run said, and who did what.

CREATE TABLE destination_tables (
    schema_name text NOT NULL,
    table_name text NOT NULL,
    job_id integer NOT NULL REFERENCES etl_jobs (id) ON DELETE CASCADE,
    stream text NOT NULL,
    key text [] NOT NULL,
    columns jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (schema_name, table_name),
    UNIQUE (job_id, stream)
);
COMMENT ON TABLE destination_tables IS 'Each destination table belongs to one job: two jobs never merge into one.';
COMMENT ON COLUMN destination_tables.columns IS 'What the stream declared: [{name, column, type}], `column` being the name in the table.';

CREATE TABLE rejected_records (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id integer NOT NULL REFERENCES etl_jobs (id) ON DELETE CASCADE,
    run_id bigint REFERENCES job_runs (id) ON DELETE SET NULL,
    seq integer,
    stream text NOT NULL,
    hash bytea NOT NULL,
    payload bytea NOT NULL,
    reason text NOT NULL,
    count integer NOT NULL DEFAULT 1,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (job_id, stream, hash)
);
COMMENT ON COLUMN rejected_records.payload IS 'The record as it came, UTF-8 JSON or raw text; bytea because jsonb refuses NUL.';

CREATE TABLE run_logs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id bigint NOT NULL REFERENCES job_runs (id) ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    level text NOT NULL CHECK (level IN ('debug', 'info', 'warning', 'error')),
    message text NOT NULL,
    fields jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX run_logs_of_run ON run_logs (run_id, id);

CREATE TABLE job_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    tenant_id integer REFERENCES tenants (id) ON DELETE SET NULL,
    job_id integer REFERENCES etl_jobs (id) ON DELETE SET NULL,
    run_id bigint REFERENCES job_runs (id) ON DELETE SET NULL,
    action text NOT NULL,
    actor text NOT NULL,
    db_role text NOT NULL DEFAULT current_user,
    os_user text,
    ssh_origin text,
    detail jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE job_events IS 'The audit: every action of a person, and what the program did on its own account.';
CREATE INDEX job_events_of_job ON job_events (job_id, id DESC);
CREATE INDEX job_events_at ON job_events (at);
