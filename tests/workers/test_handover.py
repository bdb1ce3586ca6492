"""A run that changes hands, and batches that cannot be loaded: what the next holder finds and does."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from etl_core.connector import Page
from etl_core.control.jobs import run_now
from etl_core.lifecycle.takeover import take_over
from etl_core.store.database import Connection
from tests.support.jobs import PERSON, eventually, fall_silent, make_job, one
from tests.workers.running import Hand, until_loaded
from workers import execution as execution_module
from workers import extract
from workers.batch import Batch
from workers.byte_budget import CARRIED_BATCHES
from workers.extract import Extractor
from workers.load import Loader


async def refuse(db: Connection, number: int) -> None:
    """The destination refuses a batch with this record, and not for what the record holds."""
    await db.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN IF NEW.id = {number} THEN"
        " RAISE 'not yours' USING ERRCODE = 'insufficient_privilege'; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON acme_made_up.records FOR EACH ROW EXECUTE FUNCTION refuse()"
    )


async def test_a_worker_that_stops_gives_its_run_to_another(worker: Hand, other_worker: Hand) -> None:
    job_id = await worker.make_job(records=400, page_size=10, delay_ms=20)
    execution, claimed = await worker.start(job_id)
    working = asyncio.create_task(execution.carry_out())
    await until_loaded(worker.db, 3)
    execution.give_way()
    async with asyncio.timeout(60):
        await working
    given_back = await worker.row(claimed)
    assert (given_back["state"], given_back["worker_id"]) == ("QUEUED", None)
    assert given_back["losses"] == 0
    assert not await worker.db.fetchval("SELECT count(*) FROM run_batches WHERE state = 'LEASED'")

    execution, again = await other_worker.claim()
    await execution.carry_out()
    assert again.id == claimed.id
    ended = await worker.row(again)
    assert (ended["state"], ended["counters"]["rows_extracted"]) == ("SUCCEEDED", 400)
    assert ended["counters"]["rows_new"] == 400  # none was loaded twice
    await worker.expect_rows(400)


async def test_a_worker_that_stops_before_extract_began_gives_its_run_back_at_once(
    worker: Hand, other_worker: Hand
) -> None:
    job_id = await worker.make_job(records=300)
    execution, run = await worker.start(job_id)
    execution.give_way()
    async with asyncio.timeout(30):
        await execution.carry_out()
    given_back = await worker.row(run)
    assert (given_back["state"], given_back["losses"]) == ("QUEUED", 0)

    execution, run = await other_worker.claim()
    await execution.carry_out()
    assert (await worker.row(run))["state"] == "SUCCEEDED"
    await worker.expect_rows(300)


async def test_a_worker_fenced_in_mid_run_writes_nothing_more(
    worker: Hand, other_worker: Hand, db: Connection
) -> None:
    job_id = await worker.make_job(records=400, page_size=10, delay_ms=20)
    execution, claimed = await worker.start(job_id)
    working = asyncio.create_task(execution.carry_out())
    await until_loaded(db, 3)
    # As the sweep does, short of ending its connections: it goes on in good faith.
    async with db.transaction():
        await db.execute("UPDATE workers SET lost_at = now() WHERE id = $1", worker.worker_id)
        assert (await take_over(db, lost_after=3600)).freed_runs == [claimed.id]
        state = "SELECT count(*), max(lease), count(*) FILTER (WHERE state = 'LOADED') FROM run_batches"
        when_fenced = await one(db, state)
    async with asyncio.timeout(60):
        await working
    assert await one(db, state) == when_fenced
    assert (await worker.row(claimed))["state"] == "QUEUED"

    execution, again = await other_worker.claim()
    await execution.carry_out()
    ended = await worker.row(again)
    assert (ended["state"], ended["counters"]["rows_new"]) == ("SUCCEEDED", 400)
    await worker.expect_rows(400)


async def test_leftovers_of_a_lost_worker_are_loaded_first(worker: Hand, other_worker: Hand) -> None:
    """Stored and not loaded: another loads them from their payloads, and extract goes on behind them."""
    job_id = await worker.make_job(records=400, page_size=10, delay_ms=5)
    # A lock keeps the table from being merged into: extract runs ahead of load.
    await worker.run(job_id)
    await worker.db.execute("TRUNCATE acme_made_up.records")
    await worker.db.execute("DELETE FROM job_checkpoints")
    execution, _ = await worker.start(job_id)
    blocker = worker.db.transaction()
    await blocker.start()
    await worker.db.execute("LOCK TABLE acme_made_up.records IN SHARE MODE")
    working = asyncio.create_task(execution.carry_out())
    as_far_as_it_goes = "SELECT count(*) = $1 FROM run_batches WHERE state = 'LEASED'"
    await eventually(lambda: worker.db.fetchval(as_far_as_it_goes, CARRIED_BATCHES + 1))
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await blocker.commit()
    await fall_silent(worker.db, worker.worker_id)
    await take_over(worker.db, lost_after=10)
    left = await worker.db.fetchval("SELECT count(*) FROM run_batches WHERE state = 'WAITING'")
    assert left == CARRIED_BATCHES + 1

    execution, again = await other_worker.claim()
    await execution.carry_out()
    ended = await worker.row(again)
    assert (ended["state"], ended["counters"]["rows_extracted"]) == ("SUCCEEDED", 400)
    await worker.expect_rows(400)


async def test_a_batch_that_the_destination_refuses_ends_its_lane(worker: Hand) -> None:
    job_id = await worker.make_job(records=40, page_size=10)
    await worker.run(job_id)
    await worker.db.execute("TRUNCATE acme_made_up.records")
    await worker.db.execute("DELETE FROM job_checkpoints")
    await refuse(worker.db, 15)
    run = await worker.run(job_id)
    assert (run["state"], run["error_kind"]) == ("FAILED", "internal")
    assert run["error_message"] == "batch 2 could not be loaded: acme_made_up.records: not yours"
    states = await worker.db.fetch(
        "SELECT seq, state FROM run_batches WHERE run_id = $1 ORDER BY seq", run["id"]
    )
    assert [row["state"] for row in states[:2]] == ["LOADED", "SET_ASIDE"]
    assert {row["state"] for row in states[2:]} <= {"DISCARDED"}
    await worker.expect_rows(10)
    assert await worker.db.fetchval("SELECT resume ->> 'next' FROM job_checkpoints") == "11"


@pytest.mark.parametrize("forgotten", [2, 4])
async def test_a_load_that_the_database_forgot_is_done_again_in_order(
    worker: Hand, monkeypatch: pytest.MonkeyPatch, forgotten: int
) -> None:
    """As after a failover to a replica that was behind: confirmed, and not there."""
    load = Loader.load

    async def forget(loader: Loader, batch: Batch, *typed: Any) -> dict[str, int]:
        return {} if batch.seq == forgotten else await load(loader, batch, *typed)

    monkeypatch.setattr(Loader, "load", forget)
    execution, run = await worker.start(await worker.make_job(records=40, page_size=10))
    await execution.carry_out()
    left = await worker.row(run)
    # Of the last one only the load is left, which any worker's slot for batches does.
    assert (left["state"], left["worker_id"]) == ("QUEUED" if forgotten < 4 else "RUNNING", None)
    await worker.expect_rows((forgotten - 1) * 10)

    monkeypatch.undo()
    if forgotten < 4:
        execution, _ = await worker.claim()
        await execution.carry_out()
    else:
        assert await worker.work_batches() == [4]
    ended = await worker.row(run)
    assert (ended["state"], ended["counters"]["rows_new"], ended["losses"]) == ("SUCCEEDED", 40, 0)
    await worker.expect_rows(40)
    assert (await worker.job())["checkpoint_data"]["streams"]["records"]["default"]["bookmark"] == {
        "generation": 0,
        "through": 40,
    }


async def test_a_run_that_moved_gives_its_slot_to_one_that_waits(
    worker: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIVE_WAY_AFTER", "OTHERS_PATIENCE"):
        monkeypatch.setattr(execution_module, name, 0.0)
    alone = await worker.run(await worker.make_job(records=30, page_size=10))
    assert alone["state"] == "SUCCEEDED"  # nobody waits: it goes on

    await worker.configure(records=100, page_size=10, delay_ms=5)
    execution, run = await worker.start(alone["job_id"])
    waiting = await make_job(worker.db, "waiting")
    await run_now(worker.db, waiting, PERSON)
    await execution.carry_out()
    left = await worker.row(run)
    assert (left["state"], left["losses"], left["started_at"] is None) == ("QUEUED", 0, False)
    assert await worker.db.fetchval("SELECT count(*) FROM run_batches WHERE run_id = $1", run.id) == 1


async def test_nothing_is_stored_behind_a_batch_that_the_database_forgot(
    worker: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a failover to a replica that was behind: its rows would be skipped."""
    store = Extractor._store

    async def store_or_forget(extractor: Extractor, page: Page) -> Batch | None:
        batch = await store(extractor, page)
        if batch and batch.seq == 2:
            await worker.db.execute("DELETE FROM run_batches WHERE seq = 2")
        return batch

    monkeypatch.setattr(Extractor, "_store", store_or_forget)
    execution, run = await worker.start(await worker.make_job(records=40, page_size=10, delay_ms=20))
    await execution.carry_out()
    assert (await worker.row(run))["state"] == "QUEUED"

    monkeypatch.undo()
    execution, run = await worker.claim()
    await execution.carry_out()
    assert (await worker.row(run))["state"] == "SUCCEEDED"
    await worker.expect_rows(40)


