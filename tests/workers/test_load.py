"""A batch is loaded whole, with its checkpoint, or what the destination refuses of it is found and kept."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from etl_core.connector import Column, ColumnType, Record, Stream
from etl_core.errors import Fenced
from etl_core.store import database
from etl_core.store.database import Connection
from tests.support.jobs import eventually
from tests.workers.loader.loading import Loading, start_loading
from tests.workers.running import Hand
from workers import load as load_stage
from workers.load import CannotLoad
from workers.loader import merge, piecewise

T = ColumnType
THINGS = Stream("things", (Column("id", T.BIGINT), Column("a", T.TEXT), Column("b", T.JSONB)), key=("id",))
LOG = Stream("log", THINGS.columns)


@pytest.fixture
async def loading(worker: Hand) -> Loading:
    return await start_loading(worker, THINGS, LOG)


def things(*ids: int, **fields: Any) -> list[Record]:
    return [{"id": n, "a": "x", "b": n, **fields} for n in ids]


async def traces(db: Connection) -> list[Any]:
    """What loads leave but for times, payloads included."""
    return [
        await db.fetch(query)
        for query in (
            "SELECT seq, lane, stage, state, lease, counts, loaded_at IS NULL FROM run_batches ORDER BY 1",
            "SELECT stream, partition, bookmark, resume FROM job_checkpoints ORDER BY 1, 2",
            "SELECT seq FROM batch_payloads",
            "SELECT id, a, b, _run_id, _deleted_at FROM acme_made_up.things ORDER BY id",
            "SELECT id, a, b, _run_id FROM acme_made_up.log ORDER BY _row_id",
        )
    ]


async def test_in_one_statement_and_in_steps_a_load_leaves_the_same(
    loading: Loading, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[dict[str, list[Record]]] = [
        {"things": things(1, 2, 3)},
        {"things": [*things(1, a="y"), *things(1, a="z"), {"id": 2}, {"id": 9, "b": None}]},
        {"log": [{"a": "x"}, {}]},
        {"things": []},
        {},
    ]
    found = []
    for one_by_one in (False, True):
        if one_by_one:
            monkeypatch.setattr(load_stage, "few_rows", lambda *_: None)
            await loading.db.execute(
                "TRUNCATE run_batches, batch_payloads, job_checkpoints, acme_made_up.things, acme_made_up.log"
            )
        counts = [await loading.load_batch(await loading.store(batch, n)) for n, batch in enumerate(batches)]
        found.append((counts, await traces(loading.db)))
    assert found[0] == found[1]
    assert found[0][0] == [
        {"extracted": 10, "new": 3},
        {"extracted": 10, "new": 1, "changed": 1, "unchanged": 2},
        *found[0][0][2:],
    ]


@pytest.mark.parametrize("rows", [1, 1000])
async def test_another_s_batch_is_left_alone(loading: Loading, rows: int) -> None:
    batch = await loading.store({"things": things(*range(rows))})
    await loading.db.execute("UPDATE run_batches SET lease = lease + 1")
    before = await traces(loading.db)
    with pytest.raises(Fenced):
        await loading.loader.load(batch)
    assert await traces(loading.db) == before


@pytest.mark.parametrize("rows", [1, 1000])
async def test_a_lane_is_not_overtaken(loading: Loading, rows: int) -> None:
    first = await loading.store({"things": things(1)}, 1)
    second = await loading.store({"things": things(*range(rows))}, 2)
    with pytest.raises(Fenced, match="follows one not loaded"):
        await loading.loader.load(second)
    await loading.loader.load(first)
    await loading.loader.load(second)
    assert len(await loading.rows()) == max(rows, 1) + (rows == 1)


@pytest.mark.parametrize("rows", [1, 1000])
async def test_a_lane_that_has_ended_is_not_gone_on_with(loading: Loading, rows: int) -> None:
    await loading.store({"things": things(1)}, 1)
    second = await loading.store({"things": things(*range(rows))}, 2)
    await loading.db.execute("UPDATE run_batches SET state = 'SET_ASIDE' WHERE seq = 1")
    with pytest.raises(Fenced):
        await loading.loader.load(second)
    assert await loading.rows() == []


@pytest.mark.parametrize("rows", [1, 1000])
async def test_a_load_whose_answer_was_lost_is_not_done_twice(loading: Loading, rows: int) -> None:
    batch = await loading.store({"log": things(*range(rows))})
    counts = await loading.loader.load(batch)
    assert await loading.loader.load(batch) == counts
    assert len(await loading.rows("log")) == rows


async def test_rejects_of_extract_and_of_load_add_up(loading: Loading) -> None:
    batch = await loading.store({"things": things(1, 2)}, rejected=2)
    assert (await loading.loader.load(batch))["rows_rejected"] == 2
    batch = await loading.store({"things": [*things(1), *things(2, a="refuse")]}, rejected=2)
    assert (await loading.loader.load(batch))["rows_rejected"] == 3


@pytest.mark.parametrize("size", [5, 2000])
async def test_refused_rows_are_found_and_the_rest_is_loaded(loading: Loading, size: int) -> None:
    await loading.db.execute(
        "ALTER TABLE acme_made_up.things ADD CHECK (a <> 'bad'), ALTER COLUMN b SET NOT NULL"
    )
    bad = {0, size // 2, size - 1}
    records: list[Record] = [{"id": n, "a": "bad" if n in bad else "x", "b": n} for n in range(size)]
    records += [{"id": size, "a": "good", "b": None}, {"id": size + 1, "a": "refuse", "b": 1}]
    counts = await loading.load(5, things=records)
    assert counts == {"extracted": 10, "new": size - 3, "rejected": 5}
    assert [row[0] for row in await loading.rows()] == [n for n in range(size) if n not in bad]
    assert await loading.bookmark() == {"at": 5}
    rejects = await loading.rejects()
    assert {payload for payload, _ in rejects if b"bad" in payload} == {
        b'{"id":%d,"a":"bad","b":%d}' % (n, n) for n in bad
    }
    assert {reason for _, reason in rejects} == {
        "told to",
        'new row for relation "things" violates check constraint "things_a_check"',
        'null value in column "b" of relation "things" violates not-null constraint',
    }
    assert await loading.load(6, things=records) == {"extracted": 10, "unchanged": size - 3, "rejected": 5}


async def test_only_the_stream_that_has_bad_rows_loses_them(loading: Loading) -> None:
    await loading.db.execute("ALTER TABLE acme_made_up.log ADD CHECK (a <> 'bad')")
    counts = await loading.load(things=things(1, 2), log=[*things(3), *things(4, a="bad"), *things(5)])
    assert counts == {"extracted": 10, "new": 4, "rejected": 1}
    assert [row[0] for row in await loading.rows("log")] == [3, 5]


async def test_a_row_of_several_records_is_kept_as_it_would_have_been_loaded(loading: Loading) -> None:
    await loading.db.execute("ALTER TABLE acme_made_up.things ADD CHECK (a <> 'bad')")
    await loading.load(things=[{"id": 1, "a": "bad", "zzz": 1}, {"id": 1, "b": [1]}, {"id": 2, "a": "ok"}])
    assert (await loading.rejects())[0][0] == b'{"id":1,"a":"bad","b":[1]}'


async def test_a_value_too_large_for_an_index_made_by_hand_is_refused_alone(loading: Loading) -> None:
    await loading.db.execute("CREATE INDEX ON acme_made_up.things (a)")
    large = "".join(chr(33 + n * n * 7 % 8000) for n in range(20_000))
    assert await loading.load(things=[*things(1), *things(2, a=large)]) == {
        "extracted": 10,
        "new": 1,
        "rejected": 1,
    }
    assert "index row" in (await loading.rejects())[0][1]


async def test_a_constraint_that_waits_for_commit_and_a_trigger_are_met_too(loading: Loading) -> None:
    await loading.db.execute(
        "ALTER TABLE acme_made_up.things ADD UNIQUE (a) DEFERRABLE INITIALLY DEFERRED;"
        "CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $$"
        "BEGIN IF NEW.id = 3 THEN RAISE EXCEPTION 'not three'; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER forbid BEFORE INSERT ON acme_made_up.things FOR EACH ROW EXECUTE FUNCTION forbid()"
    )
    counts = await loading.load(things=[*things(1, a="p"), *things(2, a="p"), *things(3, a="q"), *things(4)])
    assert counts == {"extracted": 10, "new": 2, "rejected": 2}
    assert [row[0] for row in await loading.rows()] == [1, 4]
    assert [reason for _, reason in await loading.rejects()] == [
        'duplicate key value violates unique constraint "things_a_key"',
        "not three",
    ]


async def test_when_all_is_bad_the_batch_still_ends(
    loading: Loading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the work is bounded: after so many bad rows found, what fails is not looked through any more."""
    merges = 0

    async def counted(*args: Any, **named: Any) -> Any:
        nonlocal merges
        merges += 1
        return await merge(*args, **named)

    monkeypatch.setattr(piecewise, "merge", counted)
    await loading.db.execute("ALTER TABLE acme_made_up.things ADD CHECK (a <> 'bad')")
    assert await loading.load(4, things=things(*range(1500), a="bad")) == {"extracted": 10, "rejected": 1500}
    assert merges < 2 * piecewise.MOST_SOUGHT + 40
    assert await loading.rows() == []
    assert await loading.bookmark() == {"at": 4}


