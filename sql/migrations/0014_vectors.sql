-- programs: >=0.1
-- Vectorizing: which text columns of which streams are embedded, and how far that is. Vectors themselves live beside
-- the data, in <schema>.<table>_vectors, made by the first worker that vectorizes; nothing here needs pgvector.

CREATE TABLE vector_settings (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    integration_id integer NOT NULL REFERENCES integrations (id) ON DELETE CASCADE,
    stream text NOT NULL,
    columns text [] NOT NULL CHECK (cardinality(columns) > 0),
    provider text NOT NULL CHECK (provider IN ('local', 'http')),
    model text NOT NULL,
    dimension integer CHECK (dimension BETWEEN 1 AND 16000),
    label text GENERATED ALWAYS AS (provider || ':' || model || '/' || dimension::text) STORED,
    url text,
    api_key text,
    batch_size integer NOT NULL CHECK (batch_size BETWEEN 1 AND 2048),
    max_chars integer NOT NULL CHECK (max_chars BETWEEN 1 AND 1000000),
    version integer NOT NULL DEFAULT 1,
    ready_at timestamptz NOT NULL DEFAULT now(),
    failures integer NOT NULL DEFAULT 0,
    error text,
    UNIQUE (integration_id, stream),
    CHECK ((provider = 'http') = (url IS NOT NULL))
);
COMMENT ON COLUMN vector_settings.dimension IS 'Numbers in a vector of this model; null until its provider was asked for the first time.';
COMMENT ON COLUMN vector_settings.label IS 'What each vector is marked with: vectors of another label are made anew.';
COMMENT ON COLUMN vector_settings.api_key IS 'A reference to the secret: env:NAME or file:/path.';
COMMENT ON COLUMN vector_settings.version IS 'Raised by every change of a person: a pass that began under another one begins anew.';
COMMENT ON COLUMN vector_settings.ready_at IS 'After a failure of the provider: when it is tried again.';

CREATE TABLE vector_tables (
    schema_name text NOT NULL,
    table_name text NOT NULL,
    vectors_name text NOT NULL,
    key text [] NOT NULL,
    pass_version integer,
    pass_began_at timestamptz,
    pass_ended_at timestamptz,
    changes_seen bigint,
    scanned_to jsonb,
    scan_done boolean NOT NULL DEFAULT true,
    ranges_made bigint NOT NULL DEFAULT 0,
    taken_at timestamptz,
    PRIMARY KEY (schema_name, table_name),
    UNIQUE (schema_name, vectors_name),
    FOREIGN KEY (schema_name, table_name) REFERENCES destination_tables (schema_name, table_name) ON DELETE CASCADE
);
COMMENT ON TABLE vector_tables IS
    'A destination table with a table of vectors beside it. A pass walks through it by its key, a range at a time.';
COMMENT ON COLUMN vector_tables.changes_seen IS
    'Rows that PostgreSQL had counted as written (pg_stat) when the pass began: another number means a new pass.';
COMMENT ON COLUMN vector_tables.scanned_to IS 'Where the next range begins: the key before it, as text; null: at the first row.';

CREATE TABLE vector_ranges (
    schema_name text NOT NULL,
    table_name text NOT NULL,
    number bigint NOT NULL,
    begins jsonb,
    ends jsonb,
    lease bigint NOT NULL DEFAULT 1,
    leased_until timestamptz NOT NULL,
    PRIMARY KEY (schema_name, table_name, number),
    FOREIGN KEY (schema_name, table_name) REFERENCES vector_tables (schema_name, table_name) ON DELETE CASCADE
);
COMMENT ON TABLE vector_ranges IS 'Keys after `begins` up to `ends` (null: no bound) in the hands of a worker; gone when done.';
COMMENT ON COLUMN vector_ranges.lease IS 'The fencing number: raised when another worker takes the range, after leased_until.';

-- Every destination table whose stream is to be vectorized, with all that is known about its vectors.
CREATE VIEW vectorized_tables AS
SELECT
    d.schema_name, d.table_name, d.stream, d.key AS stream_key, d.columns AS table_columns,
    j.id AS job_id, j.job_name, j.tenant_id, t.name AS tenant, i.id AS integration_id, i.name AS integration,
    s.id AS settings_id, s.columns, s.provider, s.model, s.dimension, s.label, s.url, s.api_key,
    s.batch_size, s.max_chars, s.version, s.ready_at, s.failures, s.error,
    v.vectors_name, v.key, v.pass_version, v.pass_began_at, v.pass_ended_at, v.changes_seen, v.scanned_to, v.scan_done,
    v.ranges_made, v.taken_at,
    pg_stat_get_tuples_inserted(c.oid) + pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid) AS changes
FROM destination_tables AS d
INNER JOIN etl_jobs AS j ON d.job_id = j.id
INNER JOIN tenants AS t ON j.tenant_id = t.id
INNER JOIN integrations AS i ON j.integration_id = i.id
INNER JOIN vector_settings AS s ON i.id = s.integration_id AND d.stream = s.stream
INNER JOIN pg_namespace AS n ON d.schema_name = n.nspname
INNER JOIN pg_class AS c ON n.oid = c.relnamespace AND d.table_name = c.relname
LEFT JOIN vector_tables AS v ON d.schema_name = v.schema_name AND d.table_name = v.table_name;

