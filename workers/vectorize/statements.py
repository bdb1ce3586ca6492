"""The SQL of tables of vectors, which cannot be written beforehand: their names and keys are a person's.

Every identifier goes through `quote`; values are parameters. A key travels as text, an array with a value per
column of the key. What has bounds is composed for them, and both tables are bounded: only so does every plan
use the index of the key, instead of reading all of the other table for each range (m).
"""

# ruff: noqa: S608 - composing SQL is this file's purpose; every identifier is quoted, no value is in the text

from __future__ import annotations

from collections.abc import Sequence

from workers.loader.naming import MAX_BYTES, with_hash
from workers.loader.statements import quote
from workers.vectorize.table import Bounds, Column, VectorTable

MAX_INDEXED = 2_000
"""Dimensions that pgvector can index with hnsw."""


def vectors_name(table: str) -> str:
    """`<table>_vectors`, within what PostgreSQL allows."""
    name = f"{table}_vectors"
    return name if len(name.encode()) <= MAX_BYTES else with_hash(name, name)


def index_name(vectors: str, label: str) -> str:
    return with_hash(f"{vectors[: MAX_BYTES - 14]}_hnsw", f"{vectors} {label}")


# DDL
# ---------------------------------------------------------------------------------------------------------


def create_vectors(t: VectorTable) -> str:
    """Without a dimension in the type: while a model is replaced, vectors of two are in the table."""
    key = ", ".join(f"{quote(column.name)} {column.type} NOT NULL" for column in t.key)
    return (
        f"CREATE TABLE {_vectors(t)} ({key}, _text_hash bytea NOT NULL, _model text NOT NULL, "
        f"_embedding {quote(t.place)}.vector, _error text, _embedded_at timestamptz NOT NULL DEFAULT now(), "
        f"PRIMARY KEY ({_names(t.key)}))"
    )


def comment_on(t: VectorTable) -> str:
    return f"COMMENT ON TABLE {_vectors(t)} IS {_literal(comment(t))}"


def comment(t: VectorTable) -> str:
    """By which a table of ours is known again, also when its job was deleted and made anew."""
    return f"etl-tui: vectors of the rows of {t.table}"


def drop_vectors(t: VectorTable) -> str:
    return f"DROP TABLE {_vectors(t)}"


def create_index(t: VectorTable, name: str, label: str, dimension: int) -> str:
    """Of one model: each has its own dimension, and a search looks at one only."""
    place = quote(t.place)
    return (
        f"CREATE INDEX CONCURRENTLY {quote(name)} ON {_vectors(t)} USING hnsw "
        f"((_embedding::{place}.vector({dimension:d})) {place}.vector_cosine_ops) "
        f"WHERE _model = {_literal(label)}"
    )


def drop_index(t: VectorTable, name: str) -> str:
    return f"DROP INDEX CONCURRENTLY IF EXISTS {quote(t.schema)}.{quote(name)}"


# Walking
# ---------------------------------------------------------------------------------------------------------


def end_of_range(t: VectorTable, bounds: Bounds) -> str:
    """($1 begins, $2 rows) -> the key of the last of so many rows after `begins`; no row: fewer are left."""
    return (
        f"SELECT {_key_text('t', t.key)} AS key FROM {_table(t)} AS t WHERE {_after('t', t.key, bounds)} "
        f"ORDER BY {_names(t.key, 't')} OFFSET $2::bigint - 1 LIMIT 1"
    )


def outdated(t: VectorTable, bounds: Bounds) -> str:
    """($1 begins, $2 ends, $3 label, $4 rows) -> the next rows whose text has no vector of that label, as
    (key, text, hash).

    A row without text has none to be made; a vector that exists is compared by the hash of the text it was
    made of, whatever changed in the row besides.
    """
    return f"""
SELECT {_key_text("s", t.key)} AS key, s.text, sha256(convert_to(s.text, 'UTF8')) AS hash
FROM (
    SELECT {_names(t.key, "t")}, {_text("t", t)} AS text FROM {_table(t)} AS t
    WHERE t._deleted_at IS NULL AND {_within("t", t.key, bounds)} AND {_has_text("t", t)}
) AS s
LEFT JOIN (SELECT * FROM {_vectors(t)} AS v WHERE {_within("v", t.key, bounds)}) AS v
    ON {_same("s", "v", t.key)}
WHERE v._model IS DISTINCT FROM $3::text OR v._text_hash <> sha256(convert_to(s.text, 'UTF8'))
ORDER BY {_names(t.key, "s")}
LIMIT $4"""


