# ruff: noqa: S608 - identifiers are quoted, values are parameters
"""Statements that bring the rows of a batch into their table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from etl_core.store.queries import load
from workers.loader.statements import STAGED_TYPES, listed, qualified, quote
from workers.loader.target import TargetColumn, TargetTable

# Sources
# ---------------------------------------------------------------------------------------------------------
# Rows come from a stage, which COPY filled, or, when they are few, from the statement's own parameters: an
# array per column. Both have columns c0, c1, ... (so no name of a source can collide), the row's place in the
# batch, and, only if some row lacks a field, one bit per column that the row lacks.


@dataclass(frozen=True, slots=True)
class Source:
    """Where the rows of a merge come from."""

    relation: str
    """An item of FROM, named `staged`."""
    typed: str | None = None
    """The last row of each key in the columns' types: a table with an index on the key, if there is one."""


def stage_source(stage: str, *, partial: bool) -> Source:
    return Source(f"{quote(stage)} AS staged", quote(typed_name(stage)) if partial else None)


def array_source(columns: Sequence[TargetColumn], *, partial: bool, first: int = 3) -> Source:
    """Parameters from number `first` on: one array per column, the places, and the bits when `partial`."""
    types = [STAGED_TYPES[column.type] for column in columns] + ["integer"] + ["bytea"] * partial
    arrays = ", ".join(f"${n}::{type_}[]" for n, type_ in enumerate(types, first))
    names = ", ".join(stage_columns(columns, partial=partial))
    return Source(f"unnest({arrays}) AS staged ({names})")


def create_stage(stage: str, columns: Sequence[TargetColumn], *, partial: bool) -> str:
    lines = [f"c{i} {STAGED_TYPES[column.type]}" for i, column in enumerate(columns)]
    lines.append("ordinal integer NOT NULL")
    if partial:
        lines.append("absent bytea NOT NULL")
    return f"CREATE TEMPORARY TABLE {quote(stage)} ({', '.join(lines)}) ON COMMIT DROP"


def stage_columns(columns: Sequence[TargetColumn], *, partial: bool) -> list[str]:
    names = [f"c{i}" for i in range(len(columns))]
    return [*names, "ordinal", *(["absent"] if partial else [])]


def type_stage(table: TargetTable, columns: Sequence[TargetColumn], stage: str) -> tuple[str, str]:
    """For rows that lack fields: makes the `typed` of a stage's source."""
    typed = quote(typed_name(stage))
    key = ", ".join(f"c{i}" for i in _key_positions(table, columns))
    rows = _last_of_key(table, columns, stage_source(stage, partial=True), partial=True)
    return (
        f"CREATE TEMPORARY TABLE {typed} ON COMMIT DROP AS {rows}",
        f"CREATE UNIQUE INDEX ON {typed} ({key})",
    )


def typed_name(stage: str) -> str:
    return f"{stage}_typed"


# Merging
# ---------------------------------------------------------------------------------------------------------
# $1 is the time of extraction, $2 the run. Each returns a row of counts. Rows are visited in the order of the
# key everywhere: unordered merges deadlock (m).


def append(table: TargetTable, columns: Sequence[TargetColumn], source: Source) -> str:
    """Every row is a new row, in the batch's order. Returns (new, changed, total)."""
    return f"WITH {_appended(table, columns, source)}\n{_COUNTS}"


def merge(
    table: TargetTable,
    columns: Sequence[TargetColumn],
    source: Source,
    *,
    partial: bool,
    only_older: bool = False,
) -> str:
    """Brings rows into a keyed table. Returns (new, changed, total).

    `only_older`: rows that were extracted, or marked deleted, later than $1 are left alone.
    """
    return f"WITH {_merged(table, columns, source, partial=partial, only_older=only_older)}\n{_COUNTS}"


AT_ONCE_ARRAYS: Final = 9
"""The number of the first array among the parameters of `load_at_once`."""


