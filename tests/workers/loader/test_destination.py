"""Rows that go to another database: loaded once, whatever is lost between the two commits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from etl_core.connector import Column, ColumnType, Record, Stream
from etl_core.errors import Fenced, Permanent, Unauthorised, Unreachable
from etl_core.store import database
from etl_core.store.database import Connection
from tests.support.jobs import eventually, make_job, make_worker
from tests.workers.loader.loading import start_loading
from tests.workers.running import Hand
from workers import load as load_stage
from workers.loader import destination

T = ColumnType
THINGS = Stream("things", (Column("id", T.BIGINT), Column("a", T.TEXT)), key=("id",))
LOG = Stream("log", THINGS.columns)


def things(*ids: int, **fields: Any) -> list[Record]:
    return [{"id": n, "a": "x", **fields} for n in ids]


@pytest.fixture
async def there(
    worker: Hand, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Connection]:
    """The other database, to which the one integration's rows go."""
    monkeypatch.setenv("ELSEWHERE", empty_database_url)
    await make_job(worker.db)
    await worker.db.execute("UPDATE integrations SET destination_url = 'env:ELSEWHERE'")
    connection = await database.connect(empty_database_url, application_name="tests")
    yield connection
    await connection.close(timeout=5)
    await destination.close()


async def ids(there: Connection, table: str = "things") -> list[int]:
    rows = await there.fetch(f"SELECT id FROM acme_made_up.{table} WHERE _deleted_at IS NULL ORDER BY 1")
    return [row["id"] for row in rows]


async def test_rows_go_there_and_the_checkpoint_stays_here(worker: Hand, there: Connection) -> None:
    loading = await start_loading(worker, THINGS, LOG)
    assert await loading.load(1, things=things(1, 2), log=things(7)) == {"extracted": 10, "new": 3}
    assert await loading.load(2, things=things(1, 2, 3)) == {"extracted": 10, "new": 1, "unchanged": 2}
    assert await ids(there) == [1, 2, 3]
    assert await worker.db.fetchval("SELECT to_regclass('acme_made_up.things')") is None
    assert await loading.bookmark() == {"at": 2}
    assert await there.fetchval("SELECT count(*) FROM etl_tui.loads") == 2
    assert await worker.db.fetchval("SELECT count(*) FROM job_events WHERE action = 'ddl'") == 3
    await loading.end()
    # A later run, with a stream more although there is a checkpoint, and a column more.
    wider = Stream("things", (*THINGS.columns, Column("b", T.JSONB)), THINGS.key)
    loading = await start_loading(worker, wider, LOG, Stream("more", THINGS.columns))
    batch: dict[str, list[Record]] = {"things": [{"id": 1, "b": [1]}], "more": things(1)}
    assert await loading.load_batch(await loading.store(batch, 3)) == {
        "extracted": 10,
        "new": 1,
        "changed": 1,
    }
    assert await there.fetchval("SELECT count(*) FROM etl_tui.loads") == 1


async def test_nothing_to_be_done_is_one_statement_here_and_one_round_trip_there(
    worker: Hand, there: Connection
) -> None:
    loading = await start_loading(worker, THINGS)
    before = await worker.db.fetch("SELECT * FROM job_events")
    assert await loading.ensure(THINGS) == {"things": loading.loader.table("things")}
    assert await worker.db.fetch("SELECT * FROM job_events") == before
    assert loading.loader.table("things").destination == "env:ELSEWHERE"


@pytest.mark.parametrize("rows", [2, 1000])
async def test_lost_between_the_two_commits(
    worker: Hand, there: Connection, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """It is there once, although this batch is loaded again; also without a key, also what was refused."""
    loading = await start_loading(worker, THINGS, LOG)
    await there.execute("ALTER TABLE acme_made_up.things ADD CHECK (a <> 'bad')")
    batch = await loading.store(
        {"things": [*things(-1, a="bad"), *things(*range(rows))], "log": things(*range(rows))}
    )
    finish = load_stage.Loader._finish
    lost = 0

    async def be_lost(*arguments: Any) -> Any:
        nonlocal lost
        lost += 1
        if lost == 1:
            raise asyncpg.ConnectionDoesNotExistError("gone")
        return await finish(*arguments)

    monkeypatch.setattr(load_stage.Loader, "_finish", be_lost)
    counts = await loading.load_batch(batch)
    assert lost == 2
    assert counts == {"extracted": 10, "new": 2 * rows, "rejected": 1}
    assert await ids(there, "log") == list(range(rows))
    assert [payload for payload, _ in await loading.rejects()] == [b'{"id":-1,"a":"bad"}']
    assert await loading.bookmark() == {"at": 1}


async def test_who_was_fenced_while_it_waited_writes_nothing(worker: Hand, there: Connection) -> None:
    loading = await start_loading(worker, THINGS)
    await loading.load(1, things=things(1))
    batch = await loading.store({"things": things(2)}, 2)
    async with there.transaction():
        await there.execute("SELECT * FROM etl_tui.jobs FOR UPDATE")
        waiting = asyncio.create_task(loading.load_batch(batch))
        session = (
            "SELECT count(*) > 0 FROM pg_stat_activity "
            "WHERE application_name LIKE 'etl-worker/%@%' AND wait_event_type = 'Lock'"
        )
        await eventually(lambda: worker.db.fetchval(session))
        # As the sweep does it with a lost worker: its sessions here are ended, its leases raised.
        await worker.db.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name LIKE 'etl-worker/%' AND datname = current_database()"
        )
        await worker.db.execute("UPDATE run_batches SET lease = lease + 1 WHERE seq = 2")
    with pytest.raises(Fenced):
        await waiting
    assert await ids(there) == [1]
    assert await there.fetchval("SELECT count(*) FROM etl_tui.loads") == 1