-- Whether a table may hold rows that are to be embedded, or ranges that nobody works on. Asked of the row of the view,
-- so that picking a table and taking a range of it, under its lock, go by the same rule.
CREATE FUNCTION vectors_wanted(w vectorized_tables) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT
        w.vectors_name IS NULL
        OR w.pass_version IS DISTINCT FROM w.version
        OR NOT w.scan_done
        OR EXISTS (
            SELECT FROM vector_ranges AS r
            WHERE r.schema_name = w.schema_name AND r.table_name = w.table_name AND r.leased_until <= now()
        )
        OR (
            w.pass_ended_at IS NOT NULL AND (
                w.changes IS DISTINCT FROM w.changes_seen
                -- Counts of rows written arrive up to 10 s late; a run says at once that it wrote some.
                OR EXISTS (
                    SELECT FROM job_runs AS r
                    WHERE
                        r.job_id = w.job_id AND r.finished_at >= w.pass_began_at
                        AND (r.counters ->> 'rows_new')::bigint + (r.counters ->> 'rows_changed')::bigint
                        + coalesce((r.counters ->> 'rows_deleted')::bigint, 0) > 0
                )
                -- The counts begin anew after a crash of the server, and might then happen to be the same.
                OR w.pass_ended_at < now() - interval '1 day'
            )
        )
$$;

-- The rows of a vectorized table, and what became of them under the model that is set; nulls when it is none.
CREATE FUNCTION vector_coverage(
    of_schema text, of_table text, OUT rows_live bigint, OUT rows_embedded bigint, OUT rows_refused bigint
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    w vectorized_tables;
BEGIN
    SELECT * INTO w FROM vectorized_tables AS v WHERE v.schema_name = of_schema AND v.table_name = of_table;
    IF NOT found THEN
        RETURN;
    END IF;
    EXECUTE format('SELECT count(*) FROM %I.%I WHERE _deleted_at IS NULL', of_schema, of_table) INTO rows_live;
    IF w.vectors_name IS NULL OR to_regclass(format('%I.%I', of_schema, w.vectors_name)) IS NULL THEN
        rows_embedded := 0;
        rows_refused := 0;
        RETURN;
    END IF;
    EXECUTE format(
        'SELECT count(_embedding), count(*) FILTER (WHERE _embedding IS NULL) FROM %I.%I WHERE _model = %L',
        of_schema, w.vectors_name, w.label
    ) INTO rows_embedded, rows_refused;
END
$$;

-- The rows of a vectorized table nearest to `wanted`, best first; score 1 is the same direction. Only vectors of the
-- model that is set are looked at. Without an index that fits all of them are compared, which is exact.
CREATE FUNCTION vector_search(of_schema text, of_table text, wanted real [], at_most integer)
RETURNS TABLE (score double precision, key jsonb, record jsonb) LANGUAGE plpgsql AS $$
DECLARE
    w vectorized_tables;
    place text;
    same_key text;
    key_columns text;
    key_object text;
BEGIN
    SELECT * INTO STRICT w FROM vectorized_tables AS v WHERE v.schema_name = of_schema AND v.table_name = of_table;
    SELECT n.nspname INTO STRICT place
    FROM pg_extension AS e INNER JOIN pg_namespace AS n ON e.extnamespace = n.oid
    WHERE e.extname = 'vector';
    SELECT
        string_agg(format('t.%1$I = v.%1$I', name), ' AND '),
        string_agg(format('%I', name), ', '),
        string_agg(format('%L, t.%I', name, name), ', ')
    INTO same_key, key_columns, key_object
    FROM unnest(w.key) AS name;
    -- pgvector's index never returns more than this.
    PERFORM set_config('hnsw.ef_search', least(greatest(at_most, 40), 1000)::text, true);
    -- The label as a literal and the cast to a dimension: only so does the index of this model fit.
    RETURN QUERY EXECUTE format(
        'SELECT 1 - v.distance, jsonb_build_object(%1$s), to_jsonb(t) FROM ('
        '  SELECT %2$s, (_embedding::%3$I.vector(%4$s) OPERATOR(%3$I.<=>) $1::%3$I.vector(%4$s)) AS distance'
        '  FROM %5$I.%6$I WHERE _model = %7$L AND _embedding IS NOT NULL'
        '  ORDER BY _embedding::%3$I.vector(%4$s) OPERATOR(%3$I.<=>) $1::%3$I.vector(%4$s) LIMIT $2'
        ') AS v INNER JOIN %5$I.%8$I AS t ON %9$s WHERE t._deleted_at IS NULL ORDER BY v.distance',
        key_object, key_columns, place, w.dimension, of_schema, w.vectors_name, w.label, of_table, same_key
    ) USING wanted, at_most;
END
$$;
