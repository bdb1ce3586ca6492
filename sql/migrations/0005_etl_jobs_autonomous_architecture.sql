-- programs: none
-- Each job carries its own schedule; the orchestrator ends. The table of jobs becomes the documented one, column
-- for column in the documented order, which takes a new table. Programs need more than this (0006 and later).
--
-- Nothing is lost. What has no column any more (the cursors' own columns, execution_order, last_success_at, the
-- old statuses), seven settings and vectorization_queue move to the schema legacy_0005, from where the way back
-- takes them: current values win, the archive fills what has no column. The schema may be dropped by whoever
-- will never go back.
--
-- What each old status meant, and what it becomes:
--   NOT_STARTED  never ran, waits for its turn            READY
--   PENDING      next in line, or to go on where it broke READY; its cursors are its checkpoint
--   READY        may run                                  READY
--   RUNNING      a process worked on it; none does now    FAILED, "interrupted by the migration"
--   FINISHED     ended well, waits for the others         FINISHED
--   PAUSED       a person stopped it                      READY, and off (active = false)
--   ERROR        the last run failed                      FAILED
--   FAILED       the last run failed                      FAILED
--   anything else (nothing guarded the column)            FAILED, and the message names it

LOCK TABLE tenants, integrations IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE system_settings, etl_jobs, vectorization_queue IN ACCESS EXCLUSIVE MODE;

-- What would make it fail half understood, said first and by name.
DO $$
DECLARE
    doubled constant text := (
        SELECT string_agg(format('%s (tenant %s)', job_name, tenant_id), ', ')
        FROM (SELECT job_name, tenant_id FROM etl_jobs GROUP BY 1, 2 HAVING count(*) > 1) AS twice
    );
    dependent constant text := (
        SELECT string_agg(name, ', ')
        FROM (
            SELECT conrelid::regclass::text AS name
            FROM pg_constraint
            WHERE contype = 'f' AND confrelid IN ('etl_jobs'::regclass, 'vectorization_queue'::regclass)
              AND conrelid <> confrelid
            UNION
            SELECT r.ev_class::regclass::text
            FROM pg_depend AS d JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
            WHERE d.refobjid IN ('etl_jobs'::regclass, 'vectorization_queue'::regclass) AND r.ev_class <> d.refobjid
        ) AS others
    );
BEGIN
    IF doubled IS NOT NULL THEN
        RAISE EXCEPTION 'job names must be unique in a tenant; rename one of each first: %', doubled;
    END IF;
    -- A view or a foreign key would follow the old table into the archive in silence.
    IF dependent IS NOT NULL THEN
        RAISE EXCEPTION 'these depend on etl_jobs or vectorization_queue as they are; drop them first: %', dependent;
    END IF;
END
$$;

-- The archive ------------------------------------------------------------------------------------------------

CREATE SCHEMA legacy_0005;
COMMENT ON SCHEMA legacy_0005 IS 'What migration 0005 took out of use, for the way back.';

CREATE TABLE legacy_0005.foreign_keys AS
SELECT conrelid::regclass::text AS table_name, conname AS name, pg_get_constraintdef(oid) AS definition
FROM pg_constraint
WHERE contype = 'f' AND conrelid IN ('etl_jobs'::regclass, 'vectorization_queue'::regclass);

-- An archive must not keep a tenant or an integration from being deleted.
DO $$
DECLARE
    foreign_key record;
BEGIN
    FOR foreign_key IN SELECT table_name, name FROM legacy_0005.foreign_keys LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', foreign_key.table_name, foreign_key.name);
    END LOOP;
END
$$;

-- Sequences, indexes, privileges and columns that nobody told us of go along.
ALTER TABLE etl_jobs SET SCHEMA legacy_0005;
ALTER TABLE vectorization_queue SET SCHEMA legacy_0005;

CREATE TABLE legacy_0005.system_settings AS
SELECT * FROM system_settings
WHERE setting_key IN (
    'orchestrator_interval_minutes', 'orchestrator_enabled', 'orchestrator_retry_enabled',
    'orchestrator_retry_interval_minutes', 'jira_sync_enabled', 'github_sync_enabled', 'max_concurrent_jobs'
);
DELETE FROM system_settings WHERE id IN (SELECT id FROM legacy_0005.system_settings);

-- The cursors as a document ----------------------------------------------------------------------------------

