"""Runs beside each other: filtered, compared, over time, with their stages and hands."""

from __future__ import annotations

from datetime import timedelta

import pytest

from etl_core.control.interventions import cancel
from etl_core.control.jobs import change_settings, settings_request
from etl_core.control.run_statistics import compare_runs, read_statistics
from etl_core.control.runs import describe_run, list_batches, list_runs, read_timeline
from etl_core.errors import NotFound
from etl_core.lifecycle.claim import ClaimedRun
from etl_core.lifecycle.settle import settle_run
from etl_core.models.run import RunState
from etl_core.store.database import Connection
from etl_core.store.queries import load
from tests.support.jobs import PERSON, fragment, load_batch, make_job, make_worker, start_run, store_batch

_leases = load("leases")


async def go_through(db: Connection, job_id: int, worker_id: int, *, rows: int = 10) -> ClaimedRun:
    """A run of one batch that moves the checkpoint, from its start to its end."""
    run = await start_run(db, job_id, worker_id)
    seq = await store_batch(db, run, worker_id, rows=rows, fragments=[fragment(run.id)])
    async with db.transaction():
        await load_batch(db, run, seq)
    await _leases.end_extract(db, run_id=run.id)
    await settle_run(db, run.id, actor="test")
    return run


async def test_a_list_tells_whose_and_where_the_checkpoint_went(db: Connection) -> None:
    job_id, other_id = await make_job(db), await make_job(db, "others", tenant="globex")
    worker_id = await make_worker(db)
    one = await go_through(db, job_id, worker_id)
    two = await go_through(db, job_id, worker_id)
    three = await start_run(db, job_id, worker_id)
    await cancel(db, job_id, PERSON)
    other = await start_run(db, other_id, worker_id)

    rows = await list_runs(db, job_id)
    assert [row.id for row in rows] == [three.id, two.id, one.id]
    moved = [(row.checkpoint_before, row.checkpoint_after) for row in rows]
    assert moved == [(2, 2), (1, 2), (0, 1)]
    assert {(row.tenant, row.job_name) for row in rows} == {("acme", "orders")}
    assert all(row.seconds is not None and row.seconds >= 0 for row in rows)

    assert [row.id for row in await list_runs(db, None)] == [other.id, three.id, two.id, one.id]
    assert [row.id for row in await list_runs(db, None, tenant="globex")] == [other.id]
    cancelled = await list_runs(db, job_id, states=[RunState.CANCELLED])
    assert [row.id for row in cancelled] == [three.id]
    assert await list_runs(db, job_id, triggers=["schedule"]) == []
    later = rows[0].read_at + timedelta(seconds=1)
    assert await list_runs(db, job_id, since=later) == []


async def test_two_are_compared_with_what_was_done_between_them(db: Connection) -> None:
    job_id, worker_id = await make_job(db), await make_worker(db)
    one = await go_through(db, job_id, worker_id, rows=10)
    await change_settings(db, job_id, settings_request(240, 15), PERSON)
    two = await go_through(db, job_id, worker_id, rows=25)

    compared = await compare_runs(db, two.id, one.id)  # the older one is first, however they are named
    assert (compared.a.id, compared.b.id) == (one.id, two.id)
    told = {row.what: (row.a, row.b, row.change) for row in compared.differences}
    assert told["records"] == ("10", "25", "x 2.5")
    assert told["checkpoint"] == ("none → v1", "v1 → v2", "")
    assert "state" not in told
    (between,) = compared.changed_between
    assert between.sentence == "changed the schedule from 1 hour to 4 hours"
    with pytest.raises(NotFound):
        await compare_runs(db, one.id, 4711)


async def test_what_is_usual_goes_by_runs_that_went_through(db: Connection) -> None:
    job_id, worker_id = await make_job(db), await make_worker(db)
    for rows in (10, 20, 30, 40, 50):
        await go_through(db, job_id, worker_id, rows=rows)
    await start_run(db, job_id, worker_id)
    await cancel(db, job_id, PERSON)
    told = await read_statistics(db, job_id, limit=3)
    assert [point.state for point in told.runs] == ["SUCCEEDED", "SUCCEEDED", "CANCELLED"]
    assert told.usual_rows is not None
    assert (told.usual_rows.middle, told.usual_rows.count) == (30, 5)
    assert (told.usual_rows.low, told.usual_rows.high) == (14, 46)


async def test_an_open_run_tells_who_holds_what(db: Connection) -> None:
    job_id = await make_job(db)
    worker_id = await make_worker(db, host="here", pid=7)
    run = await start_run(db, job_id, worker_id)
    first = await store_batch(db, run, worker_id, rows=10)
    async with db.transaction():
        await load_batch(db, run, first)
    await store_batch(db, run, worker_id, rows=5)

    (hand,) = (await describe_run(db, run.id)).hands
    assert (hand.worker, hand.state, hand.extracts) == ("here:7", "alive", True)
    assert (hand.batches, hand.rows, hand.batches_loaded, hand.rows_loaded) == (1, 5, 1, 10)
    newest, oldest = await list_batches(db, run.id)
    assert (newest.seq, newest.state, newest.worker, newest.rows) == (2, "LEASED", "here:7", 5)
    assert (oldest.state, oldest.rows_new) == ("LOADED", 10)
    assert [batch.seq for batch in await list_batches(db, run.id, unloaded_only=True)] == [2]

    spans = {span.stage: span for span in await read_timeline(db, run.id) if span.stream is None}
    assert list(spans) == ["queued", "extract", "transform", "load"]
    assert (spans["extract"].batches, spans["load"].batches, spans["load"].rows) == (2, 1, 10)
    assert spans["queued"].is_over
    assert not spans["load"].is_over
    assert all(span.first_at <= span.last_at for span in spans.values())
    with pytest.raises(NotFound):
        await read_timeline(db, 4711)


async def test_nothing_new_is_explained(db: Connection) -> None:
    job_id, worker_id = await make_job(db), await make_worker(db)
    run = await start_run(db, job_id, worker_id)
    assert (await describe_run(db, run.id)).explanation is None
    await _leases.end_extract(db, run_id=run.id)
    await settle_run(db, run.id, actor="test")
    assert (await describe_run(db, run.id)).explanation == "the source had nothing new since the last run"
