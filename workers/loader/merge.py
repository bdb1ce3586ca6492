"""Loads typed rows into their table, in two steps of the caller's transaction.

    async with conn.transaction():
        staged = await copy_rows(conn, table, rows)           # long; holds no lock that others want
        ...                                                   # the caller locks its batch row, checks its
        lease counts = await merge(conn, staged, run_id=run.id, extracted_at=batch.stored_at)

The transaction is READ COMMITTED. A failure in either step aborts it: nothing of the batch is in the table.
After another session's DDL on the table asyncpg may raise `InvalidCachedStatementError`; it cannot be retried
inside the transaction, so the caller rolls back and runs the whole block once more (`retry_on_ddl`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any, TypeVar

import asyncpg

from etl_core.store.database import Connection
from workers.loader import statements
from workers.loader.target import TargetColumn, TargetTable
from workers.transform import TypedRows

T = TypeVar("T")

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
    """Rows in a temporary table of this transaction; `stage` is None when there are none."""

    table: TargetTable
    columns: tuple[TargetColumn, ...]
    """The columns that at least one row has."""
    stage: str | None
    partial: bool
    """Whether some row lacks one of `columns`."""


async def copy_rows(conn: Connection, table: TargetTable, rows: TypedRows) -> Staged:
    """COPYs `rows` (made for `table.stream`) into a new temporary table that ends with the transaction."""
    if not rows.rows:
        return Staged(table, (), None, partial=False)
    union = 0
    common = -1
    for present in rows.present:
        union |= present
        common &= present
    positions = [i for i in range(len(table.columns)) if union >> i & 1]
    columns = tuple(table.columns[i] for i in positions)
    # A field that no row has is left out altogether; only what some rows lack is told apart row by row.
    # Without a key there is no older value to keep: absent is null.
    partial = bool(table.key) and union != common

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
    return Staged(table, columns, stage, partial)


async def merge(conn: Connection, staged: Staged, *, run_id: int, extracted_at: datetime) -> LoadCounts:
    """Brings staged rows into their table; `extracted_at` by Postgres's clock, aware.

    A row that is the same already is not touched. A field that a row lacks keeps its value. A key that was
    marked deleted comes back, and counts as changed. The counts are of what this transaction did, whatever
    others merge into the same keys at the same time.
    """
    if staged.stage is None:
        return LoadCounts()
    table, columns, stage = staged.table, staged.columns, staged.stage

    async def run(sql: str) -> Any:
        # Prepared outside the statement cache: a stage's name never comes again.
        statement = await conn.prepare(sql)
        return await statement.fetchrow(extracted_at, run_id)

    if not table.key:
        row = await run(statements.append(table, columns, stage))
        return LoadCounts(new=row["new"])
    if staged.partial:
        for sql in statements.type_stage(table, columns, stage):
            await conn.execute(sql)
    row = await run(statements.merge(table, columns, stage, partial=staged.partial))
    return LoadCounts(row["new"], row["changed"], row["total"] - row["new"] - row["changed"])


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
