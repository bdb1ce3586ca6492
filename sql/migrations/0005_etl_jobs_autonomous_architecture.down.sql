-- The legacy table comes back out of legacy_0005 with what happened since: current values win, the archive fills
-- what the documented table has no column for. Jobs deleted since stay deleted, jobs created since are kept;
-- seeded ones that nobody touched go, because the way forward seeds them again.
-- A job that was RUNNING stays FAILED: nothing runs it, and the legacy system would believe it for ever.
-- Intervals and checkpoints that the legacy table cannot hold are set aside in autonomous_0005, from where the
-- way forward takes them (with --discard they are given up).

DO $$
BEGIN
    IF to_regclass('legacy_0005.etl_jobs') IS NULL THEN
        RAISE EXCEPTION 'the archive legacy_0005 is gone: there is no way back behind 0005';
    END IF;
END
$$;
LOCK TABLE tenants, integrations IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE system_settings, etl_jobs IN ACCESS EXCLUSIVE MODE;

DROP TRIGGER tenants_seed_jobs ON tenants;
DROP FUNCTION seed_jobs_of_new_tenant();
DROP FUNCTION seed_etl_jobs(integer);

-- Seeded and untouched: never ran, and all as it was seeded.
DELETE FROM etl_jobs AS job
USING etl_job_seeds() AS seed
WHERE job.job_name = seed.job_name
  AND NOT EXISTS (SELECT FROM legacy_0005.etl_jobs AS old WHERE old.id = job.id)
  AND job.status = 'READY'
  AND job.schedule_interval_minutes = seed.schedule_interval_minutes
  AND job.retry_interval_minutes = seed.retry_interval_minutes
  AND job.active = seed.active
  AND job.last_run_started_at IS NULL
  AND job.last_run_finished_at IS NULL
  AND job.error_message IS NULL
  AND coalesce(job.retry_count, 0) = 0
  AND job.checkpoint_data IS NULL
  AND (job.integration_id IS NULL OR job.integration_id = sole_integration(job.tenant_id, job.job_name));

-- The document as cursors ------------------------------------------------------------------------------------

