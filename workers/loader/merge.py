"""Loads typed rows into their table, in two steps of the caller's transaction.

    async with conn.transaction():
        staged = await stage_rows(conn, table, rows)          # long; holds no lock that others want
        ...                                                   # the caller locks its batch row and looks
        counts = await merge(conn, staged, run_id=run.id, extracted_at=batch.stored_at)

Many rows are copied into a temporary table; few travel with the merge itself, whose text is then the same
from batch to batch, so that it is parsed once a connection.

The transaction is READ COMMITTED. A failure in either step aborts it: nothing of the batch is in the table.
After another session's DDL on the table asyncpg may raise `InvalidCachedStatementError`; it cannot be retried
inside the transaction, so the caller rolls back and runs the whole block once more (`retry_on_ddl`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import count
from typing import Any, Final, TypeVar

import asyncpg

from etl_core.store.database import Connection
from workers.loader import merge_statements as statements
from workers.loader.target import TargetColumn, TargetTable
from workers.transform import TypedRows

T = TypeVar("T")

FEW_ROWS: Final = 500
"""Up to so many rows travel as parameters of the merge (where COPY begins to win: docs/performance.md)."""
FEW_PARTIAL_ROWS: Final = 200
"""The same where some rows lack fields: each row that is updated looks through all of them."""
FEW_BYTES: Final = 8 * 1024 * 1024
"""And so much text: what is larger is better streamed."""

_stage_numbers = count(1)


@dataclass(frozen=True, slots=True)
class LoadCounts:
    """What became of the rows of a batch; keys counted once, however often the batch has them."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0

    def __add__(self, other: LoadCounts) -> LoadCounts:
        return LoadCounts(
            self.new + other.new, self.changed + other.changed, self.unchanged + other.unchanged
        )


@dataclass(frozen=True, slots=True)
class Staged:
    """Rows on their way into a table, in this transaction."""

    table: TargetTable
    columns: tuple[TargetColumn, ...]
    """The columns that at least one row has."""
    partial: bool
    """Whether some row lacks one of `columns`."""
    stage: str | None = None
    """The temporary table that holds them."""
    arrays: tuple[list[Any], ...] | None = None
    """Or the rows themselves, an array per column of the stage."""


async def stage_rows(conn: Connection, table: TargetTable, rows: TypedRows) -> Staged:
    """Makes `rows` (made for `table.stream`) ready to be merged: costs nothing for few, a COPY for many."""
    if not rows.rows:
        return Staged(table, (), partial=False)
    return few_rows(table, rows) or await copy_rows(conn, table, rows)


def few_rows(table: TargetTable, rows: TypedRows) -> Staged | None:
    """The rows, if there are any, as arguments of their merge; None when they are none, or too many."""
    if not rows.rows or len(rows.rows) > FEW_ROWS:
        return None
    positions, partial = _presence(table, rows)
    if partial and len(rows.rows) > FEW_PARTIAL_ROWS:
        return None
    arrays = _arrays(rows, positions, partial=partial)
    if _size(arrays) > FEW_BYTES:
        return None
    return Staged(table, _at(table, positions), partial, arrays=arrays)


async def copy_rows(conn: Connection, table: TargetTable, rows: TypedRows) -> Staged:
    """COPYs `rows`, at least one, into a new temporary table that ends with the transaction."""
    positions, partial = _presence(table, rows)
    columns = _at(table, positions)
    stage = f"etl_stage_{next(_stage_numbers)}"
    await conn.execute(statements.create_stage(stage, columns, partial=partial))
    whole = len(columns) == len(table.columns)
    records = (
        (
            *(row if whole else [row[i] for i in positions]),
            ordinal,
            *([_absent(present, positions)] if partial else []),
        )
        for ordinal, (row, present) in enumerate(zip(rows.rows, rows.present, strict=True))
    )
    await conn.copy_records_to_table(
        stage,
        schema_name="pg_temp",
        columns=statements.stage_columns(columns, partial=partial),
        records=records,
    )
    return Staged(table, columns, partial, stage=stage)