@pytest.mark.parametrize(
    "change", ["DROP TABLE acme_made_up.things", "ALTER TABLE acme_made_up.things DROP COLUMN a"]
)
async def test_what_concerns_all_rows_is_not_looked_for_in_some(loading: Loading, change: str) -> None:
    await loading.db.execute(change)
    with pytest.raises(CannotLoad, match=r"acme_made_up.things: .* does not exist"):
        await loading.load(things=things(1, 2))
    assert await loading.rejects() == []


async def test_ddl_of_others_between_two_batches(loading: Loading) -> None:
    await loading.load(1, things=things(1))
    await loading.db.execute(
        "ALTER TABLE acme_made_up.things ADD COLUMN extra text; "
        "ALTER TABLE acme_made_up.things ALTER COLUMN id TYPE numeric"
    )
    assert await loading.load(2, things=things(1, 2)) == {"extracted": 10, "new": 1, "unchanged": 1}


async def test_ddl_of_others_in_mid_load(loading: Loading, database_url: str) -> None:
    """The load waits for it, and is done by the table as it is then."""
    await loading.load(1, things=things(1))
    changes = [(3, "numeric", 1), (1000, "bigint", 3)]
    stands_before_it = (
        "SELECT count(*) > 0 FROM pg_stat_activity "
        "WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    other = await database.connect(database_url, application_name="tests")
    try:
        for size, type_, had in changes:
            batch = await loading.store({"things": things(*range(size))})
            async with other.transaction():
                await other.execute(
                    f"ALTER TABLE acme_made_up.things ADD COLUMN more_{type_} text; "
                    f"ALTER TABLE acme_made_up.things ALTER COLUMN id TYPE {type_}"
                )
                waiting = asyncio.create_task(loading.load_batch(batch))
                await eventually(lambda: loading.db.fetchval(stands_before_it))
            assert await waiting == {"extracted": 10, "new": size - had, "unchanged": had}
    finally:
        await other.close()


async def test_several_lanes_of_a_table_at_once(loading: Loading) -> None:
    """Large batches and small, whole rows and such that lack fields, over the same keys: no deadlock."""
    chance = random.Random(1)
    batches = []
    for n in range(24):
        size = chance.choice([1, 40, 300, 700])
        keys = chance.sample(range(1000), size)
        lacks = n % 3 == 0
        records = [
            {"id": key, "a": f"{n}"} if lacks and key % 2 else things(key, a=f"{n}")[0] for key in keys
        ]
        batch = await loading.store({"things": records}, fragments=[])
        await loading.db.execute(
            "UPDATE run_batches SET lane = $2 WHERE seq = $1", batch.seq, f"lane {n % 6}"
        )
        batches.append(batch)

    async def lane(number: int) -> int:
        done = 0
        for batch in batches[number::6]:
            counts = await loading.load_batch(batch)
            done += sum(counts.get(name, 0) for name in ("new", "changed", "unchanged"))
        return done

    done = await asyncio.gather(*(lane(number) for number in range(6)))
    assert sum(done) == sum(len(batch.records["things"]) for batch in batches)
    (kept,) = await loading.rows(columns="count(*), count(DISTINCT id)")
    news = "SELECT sum((counts ->> 'rows_new')::int) FROM run_batches"
    assert kept[0] == kept[1] == await loading.db.fetchval(news)
