-- programs: >=0.1
-- Processes, runs and batches: who is alive, one row per execution of a job, and its units of work.

CREATE TABLE workers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    host text NOT NULL,
    pid integer NOT NULL,
    version text NOT NULL,
    stages text [] NOT NULL,
    slots integer NOT NULL CHECK (slots > 0),
    started_at timestamptz NOT NULL DEFAULT now(),
    heartbeat_at timestamptz NOT NULL DEFAULT now(),
    stopped_at timestamptz,
    lost_at timestamptz
) WITH (fillfactor = 60);
COMMENT ON TABLE workers IS 'One row per incarnation; its connections carry etl-worker/<id> as application_name.';
COMMENT ON COLUMN workers.lost_at IS 'When a sweep declared it lost: it holds nothing any more, even if it comes back.';
-- No index on heartbeat_at: it would end HOT updates and triple their WAL (m).
CREATE INDEX workers_alive ON workers (id) WHERE stopped_at IS NULL AND lost_at IS NULL;

CREATE TABLE schedulers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    host text NOT NULL,
    pid integer NOT NULL,
    version text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    heartbeat_at timestamptz NOT NULL DEFAULT now(),
    stopped_at timestamptz
) WITH (fillfactor = 60);

CREATE TABLE job_runs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    job_id integer NOT NULL REFERENCES etl_jobs (id) ON DELETE CASCADE,
    tenant_id integer NOT NULL REFERENCES tenants (id),
    trigger text NOT NULL CHECK (trigger IN ('schedule', 'retry', 'manual')),
    requested_by text,
    options jsonb NOT NULL DEFAULT '{}',
    state text NOT NULL DEFAULT 'QUEUED'
        CHECK (state IN ('QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED')),
    ready_at timestamptz NOT NULL DEFAULT now(),
    wait_reason text,
    lease bigint NOT NULL DEFAULT 0,
    worker_id bigint REFERENCES workers (id) ON DELETE SET NULL,
    losses integer NOT NULL DEFAULT 0,
    queued_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz,
    extract_done boolean NOT NULL DEFAULT false,
    cancel_requested_by text,
    counters jsonb NOT NULL DEFAULT '{}',
    error_kind text,
    error_message text,
    CHECK ((state IN ('SUCCEEDED', 'FAILED', 'CANCELLED')) = (finished_at IS NOT NULL))
) WITH (fillfactor = 60);
COMMENT ON COLUMN job_runs.lease IS 'The fencing number: raised whenever the holder changes; a holder with an older one writes nothing.';
COMMENT ON COLUMN job_runs.losses IS 'Workers lost on this run since a batch was last stored.';
CREATE UNIQUE INDEX job_runs_one_open ON job_runs (job_id) WHERE state IN ('QUEUED', 'RUNNING');
CREATE INDEX job_runs_ready ON job_runs ((trigger <> 'manual'), ready_at, id) WHERE state = 'QUEUED';
CREATE INDEX job_runs_held ON job_runs (worker_id) WHERE state = 'RUNNING';
CREATE INDEX job_runs_of_job ON job_runs (job_id, id DESC);

CREATE TABLE run_batches (
    run_id bigint NOT NULL REFERENCES job_runs (id) ON DELETE CASCADE,
    seq integer NOT NULL CHECK (seq > 0),
    lane text NOT NULL,
    last boolean NOT NULL DEFAULT false,
    stage text NOT NULL CHECK (stage IN ('transform', 'load')),
    state text NOT NULL CHECK (state IN ('WAITING', 'LEASED', 'LOADED', 'SET_ASIDE', 'DISCARDED')),
    lease bigint NOT NULL DEFAULT 0,
    worker_id bigint REFERENCES workers (id) ON DELETE SET NULL,
    attempts integer NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0,
    counts jsonb NOT NULL DEFAULT '{}',
    fragments jsonb NOT NULL DEFAULT '[]',
    error text,
    stored_at timestamptz NOT NULL DEFAULT now(),
    loaded_at timestamptz,
    PRIMARY KEY (run_id, seq)
) WITH (fillfactor = 60);
COMMENT ON COLUMN run_batches.last IS 'The batch after which extract ended.';
COMMENT ON COLUMN run_batches.fragments IS 'The checkpoint that is true once this batch is loaded: [{stream, partition, bookmark, resume}].';
CREATE INDEX run_batches_unloaded ON run_batches (run_id, lane, seq) WHERE state IN ('WAITING', 'LEASED');
CREATE INDEX run_batches_held ON run_batches (worker_id) WHERE state = 'LEASED';

CREATE TABLE batch_payloads (
    run_id bigint NOT NULL,
    seq integer NOT NULL,
    payload bytea NOT NULL,
    PRIMARY KEY (run_id, seq),
    FOREIGN KEY (run_id, seq) REFERENCES run_batches (run_id, seq) ON DELETE CASCADE
);
-- Already compressed (zstd): EXTERNAL keeps TOAST from trying again. jsonb would be 4 x slower (m).
ALTER TABLE batch_payloads ALTER COLUMN payload SET STORAGE EXTERNAL;
