# ruff: noqa: S608 - identifiers are quoted, values are parameters
"""Statements about rows that belong to a row of another table."""

from __future__ import annotations

from workers.loader.statements import STAGED_TYPES, qualified, quote
from workers.loader.target import TargetTable


def delete_unkept(table: TargetTable) -> str:
    """Marks rows of some parents deleted that are not among the keys given; returns how many.

    $1 is the run, $2 the parents as text, from $3 on an array per column of the key. In the order of the key,
    for others may mark some of them.
    """
    keys = ", ".join(f"t.{quote(name)}" for name in table.key)
    is_given = _is_given(table, first=3)
    return _marking(
        table,
        f"""SELECT {keys} FROM {qualified(table)} AS t
    WHERE
        t._deleted_at IS NULL
        AND t.{quote(_of_parent(table))}::text = ANY($2::text[])
        AND NOT {is_given}
    ORDER BY {keys}
    FOR NO KEY UPDATE""",
    )


def delete_keys(table: TargetTable) -> str:
    """Marks the rows of the keys given deleted; returns how many. $1 is the run, then an array per column."""
    keys = ", ".join(f"t.{quote(name)}" for name in table.key)
    return _marking(
        table,
        f"""SELECT {keys} FROM {qualified(table)} AS t
    WHERE t._deleted_at IS NULL AND {_is_given(table, first=2)}
    ORDER BY {keys}
    FOR NO KEY UPDATE""",
    )


def delete_orphans(table: TargetTable, parent: TargetTable) -> str:
    """Marks rows deleted whose parent the run has marked deleted; returns how many. $1 is the run."""
    keys = ", ".join(f"t.{quote(name)}" for name in table.key)
    (key,) = parent.key
    return _marking(
        table,
        f"""SELECT {keys} FROM {qualified(table)} AS t
    INNER JOIN {qualified(parent)} AS p ON p.{quote(key)}::text = t.{quote(_of_parent(table))}::text
    WHERE t._deleted_at IS NULL AND p._deleted_at IS NOT NULL AND p._run_id = $1
    ORDER BY {keys}
    FOR NO KEY UPDATE OF t""",
    )


def _is_given(table: TargetTable, *, first: int) -> str:
    """The key of row `t` is among those given: an array per column, parameters from number `first` on."""
    types = [column.type for name in table.key for column in table.columns if column.name == name]
    arrays = ", ".join(f"${n}::{STAGED_TYPES[type_]}[]" for n, type_ in enumerate(types, first))
    names = ", ".join(f"c{i}" for i in range(len(types)))
    same = " AND ".join(
        f"t.{quote(name)} = staged.c{i}::{type_.value}"
        for i, (name, type_) in enumerate(zip(table.key, types, strict=True))
    )
    return f"EXISTS (SELECT FROM unnest({arrays}) AS staged ({names}) WHERE {same})"


def _marking(table: TargetTable, gone: str) -> str:
    same = " AND ".join(f"t.{quote(name)} = gone.{quote(name)}" for name in table.key)
    return f"""
WITH gone AS MATERIALIZED (
    {gone}
), marked AS (
    UPDATE {qualified(table)} AS t SET _deleted_at = now(), _loaded_at = now(), _run_id = $1
    FROM gone WHERE {same}
    RETURNING true
)
SELECT count(*) FROM marked"""


def _of_parent(table: TargetTable) -> str:
    if table.stream.parent is None:
        raise ValueError(f"{table} is no table of children")
    return table.column_of(table.stream.parent.column)
