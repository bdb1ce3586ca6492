-- Vectorizing: settings, passes and ranges. What touches the vectors themselves is composed in
-- workers/vectorize/statements.py, for their tables cannot be known.

-- name: pgvector()^
-- The extension on this server: the version that could be had, and version and schema of the one in this database.
SELECT
    a.default_version AS available,
    e.extversion AS installed,
    n.nspname AS place,
    EXISTS (SELECT FROM pg_am WHERE amname = 'hnsw') AS has_hnsw
FROM (SELECT 1) AS one
LEFT JOIN pg_available_extensions AS a ON a.name = 'vector'
LEFT JOIN pg_extension AS e ON e.extname = 'vector'
LEFT JOIN pg_namespace AS n ON e.extnamespace = n.oid;

-- name: lock_extension()!
-- One at a time makes the extension; held until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('etl-tui pgvector', 0));

-- name: create_extension()!
-- pgvector in this database; needs a role that may.
CREATE EXTENSION IF NOT EXISTS vector;

-- name: integration_for_vectors(tenant, integration_name)^
-- An integration by its name, locked: one at a time changes what of it is vectorized.
SELECT i.id, i.tenant_id
FROM integrations AS i INNER JOIN tenants AS t ON i.tenant_id = t.id
WHERE t.name = :tenant AND i.name = :integration_name
FOR NO KEY UPDATE OF i;

-- name: stream_tables(integration_id, stream)
-- The destination tables of a stream of an integration: its declared columns.
SELECT d.schema_name, d.table_name, d.columns
FROM destination_tables AS d INNER JOIN etl_jobs AS j ON d.job_id = j.id
WHERE j.integration_id = :integration_id AND d.stream = :stream
ORDER BY d.schema_name, d.table_name;

-- name: vector_settings_of(integration_id, stream)^
-- What is set for a stream.
SELECT
    columns AS text_columns, provider, model, dimension, url, api_key, batch_size, max_chars
FROM vector_settings
WHERE integration_id = :integration_id AND stream = :stream;

-- name: put_vector_settings(integration_id, stream, text_columns, provider, model, dimension, url, api_key, batch_size, max_chars)!
-- Sets or replaces what is vectorized of a stream; an earlier failure is forgotten, and the next pass begins anew.
INSERT INTO vector_settings AS s (
    integration_id, stream, columns, provider, model, dimension, url, api_key, batch_size, max_chars
)
VALUES (
    :integration_id, :stream, :text_columns, :provider, :model, :dimension, :url, :api_key, :batch_size, :max_chars
)
ON CONFLICT (integration_id, stream) DO UPDATE SET
    columns = EXCLUDED.columns,
    provider = EXCLUDED.provider,
    model = EXCLUDED.model,
    dimension = EXCLUDED.dimension,
    url = EXCLUDED.url,
    api_key = EXCLUDED.api_key,
    batch_size = EXCLUDED.batch_size,
    max_chars = EXCLUDED.max_chars,
    version = s.version + 1,
    ready_at = now(),
    failures = 0,
    error = NULL;

-- name: drop_vector_settings(integration_id, stream)$
-- The stream is no longer vectorized; its vectors stay. Null when it was not.
DELETE FROM vector_settings WHERE integration_id = :integration_id AND stream = :stream RETURNING id;

-- name: list_vectorized(tenant, integration_name)
-- What is vectorized (of one tenant, one integration, or of all when null): a row per stream and table; a stream that
-- was never loaded has no table yet.
SELECT
    t.name AS tenant, i.name AS integration, s.stream, s.columns AS text_columns, s.provider, s.model, s.dimension,
    s.url, s.api_key, s.batch_size, s.max_chars, s.failures, s.error,
    CASE WHEN s.ready_at > now() THEN s.ready_at END AS ready_at,
    w.job_id, w.job_name, w.schema_name, w.table_name, w.vectors_name,
    w.settings_id IS NOT NULL AND (vectors_wanted(w) OR w.pass_ended_at IS NULL) AS under_way,
    c.rows_live, c.rows_embedded, c.rows_refused
FROM vector_settings AS s
INNER JOIN integrations AS i ON s.integration_id = i.id
INNER JOIN tenants AS t ON i.tenant_id = t.id
LEFT JOIN vectorized_tables AS w ON s.id = w.settings_id
LEFT JOIN LATERAL vector_coverage(w.schema_name, w.table_name) AS c ON true
WHERE (:tenant::text IS NULL OR t.name = :tenant) AND (:integration_name::text IS NULL OR i.name = :integration_name)
ORDER BY t.name, i.name, s.stream, w.schema_name, w.table_name;

