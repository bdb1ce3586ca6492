-- What the loader asks and writes whose text is fixed; DDL and merges are composed in workers/loader/*statements.py.

-- name: loading_state(job_id)^
-- All that a load must know of its tables, in one snapshot: the job as messages name it, how its integration takes new
-- fields, the other database that they are in, if any, whether it goes on from earlier loads, and its registered tables,
-- each with its shape as the catalog has it now (null: gone, or elsewhere):
-- [{schema, table, stream, key, columns, shape: {columns: {name: type}, primary_key}}]. As text, so that the same answer
-- is known again without reading it.
SELECT * FROM loading_state(:job_id);

-- name: owners_of_tables(schema_names, table_names)
-- The jobs that these destination tables belong to, where they are registered.
SELECT d.schema_name, d.table_name, j.job_name, t.name AS tenant
FROM unnest(:schema_names::text [], :table_names::text []) AS w (schema_name, table_name)
INNER JOIN destination_tables AS d ON w.schema_name = d.schema_name AND w.table_name = d.table_name
INNER JOIN etl_jobs AS j ON d.job_id = j.id
INNER JOIN tenants AS t ON j.tenant_id = t.id;

-- name: table_shapes(schema_names, table_names)
-- Places for tables: whether the schema is there, and what is there of that name, as in `loading_state`.
SELECT
    w.schema_name,
    w.table_name,
    EXISTS (SELECT FROM pg_namespace AS n WHERE n.nspname = w.schema_name) AS has_schema,
    (
        SELECT
            json_build_object(
                'columns', (
                    SELECT coalesce(json_object_agg(a.attname, format_type(a.atttypid, a.atttypmod)), '{}')
                    FROM pg_attribute AS a
                    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                ),
                'primary_key', ARRAY(
                    SELECT a.attname::text
                    FROM pg_index AS i
                    CROSS JOIN unnest(i.indkey::smallint []) WITH ORDINALITY AS k (attnum, place)
                    INNER JOIN pg_attribute AS a ON i.indrelid = a.attrelid AND k.attnum = a.attnum
                    WHERE i.indrelid = c.oid AND i.indisprimary
                    ORDER BY k.place
                )
            )
        FROM pg_class AS c
        -- Looked up first, not joined: see `loading_state` in 0018.
        WHERE c.relname = w.table_name
            AND c.relnamespace = (SELECT n.oid FROM pg_namespace AS n WHERE n.nspname = w.schema_name)
    )::text AS shape
FROM unnest(:schema_names::text [], :table_names::text []) AS w (schema_name, table_name);

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

-- name: check_constraints_at_once()!
-- Until the end of this transaction constraints are checked by each statement, also those that could wait for COMMIT.
SET CONSTRAINTS ALL IMMEDIATE;

-- name: finish_load(job_id, run_id, seq, fragments, counts)$
-- What follows the merge in its transaction: partitions move to where the batch leaves them, [{stream, partition,
-- bookmark, resume, version}] (one without a stream moves none); the batch is LOADED, its payload goes. Returns its counts;
-- rejects of extract, of transform and of load add up. The caller holds the batch. (`load_at_once` in merge_statements.py takes it as it is.)
WITH moved AS (
    INSERT INTO job_checkpoints (job_id, stream, partition, bookmark, resume, schema_version)
    SELECT
        :job_id, f.stream, f.partition, nullif(f.bookmark, 'null'), nullif(f.resume, 'null'), coalesce(f.version, 1)
    FROM jsonb_to_recordset(:fragments::jsonb)
        AS f (stream text, partition text, bookmark jsonb, resume jsonb, version integer)
    WHERE f.stream IS NOT NULL
    ORDER BY f.stream, f.partition
    ON CONFLICT (job_id, stream, partition) DO UPDATE
    SET bookmark = excluded.bookmark, resume = excluded.resume, schema_version = excluded.schema_version,
        updated_at = now()
),

dropped AS (
    DELETE FROM batch_payloads WHERE run_id = :run_id AND seq = :seq
)

UPDATE run_batches
SET state = 'LOADED', stage = 'load', loaded_at = now(), error = NULL,
    counts = counts || :counts::jsonb || jsonb_build_object(
        'rows_rejected',
        coalesce((counts ->> 'rows_rejected')::bigint, 0) + coalesce((:counts ->> 'rows_rejected')::bigint, 0)
    )
WHERE run_id = :run_id AND seq = :seq
RETURNING counts;

-- name: hold_walks(job_id, stream)!
-- Until the end of the transaction no walk of this stream is completed by others. Before rows are locked, never after.
SELECT pg_advisory_xact_lock_shared(hashtextextended('etl-tui walks ' || :job_id::integer || ' ' || :stream, 0));

-- name: hold_walks_alone(job_id, stream)!
-- Until the end of the transaction nobody else takes a step in a walk of this stream.
SELECT pg_advisory_xact_lock(hashtextextended('etl-tui walks ' || :job_id::integer || ' ' || :stream, 0));

-- name: read_walks(job_id, stream, run_id)
-- The partitions of a stream with their walks. is_in_walk: the checkpoint is in mid-walk; goes_on: just where the walk
-- left it. is_complete: in this run, or before if the run does only what an earlier one left undone: any other run walks
-- each partition again, and what is gone by an old walk of one and a new one of another may have come meanwhile.
SELECT
    partition,
    c.resume IS NOT NULL AS is_in_walk,
    (w.job_id IS NOT NULL AND w.completed_at IS NULL AND (c.resume IS NOT DISTINCT FROM w.resume)) AS goes_on,
    (w.completed_at IS NOT NULL AND (r.is_partial OR w.completed_at >= r.started_at)) AS is_complete,
    coalesce(w.is_whole, false) AS is_whole,
    c.job_id IS NOT NULL AS has_checkpoint
FROM (SELECT * FROM job_checkpoints WHERE job_id = :job_id AND stream = :stream) AS c
FULL JOIN (SELECT * FROM stream_walks WHERE job_id = :job_id AND stream = :stream) AS w USING (partition)
CROSS JOIN (SELECT is_partial, started_at FROM job_runs WHERE id = :run_id) AS r;

-- name: begin_walk(job_id, stream, partition)!
-- What an earlier walk of this partition saw counts no more.
WITH forgotten AS (
    DELETE FROM walk_keys WHERE job_id = :job_id AND stream = :stream AND partition = :partition
)

INSERT INTO stream_walks (job_id, stream, partition, is_whole) VALUES (:job_id, :stream, :partition, true)
ON CONFLICT (job_id, stream, partition) DO UPDATE
SET began_at = now(), completed_at = NULL, resume = NULL, is_whole = true;

-- name: move_walk(job_id, stream, partition, resume, is_whole)!
-- A walk is where a page leaves it; without `resume` it is complete. What is not whole never becomes so again.
INSERT INTO stream_walks (job_id, stream, partition, resume, is_whole, completed_at)
VALUES (
    :job_id, :stream, :partition, nullif(:resume::jsonb, 'null'), false,
    CASE WHEN nullif(:resume::jsonb, 'null') IS NULL THEN now() END
)
ON CONFLICT (job_id, stream, partition) DO UPDATE
SET resume = excluded.resume, completed_at = excluded.completed_at, is_whole = stream_walks.is_whole AND :is_whole;

-- name: add_walk_keys(job_id, stream, partition, hashes)!
-- The keys of a page; null when some are not known.
INSERT INTO walk_keys (job_id, stream, partition, hashes) VALUES (:job_id, :stream, :partition, :hashes);

-- name: walk_hashes(job_id, stream)$
-- All keys that the walks of a stream have seen, for another database; null when some are not known.
SELECT
    CASE
        WHEN count(*) FILTER (WHERE k.hashes IS NULL) = 0
            THEN coalesce(array_agg(h.hash) FILTER (WHERE h.hash IS NOT NULL), '{}')
    END
FROM walk_keys AS k LEFT JOIN LATERAL unnest(k.hashes) AS h (hash) ON true
WHERE k.job_id = :job_id AND k.stream = :stream;

-- name: end_walk(job_id, stream, partition)!
-- A walk that was judged alone has told what it could.
WITH forgotten AS (
    DELETE FROM walk_keys WHERE job_id = :job_id AND stream = :stream AND partition = :partition
)

DELETE FROM stream_walks WHERE job_id = :job_id AND stream = :stream AND partition = :partition;

-- name: end_walks(job_id, stream)!
-- The walks of a stream have told what they could.
WITH forgotten AS (
    DELETE FROM walk_keys WHERE job_id = :job_id AND stream = :stream
)

DELETE FROM stream_walks WHERE job_id = :job_id AND stream = :stream;

-- name: rejected_before_load(run_id, seq)$
-- How many records of a batch were rejected by extract, or by a transform of another worker.
SELECT coalesce((counts ->> 'rows_rejected')::bigint, 0) FROM run_batches WHERE run_id = :run_id AND seq = :seq;

-- name: origin_of_run(run_id)^
-- A run and its job as another database knows them.
SELECT r.uid AS run_uid, i.id::text || '/' || r.job_id AS job
FROM job_runs AS r CROSS JOIN installation AS i
WHERE r.id = :run_id;

-- name: sessions_of_lost_workers()
-- The names of the sessions that workers had in other databases and that were lost within a day.
SELECT 'etl-worker/' || w.id || '@' || left(i.id::text, 8) AS session
FROM workers AS w CROSS JOIN installation AS i
WHERE w.lost_at > now() - interval '1 day';

-- name: session_mark()$
-- What sessions in other databases are marked with.
SELECT '@' || left(i.id::text, 8) FROM installation AS i;

-- name: end_sessions(names)$
-- Ends sessions in this database by their names; how many.
SELECT count(*) FILTER (WHERE pg_terminate_backend(a.pid))
FROM pg_stat_activity AS a
WHERE a.application_name = ANY(:names::text []) AND a.datname = current_database();
