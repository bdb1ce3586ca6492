-- Bookkeeping of migrations, and what its runner asks before it changes a schema.

-- name: take_lock()^
-- One runner at a time in a database, until its transaction ends. The number is ours by convention only.
SELECT pg_advisory_xact_lock(5498201740275001);

-- name: has_bookkeeping()$
-- Whether this database has a record of migrations at all.
SELECT to_regclass('schema_migrations') IS NOT NULL;

-- name: create_bookkeeping()!
-- Makes the record; nothing happens when it is there.
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    programs text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_by text NOT NULL DEFAULT session_user,
    applied_program text NOT NULL,
    duration_ms integer NOT NULL,
    legacy_timezone text NOT NULL,
    notices text [] NOT NULL DEFAULT '{}'
);

-- name: applied()
-- Every migration in force, oldest first.
SELECT version, name, checksum, programs, applied_at, applied_program, legacy_timezone
FROM schema_migrations
ORDER BY version;

-- name: record_applied(version, name, checksum, programs, applied_program, duration_ms, legacy_timezone, notices)$
-- This migration is in force; returns since when.
INSERT INTO schema_migrations (
    version, name, checksum, programs, applied_program, duration_ms, legacy_timezone, notices
)
VALUES (:version, :name, :checksum, :programs, :applied_program, :duration_ms, :legacy_timezone, :notices)
RETURNING applied_at;

-- name: forget_applied(version)$
-- This migration is no longer in force; returns since when.
DELETE FROM schema_migrations WHERE version = :version RETURNING clock_timestamp();

-- name: prepare_migration(legacy_timezone, discard)^
-- What migrations read, until the transaction ends; and their notices must reach the runner.
SELECT
    set_config('etl.legacy_timezone', :legacy_timezone, true),
    set_config('etl.discard', :discard, true),
    set_config('client_min_messages', 'notice', true);

-- name: timezone(name)$
-- The zone as the server spells it, or null when it knows none of that name.
SELECT name FROM pg_timezone_names WHERE lower(name) = lower(:name) LIMIT 1;

-- name: columns_of(tables)
-- The columns of those of the tables that are there, in order.
SELECT table_name, array_agg(column_name::text ORDER BY ordinal_position) AS columns
FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = ANY(:tables::text [])
GROUP BY table_name
ORDER BY table_name;

-- name: has_processes()$
-- Whether this schema knows runs and processes at all (0007).
SELECT
    to_regclass('job_runs') IS NOT NULL
    AND to_regclass('workers') IS NOT NULL
    AND to_regclass('schedulers') IS NOT NULL;

-- name: keep_processes_out()!
-- Until the transaction ends nobody registers, says that it is alive, or starts a run.
LOCK TABLE job_runs, workers, schedulers IN SHARE ROW EXCLUSIVE MODE;

-- name: in_the_way(alive_within)
-- What forbids changing the schema back: open runs, and processes heard of within so many seconds.
SELECT format('run %s of %s is %s', r.id, j.job_name, r.state) AS what
FROM job_runs AS r
INNER JOIN etl_jobs AS j ON r.job_id = j.id
WHERE r.state IN ('QUEUED', 'RUNNING')
UNION ALL
SELECT format('worker %s (%s, pid %s) is alive', id, host, pid)
FROM workers
WHERE stopped_at IS NULL AND lost_at IS NULL AND heartbeat_at > now() - make_interval(secs => :alive_within)
UNION ALL
SELECT format('scheduler %s (%s, pid %s) is alive', id, host, pid)
FROM schedulers
WHERE stopped_at IS NULL AND heartbeat_at > now() - make_interval(secs => :alive_within);

-- name: wait_for_first_use()$
-- One process at a time makes a virgin embedded database ready; released with the connection.
SELECT pg_advisory_lock(hashtext('etl-tui first use'));
