"""Merging: every value comes back, rows are counted for what happened to them, and merges at once agree."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from etl_core.connector import Column, ColumnType, Record, Stream
from etl_core.store.database import Connection
from tests.workers.loader.conftest import EXTRACTED, Connect, Ensure, Untransformed, load, rows_of
from workers.loader import LoadCounts, TargetTable, merge, retry_on_ddl, stage_rows
from workers.transform import transform_records

T = ColumnType
THINGS = Stream("things", (Column("id", T.BIGINT), Column("a", T.TEXT), Column("b", T.JSONB)), key=("id",))


@pytest.fixture
async def table(ensure: Ensure) -> TargetTable:
    return (await ensure(THINGS))["things"]


ODD = "\\N \\. \t\n\r\x01 'quotes' \"too\" 🎉 \U0010ffff"
DOCUMENT = {"a": [1, 2.5, None, True, {"ü": "\n"}], "n": 10**40}
VALUES: list[tuple[ColumnType, Any, Any]] = [
    (T.TEXT, "", ""),
    (T.TEXT, ODD, ODD),
    (T.TEXT, "x" * 1_000_000, "x" * 1_000_000),
    (T.BIGINT, -(2**63), -(2**63)),
    (T.BIGINT, str(2**63 - 1), 2**63 - 1),
    (T.NUMERIC, 2**200, Decimal(2**200)),
    (T.NUMERIC, "0.00000000000000000000000000000000000001", Decimal("1E-38")),
    (T.NUMERIC, 1e-300, Decimal("1e-300")),
    (T.NUMERIC, 0.1, Decimal("0.1")),
    (T.NUMERIC, "9" * 10_000, Decimal("9" * 10_000)),
    (T.BOOLEAN, "no", False),
    (T.TIMESTAMPTZ, "2024-02-29T12:00:00.123456+05:45", datetime(2024, 2, 29, 6, 15, 0, 123456, UTC)),
    (T.TIMESTAMPTZ, "0001-01-01T00:00:00", "0001-01-01 00:00:00+00"),
    (T.TIMESTAMPTZ, "9999-12-31T23:59:59.999999Z", "9999-12-31 23:59:59.999999+00"),
    (T.DATE, "2024-02-29", date(2024, 2, 29)),
    (T.DATE, date.max, "9999-12-31"),
    (T.DATE, date.min, "0001-01-01"),
    (T.UUID, "00000000-0000-0000-0000-00000000000A", UUID(int=10)),
    (T.JSONB, DOCUMENT, DOCUMENT),
    (T.JSONB, "just text", "just text"),
    (T.JSONB, [], []),
]


@pytest.mark.parametrize(("type_", "value", "comes_back"), VALUES)
async def test_values_come_back(
    db: Connection, ensure: Ensure, type_: ColumnType, value: Any, comes_back: Any
) -> None:
    stream = Stream("values", (Column("id", T.BIGINT), Column("v", type_)), key=("id",))
    table = (await ensure(stream))["values"]
    await db.execute("SET DateStyle = 'German, DMY'")  # nothing may depend on the session
    await db.execute("SET TimeZone = 'Asia/Tokyo'")
    assert await load(db, table, [{"id": 1, "v": value}, {"id": 2, "v": None}]) == LoadCounts(new=2)
    assert await load(db, table, [{"id": 1, "v": value}, {"id": 2, "v": None}]) == LoadCounts(unchanged=2)
    await db.execute("SET DateStyle = 'ISO'; SET TimeZone = 'UTC'")
    # The driver reads the ends of time as infinity's stand-ins, so those are compared as the server's text.
    as_text = type_ in (T.DATE, T.TIMESTAMPTZ) and isinstance(comes_back, str)
    found = await db.fetchval(f"SELECT v{'::text' if as_text else ''} FROM {table} WHERE id = 1")
    assert found == comes_back
    assert await db.fetchval(f"SELECT count(*) FROM {table} WHERE v IS NULL") == 1


async def test_new_changed_unchanged(db: Connection, table: TargetTable) -> None:
    assert await load(
        db, table, [{"id": i, "a": "x", "b": {"n": i}} for i in range(10)], run_id=1
    ) == LoadCounts(10)
    before = await db.fetch(f"SELECT ctid, xmin, * FROM {table} WHERE id < 7")
    again = [{"id": i, "a": "x" if i < 7 else "y", "b": {"n": i}} for i in range(12)]
    assert await load(db, table, again, run_id=2) == LoadCounts(new=2, changed=3, unchanged=7)
    # An unchanged row is not written, not even locked (xmax is not shown to differ, ctid and xmin would).
    assert await db.fetch(f"SELECT ctid, xmin, * FROM {table} WHERE id < 7") == before
    assert await db.fetchval(f"SELECT count(*) FROM {table} WHERE xmax <> 0 AND id < 7") == 0
    assert await rows_of(db, table, "id", "a", "_run_id", "_extracted_at") == [
        (i, "x" if i < 7 else "y", 1 if i < 7 else 2, EXTRACTED) for i in range(12)
    ]


async def test_nothing_to_load(db: Connection, table: TargetTable) -> None:
    assert await load(db, table, []) == LoadCounts()


async def test_absent_keeps_and_null_clears(db: Connection, table: TargetTable) -> None:
    await load(db, table, [{"id": i, "a": "x", "b": [i]} for i in range(4)])
    mixed: list[Record] = [
        {"id": 0, "a": "y"},
        {"id": 1, "b": None},
        {"id": 2},
        {"id": 4, "b": 4},
        {"id": 3, "a": "x", "b": [3]},
    ]
    assert await load(db, table, mixed) == LoadCounts(new=1, changed=2, unchanged=2)
    assert await rows_of(db, table, "id", "a", "b") == [
        (0, "y", [0]),
        (1, "x", None),
        (2, "x", [2]),
        (3, "x", [3]),
        (4, None, 4),
    ]
    assert await load(db, table, mixed) == LoadCounts(unchanged=5)


async def test_a_field_that_no_record_has_keeps_its_value(db: Connection, table: TargetTable) -> None:
    await load(db, table, [{"id": 1, "a": "x", "b": 1}])
    assert await load(db, table, [{"id": 1, "a": "y"}, {"id": 2, "a": "z"}]) == LoadCounts(new=1, changed=1)
    assert await load(db, table, [{"id": 1}, {"id": 3}]) == LoadCounts(new=1, unchanged=1)
    assert await rows_of(db, table, "id", "a", "b") == [(1, "y", 1), (2, "z", None), (3, None, None)]


async def test_presence_of_many_columns(db: Connection, ensure: Ensure) -> None:
    names = [f"c{i}" for i in range(70)]
    stream = Stream("wide", (Column("id", T.TEXT), *(Column(name, T.BIGINT) for name in names)), key=("id",))
    table = (await ensure(stream))["wide"]
    await load(db, table, [{"id": str(r), **dict.fromkeys(names, r)} for r in range(70)])
    counts = await load(db, table, [{"id": str(r), f"c{r}": -1} for r in range(70)])
    assert counts == LoadCounts(changed=70)
    for r in (0, 7, 8, 69):
        row = await db.fetchrow(f"SELECT * FROM {table} WHERE id = '{r}'")
        assert row is not None
        assert [row[name] for name in names] == [-1 if i == r else r for i in range(70)]


async def test_a_deleted_key_comes_back_as_changed(db: Connection, table: TargetTable) -> None:
    await load(db, table, [{"id": i, "a": "x", "b": 1} for i in range(4)])
    await db.execute(f"UPDATE {table} SET _deleted_at = now() WHERE id < 3")
    assert await load(db, table, [{"id": 0, "a": "x", "b": 1}]) == LoadCounts(changed=1)
    assert await load(db, table, [{"id": 1}, {"id": 2, "a": "y"}]) == LoadCounts(changed=2)
    assert await rows_of(db, table, "id", "a", "b", "_deleted_at") == [
        (0, "x", 1, None),
        (1, "x", 1, None),
        (2, "y", 1, None),
        (3, "x", 1, None),
    ]


async def test_a_key_twice_in_a_batch_is_one_row_with_the_later_fields(
    db: Connection, table: TargetTable
) -> None:
    batch: list[Record] = [{"id": 1, "a": "x", "b": 1}, {"id": "1", "a": "y"}]
    assert await load(db, table, batch) == LoadCounts(new=1)
    assert await rows_of(db, table, "id", "a", "b") == [(1, "y", 1)]


async def test_keys_that_are_equal_only_to_the_database(db: Connection, ensure: Ensure) -> None:
    stream = Stream(
        "exotic", (Column("n", T.NUMERIC), Column("j", T.JSONB), Column("a", T.TEXT)), key=("n", "j")
    )
    table = (await ensure(stream))["exotic"]
    batch: list[Record] = [
        {"n": "1.0", "j": {"a": 1, "b": 2}, "a": "x"},
        {"n": 1, "j": {"b": 2, "a": 1}, "a": "y"},
    ]
    assert await load(db, table, batch) == LoadCounts(new=1)
    assert await rows_of(db, table, "a") == [("y",)]
    assert await load(db, table, [*batch, {"n": 1, "j": {"a": 1, "b": 2.0}}]) == LoadCounts(unchanged=1)


async def test_only_key_columns(db: Connection, ensure: Ensure) -> None:
    stream = Stream("members", (Column("team", T.TEXT), Column("person", T.TEXT)), key=("team", "person"))
    table = (await ensure(stream))["members"]
    batch = [{"team": "a", "person": "b"}, {"team": "a", "person": "c"}]
    assert await load(db, table, batch) == LoadCounts(new=2)
    assert await load(db, table, batch) == LoadCounts(unchanged=2)
    await db.execute(f"UPDATE {table} SET _deleted_at = now()")
    assert await load(db, table, batch[:1]) == LoadCounts(changed=1)


async def test_append_only(db: Connection, ensure: Ensure) -> None:
    stream = Stream("log", THINGS.columns)
    table = (await ensure(stream))["log"]
    batch: list[Record] = [{"id": 1, "a": "x"}, {"id": 1, "a": "x"}, {"b": []}, {}]
    assert await load(db, table, batch) == LoadCounts(new=4)
    assert await load(db, table, [{}]) == LoadCounts(new=1)
    assert await rows_of(db, table, "_row_id", "id", "a", "b") == [
        (1, 1, "x", None),
        (2, 1, "x", None),
        (3, None, None, []),
        (4, None, None, None),
        (5, None, None, None),
    ]


async def test_several_stages_in_one_transaction_and_none_left(db: Connection, ensure: Ensure) -> None:
    tables = await ensure(THINGS, Stream("others", THINGS.columns, THINGS.key))
    rows = [
        transform_records(Untransformed(), table.stream, [{"id": 1}, {"id": 2, "a": "x"}])
        for table in tables.values()
    ]
    async with db.transaction():
        staged = [
            await stage_rows(db, t, r) for t, r in zip([*tables.values()] * 2, [*rows, *rows], strict=True)
        ]
        counts = [await merge(db, s, run_id=1, extracted_at=EXTRACTED) for s in staged]
    assert counts == [LoadCounts(new=2)] * 2 + [LoadCounts(unchanged=2)] * 2
    assert await db.fetchval("SELECT count(*) FROM pg_class WHERE relname LIKE 'etl\\_stage%'") == 0


async def test_a_failure_leaves_nothing(db: Connection, table: TargetTable) -> None:
    with pytest.raises(ZeroDivisionError):
        async with db.transaction():
            staged = await stage_rows(
                db, table, transform_records(Untransformed(), table.stream, [{"id": 1}])
            )
            await merge(db, staged, run_id=1, extracted_at=EXTRACTED)
            raise ZeroDivisionError
    assert await rows_of(db, table) == []


async def test_a_row_the_index_refuses_fails_the_batch_with_the_database_s_word(
    db: Connection, ensure: Ensure
) -> None:
    """What transform cannot know, a constraint that a person added, stops the batch and loads none of it."""
    table = (await ensure(THINGS))["things"]
    await db.execute(f"ALTER TABLE {table} ADD CHECK (a <> 'bad')")
    with pytest.raises(asyncpg.CheckViolationError):
        await load(db, table, [{"id": 1, "a": "good"}, {"id": 2, "a": "bad"}])
    assert await rows_of(db, table) == []


def shuffled_batches(seed: int) -> Iterator[list[Record]]:
    """Batches of overlapping keys: whole records, records that lack fields, new keys and old ones."""
    chance = random.Random(seed)
    for n in range(8):
        keys = chance.sample(range(60), 40)
        yield [
            {"id": key, "a": f"{seed}-{n}", "b": n}
            if chance.random() < 0.7 or n % 2
            else {"id": key, "a": f"{seed}-{n}"}
            for key in keys
        ]


async def test_merges_of_the_same_keys_at_once_neither_deadlock_nor_miscount(
    db: Connection, connect: Connect, table: TargetTable
) -> None:
    async def loader(seed: int) -> LoadCounts:
        conn = await connect()
        total = LoadCounts()
        for batch in shuffled_batches(seed):
            total += await load(conn, table, batch, run_id=seed)
        return total

    totals = await asyncio.gather(*(loader(seed) for seed in range(6)))
    total = sum(totals, LoadCounts())
    assert total.new == await db.fetchval(f"SELECT count(*) FROM {table}") == 60
    assert total.new + total.changed + total.unchanged == 6 * 8 * 40


@pytest.mark.parametrize("lacks", [False, True])
async def test_a_merge_waits_for_the_other_and_sees_what_it_did(
    db: Connection, connect: Connect, table: TargetTable, lacks: bool
) -> None:
    """Decided on the row as it is when the lock is had, not as it was when the statement began."""
    await load(db, table, [{"id": 1, "a": "old", "b": 1}, {"id": 2, "a": "old", "b": 2}])
    second = await connect()
    pid = second.get_server_pid()
    batch: list[Record] = [
        {"id": 1, "a": "new", "b": 1},
        {"id": 2, "a": "mine", "b": 20},
        {"id": 3, "a": "three", "b": 3},
    ]
    if lacks:
        batch = [{"id": 1, "a": "new"}, {"id": 2, "a": "mine"}, {"id": 3, "a": "three", "b": 3}]
    transaction = db.transaction()
    await transaction.start()
    await db.execute(f"UPDATE {table} SET a = 'new' WHERE id = 1")
    await db.execute(f"UPDATE {table} SET b = '20' WHERE id = 2")
    await db.execute(f"INSERT INTO {table} (id, a, b) VALUES (3, 'three', '3')")
    waiting = asyncio.create_task(load(second, table, batch))
    watcher = await connect()
    while not await watcher.fetchval(
        "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1", pid
    ):
        assert not waiting.done()
        await asyncio.sleep(0.01)
    await transaction.commit()
    assert await waiting == LoadCounts(changed=1, unchanged=2)
    assert await rows_of(db, table, "id", "a", "b") == [(1, "new", 1), (2, "mine", 20), (3, "three", 3)]


async def test_ddl_of_others_is_survived_by_running_once_more(
    db: Connection, connect: Connect, ensure: Ensure, table: TargetTable
) -> None:
    """What a cached statement of the caller meets when another worker widens the table in between."""
    conn = await connect()
    await conn.fetch(f"SELECT * FROM {table}")
    await db.execute(f"ALTER TABLE {table} ADD COLUMN extra text")
    tries = 0

    async def attempt() -> LoadCounts:
        nonlocal tries
        tries += 1
        async with conn.transaction():
            await conn.fetch(f"SELECT * FROM {table}")
            staged = await stage_rows(
                conn, table, transform_records(Untransformed(), table.stream, [{"id": 1}])
            )
            return await merge(conn, staged, run_id=1, extracted_at=EXTRACTED)

    assert await retry_on_ddl(attempt) == LoadCounts(new=1)
    assert tries == 2


async def test_our_own_statements_do_not_mind_ddl_of_others(
    db: Connection, connect: Connect, ensure: Ensure, table: TargetTable
) -> None:
    conn = await connect()
    await load(conn, table, [{"id": 1, "a": "x", "b": 1}])
    await db.execute(
        f"ALTER TABLE {table} ALTER COLUMN id TYPE numeric; ALTER TABLE {table} ADD COLUMN extra text"
    )
    assert await load(conn, table, [{"id": 1, "a": "x", "b": 1}, {"id": 2}]) == LoadCounts(new=1, unchanged=1)


async def test_at_most_a_few_statements_stay_prepared(db: Connection, table: TargetTable) -> None:
    for n in range(30):
        await load(db, table, [{"id": n}, {"id": -n - 1, "a": "x"}])
    merges = await db.fetchval(
        "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%merged AS%'"
    )
    assert merges <= 2