def load_at_once(
    table: TargetTable, columns: Sequence[TargetColumn], *, partial: bool, only_older: bool = False
) -> str:
    """The whole load of a batch of few rows of one stream, none of them rejected: one round trip.

    It is what `lock_leased_batch`, the merge, and `finish_load` do one after the other: the batch is held
    under its lease, and only then are rows looked at. $3 is the batch's seq, $4 its lease, $5 the worker, $6
    the job, $7 the checkpoint fragments, $8 records that were folded, then the arrays. No row comes back when
    the batch is another's; nothing was done then.
    """
    source = array_source(columns, partial=partial, first=AT_ONCE_ARRAYS)
    source = Source(f"(SELECT * FROM {source.relation} WHERE EXISTS (SELECT FROM held)) AS staged")
    loaded = (
        _merged(table, columns, source, partial=partial, only_older=only_older)
        if table.key
        else _appended(table, columns, source)
    )
    return f"""
WITH held AS MATERIALIZED ({_held()}),
{loaded},
counted AS (
    SELECT
        jsonb_build_object(
            'rows_new', c.new,
            'rows_changed', c.changed,
            'rows_unchanged', c.total - c.new - c.changed + $8::integer,
            'rows_deleted', 0
        ) AS told
    FROM ({_COUNTS}) AS c
),
{_finished()}"""


@cache
def _held() -> str:
    """`lock_leased_batch` itself, so that both ways hold a batch by the same rule; its $1 is our $2."""
    return _with_parameters(load("leases").lock_leased_batch.sql, ["$2", "$3", "$4", "$5"])


@cache
def _finished() -> str:
    """`finish_load` itself, behind other CTEs: both ways move checkpoint and batch alike.

    While nothing is held its batch is null, and so are its fragments: nothing moves.
    """
    batch, fragments = "(SELECT held.seq FROM held)", "(SELECT $7::jsonb FROM held)"
    counts = "(SELECT counted.told FROM counted)"
    text = _with_parameters(load("loader").finish_load.sql, ["$6", fragments, "$2::bigint", batch, counts])
    return text.removeprefix("WITH ")


def _with_parameters(text: str, values: Sequence[str]) -> str:
    """A query of `sql/queries` with these in place of $1, $2, ...: its parameters as they first come."""
    return re.sub(r"\$(\d)", lambda number: values[int(number[1]) - 1], text.strip().rstrip(";"))


_COUNTS: Final = """SELECT
    count(*) FILTER (WHERE is_new) AS new,
    count(*) FILTER (WHERE NOT is_new) AS changed,
    (SELECT count(*) FROM incoming) AS total
FROM merged"""


def _appended(table: TargetTable, columns: Sequence[TargetColumn], source: Source) -> str:
    """CTEs `incoming` and `merged`: the rows, and what became of them."""
    casts = ", ".join(f"c{i}::{column.type.value}" for i, column in enumerate(columns))
    return f"""incoming AS MATERIALIZED (SELECT * FROM {source.relation}),
merged AS (
    INSERT INTO {qualified(table)} ({_comma(_list_of(columns))}_extracted_at, _run_id)
    SELECT {_comma(casts)}$1::timestamptz, $2::bigint FROM incoming ORDER BY ordinal
    RETURNING true AS is_new
)"""


