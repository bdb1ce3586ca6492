"""Stages as workers of their own: what one stores another takes up, however the first one ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from etl_core.broker.protocol import STAGES, Stage
from etl_core.connector import Page
from etl_core.control.interventions import cancel
from etl_core.errors import ErrorKind
from etl_core.lifecycle.mend import settle_forgotten
from etl_core.lifecycle.takeover import take_over
from etl_core.store.database import Connection
from tests.support.jobs import PERSON, eventually, fall_silent, one
from tests.workers.running import Hand, Silent, hand
from workers.batch_work import BatchWork, claim_batch
from workers.connectors.synthetic import SyntheticConnector
from workers.connectors.synthetic.config import SyntheticConfig
from workers.execution import Execution
from workers.extract import Extractor
from workers.load import Loader
from workers.payload import TYPED
from workers.rings import Rings
from workers.set_aside import set_batch_aside
from workers.work import Held

EXTRACT, TRANSFORM, LOAD = ([stage] for stage in STAGES)


@pytest.fixture
async def hands(db: Connection, database_url: str) -> AsyncIterator[Any]:
    """Makes further workers."""
    async with AsyncExitStack() as stack:

        async def make() -> Hand:
            return await stack.enter_async_context(hand(db, database_url))

        yield make


async def extract_only(worker: Hand, job_id: int) -> int:
    """Carries out a run with a worker that serves extract alone; its id."""
    _, run = await worker.start(job_id)
    await Execution(worker.pool, worker.worker_id, run, carries=False).carry_out()
    return run.id


@asynccontextmanager
async def in_hand(worker: Hand, stages: Collection[Stage] = STAGES) -> AsyncIterator[BatchWork]:
    """The best waiting batch, claimed."""
    batch = await claim_batch(worker.pool, worker.worker_id, stages, suspects=True)
    assert batch is not None
    yield BatchWork(worker.pool, batch, stages, Rings(Silent()))


async def batches(db: Connection, columns: str = "seq, state, stage") -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await db.fetch(f"SELECT {columns} FROM run_batches ORDER BY run_id, seq")]


async def test_three_workers_of_one_stage_each(worker: Hand, other_worker: Hand, hands: Any) -> None:
    run_id = await extract_only(worker, await worker.make_job(records=40, page_size=10, bad_rate=0.1))
    assert await batches(worker.db) == [(seq, "WAITING", "transform") for seq in (1, 2, 3, 4)]
    run = await one(worker.db, "SELECT * FROM job_runs")
    assert (run["state"], run["worker_id"], run["extract_done"]) == ("RUNNING", None, True)

    # Transform takes them in any order, also those behind another that is not loaded.
    assert await other_worker.work_batches(LOAD) == []
    assert await other_worker.work_batches(TRANSFORM) == [1, 2, 3, 4]
    assert await batches(worker.db) == [(seq, "WAITING", "load") for seq in (1, 2, 3, 4)]
    payloads = await worker.db.fetch("SELECT payload FROM batch_payloads")
    assert {row["payload"][:1] for row in payloads} == {TYPED}

    loading = await hands()
    assert await loading.work_batches(LOAD) == [1, 2, 3, 4]
    run = await one(worker.db, "SELECT * FROM job_runs WHERE id = $1", run_id)
    counters = run["counters"]
    assert run["state"] == "SUCCEEDED"
    assert counters["rows_extracted"] == 40
    assert counters["rows_rejected"] > 0
    assert counters["rows_new"] == 40 - counters["rows_rejected"]
    assert await worker.db.fetchval("SELECT count(*) FROM acme_made_up.records") == counters["rows_new"]
    assert await worker.db.fetchval("SELECT sum(count) FROM rejected_records") == counters["rows_rejected"]
    assert not await worker.db.fetchval("SELECT count(*) FROM batch_payloads")
    job = await worker.job()
    assert job["status"] == "FINISHED"
    assert job["checkpoint_data"]["streams"]["records"]["default"]["bookmark"]["through"] == 40


async def test_both_ways_leave_the_same(worker: Hand, other_worker: Hand) -> None:
    """Carried in memory, stored raw, stored typed: the same rows."""
    config = {"records": 60, "page_size": 20, "seed": 7}
    tables = []
    for number, way in enumerate(("carried", "raw", "typed")):
        job_id = await worker.make_job(**config) if not number else await second_job(worker, number, config)
        if way == "carried":
            await worker.run(job_id)
        else:
            await extract_only(worker, job_id)
            if way == "typed":
                await other_worker.work_batches(TRANSFORM)
            await other_worker.work_batches([Stage.TRANSFORM, Stage.LOAD])
        schema = await worker.db.fetchval(
            "SELECT schema_name FROM destination_tables WHERE job_id = $1", job_id
        )
        rows = await worker.db.fetch(
            "SELECT to_jsonb(t) - ARRAY['_extracted_at', '_loaded_at', '_run_id']"
            f' FROM "{schema}".records AS t ORDER BY id'
        )
        tables.append([row[0] for row in rows])
    assert tables[0] == tables[1] == tables[2]
    assert len(tables[0]) == 60


async def second_job(worker: Hand, number: int, config: dict[str, Any]) -> int:
    """Another job on an integration of its own."""
    tenant = await worker.db.fetchval("SELECT id FROM tenants")
    integration = await worker.db.fetchval(
        "INSERT INTO integrations (tenant_id, name, type, config)"
        " VALUES ($1, $2, 'synthetic', $3) RETURNING id",
        tenant,
        f"other-{number}",
        config,
    )
    job_id: int = await worker.db.fetchval(
        "INSERT INTO etl_jobs (job_name, tenant_id, integration_id) VALUES ($1, $2, $3) RETURNING id",
        f"other-{number}",
        tenant,
        integration,
    )
    return job_id


async def test_a_table_widened_between_transform_and_load(worker: Hand, other_worker: Hand) -> None:
    await extract_only(worker, await worker.make_job(records=10))
    await other_worker.work_batches(TRANSFORM)
    column = await worker.db.fetchval(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'acme_made_up'"
        " AND data_type = 'bigint' AND column_name NOT LIKE '\\_%' AND column_name <> 'id'"
    )
    await worker.db.execute(f'ALTER TABLE acme_made_up.records ALTER COLUMN "{column}" TYPE numeric')
    await other_worker.work_batches(LOAD)
    assert (await one(worker.db, "SELECT state FROM job_runs"))["state"] == "SUCCEEDED"
    await worker.expect_rows(10)


async def test_a_worker_that_loads_takes_only_the_head_of_a_lane(worker: Hand, other_worker: Hand) -> None:
    await extract_only(worker, await worker.make_job(records=40, page_size=10, streams=2))
    lanes = await worker.db.fetch("SELECT lane, min(seq) AS head FROM run_batches GROUP BY lane")
    heads = sorted(row["head"] for row in lanes)
    async with in_hand(worker) as first, in_hand(other_worker) as second:
        claimed = sorted(held.seq for work in (first, second) for held in work.holds)
        assert claimed == heads
        assert await claim_batch(worker.pool, worker.worker_id, STAGES, suspects=True) is None
        await asyncio.gather(first.carry_out(), second.carry_out())
    await other_worker.work_batches()
    assert (await one(worker.db, "SELECT state FROM job_runs"))["state"] == "SUCCEEDED"


async def test_what_is_behind_anothers_batch_is_not_carried(worker: Hand, other_worker: Hand) -> None:
    """A run that comes back while a batch of its lane is in another's hands: its pages wait behind it."""
    job_id = await worker.make_job(records=60, page_size=10, delay_ms=20)
    execution, run = await worker.start(job_id)
    extracting = Execution(worker.pool, worker.worker_id, run, carries=False)
    task = asyncio.create_task(extracting.carry_out())
    await eventually(lambda: worker.db.fetchval("SELECT count(*) >= 2 FROM run_batches"))
    extracting.give_way()
    await task
    async with in_hand(other_worker) as first:
        execution, _ = await worker.claim()
        carrying = asyncio.create_task(execution.carry_out())
        await carrying
        states = dict(await batches(worker.db, "seq, state"))
        assert states.pop(1) == "LEASED"
        assert set(states.values()) == {"WAITING"}
        assert len(states) == 5
        await first.carry_out()
    await other_worker.work_batches()
    assert (await worker.row(run))["state"] == "SUCCEEDED"
    await worker.expect_rows(60)