-- name: searchable_tables(stream, job_id, tenant)
-- The vectorized tables of a stream (of one job, of one tenant, or of all when null).
SELECT
    schema_name, table_name, table_columns, vectors_name, tenant, job_id, job_name, columns AS text_columns,
    provider, model, dimension, url, api_key
FROM vectorized_tables
WHERE
    stream = :stream
    AND (:job_id::integer IS NULL OR job_id = :job_id)
    AND (:tenant::text IS NULL OR tenant = :tenant)
ORDER BY tenant, job_name;

-- name: vector_coverage_of(schema_name, table_name)^
-- Rows of a vectorized table, how many have a vector of the model that is set, and how many its provider refused.
SELECT c.rows_live, c.rows_embedded, c.rows_refused
FROM vector_coverage(:schema_name, :table_name) AS c;

-- name: search_vectors(schema_name, table_name, wanted, at_most)
-- The nearest rows, best first.
SELECT h.score, h.key, h.record
FROM vector_search(:schema_name, :table_name, :wanted, :at_most) AS h
ORDER BY h.score DESC;

-- name: next_vectorized()^
-- The table that was looked after the longest time ago, of those that may hold something to do.
SELECT w.*
FROM vectorized_tables AS w
WHERE w.ready_at <= now() AND vectors_wanted(w)
ORDER BY w.taken_at NULLS FIRST, w.schema_name, w.table_name
LIMIT 1;

-- name: register_vectors(schema_name, table_name, vectors_name, key, anew)!
-- The table of vectors of a destination table, known from now on. Only one that was made anew ends the pass under way:
-- of workers that begin at the same moment the slower ones must not take the range of the first.
INSERT INTO vector_tables AS v (schema_name, table_name, vectors_name, key)
VALUES (:schema_name, :table_name, :vectors_name, :key)
ON CONFLICT (schema_name, table_name) DO UPDATE SET
    vectors_name = EXCLUDED.vectors_name,
    key = EXCLUDED.key,
    pass_version = CASE WHEN NOT :anew::boolean THEN v.pass_version END;

-- name: vectors_comment(schema_name, vectors_name)^
-- What the relation of that name says it is; null when there is none, or when it says nothing.
SELECT obj_description(c.oid, 'pg_class') AS told
FROM pg_class AS c INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname = :schema_name AND c.relname = :vectors_name;