async def test_a_connection_that_ends_while_it_is_lent_fails_nothing(
    worker: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_batch = extract._leases.store_batch
    tries = 0

    async def store_or_break(*arguments: Any, **named: Any) -> Any:
        nonlocal tries
        tries += 1
        if tries == 2:
            raise asyncpg.InternalClientError("cannot switch to state 15")
        return await store_batch(*arguments, **named)

    monkeypatch.setattr(extract._leases, "store_batch", store_or_break)
    run = await worker.run(await worker.make_job(records=30, page_size=10))
    assert (run["state"], run["error_message"], tries) == ("SUCCEEDED", None, 4)
    await worker.expect_rows(30)


async def test_a_refused_leftover_ends_extract_too(worker: Hand, other_worker: Hand) -> None:
    """The lane has ended: nothing that is read now could be loaded."""
    job_id = await worker.make_job(records=400, page_size=10, delay_ms=5)
    await worker.run(job_id)
    await worker.db.execute("TRUNCATE acme_made_up.records")
    await worker.db.execute("DELETE FROM job_checkpoints")
    execution, claimed = await worker.start(job_id)
    blocker = worker.db.transaction()
    await blocker.start()
    await worker.db.execute("LOCK TABLE acme_made_up.records IN SHARE MODE")
    working = asyncio.create_task(execution.carry_out())
    stored = "SELECT count(*) > 0 FROM run_batches WHERE state = 'LEASED'"
    await eventually(lambda: worker.db.fetchval(stored))
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await refuse(worker.db, 5)
    await blocker.commit()
    await fall_silent(worker.db, worker.worker_id)
    await take_over(worker.db, lost_after=10)
    before = await worker.db.fetchval("SELECT count(*) FROM run_batches WHERE run_id = $1", claimed.id)
    execution, again = await other_worker.claim()
    await execution.carry_out()
    ended = await worker.row(again)
    assert (ended["state"], ended["error_kind"]) == ("FAILED", "internal")
    assert "batch 1 could not be loaded" in ended["error_message"]
    assert (
        await worker.db.fetchval("SELECT count(*) FROM run_batches WHERE run_id = $1", claimed.id) == before
    )