async def test_a_payload_of_a_newer_program_is_left_to_it(worker: Hand) -> None:
    await extract_only(worker, await worker.make_job(records=10))
    await worker.db.execute("UPDATE run_batches SET format = 99")
    assert await claim_batch(worker.pool, worker.worker_id, STAGES, suspects=True) is None


async def test_a_batch_that_costs_three_workers_is_set_aside(worker: Hand, hands: Any) -> None:
    run_id = await extract_only(worker, await worker.make_job(records=30, page_size=10))
    for losses in (1, 2, 3):
        victim = await hands()
        suspects = await claim_batch(victim.pool, victim.worker_id, STAGES, suspects=False)
        assert (suspects is None) == (losses > 1)  # one that cost a worker is taken by one with nothing else
        if suspects is None:
            async with in_hand(victim) as work:
                assert work.is_suspect
        await fall_silent(worker.db, victim.worker_id)
        await take_over(worker.db, lost_after=10)
        assert (await batches(worker.db, "seq, attempts"))[0] == (1, losses)
    assert [state for _, state, _ in await batches(worker.db)] == ["SET_ASIDE", "DISCARDED", "DISCARDED"]
    await worker.work_batches()  # nothing: the sweep settles it
    assert await settle_forgotten(worker.db) == [run_id]
    run = await one(worker.db, "SELECT * FROM job_runs")
    assert (run["state"], run["error_kind"], run["losses"]) == ("FAILED", "lost", 0)
    assert "batch 1 could not be loaded: 3 workers were lost on it (" in run["error_message"]
    assert run["error_message"].count(":1") == 3


