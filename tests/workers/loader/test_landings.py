"""A run that ends while nobody here knows whether a batch of it is in the other database.

The file has no key: what was loaded and not told here would be there twice after the next run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import stamina

from etl_core.broker.protocol import STAGES
from etl_core.control.interventions import cancel
from etl_core.lifecycle.end_early import fail_run_early, lock_open_run
from etl_core.lifecycle.settle import settle_run
from etl_core.lifecycle.takeover import take_over
from etl_core.store import database
from etl_core.store.database import Connection
from tests.support.jobs import PERSON, fall_silent, make_job, make_worker, one
from tests.workers.running import Hand, Silent
from workers import batch_work
from workers import load as load_stage
from workers.loader import destination
from workers.rings import Rings

ROWS = 3


@pytest.fixture
async def there(
    worker: Hand, empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Connection]:
    """The other database; a job loads a file of three rows into it."""
    monkeypatch.setenv("ELSEWHERE", empty_database_url)
    file = tmp_path / "log.csv"
    file.write_text("id,a\n" + "".join(f"{n},x\n" for n in range(ROWS)))
    await make_job(worker.db, kind="files", config={"path": str(file), "stream": "log"})
    await worker.db.execute("UPDATE integrations SET destination_url = 'env:ELSEWHERE'")
    connection = await database.connect(empty_database_url, application_name="tests")
    yield connection
    await connection.close(timeout=5)
    await destination.close()


async def die_at(monkeypatch: pytest.MonkeyPatch, worker: Hand, step: tuple[type, str], how: Any) -> int:
    """A run whose worker meets `how` at this step of its first load; the run's number."""
    owner, name = step
    original = getattr(owner, name)

    async def die(*_: Any, **__: Any) -> Any:
        monkeypatch.setattr(owner, name, original)
        raise how

    monkeypatch.setattr(owner, name, die)
    execution, run = await worker.start(await worker.db.fetchval("SELECT id FROM etl_jobs"))
    with suppress(asyncio.CancelledError):
        await execution.carry_out()
    return run.id


BEFORE_COMMIT = (destination.Turn, "write")
BETWEEN_COMMITS = (load_stage.Loader, "_finish")
KILLED = asyncio.CancelledError()
"""Nothing after it is written, as with kill -9."""

End = Callable[[Hand, int], Awaitable[None]]


async def cancel_it(worker: Hand, run_id: int) -> None:
    """Nobody has noticed yet that its worker is gone."""
    await cancel(worker.db, (await worker.job())["id"], PERSON)


async def cancel_when_taken_over(worker: Hand, run_id: int) -> None:
    await lose(worker)
    await cancel_it(worker, run_id)


async def pass_its_deadline(worker: Hand, run_id: int) -> None:
    async with worker.db.transaction():
        held = await lock_open_run(worker.db, run_id)
        assert held is not None
        await fail_run_early(worker.db, *held, message="took too long", actor="deadline")


async def cost_three_workers(worker: Hand, run_id: int) -> None:
    """The batch was in hand each time."""
    await worker.db.execute("UPDATE run_batches SET attempts = 2, in_hand_since = now()")
    await worker.db.execute("UPDATE job_runs SET extract_done = true, worker_id = NULL")
    await lose(worker)


async def lose(worker: Hand) -> None:
    await fall_silent(worker.db, worker.worker_id)
    await take_over(worker.db, lost_after=60)
    worker.worker_id = await make_worker(worker.db)


ENDS = [
    pytest.param(cancel_it, "CANCELLED", id="cancelled"),
    pytest.param(cancel_when_taken_over, "CANCELLED", id="cancelled when taken over"),
    pytest.param(pass_its_deadline, "FAILED", id="past its deadline"),
    pytest.param(cost_three_workers, None, id="three workers lost"),
]


async def expect_all_once(worker: Hand, there: Connection) -> None:
    """Destination, checkpoint and counters agree, and do so after the next run."""
    job = await worker.job()
    again = await worker.run(job["id"])
    assert again["state"] == "SUCCEEDED"
    ids = await there.fetch("SELECT id FROM acme_made_up.log ORDER BY 1")
    assert [row["id"] for row in ids] == list(range(ROWS))
    told = "SELECT sum((counters -> 'rows_new')::int) FROM job_runs"
    assert await worker.db.fetchval(told) == ROWS
    assert await worker.db.fetchval("SELECT count(*) FROM batch_payloads") == 0