def put(t: VectorTable) -> str:
    """($1 label, $2 keys in one JSON array, $3 hashes, $4 vectors one after another, $5 their dimension, $6
    errors), one of each a row. In the order of the key, as every writer; a row with an error has no vector.
    """
    key = ", ".join(f"(r.key ->> {number})::{column.type}" for number, column in enumerate(t.key))
    place = quote(t.place)
    return f"""
INSERT INTO {_vectors(t)} ({_names(t.key)}, _text_hash, _model, _embedding, _error)
SELECT
    {key}, r.hash, $1::text,
    CASE WHEN r.error IS NULL THEN
        ($4::real [])[((r.place - 1) * $5::integer + 1)::integer:(r.place * $5)::integer]::{place}.vector
    END,
    r.error
FROM ROWS FROM (jsonb_array_elements($2::jsonb), unnest($3::bytea [], $6::text []))
    WITH ORDINALITY AS r (key, hash, error, place)
ORDER BY {", ".join(str(place + 1) for place in range(len(t.key)))}
ON CONFLICT ({_names(t.key)}) DO UPDATE SET
    _text_hash = EXCLUDED._text_hash, _model = EXCLUDED._model, _embedding = EXCLUDED._embedding,
    _error = EXCLUDED._error, _embedded_at = now()"""


def drop_orphans(t: VectorTable, bounds: Bounds) -> str:
    """($1 begins, $2 ends): vectors of the range whose row is gone, or deleted, or has no text any more."""
    return (
        f"DELETE FROM {_vectors(t)} AS v WHERE {_within('v', t.key, bounds)} AND NOT EXISTS ("
        f"SELECT FROM {_table(t)} AS t WHERE {_same('t', 'v', t.key)} AND {_within('t', t.key, bounds)} "
        f"AND t._deleted_at IS NULL AND {_has_text('t', t)})"
    )


def enough_vectors(t: VectorTable) -> str:
    """($1 label, $2 rows) -> whether the table has so many vectors of it."""
    return (
        f"SELECT count(*) >= $2::bigint FROM (SELECT FROM {_vectors(t)} "
        f"WHERE _model = $1::text AND _embedding IS NOT NULL LIMIT $2::bigint) AS counted"
    )


def _table(t: VectorTable) -> str:
    return f"{quote(t.schema)}.{quote(t.table)}"


def _vectors(t: VectorTable) -> str:
    return f"{quote(t.schema)}.{quote(t.vectors)}"


def _names(key: Sequence[Column], side: str = "") -> str:
    prefix = f"{side}." if side else ""
    return ", ".join(f"{prefix}{quote(column.name)}" for column in key)


def _key_text(side: str, key: Sequence[Column]) -> str:
    return "ARRAY[" + ", ".join(f"{side}.{quote(column.name)}::text" for column in key) + "]"


def _same(left: str, right: str, key: Sequence[Column]) -> str:
    return " AND ".join(f"{left}.{quote(column.name)} = {right}.{quote(column.name)}" for column in key)


def _bound(key: Sequence[Column], parameter: str) -> str:
    return ", ".join(f"({parameter}::text [])[{place + 1}]::{c.type}" for place, c in enumerate(key))


def _after(side: str, key: Sequence[Column], bounds: Bounds) -> str:
    if bounds.begins is None:
        return "$1::text [] IS NULL"
    return f"({_names(key, side)}) > ({_bound(key, '$1')})"


def _within(side: str, key: Sequence[Column], bounds: Bounds) -> str:
    if bounds.ends is None:
        up_to = "$2::text [] IS NULL"
    else:
        up_to = f"({_names(key, side)}) <= ({_bound(key, '$2')})"
    return f"{_after(side, key, bounds)} AND {up_to}"


def _text(side: str, t: VectorTable) -> str:
    parts = ", ".join(f"nullif({side}.{quote(name)}, '')" for name in t.texts)
    return f"left(concat_ws(E'\\n', {parts}), {t.max_chars:d})"


def _has_text(side: str, t: VectorTable) -> str:
    """A look at the first character, which is enough nearly always, spares a walk through all of it."""
    names = [f"{side}.{quote(name)}" for name in t.texts]
    return "(" + " OR ".join(rf"left({name}, 1) ~ '\S' OR {name} ~ '\S'" for name in names) + ")"


def _literal(text: str) -> str:
    """For DDL, which takes no parameters."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'"
