"""A replay of rejects in a worker's hands: what it loads, and what stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import stamina

from etl_core.broker.protocol import Stage
from etl_core.connector import Record
from etl_core.control.interventions import cancel
from etl_core.control.jobs import run_now
from etl_core.control.rejects import replay_rejects
from etl_core.lifecycle.takeover import take_over
from etl_core.models.reject import ReplaySelection
from etl_core.store.database import Connection
from tests.support.jobs import PERSON, eventually, fall_silent
from tests.workers.replaying import ALL, LOG, Hang, Replays, counts, make_replays, numbered
from tests.workers.running import Hand
from workers import extract, replay
from workers.execution import Execution
from workers.load import CannotLoad, Loader
from workers.payload import encode_record
from workers.replay import REPLAY_LANE


@pytest.fixture
async def replays(worker: Hand, monkeypatch: pytest.MonkeyPatch) -> Replays:
    return await make_replays(worker, monkeypatch)


async def test_after_the_fix_they_are_loaded_and_gone(replays: Replays) -> None:
    await replays.extract(
        {"things": numbered(1, "good", "bad", "worse"), "log": numbered(1, "bad")},
        {"things": numbered(4, "bad")},
    )
    checkpoint = await replays.db.fetch("SELECT * FROM job_checkpoints")
    before = await replays.worker.job()

    replays.source.bad = frozenset({"worse"})
    run = await replays.replay()
    assert (run["state"], counts(run)) == ("SUCCEEDED", {"extracted": 4, "new": 3, "rejected": 1})
    assert run["counters"]["batches"] == 3  # by stream and time
    assert await replays.rows("things") == [(1, "good"), (2, "bad"), (4, "bad")]
    assert await replays.rows("log") == [(1, "bad")]
    assert await replays.rejects("payload, count, run_id, reason") == [
        (b'{"id":3,"a":"worse"}', 2, run["id"], "worse is told to be refused")
    ]
    after = await replays.worker.job()
    assert await replays.db.fetch("SELECT * FROM job_checkpoints") == checkpoint
    assert after["checkpoint_data"] == before["checkpoint_data"]
    assert (after["status"], after["checkpoint_version"]) == ("FINISHED", before["checkpoint_version"])

    replays.source.bad = frozenset()
    assert counts(await replays.replay()) == {"extracted": 1, "new": 1}
    assert await replays.rejects() == []


async def test_only_what_is_chosen(replays: Replays) -> None:
    await replays.extract({"things": numbered(1, "bad", "bad", "bad"), "log": numbered(1, "bad", "bad")})
    replays.source.bad = frozenset()
    first, _, last = await replays.db.fetch("SELECT id FROM rejected_records WHERE stream = 'things'")
    assert counts(await replays.replay(ReplaySelection(ids=[first["id"], last["id"]])))["new"] == 2
    assert counts(await replays.replay(ReplaySelection(stream="log")))["new"] == 2
    assert await replays.rejects("stream") == ["things"]


async def test_a_batch_is_as_old_as_its_rejects_and_versions_come_in_their_order(replays: Replays) -> None:
    await replays.extract({"things": numbered(1, "bad")}, {"things": numbered(1, "worse")})
    old = {row["seq"]: row["stored_at"] for row in await replays.db.fetch("SELECT * FROM run_batches")}
    replays.source.bad = frozenset()
    run = await replays.replay()
    dated = await replays.db.fetch(
        "SELECT seq, stored_at, lane FROM run_batches WHERE run_id = $1 ORDER BY seq", run["id"]
    )
    assert [tuple(row) for row in dated] == [(seq, old[seq], REPLAY_LANE) for seq in (1, 2)]
    assert await replays.rows("things", "id, a, _extracted_at") == [(1, "worse", old[2])]


async def test_a_reject_that_is_refused_again_is_the_same_and_as_old_as_before(replays: Replays) -> None:
    odd: list[Record] = [
        {"id": 1, "a": "bad", "b": [1.0, 1e300, -0.0, 0.1, 12345678901234567890123, None, True]},
        {"id": 2, "a": "bad", "b": {"ä\u2028": "\U0001f600", "nul": "\x00", "": {}}},
        {"id": 3, "a": "half \ud800"},
        {"a": "no key"},
    ]
    await replays.extract({"things": odd})
    columns = "id, hash, payload, extracted_at, first_seen_at"
    before = await replays.rejects(columns)
    assert len(before) == 4
    for times in (2, 3):
        assert counts(await replays.replay()) == {"extracted": 4, "rejected": 4}
        assert await replays.rejects(columns) == before
        assert await replays.rejects("count") == [times] * 4


async def test_what_is_no_record_or_of_no_stream_stays(replays: Replays) -> None:
    replays.source.torn = ['{"id": 1, "a', "2;b", "[1]"]
    await replays.extract({"things": numbered(1, "bad"), "log": numbered(1, "bad")})
    before = await replays.rejects("id, count, last_seen_at, payload")
    replays.source.bad = frozenset()
    replays.source.streams = (LOG,)
    run = await replays.replay()
    assert (run["state"], counts(run)) == ("SUCCEEDED", {"extracted": 1, "new": 1})
    assert await replays.rejects("id, count, last_seen_at, payload") == [
        row for row in before if row[3] != b'{"id":1,"a":"bad"}' or row == before[-1]
    ]
    assert await replays.rejects("stream") == ["log", "log", "log", "things"]


async def test_pages_are_small_enough_to_be_kept_again(
    replays: Replays, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "PAGE_RECORDS", 3)
    monkeypatch.setattr(replay, "PAGE_BYTES", 100)
    records: list[Record] = [*numbered(1, *["bad"] * 7), {"id": 8, "a": "bad", "b": "x" * 200}]
    await replays.extract({"log": records})
    assert counts(await replays.replay()) == {"extracted": 8, "rejected": 8}
    assert await replays.rejects("count") == [2] * 8
    replays.source.bad = frozenset()
    run = await replays.replay()
    assert (counts(run), run["counters"]["batches"] >= 4) == ({"extracted": 8, "new": 8}, True)
    assert len(await replays.rows("log")) == 8


async def test_rows_that_the_destination_refused(replays: Replays) -> None:
    await replays.extract({"things": numbered(1, "fine")})
    await replays.db.execute("ALTER TABLE acme_made_up.things ADD CONSTRAINT small CHECK (id < 3)")
    await replays.extract({"things": numbered(2, "fine", "fine", "fine")})
    assert len(await replays.rejects()) == 2
    assert counts(await replays.replay()) == {"extracted": 2, "rejected": 2}
    assert await replays.rejects("count") == [2, 2]
    await replays.db.execute("ALTER TABLE acme_made_up.things DROP CONSTRAINT small")
    assert counts(await replays.replay()) == {"extracted": 2, "new": 2}
    assert await replays.rejects() == []


async def test_too_many_refused_again_fail_the_run_and_lose_nothing(replays: Replays) -> None:
    await replays.extract({"log": numbered(1, *["bad"] * 101)}, {"log": numbered(102, "worse")})
    replays.source.bad = frozenset({"bad"})
    run = await replays.replay()
    assert (run["state"], run["error_kind"]) == ("FAILED", "rejects")
    assert "101 of 102 records rejected" in run["error_message"]
    assert len(await replays.rejects()) == 101
    assert await replays.rows("log") == [(102, "worse")]


async def test_a_batch_that_cannot_be_loaded_leaves_its_rejects(
    replays: Replays, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any) -> None:
        raise CannotLoad("told to")

    await replays.extract({"things": numbered(1, "bad"), "log": numbered(1, "bad")})
    replays.source.bad = frozenset()
    with monkeypatch.context() as patched:
        patched.setattr(Loader, "load", refuse)
        assert (await replays.replay())["state"] == "FAILED"
    assert len(await replays.rejects()) == 2
    assert counts(await replays.replay()) == {"extracted": 2, "new": 2}


async def test_by_workers_of_one_stage_each(replays: Replays, other_worker: Hand) -> None:
    await replays.extract({"things": numbered(1, "bad", "worse"), "log": numbered(1, "bad", "worse")})
    replays.source.bad = frozenset({"worse"})
    await replay_rejects(replays.db, replays.job_id, ALL, PERSON)
    _, run = await replays.worker.claim()
    await Execution(replays.worker.pool, replays.worker.worker_id, run, carries=False).carry_out()
    assert len(await replays.rejects()) == 4
    assert await other_worker.work_batches([Stage.TRANSFORM]) == [1, 2]
    assert len(await replays.rejects()) == 4
    assert await replays.worker.work_batches([Stage.LOAD]) == [1, 2]
    ended = await replays.worker.row(run)
    assert (ended["state"], counts(ended)) == ("SUCCEEDED", {"extracted": 4, "new": 2, "rejected": 2})
    assert await replays.rejects("stream, count") == [("log", 2), ("things", 2)]
    assert await replays.rows("log") == [(1, "bad")]


async def test_what_waits_to_be_loaded_is_not_read_again_by_the_next_holder(
    replays: Replays, other_worker: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    await replays.extract(
        {"log": numbered(1, "bad")}, {"log": numbered(2, "bad")}, {"log": numbered(3, "bad")}
    )
    replays.source.bad = frozenset()
    await replay_rejects(replays.db, replays.job_id, ALL, PERSON)
    _, run = await replays.worker.claim()
    hang = Hang(extract._leases.store_batch, at_call=3)
    with monkeypatch.context() as patched:
        patched.setattr(extract._leases, "store_batch", hang.before)
        lost = Execution(replays.worker.pool, replays.worker.worker_id, run, carries=False)
        working = asyncio.create_task(lost.carry_out())
        await hang.reached.wait()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    await fall_silent(replays.db, replays.worker.worker_id)
    await take_over(replays.db, lost_after=10)

    _, again = await other_worker.claim()
    await Execution(other_worker.pool, other_worker.worker_id, again, carries=False).carry_out()
    assert await other_worker.work_batches() == [1, 2, 3]
    ended = await other_worker.row(again)
    assert (ended["state"], counts(ended)) == ("SUCCEEDED", {"extracted": 3, "new": 3})
    assert await replays.rows("log") == [(1, "bad"), (2, "bad"), (3, "bad")]


async def test_versions_that_are_refused_as_one_are_not_replayed_once_more_by_the_same_run(
    replays: Replays, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = replay._rejects.read_replay_page
    is_loaded = "SELECT count(*) = 1 FROM run_batches WHERE lane = $1 AND state = 'LOADED'"

    async def read_late(conn: Connection, **named: Any) -> AsyncIterator[Any]:
        if named["seq"] == 2:
            await eventually(lambda: replays.db.fetchval(is_loaded, REPLAY_LANE))
        async for row in read(conn, **named):
            yield row

    records: list[Record] = [{"id": 1, "a": "bad"}, {"id": 1, "b": 2, "a": "bad"}, {"id": 2, "a": "fine"}]
    await replays.extract({"things": records})
    assert len(await replays.rejects()) == 2
    replays.source.bad = frozenset()
    await replays.db.execute("ALTER TABLE acme_made_up.things ADD CHECK (id <> 1)")
    monkeypatch.setattr(replay._rejects, "read_replay_page", read_late)
    run = await replays.replay()
    assert counts(run) == {"extracted": 2, "unchanged": 1, "rejected": 1}
    assert await replays.rejects("payload, count") == [(b'{"id":1,"a":"bad","b":2}', 1)]


async def test_a_replay_that_was_cancelled_is_replayed_by_the_next(
    replays: Replays, monkeypatch: pytest.MonkeyPatch
) -> None:
    await replays.extract({"log": numbered(1, "bad")}, {"log": numbered(2, "bad")})
    replays.source.bad = frozenset()
    hang = Hang(Loader.load, at_call=2)
    with monkeypatch.context() as patched:
        patched.setattr(Loader, "load", hang.before)
        working = asyncio.create_task((await replays.start(replays.worker)).carry_out())
        await hang.reached.wait()
        await cancel(replays.db, replays.job_id, PERSON)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    assert len(await replays.rejects()) == 1
    assert counts(await replays.replay()) == {"extracted": 1, "new": 1}
    assert await replays.rows("log") == [(1, "bad"), (2, "bad")]


async def test_an_option_that_cannot_be_read_fails_the_run(replays: Replays) -> None:
    run = await run_now(replays.db, replays.job_id, PERSON, options={"replay_rejects": {"stream": 1}})
    await (await replays.worker.claim())[0].carry_out()
    row = await replays.db.fetchrow("SELECT * FROM job_runs WHERE id = $1", run.id)
    assert row is not None
    assert (row["state"], row["error_kind"]) == ("FAILED", "permanent")
    assert row["error_message"].startswith("option replay_rejects of the run: stream: ")


async def test_a_database_that_cannot_be_used_passes(
    replays: Replays, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unusable(*_: Any, **__: Any) -> Any:
        raise asyncpg.InterfaceError("the connection is closed")

    await replays.extract({"log": numbered(1, "bad")})
    monkeypatch.setattr(replay, "step_retries", stamina.AsyncRetryingCaller(attempts=1))
    monkeypatch.setattr(replay._rejects, "read_replay_page", unusable)
    run = await replays.replay()
    assert (run["state"], run["error_kind"]) == ("FAILED", "transient")
    assert run["error_message"] == "the rejects could not be read: the connection is closed"
    assert len(await replays.rejects()) == 1


def test_a_record_read_back_is_written_as_before() -> None:
    records: list[Record] = [{"a": [1.0, 1e16, 1e-7, 5e-324, 2**70, "\x7f\u2028é"], "b": {"c": {}}}, {}]
    for record in records:
        row: Any = {"id": 1, "payload": encode_record(record)}
        again = replay._record(row)
        assert again is not None
        assert encode_record(again) == row["payload"]