async def merge(
    conn: Connection, staged: Staged, *, run_id: int, extracted_at: datetime, only_older: bool = False
) -> LoadCounts:
    """Brings staged rows into their table; `extracted_at` by Postgres's clock, aware.

    A row that is the same already is not touched. A field that a row lacks keeps its value. A key that was
    marked deleted comes back, and counts as changed. The counts are of what this transaction did, whatever
    others merge into the same keys at the same time. `only_older` (for what was extracted long ago): a row
    that was extracted, or marked deleted, later than `extracted_at` is left alone, and counts as unchanged.
    """
    if staged.arrays is not None:
        sql = _merge_of_arrays(staged.table, staged.columns, staged.partial, only_older)
        row: Any = await conn.fetchrow(sql, extracted_at, run_id, *staged.arrays)
    elif staged.stage is not None:
        row = await _merge_stage(conn, staged, staged.stage, run_id, extracted_at, only_older=only_older)
    else:
        return LoadCounts()
    return LoadCounts(row["new"], row["changed"], row["total"] - row["new"] - row["changed"])


@lru_cache(maxsize=512)
def load_at_once(
    table: TargetTable, columns: tuple[TargetColumn, ...], partial: bool, only_older: bool = False
) -> str:
    """As `merge_statements.load_at_once`; the same columns, the same text."""
    return statements.load_at_once(table, columns, partial=partial, only_older=only_older)


def _at(table: TargetTable, positions: list[int]) -> tuple[TargetColumn, ...]:
    return (
        table.columns if len(positions) == len(table.columns) else tuple(table.columns[i] for i in positions)
    )


def _arrays(rows: TypedRows, positions: list[int], *, partial: bool) -> tuple[list[Any], ...]:
    columns = list(zip(*rows.rows, strict=True))
    arrays = [list(columns[i]) for i in positions]
    arrays.append(list(range(len(rows.rows))))
    if partial:
        arrays.append([_absent(present, positions) for present in rows.present])
    return tuple(arrays)


def _size(arrays: tuple[list[Any], ...]) -> int:
    return sum(len(value) if isinstance(value, str) else 8 for array in arrays for value in array)


def _presence(table: TargetTable, rows: TypedRows) -> tuple[list[int], bool]:
    """Which columns at least one row has, and whether some row lacks one of them.

    A field that no row has is left out altogether; only what some rows lack is told apart row by row. Without
    a key there is no older value to keep: absent is null.
    """
    union = 0
    common = -1
    for present in rows.present:
        union |= present
        common &= present
    positions = [i for i in range(len(table.columns)) if union >> i & 1]
    return positions, bool(table.key) and union != common


async def _merge_stage(
    conn: Connection, staged: Staged, stage: str, run_id: int, extracted_at: datetime, *, only_older: bool
) -> Any:
    table, columns = staged.table, staged.columns
    if staged.partial:
        for typing in statements.type_stage(table, columns, stage):
            await conn.execute(typing)
    source = statements.stage_source(stage, partial=staged.partial)
    sql = _merge(table, columns, source, partial=staged.partial, only_older=only_older)
    # Prepared outside the statement cache: a stage's name never comes again.
    statement = await conn.prepare(sql)
    return await statement.fetchrow(extracted_at, run_id)


@lru_cache(maxsize=512)
def _merge_of_arrays(
    table: TargetTable, columns: tuple[TargetColumn, ...], partial: bool, only_older: bool
) -> str:
    source = statements.array_source(columns, partial=partial)
    return _merge(table, columns, source, partial=partial, only_older=only_older)


def _merge(
    table: TargetTable,
    columns: tuple[TargetColumn, ...],
    source: statements.Source,
    *,
    partial: bool,
    only_older: bool,
) -> str:
    if not table.key:
        return statements.append(table, columns, source)
    return statements.merge(table, columns, source, partial=partial, only_older=only_older)


async def retry_on_ddl(attempt: Callable[[], Awaitable[T]]) -> T:
    """Runs `attempt`, which opens and ends its own transaction, once more if DDL of others made it
    invalid."""
    try:
        return await attempt()
    except asyncpg.InvalidCachedStatementError:
        return await attempt()


def _absent(present: int, positions: list[int]) -> bytes:
    """One bit per staged column that the row lacks, in the order of PostgreSQL's get_bit (lowest first)."""
    bits = 0
    for place, position in enumerate(positions):
        if not present >> position & 1:
            bits |= 1 << place
    return bits.to_bytes((len(positions) + 7) // 8, "little")
