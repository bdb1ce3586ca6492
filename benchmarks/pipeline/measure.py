"""One load: what it took, by whose clock, and how many bytes of WAL it wrote."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.pipeline.processor_time import Used
from benchmarks.pipeline.records import Phase
from etl_core.store.database import Connection


@dataclass(slots=True)
class Load:
    """A load of `number` records; `seconds` is what counts, set by who measures better than from outside."""

    system: str
    phase: Phase
    number: int
    wall: float = 0.0
    """Seconds, from outside."""
    seconds: float = 0.0
    used: Used = (0.0, 0.0)
    """Processor seconds of the clients and of the server, from outside."""
    wal: int = 0
    """Bytes that the server logged meanwhile, of all its databases."""

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.number / self.seconds

    @property
    def processor(self) -> float:
        """Microseconds of all processors a record."""
        return sum(self.used) / self.number * 1e6

    @property
    def wal_per_row(self) -> float:
        return self.wal / self.number


@asynccontextmanager
async def measured(
    conn: Connection, system: str, phase: Phase, number: int, read_used: Callable[[], Used]
) -> AsyncIterator[Load]:
    """Measures what happens in the context, from the same state of the server for every system.

    Vacuumed and with a checkpoint just behind it, which also means that each page that is changed first is
    logged whole.
    """
    await conn.execute("VACUUM ANALYZE")
    await conn.execute("CHECKPOINT")
    load = Load(system, phase, number)
    position = await conn.fetchval("SELECT pg_current_wal_insert_lsn()")
    used = read_used()
    begun = time.perf_counter()
    yield load
    load.wall = time.perf_counter() - begun
    now_used = read_used()
    load.used = (now_used[0] - used[0], now_used[1] - used[1])
    load.seconds = load.seconds or load.wall
    load.wal = await conn.fetchval("SELECT (pg_current_wal_insert_lsn() - $1::pg_lsn)::bigint", position)


async def expect_loaded(conn: Connection, table: str, number: int, *, phase: Phase) -> None:
    """Raises RuntimeError unless the table has every record as the phase left it."""
    row = await conn.fetchrow(
        f"SELECT count(*) AS found, count(DISTINCT id) AS keys,"
        f" count(*) FILTER (WHERE title LIKE '%(edited)') AS edited FROM {table}"
    )
    edited = 0 if phase is Phase.INSERT else number
    if row is None or (row["found"], row["keys"], row["edited"]) != (number, number, edited):
        raise RuntimeError(f"{table} after {phase}: {row}, expected {number} records, {edited} edited")