-- A time of the archive in the place of the current one, when that is the same but for a stay in a time zone
-- (an hour that the zone's clocks skip does not survive the two conversions).
CREATE FUNCTION legacy_0005.time_back(now_is timestamp, was_migrated timestamp, was timestamp)
RETURNS timestamp LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN now_is IS NOT DISTINCT FROM was_migrated THEN was
        WHEN now_is = was_migrated AT TIME ZONE zone.name AT TIME ZONE zone.name THEN was
        ELSE now_is
    END
    FROM (SELECT coalesce(nullif(current_setting('etl.legacy_timezone', true), ''), 'UTC') AS name) AS zone
$$;

CREATE FUNCTION legacy_0005.read_time(written text) RETURNS timestamp LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN written::timestamp;
EXCEPTION WHEN others THEN -- edited into something that is no time: it is set aside with its document
    RETURN NULL;
END
$$;

-- The queue's text out of a document that changed since: its entries, finished where they have been processed.
CREATE FUNCTION legacy_0005.queue_of(document jsonb) RETURNS text LANGUAGE sql STABLE AS $$
    WITH
    processed AS (
        SELECT name, position
        FROM jsonb_array_elements_text(
            CASE jsonb_typeof(document -> 'repositories_processed')
                WHEN 'array' THEN document -> 'repositories_processed' ELSE '[]'
            END
        ) WITH ORDINALITY AS entry (name, position)
    ),
    entries AS (
        SELECT repo, position, coalesce(repo ->> 'full_name', repo ->> 'name') AS name
        FROM jsonb_array_elements(
            coalesce(legacy_0005.read_queue(document ->> 'repo_processing_queue'), '[]')
        ) WITH ORDINALITY AS entry (repo, position)
    ),
    queue AS (
        SELECT 1 AS part, position, jsonb_build_object('full_name', name, 'finished', true) AS repo
        FROM processed WHERE name NOT IN (SELECT name FROM entries)
        UNION ALL
        SELECT 2, position, repo || jsonb_build_object('finished', name IN (SELECT name FROM processed))
        FROM entries
        UNION ALL
        SELECT 3, 1, jsonb_build_object('full_name', document ->> 'current_repository', 'finished', false)
        WHERE document ->> 'current_repository' IS NOT NULL
          AND document ->> 'current_repository' NOT IN (SELECT name FROM entries UNION SELECT name FROM processed)
    )
    SELECT CASE
        WHEN jsonb_typeof(document -> 'repo_processing_queue') = 'string' THEN document ->> 'repo_processing_queue'
        ELSE (SELECT jsonb_agg(repo ORDER BY part, position)::text FROM queue)
    END
$$;

-- The jobs ---------------------------------------------------------------------------------------------------

DELETE FROM legacy_0005.etl_jobs AS old WHERE NOT EXISTS (SELECT FROM etl_jobs AS job WHERE job.id = old.id);

-- Names may have been swapped, and uniqueness is checked row by row.
UPDATE legacy_0005.etl_jobs AS old
SET job_name = format('renaming %s', old.id)
FROM etl_jobs AS job
WHERE job.id = old.id AND job.job_name <> old.job_name;

UPDATE legacy_0005.etl_jobs AS old
SET job_name = job.job_name,
    status = CASE WHEN same.state AND meant.status <> 'RUNNING' THEN old.status ELSE job.status END,
    active = CASE WHEN same.state AND job.active = migrated.active THEN old.active ELSE job.active END,
    last_run_started_at = same.started,
    last_finished_at = same.finished,
    -- The older column says when it last went well: now, if it finished since and there is no error.
    last_success_at = CASE
        WHEN same.finished IS DISTINCT FROM old.last_finished_at
            AND job.status IN ('READY', 'FINISHED') AND job.error_message IS NULL
            THEN same.finished
        ELSE old.last_success_at
    END,
    error_message = CASE
        WHEN same.state AND meant.status <> 'RUNNING' THEN old.error_message
        ELSE job.error_message
    END,
    retry_count = job.retry_count,
    last_repo_sync_checkpoint = CASE
        WHEN same.cursors THEN old.last_repo_sync_checkpoint
        ELSE legacy_0005.read_time(job.checkpoint_data ->> 'last_repo_sync_checkpoint')
    END,
    repo_processing_queue = CASE
        WHEN same.cursors OR same.queue THEN old.repo_processing_queue
        ELSE legacy_0005.queue_of(job.checkpoint_data)
    END,
    last_pr_cursor
        = CASE WHEN same.cursors THEN old.last_pr_cursor ELSE job.checkpoint_data ->> 'last_pr_cursor' END,
    current_pr_node_id
        = CASE WHEN same.cursors THEN old.current_pr_node_id ELSE job.checkpoint_data ->> 'current_pr_node_id' END,
    last_commit_cursor
        = CASE WHEN same.cursors THEN old.last_commit_cursor ELSE job.checkpoint_data ->> 'last_commit_cursor' END,
    last_review_cursor
        = CASE WHEN same.cursors THEN old.last_review_cursor ELSE job.checkpoint_data ->> 'last_review_cursor' END,
    last_comment_cursor
        = CASE WHEN same.cursors THEN old.last_comment_cursor ELSE job.checkpoint_data ->> 'last_comment_cursor' END,
    last_review_thread_cursor = CASE
        WHEN same.cursors THEN old.last_review_thread_cursor
        ELSE job.checkpoint_data ->> 'last_review_thread_cursor'
    END,
    integration_id = job.integration_id,
    tenant_id = job.tenant_id,
    created_at = legacy_0005.time_back(job.created_at, migrated.created_at, old.created_at),
    -- Later migrations touch rows without changing what they say.
    last_updated_at = CASE
        WHEN same.state AND same.rest THEN old.last_updated_at
        ELSE legacy_0005.time_back(job.last_updated_at, migrated.last_updated_at, old.last_updated_at)
    END
FROM etl_jobs AS job
JOIN legacy_0005.etl_jobs_as_migrated AS migrated USING (id)
JOIN legacy_0005.etl_jobs AS archived USING (id)
CROSS JOIN LATERAL (SELECT upper(btrim(coalesce(archived.status, ''))) AS status) AS meant
CROSS JOIN LATERAL (
    SELECT
        legacy_0005.time_back(
            job.last_run_started_at, migrated.last_run_started_at, archived.last_run_started_at
        ) AS started,
        legacy_0005.time_back(
            job.last_run_finished_at, migrated.last_run_finished_at, archived.last_finished_at
        ) AS finished
) AS times
CROSS JOIN LATERAL (
    SELECT
        times.started,
        times.finished,
        -- Nothing ran and nobody cleared or started it since: the old status is still what it was.
        (meant.status <> 'PAUSED' OR job.active = migrated.active)
        AND job.status = migrated.status
        AND job.error_message IS NOT DISTINCT FROM migrated.error_message
        AND times.started IS NOT DISTINCT FROM archived.last_run_started_at
        AND times.finished IS NOT DISTINCT FROM archived.last_finished_at AS state,
        -- Streams have no legacy columns: the last cursors of the legacy system stand, all together, and it
        -- goes on from there (it loads again what was loaded since).
        job.checkpoint_data IS NOT DISTINCT FROM migrated.checkpoint_data
        OR coalesce(job.checkpoint_data ? 'streams', false) AS cursors,
        (job.checkpoint_data -> 'repositories_processed', job.checkpoint_data -> 'current_repository',
            job.checkpoint_data -> 'repo_processing_queue')
        IS NOT DISTINCT FROM
        (migrated.checkpoint_data -> 'repositories_processed', migrated.checkpoint_data -> 'current_repository',
            migrated.checkpoint_data -> 'repo_processing_queue') AS queue,
        (job.job_name, job.active, coalesce(job.retry_count, 0), job.checkpoint_data, job.integration_id,
            job.schedule_interval_minutes, job.retry_interval_minutes)
        IS NOT DISTINCT FROM
        (migrated.job_name, migrated.active, coalesce(migrated.retry_count, 0), migrated.checkpoint_data,
            migrated.integration_id, migrated.schedule_interval_minutes, migrated.retry_interval_minutes) AS rest
) AS same
WHERE job.id = old.id;

INSERT INTO legacy_0005.etl_jobs (
    id, job_name, execution_order, status, last_run_started_at, last_success_at, last_finished_at,
    error_message, retry_count, last_repo_sync_checkpoint, repo_processing_queue, last_pr_cursor,
    current_pr_node_id, last_commit_cursor, last_review_cursor, last_comment_cursor, last_review_thread_cursor,
    integration_id, tenant_id, active, created_at, last_updated_at
)
SELECT
    job.id,
    job.job_name,
    -- Behind the tenant's other jobs.
    coalesce((SELECT max(execution_order) FROM legacy_0005.etl_jobs AS other WHERE other.tenant_id = job.tenant_id), 0)
    + row_number() OVER (PARTITION BY job.tenant_id ORDER BY job.id),
    job.status,
    job.last_run_started_at,
    CASE WHEN job.status IN ('READY', 'FINISHED') AND job.error_message IS NULL THEN job.last_run_finished_at END,
    job.last_run_finished_at,
    job.error_message,
    job.retry_count,
    legacy_0005.read_time(job.checkpoint_data ->> 'last_repo_sync_checkpoint'),
    legacy_0005.queue_of(job.checkpoint_data),
    job.checkpoint_data ->> 'last_pr_cursor',
    job.checkpoint_data ->> 'current_pr_node_id',
    job.checkpoint_data ->> 'last_commit_cursor',
    job.checkpoint_data ->> 'last_review_cursor',
    job.checkpoint_data ->> 'last_comment_cursor',
    job.checkpoint_data ->> 'last_review_thread_cursor',
    job.integration_id,
    job.tenant_id,
    job.active,
    job.created_at,
    job.last_updated_at
FROM etl_jobs AS job
WHERE NOT EXISTS (SELECT FROM legacy_0005.etl_jobs AS old WHERE old.id = job.id);

-- Set aside what the legacy table cannot hold ----------------------------------------------------------------

CREATE SCHEMA autonomous_0005;
COMMENT ON SCHEMA autonomous_0005 IS 'What the way back behind migration 0005 could not keep, for the way forward.';
CREATE TABLE autonomous_0005.etl_jobs (
    id integer PRIMARY KEY,
    schedule_interval_minutes integer NOT NULL,
    retry_interval_minutes integer NOT NULL,
    checkpoint_data jsonb,
    cursors jsonb
);
INSERT INTO autonomous_0005.etl_jobs
SELECT
    job.id, job.schedule_interval_minutes, job.retry_interval_minutes, job.checkpoint_data,
    legacy_0005.checkpoint_of(old)
FROM etl_jobs AS job
JOIN legacy_0005.etl_jobs AS old USING (id)
LEFT JOIN etl_job_seeds() AS seed ON lower(seed.job_name) = lower(job.job_name)
WHERE coalesce(current_setting('etl.discard', true), '') <> 'on'
  AND (
      (job.schedule_interval_minutes, job.retry_interval_minutes) IS DISTINCT FROM
      (coalesce(seed.schedule_interval_minutes, 360), coalesce(seed.retry_interval_minutes, 15))
      OR job.checkpoint_data IS DISTINCT FROM legacy_0005.checkpoint_of(old)
  );
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM autonomous_0005.etl_jobs) THEN
        DROP SCHEMA autonomous_0005 CASCADE;
    END IF;
