"""Rejects as people see them: listed, shown, replayed, dropped."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from etl_core.control import rejects
from etl_core.control.interventions import cancel
from etl_core.control.jobs import run_now
from etl_core.errors import Conflict, InvalidInput, NotFound
from etl_core.models.reject import RejectRow, ReplaySelection
from etl_core.store.database import Connection
from tests.support.jobs import PERSON, make_job, make_worker, start_run, store_batch
from workers.loader.rejects import store_rejects
from workers.transform import Reject

ALL = ReplaySelection(all=True)
TORN = '{"id": 4, "no'


async def refuse(
    db: Connection, job_id: int, *payloads: str, stream: str = "orders", reason: str = "bad"
) -> list[int]:
    """What a run leaves of records that it could not load; the ids, in the order of the payloads."""
    worker_id = await make_worker(db)
    run = await start_run(db, job_id, worker_id)
    seq = await store_batch(db, run, worker_id)
    kept = [Reject.of_text(stream, payload, reason) for payload in payloads]
    await store_rejects(db, job_id=job_id, run_id=run.id, seq=seq, rejects=kept)
    await cancel(db, job_id, PERSON)
    ids = "SELECT id FROM rejected_records WHERE job_id = $1 AND stream = $2 AND hash = $3"
    return [await db.fetchval(ids, job_id, stream, reject.hash) for reject in kept]


async def left(db: Connection) -> list[int]:
    return [row["id"] for row in await db.fetch("SELECT id FROM rejected_records ORDER BY id")]


async def test_a_list_is_of_one_job_the_last_seen_first(db: Connection) -> None:
    job_id = await make_job(db)
    other_id = await make_job(db, "others")
    (one,) = await refuse(db, job_id, '{"id": 1}', reason="amount is 'x', which is no number")
    (two,) = await refuse(db, job_id, TORN, stream="lines", reason="torn")
    await refuse(db, other_id, '{"id": 1}')

    async def listed(**chosen: Any) -> list[int]:
        return [row.id for row in await rejects.list_rejects(db, job_id, **chosen)]

    assert await listed() == [two, one]
    assert await listed(stream="orders") == [one]
    assert await listed(reason="IS NO Number") == [one]
    assert await listed(reason="%") == []  # a text, no pattern
    assert await listed(limit=1) == [two]

    assert await refuse(db, job_id, '{"id": 1}', reason="again") == [one]
    row, other = await rejects.list_rejects(db, job_id)
    assert (row.id, row.count, row.reason, row.bytes, row.is_record) == (one, 2, "again", 9, True)
    assert row.first_seen_at < row.last_seen_at
    assert (other.id, other.count, other.is_record) == (two, 1, False)


@pytest.mark.parametrize(
    ("payload", "shown", "is_record"),
    [
        ('{"id": 1, "b": [null, 1e400]}', {"id": 1, "b": [None, float("inf")]}, True),
        ('{"big": 123456789012345678901234567890}', {"big": 123456789012345678901234567890}, True),
        (r'{"nul": "\u0000"}', {"nul": "\x00"}, True),
        (r'{"half": "\ud800"}', r'{"half": "\ud800"}', True),
        (TORN, TORN, False),
        ("[1]", "[1]", False),
        ("a;b\ud800", r"a;b\ud800", False),
        ("", "", False),
    ],
)
async def test_one_is_shown_with_its_payload(
    db: Connection, payload: str, shown: object, is_record: bool
) -> None:
    (one,) = await refuse(db, await make_job(db), payload)
    reject = await rejects.show_reject(db, one)
    assert (reject.payload, reject.is_record) == (shown, is_record)
    assert (reject.tenant, reject.job_name) == ("acme", "orders")
    with pytest.raises(NotFound, match="no reject 999;"):
        await rejects.show_reject(db, 999)


async def test_a_replay_is_a_run_of_the_job_and_in_the_audit(db: Connection) -> None:
    job_id = await make_job(db)
    await refuse(db, job_id, '{"id": 1}', '{"id": 2}', TORN)
    started = await rejects.replay_rejects(db, job_id, ALL, PERSON)
    assert (started.records, started.kept) == (2, 1)
    assert (started.run.state, started.run.trigger, started.run.requested_by) == ("QUEUED", "manual", "tess")
    options = {"replay_rejects": {"all": True}}
    assert await db.fetchval("SELECT options FROM job_runs WHERE id = $1", started.run.id) == options
    event = await db.fetchrow("SELECT * FROM job_events ORDER BY id DESC LIMIT 1")
    assert event is not None
    assert (event["action"], event["actor"], event["run_id"]) == ("run_now", "tess", started.run.id)
    assert event["detail"]["options"] == options
    with pytest.raises(Conflict, match=rf"already running: run {started.run.id}"):
        await rejects.replay_rejects(db, job_id, ALL, PERSON)


async def test_a_replay_of_some(db: Connection) -> None:
    job_id = await make_job(db)
    one, two, torn = await refuse(db, job_id, '{"id": 1}', '{"id": 2}', TORN)
    await refuse(db, job_id, '{"id": 1}', stream="lines")
    for selection, records, kept in (
        (ReplaySelection(ids=[one]), 1, 0),
        (ReplaySelection(ids=[two, torn]), 1, 1),
        (ReplaySelection(stream="lines"), 1, 0),
    ):
        started = await rejects.replay_rejects(db, job_id, selection, PERSON)
        assert (started.records, started.kept) == (records, kept)
        await cancel(db, job_id, PERSON)


async def test_a_replay_of_nothing_is_refused(db: Connection) -> None:
    job_id = await make_job(db)
    other_id = await make_job(db, "others")
    with pytest.raises(Conflict, match="acme/orders has no rejects to replay"):
        await rejects.replay_rejects(db, job_id, ALL, PERSON)
    (torn,) = await refuse(db, job_id, TORN)
    (others,) = await refuse(db, other_id, '{"id": 1}')
    with pytest.raises(Conflict, match="the reject is no JSON record"):
        await rejects.replay_rejects(db, job_id, ALL, PERSON)
    with pytest.raises(Conflict, match="no rejects of stream 'lines'"):
        await rejects.replay_rejects(db, job_id, ReplaySelection(stream="lines"), PERSON)
    with pytest.raises(NotFound, match=f"acme/orders has no reject {others}, 999;"):
        await rejects.replay_rejects(db, job_id, ReplaySelection(ids=[torn, others, 999]), PERSON)
    with pytest.raises(NotFound, match="no job with id 999"):
        await rejects.replay_rejects(db, 999, ALL, PERSON)
    assert await db.fetchval("SELECT status FROM etl_jobs WHERE id = $1", job_id) == "READY"


@pytest.mark.parametrize(
    "chosen",
    [{}, {"ids": []}, {"all": False}, {"all": True, "stream": "a"}, {"ids": [1], "all": True}, {"x": 1}],
)
def test_a_selection_is_one_thing(chosen: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ReplaySelection.model_validate(chosen)


async def test_drop(db: Connection) -> None:
    job_id = await make_job(db)
    other_id = await make_job(db, "others")
    one, two, three = await refuse(db, job_id, '{"id": 1}', '{"id": 2}', TORN)
    (others,) = await refuse(db, other_id, '{"id": 1}')
    with pytest.raises(InvalidInput, match="needs a reason"):
        await rejects.drop_rejects(db, job_id, PERSON, ids=None, reason="  ")
    with pytest.raises(NotFound, match=f"has no reject {others};"):
        await rejects.drop_rejects(db, job_id, PERSON, ids=[one, others], reason="test data")
    assert len(await left(db)) == 4

    assert await rejects.drop_rejects(db, job_id, PERSON, ids=[one], reason="test data") == [one]
    assert await rejects.drop_rejects(db, job_id, PERSON, ids=None, reason="the rest") == sorted([two, three])
    assert await rejects.drop_rejects(db, job_id, PERSON, ids=None, reason="the rest") == []
    assert await left(db) == [others]
    events = await db.fetch(
        "SELECT actor, job_id, detail FROM job_events WHERE action = 'drop_rejects' ORDER BY id"
    )
    assert [tuple(event) for event in events] == [
        ("tess", job_id, {"reason": "test data", "count": 1, "ids": [one]}),
        ("tess", job_id, {"reason": "the rest", "count": 2, "ids": sorted([two, three])}),
    ]


async def test_what_is_being_replayed_is_not_dropped(db: Connection) -> None:
    job_id = await make_job(db)
    (one,) = await refuse(db, job_id, '{"id": 1}')
    started = await rejects.replay_rejects(db, job_id, ALL, PERSON)
    with pytest.raises(Conflict, match=f"run {started.run.id} replays rejects of acme/orders now"):
        await rejects.drop_rejects(db, job_id, PERSON, ids=[one], reason="test data")
    await cancel(db, job_id, PERSON)
    await run_now(db, job_id, PERSON)  # beside any other run they may go
    assert await rejects.drop_rejects(db, job_id, PERSON, ids=[one], reason="test data") == [one]


async def test_a_reject_is_as_old_as_its_batch_also_when_its_run_is_pruned(db: Connection) -> None:
    job_id = await make_job(db)
    await db.execute("ALTER TABLE run_batches ALTER COLUMN stored_at SET DEFAULT now() - interval '3 hours'")
    (one,) = await refuse(db, job_id, '{"id": 1}')

    async def read() -> RejectRow:
        (row,) = await rejects.list_rejects(db, job_id)
        return row

    before = await read()
    assert before.id == one
    assert before.extracted_at == await db.fetchval("SELECT stored_at FROM run_batches")
    assert (before.last_seen_at - before.extracted_at).total_seconds() > 3 * 3600 - 60
    await db.execute("DELETE FROM job_runs")
    after = await read()
    assert (after.run_id, after.extracted_at) == (None, before.extracted_at)
    await db.execute("ALTER TABLE run_batches ALTER COLUMN stored_at SET DEFAULT now() - interval '1 hour'")
    await refuse(db, job_id, '{"id": 1}')
    assert (await read()).extracted_at == await db.fetchval("SELECT max(stored_at) FROM run_batches")