-- The queue of repositories when it can be read: an array of objects, each with a name. Null when it cannot.
CREATE FUNCTION legacy_0005.read_queue(queue text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    parsed jsonb;
BEGIN
    parsed := queue::jsonb;
    IF jsonb_typeof(parsed) <> 'array' THEN
        RETURN NULL;
    END IF;
    IF EXISTS (
        SELECT FROM jsonb_array_elements(parsed) AS entries (repo)
        WHERE jsonb_typeof(repo) <> 'object'
           OR jsonb_typeof(coalesce(repo -> 'full_name', repo -> 'name')) IS DISTINCT FROM 'string'
           OR jsonb_typeof(coalesce(repo -> 'finished', 'false')) <> 'boolean'
    ) THEN
        RETURN NULL;
    END IF;
    RETURN parsed;
EXCEPTION WHEN others THEN -- not JSON, or JSON that jsonb refuses (NUL, too deep)
    RETURN NULL;
END
$$;

-- What a job's cursor columns say, in the documented fields; null when all are null. A value without a documented
-- field stays under its own name. Of the queue, finished repositories are repositories_processed, the first
-- unfinished one is current_repository; entries that say more than that (unfinished, repo_id) stay whole too.
CREATE FUNCTION legacy_0005.checkpoint_of(job legacy_0005.etl_jobs) RETURNS jsonb LANGUAGE sql STABLE AS $$
    WITH
    queue AS (
        SELECT legacy_0005.read_queue(job.repo_processing_queue::text) AS entries
    ),
    repositories AS (
        SELECT
            repo,
            position,
            coalesce(repo ->> 'full_name', repo ->> 'name') AS name,
            coalesce((repo ->> 'finished')::boolean, false) AS finished
        FROM queue, jsonb_array_elements(queue.entries) WITH ORDINALITY AS entry (repo, position)
    ),
    fields (field, value) AS (
        VALUES
        ('last_pr_cursor', to_jsonb(job.last_pr_cursor)),
        ('current_pr_node_id', to_jsonb(job.current_pr_node_id)),
        ('last_commit_cursor', to_jsonb(job.last_commit_cursor)),
        ('last_review_cursor', to_jsonb(job.last_review_cursor)),
        ('last_comment_cursor', to_jsonb(job.last_comment_cursor)),
        ('last_review_thread_cursor', to_jsonb(job.last_review_thread_cursor)),
        ('last_repo_sync_checkpoint', to_jsonb(job.last_repo_sync_checkpoint))
        UNION ALL
        SELECT
            'repositories_processed',
            coalesce(
                (SELECT jsonb_agg(name ORDER BY position) FILTER (WHERE finished) FROM repositories), '[]'
            )
        FROM queue WHERE entries IS NOT NULL
        UNION ALL
        (SELECT 'current_repository', to_jsonb(name) FROM repositories WHERE NOT finished ORDER BY position LIMIT 1)
        UNION ALL
        SELECT
            'repo_processing_queue',
            CASE
                WHEN entries IS NULL THEN to_jsonb(job.repo_processing_queue)
                ELSE (
                    SELECT jsonb_agg(repo ORDER BY position)
                    FROM repositories
                    WHERE NOT finished
                       OR repo - 'finished' - CASE WHEN repo ? 'full_name' THEN 'full_name' ELSE 'name' END <> '{}'
                )
            END
        FROM queue
    )
    SELECT jsonb_object_agg(field, value) FROM fields WHERE value IS NOT NULL
$$;

-- The jobs ---------------------------------------------------------------------------------------------------

CREATE FUNCTION etl_job_seeds() RETURNS TABLE (
    job_name text, schedule_interval_minutes integer, retry_interval_minutes integer, active boolean
) LANGUAGE sql IMMUTABLE AS $$
    VALUES ('Jira', 360, 15, true), ('GitHub', 240, 15, true), ('Fabric', 1440, 15, false), ('AD', 720, 15, false)
$$;
COMMENT ON FUNCTION etl_job_seeds() IS 'The four jobs that every tenant gets, and their intervals in minutes.';

CREATE TABLE etl_jobs (
    -- Primary Key
    id SERIAL PRIMARY KEY,

    -- Core Job Identity
    job_name VARCHAR NOT NULL,

    -- Job Status
    status VARCHAR(20) NOT NULL DEFAULT 'READY',

    -- Scheduling Configuration
    schedule_interval_minutes INTEGER NOT NULL DEFAULT 360,
    retry_interval_minutes INTEGER NOT NULL DEFAULT 15,

    -- Execution Tracking
    last_run_started_at TIMESTAMP,
    last_run_finished_at TIMESTAMP,

    -- Error Handling
    error_message TEXT,
    retry_count INTEGER DEFAULT 0,

    -- Generic Recovery/Checkpoint
    checkpoint_data JSONB,

    -- Foreign Keys
    integration_id INTEGER REFERENCES integrations (id),

    -- BaseEntity Fields (ALWAYS LAST)
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    active BOOLEAN NOT NULL DEFAULT TRUE,
    created_at TIMESTAMP DEFAULT NOW(),
    last_updated_at TIMESTAMP DEFAULT NOW(),

    -- Constraints
    UNIQUE (job_name, tenant_id),
    CHECK (status IN ('READY', 'RUNNING', 'FINISHED', 'FAILED'))
);

-- What a way back set aside because the legacy table had no column for it; it leaves this only when needed.
CREATE SCHEMA IF NOT EXISTS autonomous_0005;
CREATE TABLE IF NOT EXISTS autonomous_0005.etl_jobs (
    id integer PRIMARY KEY,
    schedule_interval_minutes integer NOT NULL,
    retry_interval_minutes integer NOT NULL,
    checkpoint_data jsonb,
    cursors jsonb -- what the cursor columns said when it was set aside
);

INSERT INTO etl_jobs (
    id, job_name, status, schedule_interval_minutes, retry_interval_minutes,
    last_run_started_at, last_run_finished_at, error_message, retry_count, checkpoint_data,
    integration_id, tenant_id, active, created_at, last_updated_at
)
SELECT
    old.id,
    old.job_name,
    CASE
        WHEN meant.status IN ('READY', 'FINISHED') THEN meant.status
        WHEN meant.status IN ('NOT_STARTED', 'PENDING', 'PAUSED') THEN 'READY'
        ELSE 'FAILED'
    END,
    -- The legacy system knew no interval of a job: the documented one of its name, else the table's default.
    coalesce(ahead.schedule_interval_minutes, seed.schedule_interval_minutes, 360),
    coalesce(ahead.retry_interval_minutes, seed.retry_interval_minutes, 15),
    old.last_run_started_at,
    coalesce(old.last_finished_at, old.last_success_at),
    CASE
        WHEN meant.status = 'RUNNING' THEN concat_ws('; before that: ', 'interrupted by the migration', old.error_message)
        WHEN meant.status IN ('READY', 'FINISHED', 'NOT_STARTED', 'PENDING', 'PAUSED', 'ERROR', 'FAILED')
            THEN old.error_message
        ELSE concat_ws('; before that: ', format('its legacy status was "%s"', old.status), old.error_message)
    END,
    old.retry_count,
    -- A checkpoint set aside comes back unless the legacy system has moved the cursors since.
    CASE
        WHEN ahead.id IS NOT NULL AND ahead.cursors IS NOT DISTINCT FROM cursors.document THEN ahead.checkpoint_data
        ELSE cursors.document
    END,
    old.integration_id,
    old.tenant_id,
    old.active AND meant.status <> 'PAUSED',
    old.created_at,
    old.last_updated_at
FROM legacy_0005.etl_jobs AS old
CROSS JOIN LATERAL (SELECT upper(btrim(coalesce(old.status, ''))) AS status) AS meant
CROSS JOIN LATERAL (SELECT legacy_0005.checkpoint_of(old) AS document) AS cursors
LEFT JOIN etl_job_seeds() AS seed ON lower(seed.job_name) = lower(old.job_name)
LEFT JOIN autonomous_0005.etl_jobs AS ahead ON ahead.id = old.id;

CREATE TABLE legacy_0005.etl_jobs_as_migrated AS TABLE etl_jobs;
COMMENT ON TABLE legacy_0005.etl_jobs_as_migrated IS 'What 0005 made of each job: tells the way back what changed since.';

-- Ids are kept, and the next one is one that was never used.
SELECT setval('etl_jobs_id_seq', 1 + greatest(
    (SELECT max(id) FROM etl_jobs),
    pg_sequence_last_value(pg_get_serial_sequence('legacy_0005.etl_jobs', 'id')::regclass),
    0
), false);

-- Owner and privileges, which a new table does not inherit.
DO $$
DECLARE
    granted record;
BEGIN
    EXECUTE format(
        'ALTER TABLE etl_jobs OWNER TO %I',
        (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'legacy_0005.etl_jobs'::regclass)
    );
    FOR granted IN
        SELECT
            renewed.object,
            acl.privilege_type,
            CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END AS grantee,
            CASE WHEN acl.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS onward
        FROM (
            VALUES
            ('TABLE etl_jobs', 'legacy_0005.etl_jobs'::regclass),
            ('SEQUENCE etl_jobs_id_seq', pg_get_serial_sequence('legacy_0005.etl_jobs', 'id')::regclass)
        ) AS renewed (object, old)
        JOIN pg_class AS c ON c.oid = renewed.old
        CROSS JOIN LATERAL aclexplode(c.relacl) AS acl
        WHERE acl.grantee <> c.relowner
    LOOP
        EXECUTE format(
            'GRANT %s ON %s TO %s%s', granted.privilege_type, granted.object, granted.grantee, granted.onward
        );
    END LOOP;
END
$$;

-- What a person should hear of.
DO $$
DECLARE
    job record;
BEGIN
    FOR job IN
        SELECT
            old.id, old.job_name, old.status, new.status AS becomes, upper(btrim(coalesce(old.status, ''))) AS meant,
            old.repo_processing_queue::text AS queue, new.checkpoint_data, ahead.checkpoint_data AS set_aside
        FROM legacy_0005.etl_jobs AS old
        JOIN etl_jobs AS new ON new.id = old.id
        LEFT JOIN autonomous_0005.etl_jobs AS ahead ON ahead.id = old.id
        ORDER BY old.id
    LOOP
        IF job.meant = 'PAUSED' THEN
            RAISE NOTICE 'job % (%) was PAUSED: it is READY now, and off', job.id, job.job_name;
        ELSIF job.meant NOT IN ('READY', 'NOT_STARTED', 'PENDING', 'FINISHED', 'ERROR', 'FAILED') THEN
            RAISE NOTICE 'job % (%) was %: it is % now', job.id, job.job_name, job.status, job.becomes;
        END IF;
        IF job.queue IS NOT NULL AND legacy_0005.read_queue(job.queue) IS NULL THEN
            RAISE NOTICE 'job % (%): its repo_processing_queue cannot be read and is kept as it was',
                job.id, job.job_name;
        END IF;
        IF job.set_aside IS DISTINCT FROM job.checkpoint_data AND job.set_aside IS NOT NULL THEN
            RAISE NOTICE 'job % (%): its cursors moved under the older schema and replace the checkpoint set aside',
                job.id, job.job_name;
        END IF;
    END LOOP;
END
$$;
DROP SCHEMA autonomous_0005 CASCADE;

CREATE INDEX idx_etl_jobs_tenant_active ON etl_jobs (tenant_id, active);
CREATE INDEX idx_etl_jobs_integration ON etl_jobs (integration_id);
CREATE INDEX idx_etl_jobs_status ON etl_jobs (status);

-- The four jobs of every tenant ------------------------------------------------------------------------------

CREATE FUNCTION sole_integration(of_tenant integer, of_type text) RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT min(id) FROM integrations WHERE tenant_id = of_tenant AND lower(type) = lower(of_type) HAVING count(*) = 1
$$;
COMMENT ON FUNCTION sole_integration(integer, text) IS 'The integration of a type, if the tenant has exactly one.';

-- An existing job is left alone; `github` is the same job as `GitHub`.
CREATE FUNCTION seed_etl_jobs(of_tenant integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO etl_jobs (
        job_name, schedule_interval_minutes, retry_interval_minutes, active, integration_id, tenant_id
    )
    SELECT
        seed.job_name, seed.schedule_interval_minutes, seed.retry_interval_minutes, seed.active,
        sole_integration(of_tenant, seed.job_name), of_tenant
    FROM etl_job_seeds() WITH ORDINALITY AS seed (
        job_name, schedule_interval_minutes, retry_interval_minutes, active, position
    )
    WHERE NOT EXISTS (
        SELECT FROM etl_jobs AS job WHERE job.tenant_id = of_tenant AND lower(job.job_name) = lower(seed.job_name)
    )
    ORDER BY seed.position
$$;
SELECT seed_etl_jobs(id) FROM tenants ORDER BY id;

CREATE FUNCTION seed_jobs_of_new_tenant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM seed_etl_jobs(NEW.id);
    RETURN NULL;
END
$$;
CREATE TRIGGER tenants_seed_jobs AFTER INSERT ON tenants FOR EACH ROW EXECUTE FUNCTION seed_jobs_of_new_tenant();