@pytest.mark.parametrize(("end", "state"), ENDS)
async def test_what_has_landed_is_settled_before_the_run_ends(
    worker: Hand, there: Connection, monkeypatch: pytest.MonkeyPatch, end: End, state: str | None
) -> None:
    run_id = await die_at(monkeypatch, worker, BETWEEN_COMMITS, KILLED)
    assert await there.fetchval("SELECT count(*) FROM acme_made_up.log") == ROWS
    await end(worker, run_id)
    assert await settle_run(worker.db, run_id, actor="sweep") is None
    waits = await one(worker.db, "SELECT state, worker_id FROM job_runs WHERE id = $1", run_id)
    assert tuple(waits) == ("RUNNING", None)
    assert await worker.work_batches() == [1]
    run = await one(worker.db, "SELECT * FROM job_runs WHERE id = $1", run_id)
    assert (run["state"], run["counters"]["rows_new"]) == (state or "SUCCEEDED", ROWS)
    assert (await worker.job())["checkpoint_data"]["streams"]["log"]
    await expect_all_once(worker, there)
    assert await worker.db.fetchval("SELECT sum((counters -> 'rows_extracted')::int) FROM job_runs") == ROWS


@pytest.mark.parametrize(("end", "state"), ENDS)
async def test_what_has_not_landed_is_discarded(
    worker: Hand, there: Connection, monkeypatch: pytest.MonkeyPatch, end: End, state: str | None
) -> None:
    run_id = await die_at(monkeypatch, worker, BEFORE_COMMIT, KILLED)
    await end(worker, run_id)
    assert await worker.work_batches() == [1]
    run = await one(worker.db, "SELECT * FROM job_runs WHERE id = $1", run_id)
    assert (run["state"], run["counters"]["rows_new"]) == (state or "FAILED", 0)
    left = await worker.db.fetchval("SELECT state FROM run_batches")
    assert left == ("DISCARDED" if state else "SET_ASIDE")
    assert await there.fetchval("SELECT count(*) FROM etl_tui.loads") == 0
    await expect_all_once(worker, there)


async def test_a_load_that_fails_behind_its_commit_there(
    worker: Hand, there: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker lives and fails the run; what has landed is settled all the same."""
    run_id = await die_at(monkeypatch, worker, BETWEEN_COMMITS, RuntimeError("a defect"))
    assert await worker.work_batches() == [1]
    run = await one(worker.db, "SELECT * FROM job_runs WHERE id = $1", run_id)
    assert (run["state"], run["error_message"]) == ("FAILED", "RuntimeError: a defect")
    assert run["counters"]["rows_new"] == ROWS
    await expect_all_once(worker, there)


async def test_a_second_cancel_does_not_wait(
    worker: Hand, there: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The destination may be gone for good; a person decides."""
    run_id = await die_at(monkeypatch, worker, BETWEEN_COMMITS, KILLED)
    job = await worker.job()
    first = await cancel(worker.db, job["id"], PERSON)
    assert (first.state, first.wait_reason) == (
        "RUNNING",
        "cancelled by tess; a worker asks its destination what has landed",
    )
    assert (await cancel(worker.db, job["id"], PERSON)).state == "CANCELLED"
    assert (await one(worker.db, "SELECT state FROM run_batches WHERE run_id = $1", run_id))[0] == "DISCARDED"
    assert (await worker.job())["status"] == "READY"


async def test_nothing_is_decided_without_an_answer(
    worker: Hand, there: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await die_at(monkeypatch, worker, BETWEEN_COMMITS, KILLED)
    await cancel_it(worker, run_id)
    await destination.close()
    monkeypatch.setenv("ELSEWHERE", "postgresql://postgres@127.0.0.1:1/gone")
    monkeypatch.setattr(batch_work, "step_retries", stamina.AsyncRetryingCaller(attempts=1))
    batch = await batch_work.claim_batch(worker.pool, worker.worker_id, STAGES, suspects=True)
    assert batch is not None
    await batch_work.BatchWork(worker.pool, batch, STAGES, Rings(Silent())).carry_out()
    assert await worker.db.fetchval("SELECT state FROM run_batches") == "WAITING"
    assert await worker.db.fetchval("SELECT state FROM job_runs") == "RUNNING"
