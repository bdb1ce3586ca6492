"""New fields of a source: taken, left out and counted, or kept back with their records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from etl_core.connector import Column, ColumnType, Record, Stream
from etl_core.store.database import Connection
from tests.workers.loader.loading import Loading, start_loading
from tests.workers.running import Hand
from workers.loader import ensure_tables
from workers.loader.catalog import SchemaMode

T = ColumnType
OLD = Stream("things", (Column("id", T.BIGINT), Column("a", T.BIGINT)), key=("id",))
NEW = Stream("things", (Column("id", T.BIGINT), Column("a", T.TEXT), Column("b", T.JSONB)), key=("id",))
INFERRED = Stream("things", (), key=("id",), infer=True)
RECORDS: list[Record] = [
    {"id": 1, "a": 1},
    {"id": 2, "a": 2, "b": None},
    {"id": 3, "a": 3, "b": {"new": True}},
    {"id": 4, "a": "four"},
]


async def set_mode(db: Connection, mode: str) -> None:
    await db.execute("UPDATE integrations SET schema_mode = $1", mode)


async def load(worker: Hand, *streams: Stream, records: Sequence[Record], **options: Any) -> dict[str, int]:
    """One batch of a run of its own."""
    loading = await start_loading(worker, *streams, **options)
    counts = await loading.load(things=records)
    del counts["extracted"]
    await loading.end()
    return counts


async def reasons(db: Connection) -> list[str]:
    """In the order of the alphabet."""
    return sorted(row["reason"] for row in await db.fetch("SELECT reason FROM rejected_records"))


async def columns(db: Connection) -> dict[str, str]:
    rows = await db.fetch(
        "SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute "
        "WHERE attrelid = 'acme_made_up.things'::regclass AND attnum > 0 AND NOT attisdropped "
        "AND attname NOT LIKE E'\\\\_%' ORDER BY attnum"
    )
    return {row["attname"]: row["type"] for row in rows}


@pytest.fixture
async def loading(worker: Hand) -> Loading:
    return await start_loading(worker)


@pytest.fixture(params=["declared", "inferred"])
async def streams(worker: Hand, request: pytest.FixtureRequest) -> tuple[Stream, Stream]:
    """The stream before and after its source has something new; its table was made before."""
    before, after = (OLD, NEW) if request.param == "declared" else (INFERRED, INFERRED)
    assert await load(worker, before, records=[{"id": 1, "a": 1}, {"id": 9, "a": 9}]) == {"new": 2}
    return before, after


async def test_evolve(worker: Hand, streams: tuple[Stream, Stream]) -> None:
    assert await load(worker, streams[1], records=RECORDS) == {"new": 3, "unchanged": 1}
    assert await columns(worker.db) == {"id": "bigint", "a": "text", "b": "jsonb"}
    assert await worker.db.fetchval("SELECT b FROM acme_made_up.things WHERE id = 3") == {"new": True}
    assert await worker.db.fetchval("SELECT count(*) FROM job_events WHERE action = 'ddl'") == 4
    assert await load(worker, streams[1], records=RECORDS) == {"unchanged": 4}
    assert await worker.db.fetchval("SELECT count(*) FROM job_events WHERE action = 'ddl'") == 4


async def test_freeze(worker: Hand, streams: tuple[Stream, Stream]) -> None:
    await set_mode(worker.db, "freeze")
    for new in (2, 0):
        counts = await load(worker, streams[1], records=RECORDS)
        assert counts.pop("new", 0) == new
        assert counts == {"unchanged": 3 - new, "rejected": 1, "values_left_out": 2}
    assert await columns(worker.db) == {"id": "bigint", "a": "bigint"}
    assert await reasons(worker.db) == ["column a: 'four' cannot be stored as bigint"]
    assert await worker.db.fetchval("SELECT count(*) FROM job_events WHERE action = 'ddl'") == 2


async def test_quarantine_until_a_person_lets_it_evolve(worker: Hand, streams: tuple[Stream, Stream]) -> None:
    await set_mode(worker.db, "quarantine")
    counts = await load(worker, streams[1], records=RECORDS)
    if streams[1].infer:  # each value shows whether it is of another type
        assert counts == {"new": 1, "unchanged": 1, "rejected": 2}
        assert await reasons(worker.db) == ["column a: 'four' cannot be stored as bigint", "new field b"]
    else:
        assert counts == {"rejected": 4}
        assert set(await reasons(worker.db)) == {"field a was bigint and is now text"}
    assert await columns(worker.db) == {"id": "bigint", "a": "bigint"}
    assert await load(worker, streams[1], records=RECORDS, evolve=True) == {
        "new": 2 if streams[1].infer else 3,
        "unchanged": 2 if streams[1].infer else 1,
    }
    assert await columns(worker.db) == {"id": "bigint", "a": "text", "b": "jsonb"}
    assert await load(worker, streams[1], records=[{"id": 5, "c": 1}]) == (
        {"rejected": 1} if streams[1].infer else {"new": 1}  # c is none of the stream's columns
    )


async def test_a_new_field_alone_is_kept_back(worker: Hand) -> None:
    await load(worker, OLD, records=[{"id": 1, "a": 1}])
    await set_mode(worker.db, "quarantine")
    wider = Stream("things", (*OLD.columns, Column("b", T.JSONB)), OLD.key)
    assert await load(worker, wider, records=RECORDS[:3]) == {"new": 1, "unchanged": 1, "rejected": 1}
    assert await reasons(worker.db) == ["new field b"]


@pytest.mark.parametrize("mode", [SchemaMode.FREEZE, SchemaMode.QUARANTINE])
async def test_a_table_that_is_not_there_is_made_in_every_mode(worker: Hand, mode: SchemaMode) -> None:
    await worker.make_job()
    await set_mode(worker.db, mode)
    assert await load(worker, NEW, records=RECORDS) == {"new": 4}


async def test_when_frozen_nothing_to_be_done_is_still_one_statement(worker: Hand) -> None:
    await load(worker, OLD, records=[{"id": 1, "a": 1}])
    await set_mode(worker.db, "freeze")
    async with worker.pool.acquire() as conn:
        asked: list[Any] = []
        conn.add_query_logger(asked.append)
        job_id = await worker.db.fetchval("SELECT id FROM etl_jobs")
        tables = await ensure_tables(
            conn, job_id=job_id, tenant="acme", integration="made-up", schema=None, streams=[NEW]
        )
        conn.remove_query_logger(asked.append)
    assert tables["things"].left_out == {"b"}
    assert len(asked) <= 1


async def test_inferred_columns_grow_with_the_records(loading: Loading) -> None:
    loading.tables(await loading.ensure(INFERRED))
    assert not loading.loader.table("things").is_made
    steps: list[tuple[list[Record], dict[str, str]]] = [
        ([{"id": None}, {"x": 1}], {}),
        (
            [{"id": 1, "n": 1, "nothing": None}, {"id": 2, "ok": True}],
            {"id": "bigint", "n": "bigint", "ok": "boolean"},
        ),
        ([{"id": 3, "n": 2**70}], {"n": "numeric"}),
        ([{"id": 4, "n": 0.5, "when": "2024-05-01"}], {"when": "text"}),
        ([{"id": 5, "n": "many", "deep": {"a": [1]}}], {"n": "text", "deep": "jsonb"}),
        ([{"id": "six", "n": [1]}], {"id": "text"}),
    ]
    expected: dict[str, str] = {}
    for position, (records, changes) in enumerate(steps):
        counts = await loading.load(position, things=records)
        if not changes:
            assert counts == {"extracted": 10, "rejected": 2}
            assert set(await reasons(loading.db)) == {"key column id is missing or null"}
            continue
        assert counts == {"extracted": 10, "new": len(records)}
        expected |= changes
        assert await columns(loading.db) == expected
    rows = await loading.rows(columns='id, n, ok, "when", deep')
    assert rows == [
        ("1", "1", None, None, None),
        ("2", None, True, None, None),
        ("3", str(2**70), None, None, None),
        ("4", "0.5", None, "2024-05-01", None),
        ("5", "many", None, None, {"a": [1]}),
        ("six", "[1]", None, None, None),
    ]


async def test_inferred_without_a_key_appends(loading: Loading) -> None:
    loading.tables(await loading.ensure(Stream("things", (), infer=True)))
    assert await loading.load(1, things=[{}, {"a": None}]) == {"extracted": 10, "new": 2}
    assert await loading.load(2, things=[{"a": 1}]) == {"extracted": 10, "new": 1}
    assert await loading.rows(columns="_row_id, a") == [(1, None), (2, None), (3, 1)]


async def test_names_that_no_column_can_have(loading: Loading) -> None:
    loading.tables(await loading.ensure(INFERRED))
    records: list[Record] = [
        {"id": 1, "N" * 100: 1, "select": 2, "_run_id": 3, 'a"b': 4, "Id": 5, "": 6, "名": 7},
        {"id": 2, "a\x00": 1},
        {"id": 3, "\ud800": 1},
    ]
    assert await loading.load(things=records) == {"extracted": 10, "new": 1, "rejected": 2}
    names = await columns(loading.db)
    assert len(names) == 7  # `_run_id` of the source begins with _ and is not listed
    assert all(len(name) <= 63 for name in names)
    assert [reason[:18] for reason in await reasons(loading.db)] == [
        "field '\\ud800': a ",
        "field 'a\\x00': a n",
    ]


async def test_a_declared_column_of_an_inferred_stream_keeps_its_type(loading: Loading) -> None:
    declared = Stream("things", (Column("at", T.TIMESTAMPTZ), Column("n", T.BIGINT)), ("id",), infer=True)
    loading.tables(await loading.ensure(declared))
    records: list[Record] = [{"id": 1, "at": "2024-05-01"}, {"id": 2, "at": "soon"}, {"id": 3, "n": "x"}]
    assert await loading.load(things=records) == {"extracted": 10, "new": 1, "rejected": 2}
    assert await columns(loading.db) == {
        "at": "timestamp with time zone",
        "n": "bigint",
        "id": "bigint",
    }


async def test_the_next_run_knows_what_was_inferred(worker: Hand) -> None:
    await load(worker, INFERRED, records=[{"id": 1, "a": "x"}])
    loading = await start_loading(worker, INFERRED)
    table = loading.loader.table("things")
    assert table.is_made
    assert [(column.name, column.type) for column in table.stream.columns] == [
        ("id", T.BIGINT),
        ("a", T.TEXT),
    ]
    assert await loading.load(2, things=[{"id": 1, "a": 5}]) == {"extracted": 10, "changed": 1}
