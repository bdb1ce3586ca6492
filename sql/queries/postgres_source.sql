-- The catalog of a PostgreSQL that the connector `postgres` reads from: not of ours. Works from PostgreSQL 13 on.

-- name: source_server()^
-- Who we are there and what it is; nothing here needs a privilege.
SELECT
    current_setting('server_version') AS version,
    current_setting('server_encoding') AS encoding,
    current_database()::text AS database,
    current_user::text AS role,
    pg_is_in_recovery() AS is_standby,
    current_setting('hot_standby_feedback') AS feedback,
    current_setting('max_standby_streaming_delay') AS delay,
    coalesce((SELECT s.ssl FROM pg_stat_ssl AS s WHERE s.pid = pg_backend_pid()), FALSE) AS is_encrypted;

-- name: source_identity()$
-- System and timeline: whose transactions are counted. Another one after a restore elsewhere, or a promotion.
SELECT
    s.system_identifier::text || '/' || CASE
        WHEN pg_is_in_recovery() THEN c.timeline_id::text
        -- The control file tells it late, at the first checkpoint of a promoted server.
        ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer::text
    END
FROM pg_control_system() AS s
CROSS JOIN pg_control_checkpoint() AS c;

-- name: source_relations()
-- All that can be read as a table; a partition is read through the table that it belongs to.
SELECT
    c.oid AS relation,
    n.nspname::text AS schema_name,
    c.relname::text AS name,
    c.relkind::text AS kind,
    c.relispartition AS is_partition,
    greatest(c.reltuples, 0)::bigint AS about,
    has_schema_privilege(n.oid, 'USAGE') AS may_use_schema,
    row_security_active(c.oid) AS is_filtered
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY n.nspname, c.relname;

-- name: source_columns(relations)
-- The columns of these tables in their order, whether each may be null, and be read.
SELECT
    a.attrelid AS relation,
    a.attname::text AS name,
    a.atttypid AS type_oid,
    NOT a.attnotnull AS is_nullable,
    has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS may_select
FROM pg_attribute AS a
WHERE a.attrelid = ANY(:relations::oid []) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum;

-- name: source_types(types)
-- These types, domains taken off.
WITH RECURSIVE peeled AS (
    SELECT
        t.oid AS type_oid,
        t.oid AS base_oid,
        t.typtype,
        t.typbasetype
    FROM pg_type AS t
    WHERE t.oid = ANY(:types::oid [])
    UNION ALL
    SELECT
        p.type_oid,
        t.oid,
        t.typtype,
        t.typbasetype
    FROM peeled AS p
    INNER JOIN pg_type AS t ON t.oid = p.typbasetype
    WHERE p.typtype = 'd'
)
SELECT
    p.type_oid,
    b.typname::text AS base,
    b.typcategory::text AS category,
    b.typtype::text AS kind,
    format_type(b.oid, -1) AS cast_to
FROM peeled AS p
INNER JOIN pg_type AS b ON b.oid = p.base_oid
WHERE p.typtype <> 'd';

-- name: source_indexes(relations)
-- Indexes of these tables that cover all rows: their columns in order, without those that are expressions.
SELECT
    i.indrelid AS relation,
    i.indisprimary AS is_primary,
    i.indisunique AS is_unique,
    array(
        SELECT a.attname::text
        FROM unnest(i.indkey::smallint []) WITH ORDINALITY AS k (number, place)
        LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.number
        WHERE k.place <= i.indnkeyatts
        ORDER BY k.place
    ) AS columns
FROM pg_index AS i
WHERE i.indrelid = ANY(:relations::oid []) AND i.indisvalid AND i.indpred IS NULL;

-- name: source_is_waited_for()$
-- Whether somebody who wants a table for himself waits for one that this session has read.
SELECT EXISTS (
    SELECT
    FROM pg_locks AS mine
    INNER JOIN pg_locks AS other ON other.database = mine.database AND other.relation = mine.relation
    WHERE mine.pid = pg_backend_pid() AND mine.granted AND NOT other.granted AND other.mode = 'AccessExclusiveLock'
);
