-- What the loader asks and writes whose text is fixed; DDL and merges are composed in workers/loader/statements.py.

-- name: tables_of_job(job_id)
-- The destination tables that a job owns.
SELECT schema_name, table_name, stream, key, columns
FROM destination_tables
WHERE job_id = :job_id;

-- name: loading_job(job_id)^
-- A job as messages name it, and whether it has a checkpoint, that is, goes on from earlier loads.
SELECT
    j.job_name,
    t.name AS tenant,
    EXISTS (
        SELECT FROM job_checkpoints AS c
        WHERE c.job_id = j.id AND (c.bookmark IS NOT NULL OR c.resume IS NOT NULL)
    ) AS has_checkpoint
FROM etl_jobs AS j
INNER JOIN tenants AS t ON j.tenant_id = t.id
WHERE j.id = :job_id;

-- name: owner_of_table(schema_name, table_name)^
-- The job that a destination table belongs to, if it is registered.
SELECT d.job_id, j.job_name, t.name AS tenant
FROM destination_tables AS d
INNER JOIN etl_jobs AS j ON d.job_id = j.id
INNER JOIN tenants AS t ON j.tenant_id = t.id
WHERE d.schema_name = :schema_name AND d.table_name = :table_name;

-- name: schema_exists(schema_name)$
-- Whether there is such a schema.
SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = :schema_name);

-- name: table_shape(schema_name, table_name)^
-- A relation of that name as the catalog has it: its columns as [[name, type], ...] and its primary key in order.
SELECT
    c.relkind IN ('r', 'p') AS is_table,
    coalesce(
        (
            SELECT jsonb_agg(jsonb_build_array(a.attname, format_type(a.atttypid, a.atttypmod)) ORDER BY a.attnum)
            FROM pg_attribute AS a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        ),
        '[]'
    ) AS columns,
    ARRAY(
        SELECT a.attname::text
        FROM pg_index AS i
        CROSS JOIN unnest(i.indkey::smallint []) WITH ORDINALITY AS k (attnum, place)
        INNER JOIN pg_attribute AS a ON i.indrelid = a.attrelid AND k.attnum = a.attnum
        WHERE i.indrelid = c.oid AND i.indisprimary
        ORDER BY k.place
    ) AS primary_key
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname = :schema_name AND c.relname = :table_name;

-- name: bound_lock_wait()!
-- Until the end of this transaction a lock is waited for no longer than 2 s: DDL that queues stops all readers.
SET LOCAL lock_timeout = '2s';

-- name: lock_destination(schema_name)!
-- One at a time decides on DDL in a destination schema; held until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('etl-tui destination ' || :schema_name, 0));

-- name: register_table(schema_name, table_name, job_id, stream, key, columns)!
-- A destination table and what its stream declared; of another job it is never taken over (the primary key).
INSERT INTO destination_tables (schema_name, table_name, job_id, stream, key, columns)
VALUES (:schema_name, :table_name, :job_id, :stream, :key, :columns)
ON CONFLICT (job_id, stream) DO UPDATE SET
    schema_name = EXCLUDED.schema_name,
    table_name = EXCLUDED.table_name,
    key = EXCLUDED.key,
    columns = EXCLUDED.columns;

-- name: upsert_rejects(job_id, run_id, seq, streams, hashes, payloads, reasons, counts)!
-- Rejects of one batch, a row per record and stream: one that comes again is counted, not doubled. Ordered, so that
-- two batches with the same rejects do not deadlock.
INSERT INTO rejected_records (job_id, run_id, seq, stream, hash, payload, reason, count)
SELECT :job_id, :run_id, :seq, r.stream, r.hash, r.payload, r.reason, r.count
FROM unnest(
    :streams::text [], :hashes::bytea [], :payloads::bytea [], :reasons::text [], :counts::integer []
) AS r (stream, hash, payload, reason, count)
ORDER BY r.stream, r.hash
ON CONFLICT (job_id, stream, hash) DO UPDATE SET
    run_id = EXCLUDED.run_id,
    seq = EXCLUDED.seq,
    reason = EXCLUDED.reason,
    count = rejected_records.count + EXCLUDED.count,
    last_seen_at = now();
