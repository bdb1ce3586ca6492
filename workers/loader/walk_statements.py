# ruff: noqa: S608 - identifiers are quoted, values are parameters
"""Statements about the keys that walks through whole streams have seen.

A key is known by its 64-bit hash, made by PostgreSQL from its typed values: what is equal to the primary key
is equal here. Hash functions stay the same from version to version, for hash indexes live on them.
"""

from __future__ import annotations

from typing import Final

from workers.loader.statements import STAGED_TYPES, qualified, quote
from workers.loader.target import TargetTable


def key_hashes(table: TargetTable) -> str:
    """The hashes of keys, given as an array per column of the key. Returns (hashes)."""
    types = [column.type for name in table.key for column in table.columns if column.name == name]
    arrays = ", ".join(f"${n}::{STAGED_TYPES[type_]}[]" for n, type_ in enumerate(types, 1))
    names = ", ".join(f"c{i}" for i in range(len(types)))
    values = ", ".join(f"c{i}::{type_.value}" for i, type_ in enumerate(types))
    return (
        f"SELECT coalesce(array_agg(hash_record_extended(ROW({values}), 0)), '{{}}') AS hashes "
        f"FROM unnest({arrays}) AS staged ({names})"
    )


_SEEN: Final = """pages AS (SELECT k.hashes FROM walk_keys AS k WHERE k.job_id = $1 AND k.stream = $2),
seen AS MATERIALIZED (SELECT DISTINCT h.hash FROM pages CROSS JOIN unnest(pages.hashes) AS h (hash))"""
_SEEN_ELSEWHERE: Final = """pages AS (SELECT $1::bigint[] AS hashes, $2::text AS stream),
seen AS MATERIALIZED (SELECT DISTINCT h.hash FROM pages CROSS JOIN unnest(pages.hashes) AS h (hash))"""


def count_unseen(table: TargetTable, covered: str | None = None) -> str:
    """$1 is the job, $2 the stream. Returns (live, unseen, seen, is_known).

    With `covered` only rows whose column of this name has, as text, one of $3.
    Rows that are not deleted; those of them whose key no walk saw; the keys seen; whether those are all. In
    another database $1 are the hashes of the keys seen, for the ledger of walks is not there.
    """
    return f"""
WITH {_SEEN_ELSEWHERE if table.destination else _SEEN}
SELECT
    count(*) AS live,
    count(*) FILTER (WHERE seen.hash IS NULL) AS unseen,
    (SELECT count(*) FROM seen) AS seen,
    NOT EXISTS (SELECT FROM pages WHERE pages.hashes IS NULL) AS is_known
FROM {qualified(table)} AS t LEFT JOIN seen ON {_hash_of_key(table)} = seen.hash
WHERE t._deleted_at IS NULL{_among(covered, 3)}"""


def delete_unseen(table: TargetTable, covered: str | None = None) -> str:
    """$1 and $2 as before, $3 is the run, $4 the values of `covered`.

    Marks the unseen rows deleted, in the order of the key.
    """
    keys = ", ".join(f"t.{quote(name)}" for name in table.key)
    same = " AND ".join(f"t.{quote(name)} = gone.{quote(name)}" for name in table.key)
    return f"""
WITH {_SEEN_ELSEWHERE if table.destination else _SEEN},
gone AS MATERIALIZED (
    SELECT {keys} FROM {qualified(table)} AS t
    WHERE
        t._deleted_at IS NULL{_among(covered, 4)}
        AND NOT EXISTS (SELECT FROM seen WHERE seen.hash = {_hash_of_key(table)})
    ORDER BY {keys}
    FOR NO KEY UPDATE
)
UPDATE {qualified(table)} AS t SET _deleted_at = now(), _loaded_at = now(), _run_id = $3
FROM gone WHERE {same}"""


def _among(column: str | None, parameter: int) -> str:
    return "" if column is None else f" AND t.{quote(column)}::text = ANY(${parameter}::text[])"


def _hash_of_key(table: TargetTable) -> str:
    return f"hash_record_extended(ROW({', '.join(f't.{quote(name)}' for name in table.key)}), 0)"