END
$$;

-- Everything to its place ------------------------------------------------------------------------------------

DELETE FROM legacy_0005.vectorization_queue WHERE tenant_id NOT IN (SELECT id FROM tenants);

-- Ids that were used since are not used again.
SELECT setval(pg_get_serial_sequence('legacy_0005.etl_jobs', 'id'), pg_sequence_last_value('etl_jobs_id_seq'::regclass))
WHERE pg_sequence_last_value('etl_jobs_id_seq'::regclass) IS NOT NULL;

DROP TABLE etl_jobs;
DROP FUNCTION sole_integration(integer, text);
DROP FUNCTION etl_job_seeds();
DROP FUNCTION legacy_0005.checkpoint_of(legacy_0005.etl_jobs);

DO $$
DECLARE
    foreign_key record;
BEGIN
    EXECUTE format('ALTER TABLE legacy_0005.etl_jobs SET SCHEMA %I', current_schema());
    EXECUTE format('ALTER TABLE legacy_0005.vectorization_queue SET SCHEMA %I', current_schema());
    FOR foreign_key IN SELECT table_name, name, definition FROM legacy_0005.foreign_keys LOOP
        EXECUTE format(
            'ALTER TABLE %s ADD CONSTRAINT %I %s', foreign_key.table_name, foreign_key.name, foreign_key.definition
        );
    END LOOP;
END
$$;

INSERT INTO system_settings
SELECT archived.*
FROM legacy_0005.system_settings AS archived
WHERE archived.tenant_id IN (SELECT id FROM tenants)
ON CONFLICT DO NOTHING;

DROP SCHEMA legacy_0005 CASCADE;
