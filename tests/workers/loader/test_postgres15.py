"""The composed SQL on the oldest server that is supported."""

from __future__ import annotations

from etl_core.connector import Column, ColumnType, Record, Stream
from etl_core.store import database
from etl_core.store.migrations import migrate
from tests.workers.loader.conftest import load, make_job, rows_of
from workers.loader import LoadCounts, ensure_tables


async def test_tables_and_merges_on_postgresql_15(database15_url: str) -> None:
    columns = tuple(Column(type_.value, type_) for type_ in ColumnType)
    streams = [Stream("keyed", columns, key=("bigint",)), Stream("log", columns)]
    conn = await database.connect(database15_url, application_name="tests")
    try:
        await migrate(conn)
        job_id = await make_job(conn)
        tables = await ensure_tables(
            conn, job_id=job_id, tenant="acme", integration="github", schema=None, streams=streams
        )
        keyed = tables["keyed"]
        batch = [{"bigint": n, "text": "x", "jsonb": {"n": n}, "date": "2024-02-29"} for n in range(5)]
        assert await load(conn, keyed, batch) == LoadCounts(new=5)
        assert await load(conn, keyed, batch) == LoadCounts(unchanged=5)
        partial: list[Record] = [{"bigint": 0, "text": "y"}, {"bigint": 1, "jsonb": None}, {"bigint": 9}]
        assert await load(conn, keyed, partial) == LoadCounts(new=1, changed=2)
        assert (await rows_of(conn, keyed, "bigint", "text", "jsonb"))[:2] == [
            (0, "y", {"n": 0}),
            (1, "x", None),
        ]
        assert await load(conn, tables["log"], batch) == LoadCounts(new=5)
    finally:
        await conn.close()
