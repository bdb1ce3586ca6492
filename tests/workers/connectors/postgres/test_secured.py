"""TLS, SCRAM and a hot standby, on PostgreSQL 15."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from etl_core.connector import ExtractContext
from etl_core.errors import Permanent, SourceError, Transient, Unauthorised
from etl_core.store.database import Connection, connect
from etl_core.testing.walking import Destination, pages_of, run
from tests.support.jobs import eventually
from tests.workers.connectors.postgres.secured import PASSWORD, Pair, start_pair
from workers.connectors.postgres import PostgresConnector
from workers.connectors.postgres.config import PostgresConfig


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with start_pair() as made:
        yield made


def connector(url: str, *tables: Any, **config: Any) -> PostgresConnector:
    return PostgresConnector(PostgresConfig.model_validate({"url": url, "tables": list(tables), **config}))


@pytest.fixture
async def primary(pair: Pair) -> AsyncGenerator[Connection]:
    conn = await connect(pair.primary, application_name="tests")
    try:
        await conn.execute("DROP TABLE IF EXISTS t; CREATE TABLE t (id int PRIMARY KEY, a text)")
        await conn.execute("INSERT INTO t SELECT n, 'x' FROM generate_series(1, 12) AS n")
        yield conn
    finally:
        await conn.close()


@pytest.fixture
async def standby(pair: Pair, primary: Connection) -> AsyncGenerator[Connection]:
    """Caught up."""
    conn = await connect(pair.standby, application_name="tests")
    try:
        await caught_up(primary, conn)
        yield conn
    finally:
        await conn.close()


async def caught_up(primary: Connection, standby: Connection) -> None:
    at = await primary.fetchval("SELECT pg_current_wal_insert_lsn()::text")

    async def is_there() -> bool:
        return bool(await standby.fetchval("SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", at))

    await eventually(is_there)


async def told_by(url: str, password: str | None = PASSWORD) -> SourceError:
    with pytest.raises(SourceError) as raised:
        await connector(url, "t", password=password).check()
    assert PASSWORD not in str(raised.value)
    return raised.value


async def test_tls_and_scram(pair: Pair, primary: Connection) -> None:
    await primary.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'; GRANT SELECT ON t TO reader")
    try:
        assert str(
            await primary.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = 'reader'")
        ).startswith("SCRAM-SHA-256")
        for url in (pair.by_network("verify-full"), pair.by_network("verify-ca", host="127.0.0.1")):
            reading = connector(url, "t", password=PASSWORD)
            assert "as reader, with TLS" in (await reading.check())[0].detail
            loaded = Destination()
            await run(reading, loaded)
            assert len(loaded.rows["t"]) == 12
        for url, told in (
            (pair.by_network("verify-full", ca="stranger"), "verify failed"),
            (pair.by_network("verify-full", host="127.0.0.1"), "not valid for '127.0.0.1'"),
            (pair.by_network("verify-full", ca="nowhere"), "nowhere.pem"),
        ):
            error = await told_by(url)
            assert isinstance(error, Permanent)
            assert told in str(error)
            assert "sslrootcert" in str(error)
        error = await told_by(pair.by_network("disable", ca=""))
        assert isinstance(error, Unauthorised)
        assert "sslmode" in str(error)
        error = await told_by(pair.by_network("require", ca="", standby=True))
        assert isinstance(error, Permanent)
        assert "offers no TLS" in str(error)
        for password in ("falsch", None):
            error = await told_by(pair.by_network("verify-full"), password)
            assert isinstance(error, Unauthorised)
            assert "give the role's password" in str(error)
    finally:
        await primary.execute("DROP OWNED BY reader; DROP ROLE reader")


async def test_a_standby_is_read_by_xmin_as_its_primary_is(
    pair: Pair, primary: Connection, standby: Connection
) -> None:
    table = {"table": "t", "cursor": "xmin", "census_every": 0}
    there, here = connector(pair.standby, table), connector(pair.primary, table)
    found = {each.what: each for each in await there.check()}
    assert "hot standby" in found["server"].detail
    assert "hot_standby_feedback" in found["standby"].remedy
    loaded = Destination()
    late = await connect(pair.primary, application_name="late")
    try:
        async with late.transaction():
            await late.execute("INSERT INTO t VALUES (20, 'late')")
            await run(there, loaded)
            await primary.execute("INSERT INTO t VALUES (21, 'new')")
            await caught_up(primary, standby)
            await run(there, loaded)
            assert {key[0] for key in loaded.rows["t"]} == {*range(1, 13), 21}
    finally:
        await late.close()
    await caught_up(primary, standby)
    await run(there, loaded)
    assert {key[0] for key in loaded.rows["t"]} == {*range(1, 13), 20, 21}
    await standby.execute("SELECT pg_wal_replay_pause()")
    try:
        await primary.execute("INSERT INTO t SELECT n, 'ahead' FROM generate_series(30, 32) AS n")
        await primary.execute("INSERT INTO t VALUES (33, 'ahead')")
        await run(here, loaded)
        assert loaded.records <= 5, "it is the same history: only what is new is read"
        await run(there, loaded)
        (failure,) = loaded.failures
        assert isinstance(failure.error, Transient)
        assert "a standby that is behind?" in str(failure.error)
    finally:
        await standby.execute("SELECT pg_wal_replay_resume()")


async def test_a_page_that_is_cancelled_for_replay_is_asked_for_again(
    pair: Pair, primary: Connection, standby: Connection
) -> None:
    """VACUUM on the primary takes rows away that the walk's snapshot still sees."""
    reading = connector(pair.standby, "t", page_size=2)
    loaded = Destination()
    streams = {stream.name: stream for stream in await reading.discover(ExtractContext())}
    with pytest.raises(Transient, match=r"conflict with recovery|ended it"):
        async with aclosing(pages_of(reading, ExtractContext())) as pages:
            async for page in pages:
                loaded.load(reading, streams, page)
                if loaded.pages == 2:
                    await primary.execute("DELETE FROM t WHERE id > 10")
                    await primary.execute("VACUUM t")
                    await caught_up(primary, standby)
    loaded.begin_run()
    context = ExtractContext(checkpoint=dict(loaded.checkpoint))
    async for page in pages_of(reading, context):
        loaded.load(reading, streams, page)
    assert {key[0] for key in loaded.rows["t"]} == set(range(1, 11))
    assert loaded.records == 6, "behind the page that was loaded"


async def test_a_statement_that_is_cancelled_for_replay_passes(
    pair: Pair, primary: Connection, standby: Connection
) -> None:
    slow = {"query": "SELECT id, pg_sleep(30)::text AS a FROM t", "stream": "slow", "key": ["id"]}
    loaded = Destination()
    reading = asyncio.create_task(run(connector(pair.standby, queries=[slow]), loaded))
    sleeps = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    await eventually(lambda: standby.fetchval(sleeps))
    await primary.execute("DELETE FROM t WHERE id > 10")
    await primary.execute("VACUUM t")
    with pytest.raises(Transient, match=r"conflict with recovery .*hot_standby_feedback"):
        await reading
