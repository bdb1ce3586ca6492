"""Whether a merge of changed rows slows down as its table grows: our loader's own steps, larger tables.

Beside each stands the least that changing those rows costs anybody: a bare UPDATE by the index. Rows spread
evenly have a page each once the table is large, and PostgreSQL logs a page whole when it is changed first
after a checkpoint; neighbours share their pages.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import count
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
HEADER: Final = (
    f"| rows | the {CHANGED:,} that change | merge | bare UPDATE | ratio | WAL, bytes a row | of the UPDATE |"
    " whole reads |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
)
ROUNDS: Final = 7
"""Merges of CHANGED rows, and as many bare updates, at each size; the first of each is not counted."""

_DATABASE = "curve"
_EDITS: Final = count(1)
"""Never an edit that was made before: a row that is as it was already would not be changed."""
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


class Spread(StrEnum):
    """Where the changed rows are."""

    EVEN = "spread evenly"
    NEIGHBOURS = "neighbours"

    def keys(self, rng: random.Random, size: int) -> list[int]:
        """CHANGED of the keys 1 to `size`, in no order."""
        start = rng.randrange(1, size - CHANGED + 2)
        among = range(1, size + 1) if self is Spread.EVEN else range(start, start + CHANGED)
        return rng.sample(among, CHANGED)


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What was measured at one size of the table; times in seconds, WAL in bytes per changed row."""

    rows: int
    spread: Spread
    table_bytes: int
    index_bytes: int
    levels: int
    """Pages of the index from its root to a row's place."""
    merges: list[float]
    updates: list[float]
    wal: float
    wal_of_updates: float
    whole_reads: int
    """How often a merge read the whole table; more than 0 would be a wrong plan."""

    def text(self) -> str:
        """A row of a table."""
        merged, updated = median(self.merges), median(self.updates)
        return (
            f"| {self.rows:,} ({self.table_bytes / 1e6:,.0f} MB, index {self.index_bytes / 1e6:,.0f} MB,"
            f" {self.levels} levels) | {self.spread} |"
            f" {merged:.3f} s ({min(self.merges):.3f} to {max(self.merges):.3f}) |"
            f" {updated:.3f} s | {merged / updated:.2f} x | {self.wal:,.0f} | {self.wal_of_updates:,.0f} |"
            f" {self.whole_reads} |"
        )


async def curve(servers: Servers, sizes: Sequence[int]) -> list[CurvePoint]:
    """Two points for each size."""
    await servers.make_database(_DATABASE, migrated=False)
    points = []
    async with servers.connection(_DATABASE) as conn:
        await conn.execute("CREATE EXTENSION IF NOT EXISTS pageinspect")
        await conn.execute(statements.create_table(_TABLE))
        filled = 0
        for size in sorted(sizes):
            await _fill(conn, filled, size)
            filled = size
            for spread in Spread:
                points.append(await _measure(conn, size, spread))
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


async def _measure(conn: Connection, size: int, spread: Spread) -> CurvePoint:
    rng = random.Random(size)
    merges, updates, wal, wal_of_updates = [], [], [], []
    before = await _whole_reads(conn)
    for _ in range(ROUNDS):
        position = await _position(conn)
        merges.append(await _merge(conn, spread.keys(rng, size), next(_EDITS)))
        wal.append((await _position(conn) - position) / CHANGED)
        await conn.execute("VACUUM issues", timeout=3600)
        position = await _position(conn)
        updates.append(await _update(conn, spread.keys(rng, size), next(_EDITS)))
        wal_of_updates.append((await _position(conn) - position) / CHANGED)
        await conn.execute("VACUUM issues", timeout=3600)
    row = await conn.fetchrow(
        "SELECT pg_table_size('issues') AS table_bytes, pg_relation_size('issues_pkey') AS index_bytes,"
        " (SELECT level + 1 FROM bt_metap('issues_pkey')) AS levels"
    )
    assert row is not None
    return CurvePoint(
        size,
        spread,
        row["table_bytes"],
        row["index_bytes"],
        row["levels"],
        merges[1:],
        updates[1:],
        median(wal[1:]),
        median(wal_of_updates[1:]),
        await _whole_reads(conn) - before,
    )


async def _position(conn: Connection) -> int:
    """Bytes logged so far."""
    return int(await conn.fetchval("SELECT (pg_current_wal_insert_lsn() - pg_lsn '0/0')::bigint"))


async def _whole_reads(conn: Connection) -> int:
    await conn.execute("SELECT pg_stat_force_next_flush()")
    return int(await conn.fetchval("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'issues'"))


async def _merge(conn: Connection, keys: Sequence[int], edit: int) -> float:
    """Seconds of the batches' transactions; every row is found and changed."""
    seconds = 0.0
    for start in range(0, len(keys), BATCH):
        records = [_record(key, edit) for key in keys[start : start + BATCH]]
        typed = transform_records(_AsTheyAre(), _STREAM, records)
        begun = time.perf_counter()
        async with conn.transaction():
            staged = await copy_rows(conn, _TABLE, typed)
            counts = await merge(conn, staged, run_id=edit, extracted_at=datetime.now(UTC))
        seconds += time.perf_counter() - begun
        if counts.changed != len(records):
            raise RuntimeError(f"{counts} of {len(records)} rows that all should change")
    return seconds


def _record(key: int, edit: int) -> dict[str, Any]:
    return {
        "id": key,
        "title": f"edit {edit}",
        "state": "open",
        "comments": edit,
        "updated_at": "2026-06-01T12:00:00Z",
        "labels": [{"name": "bug", "color": "d73a4a"}],
    }


async def _update(conn: Connection, keys: Sequence[int], edit: int) -> float:
    """Seconds of the same change by a bare UPDATE, in as many transactions, each row found by the index."""
    seconds = 0.0
    for start in range(0, len(keys), BATCH):
        begun = time.perf_counter()
        async with conn.transaction():
            await conn.execute("SET LOCAL enable_seqscan = off")
            done = await conn.execute(
                "UPDATE issues SET title = $2, comments = $3, updated_at = now(), _loaded_at = now()"
                " WHERE id = ANY($1::bigint[])",
                keys[start : start + BATCH],
                f"edit {edit}",
                edit,
            )
        seconds += time.perf_counter() - begun
        if done != f"UPDATE {len(keys[start : start + BATCH])}":
            raise RuntimeError(f"{done}: not every key was found")
    return seconds
