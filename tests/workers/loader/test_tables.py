"""Destination tables: made once, widened by rule, never another's, and untouched when nothing changed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from etl_core.connector import Column, ColumnType, Stream
from etl_core.errors import Permanent, Transient
from etl_core.store.database import Connection
from tests.workers.loader.conftest import Connect, Ensure, load, make_job, rows_of
from workers.loader import ensure_tables, tables
from workers.loader.catalog import read_tables

T = ColumnType
PULLS = Stream("pull_requests", (Column("id", T.BIGINT), Column("title", T.TEXT)), key=("id",))


def with_column(stream: Stream, name: str, type_: ColumnType) -> Stream:
    others = tuple(column for column in stream.columns if column.name != name)
    return Stream(stream.name, (*others, Column(name, type_)), stream.key)


async def columns_of(db: Connection, table: object) -> dict[str, str]:
    return {
        row["attname"]: row["type"]
        for row in await db.fetch(
            "SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute "
            "WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped",
            str(table),
        )
    }


async def ddl_events(db: Connection) -> list[str]:
    return [
        row["statement"]
        for row in await db.fetch(
            "SELECT detail ->> 'statement' AS statement FROM job_events WHERE action = 'ddl' ORDER BY id"
        )
    ]


async def test_makes_schema_and_table_registers_and_audits(
    db: Connection, ensure: Ensure, job_id: int
) -> None:
    all_types = Stream("all", tuple(Column(type_.value, type_) for type_ in ColumnType), key=("uuid", "date"))
    made = await ensure(PULLS, all_types)
    assert str(made["pull_requests"]) == "acme_github.pull_requests"
    assert await columns_of(db, made["pull_requests"]) == {
        "id": "bigint",
        "title": "text",
        "_extracted_at": "timestamp with time zone",
        "_loaded_at": "timestamp with time zone",
        "_run_id": "bigint",
        "_deleted_at": "timestamp with time zone",
    }
    assert made["all"].key == ("uuid", "date")
    assert made["all"].stream == all_types
    events = await ddl_events(db)
    assert [event.split(" (")[0] for event in events] == [
        'CREATE SCHEMA "acme_github"',
        'CREATE TABLE "acme_github"."pull_requests"',
        'CREATE TABLE "acme_github"."all"',
    ]
    row = await db.fetchrow("SELECT * FROM destination_tables WHERE table_name = 'pull_requests'")
    assert row is not None
    assert (row["job_id"], row["stream"], row["key"]) == (job_id, "pull_requests", ["id"])
    assert row["columns"][1] == {"name": "title", "column": "title", "type": "text"}
    assert (
        await db.fetchval(
            "SELECT count(*) FROM job_events WHERE job_id = $1 AND tenant_id IS NOT NULL", job_id
        )
        == 3
    )


async def test_nothing_is_executed_when_nothing_changed(
    db: Connection, connect: Connect, ensure: Ensure
) -> None:
    first = await ensure(PULLS)
    reader = await connect()
    async with reader.transaction():
        await reader.fetch('SELECT * FROM "acme_github"."pull_requests"')
        # Not even the DDL lock is wanted, nor a writing transaction: a read-only one would do.
        await reader.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('etl-tui destination acme_github', 0))"
        )
        await db.execute("SET default_transaction_read_only = on")
        assert await ensure(PULLS) == first
    await db.execute("SET default_transaction_read_only = off")
    assert len(await ddl_events(db)) == 2


async def test_when_nothing_is_to_be_done_one_statement_tells(db: Connection, ensure: Ensure) -> None:
    others = [Stream(f"other_{n}", PULLS.columns) for n in range(3)]
    first = await ensure(PULLS, *others)
    asked: list[str] = []

    def note(query: Any) -> None:
        asked.append(query.query)

    db.add_query_logger(note)
    assert await ensure(PULLS, *others) == first
    assert await ensure(others[1]) == {"other_1": first["other_1"]}
    await asyncio.sleep(0)  # it is told in the next turn of the loop
    db.remove_query_logger(note)
    assert len(asked) == 2
    assert all("loading_state" in query for query in asked)


async def test_a_change_by_hand_is_seen_although_the_answer_before_is_kept(
    db: Connection, ensure: Ensure
) -> None:
    await ensure(PULLS)
    assert await ensure(PULLS) == await ensure(PULLS)
    await db.execute("ALTER TABLE acme_github.pull_requests DROP COLUMN title")
    await ensure(PULLS)
    assert "title" in await columns_of(db, "acme_github.pull_requests")
    await db.execute("ALTER TABLE acme_github.pull_requests ALTER COLUMN title TYPE varchar(10)")
    with pytest.raises(Permanent, match=r"was character varying\(10\) and is now text"):
        await ensure(PULLS)


async def test_two_workers_at_once_make_one_table(connect: Connect, db: Connection, job_id: int) -> None:
    async def one() -> Any:
        conn = await connect()
        return await ensure_tables(
            conn, job_id=job_id, tenant="acme", integration="github", schema=None, streams=[PULLS]
        )

    results = await asyncio.gather(*(one() for _ in range(5)))
    assert all(result == results[0] for result in results)
    assert len(await ddl_events(db)) == 2


async def test_what_another_worker_makes_between_two_looks_is_our_own(
    connect: Connect, db: Connection, job_id: int, ensure: Ensure, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def and_be_overtaken(*args: Any) -> Any:
        job = await read_tables(*args)
        monkeypatch.setattr(tables, "read_tables", read_tables)
        await ensure_tables(
            await connect(), job_id=job_id, tenant="acme", integration="github", schema=None, streams=[PULLS]
        )
        return job

    monkeypatch.setattr(tables, "read_tables", and_be_overtaken)
    assert str((await ensure(PULLS))["pull_requests"]) == "acme_github.pull_requests"
    assert len(await ddl_events(db)) == 2


async def test_odd_names_are_carried_by_folded_ones(db: Connection, ensure: Ensure) -> None:
    names = ['say "hi"; --', "X" * 100, "X" * 99 + "Y", "select", "Name", "name", "_run_id", "xmin"]
    names += ["1st", "c0", "ordinal", "absent", "$1", "a:b", "%s", "{}"]
    stream = Stream(
        "Order; DROP TABLE x", tuple(Column(name, T.TEXT) for name in names), key=(names[0], "select")
    )
    table = (await ensure(stream))[stream.name]
    assert table.name == "order__drop_table_x"
    record = {name: f"value of {name}" for name in names}
    assert (await load(db, table, [record])).new == 1
    assert (await load(db, table, [record])).unchanged == 1
    del record["Name"], record["c0"]
    assert (await load(db, table, [record, {**record, "select": "2", "name": "n"}])).new == 1
    by_field = {column.field: column.name for column in table.columns}
    (first, *_) = await rows_of(db, table, *(by_field[name] for name in names))
    assert set(first) >= {f"value of {name}" for name in names if name != "select"}
    assert await ensure(stream) == {stream.name: table}
    assert len(await ddl_events(db)) == 2


async def test_new_columns_are_added_and_old_names_kept(db: Connection, ensure: Ensure) -> None:
    await ensure(with_column(PULLS, "Draft", T.BOOLEAN))
    # `draft` is spelt so itself, but the name is Draft's since the first run, even while `Draft` is away.
    table = (await ensure(with_column(PULLS, "draft", T.TEXT)))["pull_requests"]
    assert [column.name for column in table.columns] != ["id", "title", "draft"]
    table = (await ensure(with_column(with_column(PULLS, "draft", T.TEXT), "Draft", T.BOOLEAN)))[
        "pull_requests"
    ]
    assert table.columns[-1].name == "draft"
    assert (await load(db, table, [{"id": 1, "Draft": True, "draft": "x"}])).new == 1


@pytest.mark.parametrize(
    ("was", "now", "value", "stands"),
    [
        (T.BIGINT, T.NUMERIC, 12, "12"),
        (T.BIGINT, T.TEXT, 12, "12"),
        (T.NUMERIC, T.TEXT, "1.50", "1.50"),
        (T.BOOLEAN, T.TEXT, True, "true"),
        (T.UUID, T.TEXT, "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000a"),
        (T.DATE, T.TIMESTAMPTZ, "2024-02-29", "2024-02-29 00:00:00+00"),
    ],
)
async def test_types_widen_and_never_narrow(
    db: Connection, ensure: Ensure, was: ColumnType, now: ColumnType, value: Any, stands: str
) -> None:
    narrow, wide = with_column(PULLS, "v", was), with_column(PULLS, "v", now)
    table = (await ensure(narrow))["pull_requests"]
    await load(db, table, [{"id": 1, "v": value}])
    await db.execute(
        "SET TimeZone = 'Asia/Tokyo'"
    )  # the old values must not be read by the session's settings
    table = (await ensure(wide))["pull_requests"]
    await db.execute("SET TimeZone = 'UTC'")
    assert await db.fetchval(f"SELECT v::text FROM {table}") == stands
    assert table.columns[-1].type is now
    # Declared narrower again: the table stays, and the rows are made for it.
    again = (await ensure(narrow))["pull_requests"]
    assert again.stream.columns[-1].type is now
    assert (await load(db, again, [{"id": 1, "v": value}])).unchanged == 1
    assert len(await ddl_events(db)) == 3


@pytest.mark.parametrize(
    ("was", "now"), [(T.BIGINT, T.BOOLEAN), (T.TEXT, T.JSONB), (T.JSONB, T.TEXT), (T.TIMESTAMPTZ, T.TEXT)]
)
async def test_other_changes_of_type_are_refused(
    db: Connection, ensure: Ensure, was: ColumnType, now: ColumnType
) -> None:
    await ensure(with_column(PULLS, "v", was))
    with pytest.raises(Permanent, match=r"column v of acme_github.pull_requests was .* and is now"):
        await ensure(with_column(PULLS, "v", now))
    assert len(await ddl_events(db)) == 2


async def test_a_key_does_not_change_in_silence(ensure: Ensure) -> None:
    await ensure(PULLS)
    with pytest.raises(
        Permanent, match=r"key of acme_github.pull_requests was \(id\) and is now \(id, title\)"
    ):
        await ensure(Stream(PULLS.name, PULLS.columns, key=("id", "title")))


async def test_a_lost_primary_key_is_told(db: Connection, ensure: Ensure) -> None:
    await ensure(PULLS)
    await db.execute("ALTER TABLE acme_github.pull_requests DROP CONSTRAINT pull_requests_pkey")
    with pytest.raises(
        Permanent, match=r"primary key of acme_github.pull_requests is \(\) and must be \(id\)"
    ):
        await ensure(PULLS)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("DROP COLUMN _run_id", "_run_id of acme_github.pull_requests must be bigint and is gone"),
        ("ALTER COLUMN _run_id TYPE text", "_run_id of acme_github.pull_requests must be bigint and is text"),
        ("DROP COLUMN _deleted_at", "_deleted_at of acme_github.pull_requests .* and is gone"),
    ],
)
async def test_own_columns_changed_by_hand_are_named(
    db: Connection, ensure: Ensure, change: str, words: str
) -> None:
    await ensure(PULLS)
    await db.execute(f"ALTER TABLE acme_github.pull_requests {change}")
    with pytest.raises(Permanent, match=words):
        await ensure(PULLS)


async def test_a_view_in_the_way_is_told_in_one_line(db: Connection, ensure: Ensure) -> None:
    await ensure(with_column(PULLS, "size", T.BIGINT))
    await db.execute("CREATE VIEW acme_github.sizes AS SELECT size FROM acme_github.pull_requests")
    with pytest.raises(Permanent, match=r"acme_github.sizes depends on column .*; mend that by hand") as told:
        await ensure(with_column(PULLS, "size", T.NUMERIC))
    assert "\n" not in str(told.value)


async def test_a_table_belongs_to_one_job(db: Connection, ensure: Ensure) -> None:
    await ensure(PULLS, schema="shared")
    other = await make_job(db, "gitlab", "other")
    with pytest.raises(
        Permanent, match=r"belongs to job github sync \(tenant acme\), so job gitlab sync \(tenant other\)"
    ):
        await ensure_tables(
            db, job_id=other, tenant="other", integration="gitlab", schema="shared", streams=[PULLS]
        )


async def test_two_jobs_at_once_for_one_table(connect: Connect, db: Connection, job_id: int) -> None:
    other = await make_job(db, "gitlab", "other")

    async def one(of: int) -> Any:
        conn = await connect()
        return await ensure_tables(
            conn, job_id=of, tenant="x", integration="y", schema="shared", streams=[PULLS]
        )

    results = await asyncio.gather(one(job_id), one(other), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Permanent", "dict"]


@pytest.mark.parametrize(
    "made", ["TABLE shared.pull_requests (id int)", "VIEW shared.pull_requests AS SELECT 1"]
)
async def test_what_others_made_is_left_alone(db: Connection, ensure: Ensure, made: str) -> None:
    await db.execute(f"CREATE SCHEMA shared; CREATE {made}")
    with pytest.raises(Permanent, match=r"shared\.pull_requests is there already"):
        await ensure(PULLS, schema="shared")


async def test_our_own_tables_are_no_destination(ensure: Ensure) -> None:
    with pytest.raises(Permanent, match=r"public\.etl_jobs is there already"):
        await ensure(Stream("etl_jobs", PULLS.columns, PULLS.key), schema="public")


async def test_a_dropped_table_comes_back_only_with_a_cleared_checkpoint(
    db: Connection, ensure: Ensure, job_id: int
) -> None:
    await ensure(PULLS)
    await db.execute("DROP TABLE acme_github.pull_requests")
    await db.execute(
        "INSERT INTO job_checkpoints (job_id, stream, partition, bookmark) VALUES ($1, 's', 'p', '{}')",
        job_id,
    )
    with pytest.raises(Permanent, match="is gone"):
        await ensure(PULLS)
    await db.execute("DELETE FROM job_checkpoints")
    table = (await ensure(PULLS))["pull_requests"]
    assert (await load(db, table, [{"id": 1}])).new == 1


async def test_a_table_stays_where_it_is_when_tenant_or_integration_are_renamed(
    db: Connection, ensure: Ensure, job_id: int
) -> None:
    first = await ensure(PULLS)
    renamed = await ensure_tables(
        db, job_id=job_id, tenant="ACME2", integration="hub", schema=None, streams=[PULLS]
    )
    assert renamed == first
    with pytest.raises(Permanent, match="is in schema acme_github, and the integration names elsewhere now"):
        await ensure(PULLS, schema="elsewhere")


async def test_a_lock_of_others_is_not_waited_for_for_ever(
    db: Connection, connect: Connect, ensure: Ensure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "ATTEMPTS", 1)
    await ensure(PULLS)
    reader = await connect()
    async with reader.transaction():
        await reader.fetch("SELECT * FROM acme_github.pull_requests")
        with pytest.raises(Transient, match="another session holds a lock"):
            await ensure(with_column(PULLS, "v", T.TEXT))
    assert "v" in await columns_of(db, (await ensure(with_column(PULLS, "v", T.TEXT)))["pull_requests"])
    assert await db.fetchval("SHOW lock_timeout") == "0"


async def test_missing_rights_are_named(db: Connection, ensure: Ensure) -> None:
    await db.execute(
        "CREATE ROLE etl_test_nobody; GRANT SELECT ON ALL TABLES IN SCHEMA public TO etl_test_nobody"
    )
    try:
        await db.execute("SET ROLE etl_test_nobody")
        with pytest.raises(Permanent, match="permission denied for database"):
            await ensure(PULLS)
    finally:
        await db.execute("RESET ROLE; DROP OWNED BY etl_test_nobody; DROP ROLE etl_test_nobody")


async def test_ddl_is_not_smuggled_into_a_transaction(db: Connection, ensure: Ensure) -> None:
    async with db.transaction():
        with pytest.raises(RuntimeError, match="outside"):
            await ensure(PULLS)