async def test_after_a_loss_only_the_batch_in_hand_is_charged(
    worker: Hand, other_worker: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first loss may be anybody's fault; then the batches are loaded one by one, and the one is found."""
    job_id = await worker.make_job(records=40, page_size=10)
    stuck = asyncio.Event()
    load = Loader.load

    async def stop_at_three(loader: Loader, batch: Any, *typed: Any) -> Any:
        if batch.seq == 3:
            stuck.set()
            await asyncio.sleep(3600)
        return await load(loader, batch, *typed)

    monkeypatch.setattr(Loader, "load", stop_at_three)
    charged = []
    execution, _ = await worker.start(job_id)
    for holder in (worker, other_worker, worker, other_worker):
        stuck.clear()
        carrying = asyncio.create_task(execution.carry_out())
        await stuck.wait()
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)
        await fall_silent(worker.db, holder.worker_id)
        await take_over(worker.db, lost_after=10)
        await worker.db.execute("UPDATE workers SET lost_at = NULL, heartbeat_at = now()")
        run = await one(worker.db, "SELECT * FROM job_runs")
        charged.append((run["losses"], (await batches(worker.db, "attempts"))[2][0]))
        if run["state"] == "QUEUED":
            execution, _ = await (other_worker if holder is worker else worker).claim()
    assert charged == [(1, 0), (1, 1), (1, 2), (1, 3)]
    await execution.carry_out()
    run = await one(worker.db, "SELECT * FROM job_runs")
    assert (run["state"], run["error_kind"]) == ("FAILED", "lost")
    await worker.expect_rows(20)


async def test_a_cancelled_run_has_nothing_left_to_load(worker: Hand, other_worker: Hand) -> None:
    job_id = await worker.make_job(records=40, page_size=10)
    await extract_only(worker, job_id)
    async with in_hand(other_worker) as work:
        await cancel(worker.db, job_id, PERSON)
        before = await batches(worker.db, "state, lease")
        await work.carry_out()
        assert await batches(worker.db, "state, lease") == before
    assert {state for state, _ in before} == {"DISCARDED"}
    assert await claim_batch(worker.pool, worker.worker_id, STAGES, suspects=True) is None
    assert await worker.db.fetchval("SELECT to_regclass('acme_made_up.records') IS NULL")
    await worker.run(job_id)
    await worker.expect_rows(40)