def _merged(
    table: TargetTable,
    columns: Sequence[TargetColumn],
    source: Source,
    *,
    partial: bool,
    only_older: bool,
) -> str:
    """CTEs `incoming` and `merged`: the last row of each key, and what became of those that were written.

    The anti-join keeps rows that are the same already away from the INSERT, where they would be locked and
    logged; the condition of DO UPDATE looks again, at the row as another transaction may have left it
    meanwhile. With `partial` the update reads from the typed rows which fields the row lacks. All is one
    statement, one pass in the order of the key: with two, a transaction may wait for a key behind it.
    """
    others = [i for i, column in enumerate(columns) if column.name not in table.key]
    names = {i: quote(columns[i].name) for i in others}
    same_key = _same_key(table, columns, "t")
    incoming = _last_of_key(table, columns, source, partial=partial)
    if partial:
        lacks = {i: f"get_bit(s.absent, {i}) = 1" for i in others}
        differs = _any([f"(NOT {lacks[i]} AND t.{names[i]} IS DISTINCT FROM s.c{i})" for i in others])
        # A handful of typed rows are found by looking through them, more by the index of their table.
        of_key = f"FROM {source.typed or 'incoming'} AS s WHERE {_same_key(table, columns, 'EXCLUDED')}"
        kept = ", ".join(f"CASE WHEN {lacks[i]} THEN t.{names[i]} ELSE s.c{i} END" for i in others)
        updates = f"({', '.join(names.values())}) = (SELECT {kept} {of_key})"
        still_differs = f"EXISTS (SELECT {of_key} AND ({differs}))"
        if source.typed:
            incoming = f"SELECT * FROM {source.typed}"
    else:
        differs = _any([f"t.{names[i]} IS DISTINCT FROM s.c{i}" for i in others])
        updates = ", ".join(f"{name} = EXCLUDED.{name}" for name in names.values())
        still_differs = _any([f"t.{name} IS DISTINCT FROM EXCLUDED.{name}" for name in names.values()])
    if only_older:
        is_older = "(greatest(t._extracted_at, t._deleted_at) > $1::timestamptz) IS NOT TRUE"
        differs = f"({differs}) AND {is_older}"
        still_differs = f"({still_differs}) AND {is_older}"
    return f"""incoming AS MATERIALIZED ({incoming}),
merged AS (
    INSERT INTO {qualified(table)} AS t ({_list_of(columns)}, _extracted_at, _run_id)
    SELECT {_staged(columns, "s.")}, $1::timestamptz, $2::bigint
    FROM incoming AS s
    WHERE NOT EXISTS (SELECT FROM {qualified(table)} AS t WHERE {same_key} AND NOT ({differs}))
    ORDER BY {", ".join(f"s.c{i}" for i in _key_positions(table, columns))}
    ON CONFLICT ({listed(table.key)}) DO UPDATE SET
        {_comma(updates)}_extracted_at = EXCLUDED._extracted_at, _loaded_at = now(),
        _run_id = EXCLUDED._run_id, _deleted_at = NULL
    WHERE {still_differs}
    RETURNING t.xmax = 0 AS is_new
)"""


def _last_of_key(
    table: TargetTable, columns: Sequence[TargetColumn], source: Source, *, partial: bool
) -> str:
    casts = ", ".join(f"c{i}::{column.type.value} AS c{i}" for i, column in enumerate(columns))
    absent = ", absent" if partial else ""
    key = ", ".join(f"c{i}" for i in _key_positions(table, columns))
    return (
        f"SELECT DISTINCT ON ({key}) {_staged(columns)}{absent} "
        f"FROM (SELECT {casts}, ordinal{absent} FROM {source.relation}) AS typed ORDER BY {key}, ordinal DESC"
    )


def _any(conditions: Sequence[str]) -> str:
    """A row that was marked deleted always differs."""
    return " OR ".join([*conditions, "t._deleted_at IS NOT NULL"])


def _key_positions(table: TargetTable, columns: Sequence[TargetColumn]) -> list[int]:
    names = [column.name for column in columns]
    return [names.index(name) for name in table.key]


def _same_key(table: TargetTable, columns: Sequence[TargetColumn], side: str) -> str:
    """The row of `side` (the target, or EXCLUDED) and the staged row `s` have the same key."""
    return " AND ".join(f"{side}.{quote(columns[i].name)} = s.c{i}" for i in _key_positions(table, columns))


def _staged(columns: Sequence[TargetColumn], prefix: str = "") -> str:
    return ", ".join(f"{prefix}c{i}" for i in range(len(columns)))


def _list_of(columns: Sequence[TargetColumn]) -> str:
    return listed([column.name for column in columns])


def _comma(listing: str) -> str:
    return f"{listing}, " if listing else ""
