"""Contradictions are mended and told; runs that nobody settled are settled."""

from __future__ import annotations

from etl_core.lifecycle.claim import claim_run
from etl_core.lifecycle.mend import mend_contradictions, settle_forgotten
from etl_core.store.database import Connection
from etl_core.store.queries import load
from tests.lifecycle.conftest import Connect
from tests.support.jobs import load_batch, make_job, make_worker, one, start_run, store_batch

_leases = load("leases")


async def test_running_without_a_run(db: Connection) -> None:
    job_id = await make_job(db)
    await db.execute("UPDATE etl_jobs SET status = 'RUNNING', last_run_started_at = now()")
    assert await mend_contradictions(db) == [job_id]
    job = await one(db, "SELECT * FROM etl_jobs")
    assert (job["status"], job["error_kind"], job["retry_count"]) == ("FAILED", "internal", 1)
    assert "RUNNING without a run" in job["error_message"]
    assert job["due_at"] is not None  # tried again, not stuck for ever
    event = await one(db, "SELECT * FROM job_events WHERE action = 'mend'")
    assert (event["action"], event["job_id"], event["detail"]) == (
        "mend",
        job_id,
        {"found": "RUNNING without a run"},
    )


async def test_an_open_run_whose_job_does_not_run(db: Connection) -> None:
    worker_id = await make_worker(db)
    run = await start_run(db, await make_job(db), worker_id)
    await db.execute("UPDATE etl_jobs SET status = 'READY'")  # somebody's psql
    assert await mend_contradictions(db) == [run.job_id]
    assert await db.fetchval("SELECT status FROM etl_jobs") == "RUNNING"
    assert await db.fetchval("SELECT detail ->> 'found' FROM job_events WHERE action = 'mend'") == (
        "an open run without RUNNING"
    )
    # And so the run ends as any other.
    await _leases.end_extract(db, run_id=run.id)
    assert await settle_forgotten(db) == [run.id]
    assert await db.fetchval("SELECT status FROM etl_jobs") == "FINISHED"


async def test_what_agrees_is_left_alone(db: Connection) -> None:
    worker_id = await make_worker(db)
    await make_job(db, "at rest")
    await start_run(db, await make_job(db, "runs"), worker_id)
    before = await db.fetch("SELECT id, status, row_version FROM etl_jobs ORDER BY id")
    assert await mend_contradictions(db) == []
    assert await db.fetch("SELECT id, status, row_version FROM etl_jobs ORDER BY id") == before
    assert await db.fetchval("SELECT count(*) FROM job_events WHERE action = 'mend'") == 0


async def test_a_job_in_the_middle_of_its_end_is_no_contradiction(db: Connection, connect: Connect) -> None:
    """Job and run change in one transaction; a sweep sees both before or both after, and does not wait."""
    run = await start_run(db, await make_job(db), await make_worker(db))
    ending = await connect()
    async with ending.transaction():
        await ending.execute("UPDATE etl_jobs SET status = 'FINISHED'")
        await ending.execute(
            "UPDATE job_runs SET state = 'SUCCEEDED', finished_at = now() WHERE id = $1", run.id
        )
        assert await mend_contradictions(db) == []
    assert await mend_contradictions(db) == []


async def test_only_runs_with_nothing_left_are_settled(db: Connection) -> None:
    worker_id = await make_worker(db, slots=10)
    runs = [await start_run(db, await make_job(db, f"job {n}"), worker_id) for n in range(4)]
    extracting, loading, done, queued = runs
    await load_batch(db, extracting, await store_batch(db, extracting, worker_id))
    await store_batch(db, loading, worker_id)
    await load_batch(db, done, await store_batch(db, done, worker_id))
    for run in (loading, done, queued):
        await _leases.end_extract(db, run_id=run.id)
    await _leases.release_run(db, run_id=queued.id, ready_at=None, wait_reason=None, losses=0)
    assert sorted(await settle_forgotten(db)) == [done.id, queued.id]
    assert await settle_forgotten(db) == []
    assert await claim_run(db, worker_id) is None
