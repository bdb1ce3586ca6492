"""What has cost other people data: late commits, wrapped transaction numbers, rows dated in the future."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any

import pytest

from etl_core.connector import ExtractContext, PartitionState
from etl_core.errors import Permanent, Transient
from etl_core.store.database import Connection, connect
from etl_core.testing.walking import Destination, pages_of, run
from tests.support.jobs import eventually
from workers import pace
from workers.connectors.postgres import PostgresConnector, session
from workers.connectors.postgres.config import PostgresConfig
from workers.connectors.postgres.finding_sources import find_sources
from workers.connectors.postgres.session import open_session
from workers.connectors.postgres.sources import Source as Readable
from workers.connectors.postgres.statements import walk


class Source:
    """A table `t` of a database of its own, and a connector of it."""

    def __init__(self, url: str, conn: Connection) -> None:
        self.url = url
        self.conn = conn

    def connector(self, *tables: Any, **config: Any) -> PostgresConnector:
        return PostgresConnector(
            PostgresConfig.model_validate({"url": self.url, "tables": list(tables), **config})
        )

    async def make(self, rows: int = 6) -> None:
        await self.conn.execute("CREATE TABLE t (id int PRIMARY KEY, at timestamptz, n bigint, a text)")
        await self.conn.execute(
            "INSERT INTO t SELECT n, now() - interval '1 day', n, 'x' FROM generate_series(1, $1::int) AS n",
            rows,
        )


@pytest.fixture
async def source(empty_database_url: str) -> AsyncGenerator[Source]:
    conn = await connect(empty_database_url, application_name="tests")
    try:
        yield Source(empty_database_url, conn)
    finally:
        await conn.close()


def ids(loaded: Destination, stream: str = "t") -> set[Any]:
    return {key[0] for key in loaded.rows.get(stream, {})}


async def test_a_commit_that_is_later_than_any_overlap_is_found_by_xmin(source: Source) -> None:
    await source.make()
    connector = source.connector({"table": "t", "cursor": "xmin", "census_every": 0})
    loaded = Destination()
    late = await connect(source.url, application_name="late")
    try:
        async with late.transaction():
            await late.execute("INSERT INTO t VALUES (7, now() - interval '1 year')")
            await run(connector, loaded)
            await source.conn.execute("INSERT INTO t VALUES (8)")
            await run(connector, loaded)
            assert ids(loaded) == {1, 2, 3, 4, 5, 6, 8}
    finally:
        await late.close()
    await run(connector, loaded)
    assert ids(loaded) == {1, 2, 3, 4, 5, 6, 7, 8}
    await run(connector, loaded)
    assert loaded.records <= 1, "only what was written since is read"


async def test_transaction_numbers_that_have_wrapped_around_find_the_same_rows(source: Source) -> None:
    """A row shows 32 bits of its transaction, a bookmark has all: the very statement of a walk, as it would
    be asked five circles of 2^32 later, and when a whole circle has passed since the bookmark."""
    await source.make()
    connector = source.connector({"table": "t", "cursor": "xmin"})
    loaded = Destination()
    await run(connector, loaded)
    bookmark = loaded.checkpoint["t", "default"].bookmark
    assert bookmark
    await source.conn.execute("UPDATE t SET a = 'y' WHERE id = 3")
    async with open_session(connector.config) as session:
        (table,) = await find_sources(session, connector.config)
        assert isinstance(table, Readable)
        for passed, found in ((1 << 31, [3]), (1 << 32, [1, 2, 3, 4, 5, 6]), (0, [])):
            statement = walk(table, "rows", None, [str(int(bookmark["at"][0]) + (5 << 32)), str(passed)])
            rows = await session.connection.fetch(statement.sql, *statement.values)
            assert [row[0] for row in rows] == found


async def test_a_server_that_is_another_is_read_as_a_whole(source: Source) -> None:
    """After a restore, numbers of transactions say nothing of those before."""
    await source.make()
    connector = source.connector({"table": "t", "cursor": "xmin"})
    loaded = Destination()
    await run(connector, loaded)
    state = loaded.checkpoint["t", "default"]
    assert state.bookmark
    elsewhere = {**state.bookmark, "server": "1/1", "at": ["9000000000"]}
    loaded.checkpoint["t", "default"] = PartitionState(elsewhere, None)
    await run(connector, loaded)
    bookmark = loaded.checkpoint["t", "default"].bookmark
    assert bookmark
    # Transactions are numbered for the whole server: those of other databases count on meanwhile.
    assert int(state.bookmark["at"][0]) <= int(bookmark["at"][0]) < 9_000_000_000
    assert (loaded.records, {**bookmark, "at": state.bookmark["at"]}) == (6, state.bookmark)
    behind = {**state.bookmark, "at": ["9000000000"]}
    loaded.checkpoint["t", "default"] = PartitionState(behind, None)
    await run(connector, loaded)
    (failure,) = loaded.failures
    assert isinstance(failure.error, Transient)
    assert "standby" in str(failure.error)


async def test_a_row_dated_in_the_future_moves_no_bookmark(source: Source) -> None:
    await source.make()
    await source.conn.execute(
        "INSERT INTO t VALUES (7, 'infinity'), (8, now() + interval '1 year'), (9, NULL)"
    )
    connector = source.connector({"table": "t", "cursor": ["at"], "overlap": 0, "census_every": 0})
    loaded = Destination()
    for new in (10, 11):
        await run(connector, loaded)
        await source.conn.execute("INSERT INTO t VALUES ($1, clock_timestamp())", new)
    await run(connector, loaded)
    assert ids(loaded) == set(range(1, 12))


async def test_ties_and_numbers_that_commit_late(source: Source) -> None:
    """Two columns, of which the first is the same for many rows; a smaller number comes later."""
    await source.make(40)
    await source.conn.execute("UPDATE t SET n = 5; CREATE INDEX ON t (n, a)")
    table = {"table": "t", "cursor": ["n", "a"], "overlap": 3, "census_every": 0}
    connector = source.connector(table, page_size=7)
    loaded = Destination()
    await run(connector, loaded)
    bookmark = loaded.checkpoint["t", "default"].bookmark
    assert (ids(loaded), bookmark and bookmark["at"]) == (set(range(1, 41)), ["5", "x"])
    await source.conn.execute("INSERT INTO t VALUES (41, NULL, 2, 'late'), (42, NULL, 1, 'too late')")
    await run(connector, loaded, stop_after=2)
    await run(connector, loaded)
    assert ids(loaded) == set(range(1, 42)), "3 below the bookmark, and no lower"


async def test_a_table_that_is_made_again_is_read_as_a_whole(source: Source) -> None:
    """Its rows may well be older than those of the one before."""
    await source.make()
    connector = source.connector({"table": "t", "cursor": "at", "overlap": 0, "census_every": 0})
    loaded = Destination()
    await run(connector, loaded)
    await source.conn.execute("DROP TABLE t")
    await source.make(7)
    await source.conn.execute("UPDATE t SET at = at - id * interval '1 year', a = 'new'")
    await run(connector, loaded, stop_after=1)
    await run(connector, loaded)
    assert {row["a"] for row in loaded.rows["t"].values()} == {"new"}
    assert ids(loaded) == set(range(1, 8))
    await run(connector, loaded)
    assert loaded.records == 1, "and once"


async def test_a_cursor_or_key_of_another_type_begins_anew(source: Source) -> None:
    """A text is read back as no number, and 10 comes before 9 as a text."""
    await source.make(12)
    loaded = Destination()
    connector = source.connector({"table": "t", "cursor": "n", "overlap": 0}, page_size=5)
    await run(connector, loaded, stop_after=1)
    await source.conn.execute("ALTER TABLE t ALTER id TYPE text")
    await run(connector, loaded)
    assert ids(loaded) == {str(n) for n in range(1, 13)}
    await source.conn.execute("ALTER TABLE t ALTER n TYPE timestamptz USING to_timestamp(n)")
    await run(connector, loaded)
    assert (loaded.records, loaded.failures) == (12, [])


async def test_a_column_that_is_added_is_read_of_all_rows(source: Source) -> None:
    await source.make()
    loaded = Destination()
    await run(source.connector({"table": "t", "cursor": "at", "overlap": 0}), loaded)
    await source.conn.execute("ALTER TABLE t ADD COLUMN b int DEFAULT 7")
    await run(source.connector({"table": "t", "cursor": "at", "overlap": 0}), loaded)
    assert {row["b"] for row in loaded.rows["t"].values()} == {7}


async def test_what_cannot_be_read_fails_alone(source: Source) -> None:
    await source.make()
    await source.conn.execute(
        "CREATE VIEW slow AS SELECT id, pg_sleep(9)::text AS z FROM t; CREATE SEQUENCE s"
    )
    connector = source.connector(
        "gone",
        {"table": "slow", "key": "id"},
        "t",
        queries=[{"query": "SELECT nextval('s') AS id", "stream": "writes", "key": "id"}],
        statement_timeout_s=0.2,
    )
    loaded = Destination()
    await run(connector, loaded)
    assert len(loaded.rows["t"]) == 6
    told = {failure.stream: failure.error for failure in loaded.failures}
    assert isinstance(told["gone"], Permanent)
    assert "there is no such table" in str(told["gone"])
    assert isinstance(told["slow"], Transient)
    assert "statement_timeout_s" in str(told["slow"])
    assert "read-only transaction" in str(told["writes"])


async def test_a_connection_that_is_ended_is_begun_again_behind_its_last_page(source: Source) -> None:
    await source.make(20)
    await source.conn.execute("CREATE TABLE first AS SELECT * FROM t; ALTER TABLE first ADD PRIMARY KEY (id)")
    connector = source.connector("first", "t", page_size=8)
    loaded = Destination()
    streams = {stream.name: stream for stream in await connector.discover(ExtractContext())}
    with pytest.raises(Transient):
        async with aclosing(pages_of(connector, ExtractContext())) as pages:
            async for page in pages:
                loaded.load(connector, streams, page)
                if "t" in page.records:
                    await source.conn.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE application_name = 'etl-tui' AND datname = current_database()"
                    )
    loaded.begin_run()
    context = ExtractContext(checkpoint=dict(loaded.checkpoint))
    async for page in pages_of(connector, context):
        loaded.load(connector, streams, page)
    assert len(loaded.rows["t"]) == len(loaded.rows["first"]) == 20
    assert loaded.records == 12, "neither what was read of it, nor the table before, is read again"


async def test_who_alters_the_table_does_not_wait_for_the_end_of_the_walk(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LOOKS_EVERY", 0.0)
    await source.make(20)
    connector = source.connector("t", page_size=4)
    loaded = Destination()
    streams = {stream.name: stream for stream in await connector.discover(ExtractContext())}
    altering: asyncio.Task[str] | None = None
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 't'::regclass"
    other = await connect(source.url, application_name="other")
    try:
        async with aclosing(pages_of(connector, ExtractContext())) as pages:
            async for page in pages:
                loaded.load(connector, streams, page)
                if altering is None:
                    altering = asyncio.create_task(source.conn.execute("ALTER TABLE t ADD COLUMN b int"))
                    await eventually(lambda: other.fetchval(waits))
                elif loaded.pages == 3:
                    assert altering.done(), "it was let in between two pages"
    finally:
        await other.close()
    assert altering is not None
    await altering
    assert len(loaded.rows["t"]) == 20


async def test_rows_are_read_no_faster_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=lambda: 100.0 + sum(waited)))
    monkeypatch.setattr(pace, "asyncio", SimpleNamespace(sleep=sleep))
    reading = pace.Pace(1_000)
    for rows in (500, 2_000, 1):
        await reading.wait(rows)
    assert waited == pytest.approx([0.5, 2.0, 0.001])
