"""Whether a merge of changed rows slows down as its table grows: our loader's own steps, larger tables.

Beside each stands what its index alone costs: the same keys looked up, row by row.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any, Final

from benchmarks.dispatch.servers import Servers
from etl_core.connector import Column, ColumnType, Stream
from etl_core.store.database import Connection
from workers.loader import statements
from workers.loader.merge import copy_rows, merge
from workers.loader.target import TargetColumn, TargetTable
from workers.transform import transform_records

DEFAULT_SIZES: Final = (100_000, 1_000_000)
CHANGED: Final = 10_000
BATCH: Final = 5_000
ROUNDS: Final = 7
"""Merges of CHANGED rows at each size; the first is not counted, for it finds pages on disk."""

_DATABASE = "curve"
_COLUMNS: Final = {
    "id": ColumnType.BIGINT,
    "title": ColumnType.TEXT,
    "state": ColumnType.TEXT,
    "comments": ColumnType.BIGINT,
    "updated_at": ColumnType.TIMESTAMPTZ,
    "labels": ColumnType.JSONB,
}
_STREAM: Final = Stream("issues", tuple(Column(name, kind) for name, kind in _COLUMNS.items()), ("id",))
_TABLE: Final = TargetTable(
    "public",
    "issues",
    _STREAM,
    tuple(TargetColumn(name, name, kind) for name, kind in _COLUMNS.items()),
    ("id",),
)


class _AsTheyAre:
    def transform(self, stream: Stream, record: Any) -> Any:
        return record


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Medians for one size of the table, in seconds."""

    rows: int
    table_bytes: int
    index_bytes: int
    levels: int
    """Pages of the index from its root to a row's place."""
    merges: list[float]
    lookups: list[float]
    wal: float
    """Bytes logged per changed row."""

    def text(self) -> str:
        """A row of a table."""
        merged, looked_up = median(self.merges), median(self.lookups)
        return (
            f"| {self.rows:,} | {self.table_bytes / 1e6:,.0f} MB, index {self.index_bytes / 1e6:,.0f} MB,"
            f" {self.levels} levels | {merged:.3f} s ({min(self.merges):.3f} to {max(self.merges):.3f}) |"
            f" {CHANGED / merged:,.0f}/s | {looked_up:.3f} s | {self.wal:,.0f} |"
        )


async def curve(servers: Servers, sizes: Sequence[int]) -> list[CurvePoint]:
    """A point for each size; the keys of each merge are spread evenly over the table, by chance."""
    await servers.make_database(_DATABASE, migrated=False)
    points = []
    async with servers.connection(_DATABASE) as conn:
        await conn.execute("CREATE EXTENSION IF NOT EXISTS pageinspect")
        await conn.execute(statements.create_table(_TABLE))
        filled = 0
        for size in sorted(sizes):
            await _fill(conn, filled, size)
            filled = size
            points.append(await _measure(conn, size))
            print(f"  {points[-1].text()}", flush=True)
    return points


async def _fill(conn: Connection, filled: int, size: int) -> None:
    await conn.execute(
        "INSERT INTO issues (id, title, state, comments, updated_at, labels, _extracted_at, _run_id)"
        " SELECT n, 'title of issue ' || md5(n::text), 'open', 0, timestamptz '2026-01-01 00:00:00Z',"
        ' \'[{"name": "bug", "color": "d73a4a"}]\', now(), 1'
        " FROM generate_series($1::bigint + 1, $2::bigint) AS n",
        filled,
        size,
        timeout=3600,
    )
    await conn.execute("VACUUM ANALYZE issues", timeout=3600)
    await conn.execute("CHECKPOINT", timeout=3600)


async def _measure(conn: Connection, size: int) -> CurvePoint:
    rng = random.Random(size)
    merges, lookups, wal = [], [], []
    for change in range(1, ROUNDS + 1):
        keys = rng.sample(range(1, size + 1), CHANGED)
        position = await conn.fetchval("SELECT pg_current_wal_insert_lsn()")
        merges.append(await _merge(conn, keys, change))
        wal.append(
            await conn.fetchval("SELECT (pg_current_wal_insert_lsn() - $1::pg_lsn)::bigint", position)
            / CHANGED
        )
        lookups.append(await _look_up(conn, rng.sample(range(1, size + 1), CHANGED)))
        await conn.execute("VACUUM issues", timeout=3600)
    row = await conn.fetchrow(
        "SELECT pg_table_size('issues') AS table_bytes, pg_relation_size('issues_pkey') AS index_bytes,"
        " (SELECT level + 1 FROM bt_metap('issues_pkey')) AS levels"
    )
    assert row is not None
    return CurvePoint(
        size, row["table_bytes"], row["index_bytes"], row["levels"], merges[1:], lookups[1:], median(wal[1:])
    )


async def _merge(conn: Connection, keys: Sequence[int], change: int) -> float:
    """Seconds of the batches' transactions; every row is found and changed."""
    seconds = 0.0
    for start in range(0, len(keys), BATCH):
        records = [_record(key, change) for key in keys[start : start + BATCH]]
        typed = transform_records(_AsTheyAre(), _STREAM, records)
        begun = time.perf_counter()
        async with conn.transaction():
            staged = await copy_rows(conn, _TABLE, typed)
            counts = await merge(conn, staged, run_id=change, extracted_at=datetime.now(UTC))
        seconds += time.perf_counter() - begun
        if counts.changed != len(records):
            raise RuntimeError(f"{counts} of {len(records)} rows that all should change")
    return seconds


def _record(key: int, change: int) -> dict[str, Any]:
    return {
        "id": key,
        "title": f"edited {change} times",
        "state": "open",
        "comments": change,
        "updated_at": "2026-06-01T12:00:00Z",
        "labels": [{"name": "bug", "color": "d73a4a"}],
    }


async def _look_up(conn: Connection, keys: Sequence[int]) -> float:
    begun = time.perf_counter()
    await conn.fetchval(
        "SELECT count(i.title) FROM unnest($1::bigint[]) AS k, LATERAL"
        " (SELECT title FROM issues WHERE id = k OFFSET 0) AS i",
        keys,
    )
    return time.perf_counter() - begun