-- name: relation_shape(schema_name, relation_name)^
-- A relation as the catalog has it: whether it is a table, its columns {name: type}, its primary key in order.
SELECT
    c.relkind IN ('r', 'p') AS is_table,
    coalesce(
        (
            SELECT jsonb_object_agg(a.attname, format_type(a.atttypid, a.atttypmod))
            FROM pg_attribute AS a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        ),
        '{}'
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
WHERE n.nspname = :schema_name AND c.relname = :relation_name;

-- name: lock_vectors(schema_name, table_name)$
-- One worker at a time takes a range of a table; null when it is no longer known. Each waits for the one before it
-- a few milliseconds.
SELECT true FROM vector_tables
WHERE schema_name = :schema_name AND table_name = :table_name
FOR NO KEY UPDATE;

-- name: vectorized(schema_name, table_name)^
-- The table as it stands, and whether it may hold something to do. Asked after its lock, it holds until the end.
SELECT w.*, w.ready_at <= now() AND vectors_wanted(w) AS wanted
FROM vectorized_tables AS w
WHERE w.schema_name = :schema_name AND w.table_name = :table_name;

-- name: retake_range(schema_name, table_name, seconds)^
-- A range whose worker said nothing in time, under the next lease; null when there is none.
UPDATE vector_ranges AS r
SET lease = r.lease + 1, leased_until = now() + make_interval(secs => :seconds::double precision)
FROM (
    SELECT number FROM vector_ranges
    WHERE schema_name = :schema_name AND table_name = :table_name AND leased_until <= now()
    ORDER BY number
    LIMIT 1
    FOR NO KEY UPDATE
) AS late
WHERE r.schema_name = :schema_name AND r.table_name = :table_name AND r.number = late.number
RETURNING r.number, r.begins, r.ends, r.lease;

-- name: begin_pass(schema_name, table_name, version, changes)!
-- A walk through the whole table begins; ranges of an earlier one are nobody's any more. The number of changes is
-- the one that was read before, so that what comes in from now on differs from it.
WITH dropped AS (
    DELETE FROM vector_ranges WHERE schema_name = :schema_name AND table_name = :table_name
)
UPDATE vector_tables
SET
    pass_version = :version, pass_began_at = now(), pass_ended_at = NULL, changes_seen = :changes,
    scanned_to = NULL, scan_done = false
WHERE schema_name = :schema_name AND table_name = :table_name;

-- name: take_range(schema_name, table_name, begins, ends, seconds)^
-- The next range of the pass, leased for so long; `ends` null: the last one.
WITH moved AS (
    UPDATE vector_tables
    SET
        ranges_made = ranges_made + 1, taken_at = now(),
        scanned_to = :ends::jsonb, scan_done = :ends::jsonb IS NULL
    WHERE schema_name = :schema_name AND table_name = :table_name
    RETURNING ranges_made
)
INSERT INTO vector_ranges (schema_name, table_name, number, begins, ends, leased_until)
SELECT :schema_name, :table_name, ranges_made, :begins, :ends, now() + make_interval(secs => :seconds::double precision)
FROM moved
RETURNING number, begins, ends, lease;

-- name: keep_range(schema_name, table_name, number, lease, seconds)$
-- The range is still ours, and for so long again; null when it is not. Within a transaction it stays so to its end.
UPDATE vector_ranges
SET leased_until = now() + make_interval(secs => :seconds::double precision)
WHERE schema_name = :schema_name AND table_name = :table_name AND number = :number AND lease = :lease
RETURNING true;

-- name: give_back_range(schema_name, table_name, number, lease)!
-- The range may be taken by anyone at once; what was embedded of it is kept.
UPDATE vector_ranges SET leased_until = now()
WHERE schema_name = :schema_name AND table_name = :table_name AND number = :number AND lease = :lease;

-- name: finish_range(schema_name, table_name, number, lease)$
-- The range is done; null when it was not ours any more. The last one ends the pass. Call it under the table's lock.
WITH done AS (
    DELETE FROM vector_ranges
    WHERE schema_name = :schema_name AND table_name = :table_name AND number = :number AND lease = :lease
    RETURNING number
)
UPDATE vector_tables AS v
SET
    pass_ended_at = CASE
        WHEN v.scan_done AND NOT EXISTS (
            SELECT FROM vector_ranges AS r
            WHERE r.schema_name = v.schema_name AND r.table_name = v.table_name AND r.number <> :number
        ) THEN now()
    END
FROM done
WHERE v.schema_name = :schema_name AND v.table_name = :table_name
RETURNING v.pass_ended_at IS NOT NULL;

-- name: record_dimension(settings_id, version, dimension)$
-- How many numbers a vector of the model has, as its provider answered first; null when it was told meanwhile or the
-- settings were changed.
UPDATE vector_settings SET dimension = :dimension
WHERE id = :settings_id AND version = :version AND dimension IS NULL
RETURNING dimension;

-- name: park_vectors(settings_id, version, error, at_least, until)!
-- The provider failed: nobody asks it again before so many seconds have passed, twice as many for each failure in a
-- row, at most 5 minutes; or before the moment that it named.
UPDATE vector_settings
SET
    failures = failures + 1,
    error = :error,
    ready_at = greatest(
        ready_at,
        coalesce(:until::timestamptz, '-infinity'),
        now() + make_interval(
            secs => greatest(:at_least::double precision, least(300.0, power(2.0, least(failures, 10))))
        )
    )
WHERE id = :settings_id AND version = :version;

-- name: vectors_work_again(settings_id, version)!
-- The provider answered: its failures are forgotten.
UPDATE vector_settings SET failures = 0, error = NULL
WHERE id = :settings_id AND version = :version AND (failures > 0 OR error IS NOT NULL);

-- name: vector_indexes(schema_name, vectors_name)
-- The hnsw indexes of a table of vectors, and whether each was finished.
SELECT x.relname AS name, i.indisvalid AS valid
FROM pg_index AS i
INNER JOIN pg_class AS x ON i.indexrelid = x.oid
INNER JOIN pg_am AS m ON x.relam = m.oid
INNER JOIN pg_class AS c ON i.indrelid = c.oid
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE m.amname = 'hnsw' AND n.nspname = :schema_name AND c.relname = :vectors_name;

-- name: try_lock_index(schema_name, vectors_name)$
-- One session at a time builds an index of this table, which is no transaction; false: another one does.
SELECT pg_try_advisory_lock(hashtextextended('etl-tui vectors ' || :schema_name || '.' || :vectors_name, 0));

-- name: unlock_index(schema_name, vectors_name)!
-- Ends `try_lock_index`.
SELECT pg_advisory_unlock(hashtextextended('etl-tui vectors ' || :schema_name || '.' || :vectors_name, 0));

-- name: vector_settings_by_id(settings_id)^
-- Settings as a worker needs them.
SELECT id AS settings_id, version, provider, model, dimension, label, url, api_key, batch_size
FROM vector_settings
WHERE id = :settings_id;