async def test_what_a_lost_worker_holds_there_is_ended(
    worker: Hand, there: Connection, empty_database_url: str
) -> None:
    loading = await start_loading(worker, THINGS)
    await loading.load(1, things=things(1))
    lost = await make_worker(worker.db)
    mark = await worker.db.fetchval("SELECT '@' || left(id::text, 8) FROM installation")
    stopped = await database.connect(empty_database_url, application_name=f"etl-worker/{lost}{mark}")
    transaction = stopped.transaction()
    await transaction.start()
    await stopped.execute("UPDATE etl_tui.jobs SET run_uid = gen_random_uuid()")
    await stopped.execute("INSERT INTO acme_made_up.things (id) VALUES (2)")
    await worker.db.execute("UPDATE workers SET lost_at = now() WHERE id = $1", lost)
    assert await loading.load(2, things=things(2)) == {"extracted": 10, "new": 1}
    assert stopped.is_closed() or await is_dead(stopped)


async def is_dead(connection: Connection) -> bool:
    try:
        await connection.fetchval("SELECT 1")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        return True
    return False


async def test_full_refreshes_and_inferred_columns_go_there_too(worker: Hand, there: Connection) -> None:
    stream = Stream("things", (), ("id",), infer=True, full_refresh=True)
    loading = await start_loading(worker, stream)
    end: dict[str, Any] = {"stream": "things", "partition": "default", "bookmark": {}, "resume": None}
    for records, counts in (
        (things(1, 2, 3), {"new": 3}),
        (things(1, 3, b=[1]), {"changed": 2, "deleted": 1}),
        (things(1, 3, b=[1]), {"unchanged": 2}),
    ):
        batch = await loading.store({"things": records}, fragments=[end])
        assert await loading.load_batch(batch) == {"extracted": 10, **counts}
    assert await ids(there) == [1, 3]
    with pytest.raises(Permanent, match="no record at all"):
        await loading.load_batch(await loading.store({"things": []}, fragments=[end]))


async def test_two_that_load_into_one_database_do_not_take_each_other_s_tables(
    worker: Hand, there: Connection
) -> None:
    await there.execute("CREATE SCHEMA acme_made_up; CREATE TABLE acme_made_up.things (id int)")
    with pytest.raises(Permanent, match="is there already and was not made by a job"):
        await start_loading(worker, THINGS)
    assert await worker.db.fetchval("SELECT count(*) FROM destination_tables") == 0


async def test_what_leads_nowhere_is_named_and_no_secret_told(
    worker: Hand, there: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading = await start_loading(worker)
    monkeypatch.setenv("ELSEWHERE", "postgresql://me:hush@127.0.0.1:1/x")
    with pytest.raises(Unreachable, match=r"^destination env:ELSEWHERE: .*refused") as told:
        await loading.ensure(THINGS)
    assert "hush" not in str(told.value)
    monkeypatch.setenv("ELSEWHERE", "mysql://me:hush@box/x")
    with pytest.raises(Permanent, match=r"^destination env:ELSEWHERE: ") as refused:
        await loading.ensure(THINGS)
    assert "hush" not in str(refused.value)
    monkeypatch.delenv("ELSEWHERE")
    with pytest.raises(Unauthorised, match="env:ELSEWHERE"):
        await loading.ensure(THINGS)


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("env:URL", True),
        ("file:/run/secrets/url", True),
        ("postgresql://box:5432/warehouse", True),
        ("postgres://me@box/warehouse?sslmode=require", True),
        ("postgresql://me:hush@box/warehouse", False),
        ("postgresql://box/warehouse?user=me&password=hush", False),
        ("mysql://box/x", False),
        ("hush", False),
    ],
)
async def test_a_password_is_not_stored(db: Connection, url: str, fits: bool) -> None:
    await make_job(db)
    try:
        await db.execute("UPDATE integrations SET destination_url = $1", url)
        assert fits
    except asyncpg.CheckViolationError:
        assert not fits
