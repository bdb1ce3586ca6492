"""A lease that was raised: extract, load and the end of a run write nothing with the old one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etl_core.connector import ExtractContext
from etl_core.errors import Fenced
from etl_core.lifecycle.claim import ClaimedRun
from etl_core.lifecycle.takeover import take_over
from etl_core.store.database import Connection
from tests.support.jobs import fall_silent, one
from tests.workers.running import Hand
from workers.batch import Batch
from workers.connectors.synthetic import SyntheticConnector
from workers.connectors.synthetic.config import SyntheticConfig
from workers.execution import Execution
from workers.extract import Extractor
from workers.load import Loader
from workers.loader.tables import ensure_tables

CONNECTOR = SyntheticConnector(SyntheticConfig(records=30, page_size=10))

TRACES = """
SELECT
    (SELECT count(*) FROM run_batches) AS batches,
    (SELECT count(*) FROM batch_payloads) AS payloads,
    (SELECT count(*) FROM acme_made_up.records) AS rows,
    (SELECT count(*) FROM job_checkpoints) AS checkpoints,
    (SELECT count(*) FROM rejected_records) AS rejects,
    (SELECT jsonb_agg(to_jsonb(b) ORDER BY b.seq) FROM run_batches AS b) AS states,
    (SELECT to_jsonb(r) FROM job_runs AS r) AS run
"""
"""Everything that a step could leave."""


async def stored_batch(worker: Hand) -> tuple[ClaimedRun, Extractor, Loader, Batch]:
    """A run with one stored batch, ready to be loaded."""
    _, run = await worker.start(await worker.make_job(records=30, page_size=10))
    streams = await CONNECTOR.discover(ExtractContext())
    async with worker.pool.acquire() as conn:
        tables = await ensure_tables(
            conn, job_id=run.job_id, tenant=run.tenant, integration="made-up", schema=None, streams=streams
        )
    extractor = Extractor(worker.pool, run, worker.worker_id, CONNECTOR)
    batches = extractor.batches()
    batch = await anext(batches)
    await batches.aclose()
    return run, extractor, Loader(worker.pool, run, CONNECTOR, tables), batch


async def take_away(db: Connection, worker: Hand) -> None:
    """The run goes back to the queue, as the sweep does it."""
    await fall_silent(db, worker.worker_id)
    takeover = await take_over(db, lost_after=10)
    assert takeover.freed_runs


async def test_the_steps_do_write_with_a_good_lease(worker: Hand, db: Connection) -> None:
    """What the other tests rely on: the same steps, not fenced, leave their traces."""
    _, _, loader, batch = await stored_batch(worker)
    await loader.load(batch)
    traces = await one(db, TRACES)
    assert (traces["batches"], traces["rows"], traces["checkpoints"]) == (1, 10, 1)


async def test_extract_stores_nothing(worker: Hand, db: Connection) -> None:
    _, extractor, _, _ = await stored_batch(worker)
    await take_away(db, worker)
    before = await one(db, TRACES)
    with pytest.raises(Fenced):
        await anext(extractor.batches())
    assert await one(db, TRACES) == before
    assert before["batches"] == 1


async def test_load_merges_nothing(worker: Hand, db: Connection) -> None:
    _, _, loader, batch = await stored_batch(worker)
    await take_away(db, worker)
    before = await one(db, TRACES)
    with pytest.raises(Fenced):
        await loader.load(batch)
    assert await one(db, TRACES) == before
    assert before["rows"] == 0


async def test_a_batch_loaded_by_another_is_not_loaded_again(
    worker: Hand, other_worker: Hand, db: Connection
) -> None:
    _, _, loader, batch = await stored_batch(worker)
    await take_away(db, worker)
    execution, _ = await other_worker.claim()
    await execution.carry_out()
    before = await one(db, TRACES)
    assert before["rows"] == 30
    with pytest.raises(Fenced):
        await loader.load(batch)
    assert await one(db, TRACES) == before


async def test_a_load_whose_answer_was_lost_counts_as_done(worker: Hand, db: Connection) -> None:
    """COMMIT arrived, its answer did not: the same step again finds its batch loaded, and says the same."""
    _, _, loader, batch = await stored_batch(worker)
    counts = await loader.load(batch)
    before = await one(db, TRACES)
    assert await loader.load(batch) == counts
    assert await one(db, TRACES) == before


async def test_the_end_of_a_run_is_not_written(worker: Hand, db: Connection) -> None:
    """The whole of a run that was taken away before it began: nothing stored, loaded, released, or ended."""
    run, *_ = await stored_batch(worker)
    await take_away(db, worker)
    before = await one(db, TRACES)
    await Execution(worker.pool, worker.worker_id, run).carry_out()
    assert await one(db, TRACES) == before
    assert before["run"]["state"] == "QUEUED"


async def test_an_error_of_a_fenced_worker_is_not_written(worker: Hand, db: Connection) -> None:
    run, *_ = await stored_batch(worker)
    await take_away(db, worker)
    before = await one(db, TRACES)
    broken = replace(run, integration_type="carrier-pigeon")
    await Execution(worker.pool, worker.worker_id, broken).carry_out()
    assert await one(db, TRACES) == before
    assert before["run"]["error_message"] is None
