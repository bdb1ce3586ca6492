"""A backfill reads a range beside the job: its bookmark, next time and last run stay, whatever happens."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from etl_core.control.backfills import backfill_ranges, start_backfill
from etl_core.control.interventions import cancel
from etl_core.control.jobs import run_now
from etl_core.control.runs import describe_run
from etl_core.errors import Conflict, InvalidInput
from etl_core.lifecycle.claim import claim_run
from etl_core.lifecycle.takeover import take_over
from etl_core.models.backfill import BackfillRequest
from etl_core.models.run import RunRow
from etl_core.store.database import Connection
from tests.support.jobs import PERSON, fall_silent, make_job, one
from tests.workers.running import Hand, hand, until_loaded
from workers import pace

SHOWN = """
SELECT
    status, due_at, last_run_started_at, last_run_finished_at, last_success_at, error_message, error_kind,
    retry_count, checkpoint_version, checkpoint_data, held, hold_outlasts_run, status_before_backfill
FROM etl_jobs
"""
IDS = "SELECT array_agg(id ORDER BY id) FROM acme_made_up.records WHERE _deleted_at IS NULL"


async def ask(db: Connection, job_id: int, start: object, end: object, **more: Any) -> RunRow:
    return await start_backfill(db, job_id, BackfillRequest(start=str(start), end=str(end), **more), PERSON)


async def carry_out(worker: Hand) -> asyncpg.Record:
    execution, run = await worker.claim()
    await execution.carry_out()
    return await worker.row(run)


async def test_it_reads_its_range_and_moves_nothing_else(worker: Hand) -> None:
    """A job that walked to 50: what it lost in its middle is read again, and no more."""
    job_id = await worker.make_job(records=50, page_size=10)
    await worker.run(job_id)
    await worker.db.execute("DELETE FROM acme_made_up.records WHERE id BETWEEN 11 AND 40")
    before = await one(worker.db, SHOWN)

    asked = await ask(worker.db, job_id, 15, 36)
    assert (asked.trigger, asked.state, asked.requested_by) == ("backfill", "QUEUED", "tess")
    with pytest.raises(Conflict, match=f"already running: run {asked.id}"):
        await run_now(worker.db, job_id, PERSON)
    with pytest.raises(Conflict, match="already running"):
        await ask(worker.db, job_id, 1, 2)
    ended = await carry_out(worker)
    assert (ended["state"], ended["counters"]["rows_new"], ended["counters"]["rows_extracted"]) == (
        "SUCCEEDED",
        21,
        21,
    )
    assert await worker.db.fetchval(IDS) == [*range(1, 11), *range(15, 36), *range(41, 51)]
    assert await one(worker.db, SHOWN) == before  # due_at among it
    told = await describe_run(worker.db, asked.id)
    assert (told.checkpoint_before, told.checkpoint_after) == (before["checkpoint_version"],) * 2


@pytest.mark.parametrize("how", ["fails", "is cancelled", "is cancelled before it starts"])
async def test_a_failed_job_waits_for_its_retry_as_before(worker: Hand, how: str) -> None:
    job_id = await worker.make_job(records=30, page_size=10, fail_at=5, fail_kind="permanent")
    await worker.run(job_id)
    before = await one(worker.db, SHOWN)
    assert (before["status"], before["retry_count"]) == ("FAILED", 1)
    await ask(worker.db, job_id, 1, 30)
    if how == "fails":
        assert (await carry_out(worker))["state"] == "FAILED"
    elif how == "is cancelled":
        await worker.claim()
        await cancel(worker.db, job_id, PERSON)
    else:
        await cancel(worker.db, job_id, PERSON)
    assert await one(worker.db, SHOWN) == before


async def test_it_reads_no_faster_than_asked(worker: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=lambda: 100.0 + sum(waited)))
    monkeypatch.setattr(pace, "asyncio", SimpleNamespace(sleep=sleep))
    job_id = await worker.make_job(records=50, page_size=10)
    await ask(worker.db, job_id, 1, 41, rate=4)
    assert (await carry_out(worker))["state"] == "SUCCEEDED"
    assert [seconds for seconds in waited if seconds] == pytest.approx([2.5] * 4)
    await worker.expect_rows(40)
    await worker.run(job_id)  # as it is scheduled
    assert sum(waited) == pytest.approx(10), "the rate is the backfill's own"


async def test_one_whose_worker_is_killed_goes_on_where_it_was(worker: Hand, database_url: str) -> None:
    job_id = await worker.make_job(records=60, page_size=10)
    await worker.run(job_id)
    await worker.db.execute("DELETE FROM acme_made_up.records")
    before = await one(worker.db, SHOWN)
    loaded = await worker.db.fetchval("SELECT count(*) FROM run_batches WHERE state = 'LOADED'")

    asked = await ask(worker.db, job_id, 1, 61, rate=20)  # a page takes half a second
    execution, _ = await worker.claim()
    task = asyncio.create_task(execution.carry_out())
    await until_loaded(worker.db, loaded + 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await fall_silent(worker.db, worker.worker_id)
    await take_over(worker.db, lost_after=10)

    async with hand(worker.db, database_url) as other:
        execution, run = await other.claim()
        assert (run.id, run.lease) == (asked.id, 3)
        await execution.carry_out()
        ended = await other.row(run)
    assert (ended["state"], ended["counters"]["rows_extracted"]) == ("SUCCEEDED", 60)  # none twice
    await worker.expect_rows(60)
    assert await one(worker.db, SHOWN) == before


async def test_what_cannot_be_backfilled_is_refused_with_why(db: Connection) -> None:
    git = await make_job(db, "git", integration="git", kind="git", config={"path": "/srv/app.git"})
    with pytest.raises(Conflict, match="connector git goes by no time and no key"):
        await ask(db, git, 1, 2)
    orders = await make_job(db, config={"streams": 2})
    assert await backfill_ranges(db, orders) == {"records": "number", "records_2": "number"}
    with pytest.raises(InvalidInput, match="stream 'nothing' cannot be backfilled; records, records_2 can"):
        await ask(db, orders, 1, 2, streams=["nothing"])
    with pytest.raises(InvalidInput, match="the range ends before it begins: 9 to 2"):
        await ask(db, orders, 9, 2)
    with pytest.raises(InvalidInput, match="'abc' is no whole number"):
        await ask(db, orders, "abc", 9)
    assert await claim_run(db, 1) is None
    assert await db.fetchval("SELECT count(*) FROM job_events") == 0


async def test_one_stream_alone(worker: Hand) -> None:
    job_id = await worker.make_job(records=20, streams=2)
    await ask(worker.db, job_id, 1, 6, streams=["records_2"])
    assert (await carry_out(worker))["state"] == "SUCCEEDED"
    await worker.expect_rows(0)
    await worker.expect_rows(5, table="acme_made_up.records_2")


async def test_a_full_refresh_replaces_the_bookmark_when_it_is_done(worker: Hand) -> None:
    job_id = await worker.make_job(records=40, page_size=10)
    await worker.run(job_id)
    await worker.db.execute("DELETE FROM acme_made_up.records WHERE id < 30")
    before = await worker.db.fetchval("SELECT checkpoint_data FROM etl_jobs")

    async def refresh(**options: Any) -> asyncpg.Record:
        await run_now(worker.db, job_id, PERSON, options=options)
        return await carry_out(worker)

    await worker.configure(records=40, page_size=10, fail_at=25, fail_kind="permanent")
    assert (await refresh(full_refresh=True))["state"] == "FAILED"
    assert await worker.db.fetchval("SELECT checkpoint_data FROM etl_jobs") == before  # it goes on from there
    assert await worker.db.fetchval(IDS) == [*range(1, 25), *range(30, 41)]

    await worker.configure(records=50, page_size=10)
    ended = await refresh(full_refresh=["records"])
    assert (ended["state"], ended["counters"]["rows_extracted"]) == ("SUCCEEDED", 50)
    await worker.expect_rows(50)
    after = await worker.db.fetchval("SELECT checkpoint_data FROM etl_jobs")
    assert after["streams"]["records"]["default"]["bookmark"] == {"generation": 0, "through": 50}
    with pytest.raises(InvalidInput, match="has read no stream 'nothing' yet; it has records"):
        await refresh(full_refresh=["nothing"])


async def test_a_full_refresh_of_a_stream_that_the_source_has_no_more_fails(worker: Hand) -> None:
    job_id = await worker.make_job(records=5, streams=2)
    await worker.run(job_id)
    await worker.configure(records=5)
    await run_now(worker.db, job_id, PERSON, options={"full_refresh": ["records_2"]})
    assert (await carry_out(worker))["error_message"] == "there is no stream 'records_2'; there are records"