async def test_nothing_is_added_to_a_lane_while_it_ends(worker: Hand, other_worker: Hand) -> None:
    """A batch stored behind one that is being set aside must see that its lane has ended."""
    _, run = await worker.start(await worker.make_job(records=30, page_size=10))
    extractor = Extractor(
        worker.pool, run, worker.worker_id, SyntheticConnector(SyntheticConfig(records=30)), carries=False
    )
    page = Page("records/default", {"records": [{"id": 1}]})
    assert await extractor._store(page)
    batch = await claim_batch(other_worker.pool, other_worker.worker_id, STAGES, suspects=True)
    assert batch is not None
    async with other_worker.pool.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        await set_batch_aside(conn, Held(run.id, 1, batch.lease), other_worker.worker_id, "made up")
        storing = asyncio.create_task(extractor._store(page))
        await eventually(lambda: worker.db.fetchval("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted"))
        await transaction.commit()
    assert await storing is None
    assert await batches(worker.db, "seq, state") == [(1, "SET_ASIDE"), (2, "DISCARDED")]


async def extract_some(worker: Hand, *, cut_off: bool) -> None:
    """A worker that serves extract alone stores a few pages; then it gives the run back, or is cut off."""
    _, run = await worker.start(await worker.make_job(records=40, page_size=10, delay_ms=20))
    extracting = Execution(worker.pool, worker.worker_id, run, carries=False)
    task = asyncio.create_task(extracting.carry_out())
    await eventually(lambda: worker.db.fetchval("SELECT count(*) >= 1 FROM run_batches"))
    if cut_off:
        task.cancel()
    extracting.give_way()
    await asyncio.gather(task, return_exceptions=True)


async def test_typed_rows_are_left_to_those_who_load_them(worker: Hand, other_worker: Hand) -> None:
    """Whoever takes the run up carries on records alone."""
    await extract_some(worker, cut_off=False)
    await other_worker.work_batches(TRANSFORM)
    execution, _ = await worker.claim()
    await execution.carry_out()
    await other_worker.work_batches()
    assert (await one(worker.db, "SELECT state FROM job_runs"))["state"] == "SUCCEEDED"
    await worker.expect_rows(40)


async def test_a_batch_fails_its_run_wherever_in_its_lane_it_is(worker: Hand, other_worker: Hand) -> None:
    await extract_only(worker, await worker.make_job(records=20, page_size=10))
    async with in_hand(worker, TRANSFORM), in_hand(other_worker, TRANSFORM) as second:
        await second._fail_run(ErrorKind.PERMANENT, "made up")
    assert (await one(worker.db, "SELECT state FROM job_runs"))["state"] == "FAILED"


async def test_what_is_before_a_batch_that_is_set_aside_is_loaded(worker: Hand, hands: Any) -> None:
    await extract_only(worker, await worker.make_job(records=30, page_size=10))
    await worker.db.execute("UPDATE run_batches SET attempts = 2 WHERE seq = 2")
    victim = await hands()
    async with in_hand(worker, TRANSFORM), in_hand(victim, TRANSFORM) as second:
        assert [held.seq for held in second.holds] == [2]
        await fall_silent(worker.db, victim.worker_id)
        await take_over(worker.db, lost_after=10)
        assert await batches(worker.db, "state") == [("LEASED",), ("SET_ASIDE",), ("DISCARDED",)]


async def test_of_two_lost_at_once_each_is_charged_to_what_it_held(worker: Hand, hands: Any) -> None:
    await extract_some(worker, cut_off=True)
    victim = await hands()
    async with in_hand(victim):
        for lost in (victim, worker):
            await fall_silent(worker.db, lost.worker_id)
        await take_over(worker.db, lost_after=10)
    assert (await one(worker.db, "SELECT losses FROM job_runs"))["losses"] == 1
    assert (await batches(worker.db, "attempts"))[0] == (1,)
