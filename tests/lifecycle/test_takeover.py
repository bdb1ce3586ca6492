"""Runs of lost workers go on with others; what a lost worker still tries to write leaves no trace."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from etl_core.errors import ErrorKind
from etl_core.lifecycle.claim import ClaimedRun, claim_run
from etl_core.lifecycle.mend import settle_forgotten
from etl_core.lifecycle.takeover import take_over, worker_application_name
from etl_core.store.database import Connection
from etl_core.store.queries import load
from tests.lifecycle.conftest import Connect
from tests.support.jobs import (
    eventually,
    fall_silent,
    fragment,
    load_batch,
    make_job,
    make_worker,
    one,
    start_run,
    store_batch,
    waits_for_a_lock,
)

_leases = load("leases")
_progress = load("progress")
_processes = load("processes")

LOST_AFTER = 10.0


async def test_a_worker_is_lost_by_the_age_of_its_heartbeat(db: Connection) -> None:
    silent = await make_worker(db, silent_for=LOST_AFTER + 1)
    alive = await make_worker(db, silent_for=LOST_AFTER - 5)
    stopped = await make_worker(db, silent_for=3600)
    await _processes.stop_worker(db, worker_id=stopped)
    await fall_silent(db, stopped)
    assert (await take_over(db, lost_after=LOST_AFTER)).lost_workers == [silent]
    assert (await take_over(db, lost_after=LOST_AFTER)).lost_workers == []  # told once
    assert await _processes.beat_worker(db, worker_id=silent) is None  # it comes back, and hears it
    assert await _processes.beat_worker(db, worker_id=alive) == alive
    assert await db.fetchval("SELECT lost_at IS NULL FROM workers WHERE id = $1", stopped)


async def test_the_run_goes_on_from_the_last_stored_batch(db: Connection) -> None:
    lost, other = await make_worker(db, host="ship", pid=7), await make_worker(db)
    run = await start_run(db, await make_job(db), lost)
    loaded = await store_batch(db, run, lost, fragments=[fragment(1)])
    await load_batch(db, run, loaded)
    await store_batch(db, run, lost, fragments=[fragment(2)])
    before = await one(db, "SELECT started_at FROM job_runs")
    await fall_silent(db, lost)

    takeover = await take_over(db, lost_after=LOST_AFTER)

    assert (takeover.lost_workers, takeover.freed_runs, takeover.ended_runs) == ([lost], [run.id], [])
    freed = await one(db, "SELECT *, ready_at <= now() AS ready FROM job_runs")
    assert (freed["state"], freed["worker_id"], freed["losses"], freed["ready"]) == ("QUEUED", None, 1, True)
    assert freed["lease"] > run.lease
    assert freed["started_at"] == before["started_at"]
    batches = await db.fetch("SELECT seq, state, lease, worker_id FROM run_batches ORDER BY seq")
    assert [(b["state"], b["lease"]) for b in batches] == [("LOADED", 1), ("WAITING", 2)]
    assert await db.fetchval("SELECT status FROM etl_jobs") == "RUNNING"
    event = await one(db, "SELECT * FROM job_events WHERE action = 'worker_lost'")
    assert (event["run_id"], event["actor"], event["detail"]) == (
        run.id,
        "sweep",
        {"worker": "ship:7", "losses": 1},
    )
    # What was loaded so far is a version of its own: somebody may want to look now.
    assert await db.fetchval("SELECT changes -> 0 -> 'bookmark' FROM job_checkpoint_history") == {"at": 1}

    again = await claim_run(db, other)
    assert again is not None
    assert (again.id, again.losses, again.lease) == (run.id, 1, freed["lease"] + 1)
    adopted = [row async for row in _leases.adopt_batches(db, run_id=run.id, worker_id=other, formats=[1])]
    assert [(row["seq"], row["lease"]) for row in adopted] == [(2, 3)]
    # A batch stored by the new holder ends the count of losses in a row.
    await store_batch(db, again, other)
    assert await db.fetchval("SELECT losses FROM job_runs") == 0


async def lose_a_worker(db: Connection, pid: int) -> None:
    """A worker that claims the ready run, stores nothing, and is lost."""
    worker_id = await make_worker(db, host="ship", pid=pid)
    assert await claim_run(db, worker_id) is not None
    await fall_silent(db, worker_id)
    await take_over(db, lost_after=LOST_AFTER)


async def test_three_losses_fail_the_run_and_name_the_workers(db: Connection) -> None:
    first = await make_worker(db, host="ship", pid=1)
    job_id = await make_job(db)
    run = await start_run(db, job_id, first)
    await load_batch(db, run, await store_batch(db, run, first, fragments=[fragment(1)]))
    await store_batch(db, run, first, fragments=[fragment(2)])
    await fall_silent(db, first)
    await take_over(db, lost_after=LOST_AFTER)
    await lose_a_worker(db, 2)
    assert await db.fetchval("SELECT state FROM job_runs") == "QUEUED"
    await lose_a_worker(db, 3)

    assert await settle_forgotten(db) == [run.id]
    ended = await one(db, "SELECT * FROM job_runs")
    assert (ended["state"], ended["error_kind"], ended["losses"]) == ("FAILED", ErrorKind.LOST, 3)
    assert "3 workers were lost on it (ship:1, ship:2, ship:3) after batch 2" in ended["error_message"]
    job = await one(db, "SELECT * FROM etl_jobs")
    assert (job["status"], job["error_kind"], job["retry_count"]) == ("FAILED", ErrorKind.LOST, 1)
    assert job["error_message"] == ended["error_message"]
    assert job["due_at"] is not None  # it is tried again
    # The batch that was never loaded is read again: the checkpoint stands before it.
    assert await db.fetchval("SELECT state FROM run_batches WHERE seq = 2") == "DISCARDED"
    assert await db.fetchval("SELECT bookmark FROM job_checkpoints") == {"at": 1}


async def test_a_stopped_worker_is_not_charged(db: Connection) -> None:
    """It signed off and its run stayed behind (cut off at the end): nobody's fault."""
    worker_id = await make_worker(db)
    run = await start_run(db, await make_job(db), worker_id)
    await _processes.stop_worker(db, worker_id=worker_id)
    takeover = await take_over(db, lost_after=LOST_AFTER)
    assert (takeover.lost_workers, takeover.freed_runs) == ([], [run.id])
    assert await db.fetchval("SELECT losses FROM job_runs") == 0
    assert await db.fetchval("SELECT count(*) FROM job_events WHERE action = 'worker_lost'") == 0


async def test_a_run_of_a_worker_whose_row_is_gone(db: Connection) -> None:
    worker_id = await make_worker(db)
    run = await start_run(db, await make_job(db), worker_id)
    await db.execute("DELETE FROM workers")
    assert (await take_over(db, lost_after=LOST_AFTER)).freed_runs == [run.id]


async def test_runs_of_living_workers_are_left_alone(db: Connection) -> None:
    run = await start_run(db, await make_job(db), await make_worker(db))
    takeover = await take_over(db, lost_after=LOST_AFTER)
    assert (takeover.freed_runs, takeover.ended_runs) == ([], [])
    assert await db.fetchval("SELECT lease FROM job_runs") == run.lease


async def test_a_stopped_process_loses_its_connections_and_their_locks(
    db: Connection, connect: Connect
) -> None:
    """SIGSTOP in mid transaction: the locks would stay for ever, and no timeout of Postgres frees them."""
    worker_id = await make_worker(db)
    run = await start_run(db, await make_job(db), worker_id)
    seq = await store_batch(db, run, worker_id)
    stopped = await connect(worker_application_name(worker_id))
    await stopped.execute("BEGIN")
    assert (
        await _leases.lock_leased_run(stopped, run_id=run.id, lease=run.lease, worker_id=run.worker_id)
        == run.id
    )
    assert (
        await _leases.lock_leased_batch(stopped, run_id=run.id, seq=seq, lease=1, worker_id=run.worker_id)
        == seq
    )
    await stopped.execute("INSERT INTO run_logs (run_id, level, message) VALUES ($1, 'info', 'x')", run.id)
    neighbour = await connect(worker_application_name(worker_id) + "0")

    await fall_silent(db, worker_id)
    async with asyncio.timeout(60):
        takeover = await take_over(db, lost_after=LOST_AFTER)

    assert takeover.freed_runs == [run.id]

    async def cut() -> bool:
        return stopped.is_closed()

    await eventually(cut)
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError)):
        await stopped.execute("COMMIT")
    assert await db.fetchval("SELECT count(*) FROM run_logs WHERE message = 'x'") == 0
    assert await neighbour.fetchval("SELECT 1") == 1  # another incarnation's connections stay


async def test_sweeps_at_once_charge_a_loss_once(db: Connection, connect: Connect) -> None:
    worker_id = await make_worker(db)
    jobs = [await make_job(db, f"job {n}") for n in range(5)]
    runs = [await start_run(db, job_id, worker_id) for job_id in jobs]
    await fall_silent(db, worker_id)
    sweeps = [await connect() for _ in range(3)]
    takeovers = await asyncio.gather(*(take_over(conn, lost_after=LOST_AFTER) for conn in sweeps))
    takeovers.append(await take_over(db, lost_after=LOST_AFTER))
    assert sorted(id_ for each in takeovers for id_ in each.freed_runs) == sorted(run.id for run in runs)
    assert [row["losses"] for row in await db.fetch("SELECT losses FROM job_runs")] == [1] * 5


async def test_a_run_that_ended_meanwhile_is_left_alone(db: Connection, connect: Connect) -> None:
    """The sweep saw the run as orphaned; before it could lock it, its end was committed."""
    worker_id = await make_worker(db)
    run = await start_run(db, await make_job(db), worker_id)
    await fall_silent(db, worker_id)
    ending = await connect()
    transaction = ending.transaction()
    await transaction.start()
    await ending.execute("UPDATE etl_jobs SET status = 'FINISHED' WHERE id = $1", run.job_id)
    await ending.execute("UPDATE job_runs SET state = 'SUCCEEDED', finished_at = now() WHERE id = $1", run.id)
    sweeping = await connect()
    sweep = asyncio.create_task(take_over(sweeping, lost_after=LOST_AFTER))

    await eventually(lambda: waits_for_a_lock(db, sweeping.get_server_pid()))
    await transaction.commit()
    assert (await sweep).freed_runs == []
    assert await db.fetchval("SELECT state FROM job_runs") == "SUCCEEDED"


async def test_a_taken_over_run_is_another_ones_at_every_step(db: Connection) -> None:
    """The steps under a lease, with the lease of before: none finds what it may write to."""
    worker_id = await make_worker(db)
    run: ClaimedRun = await start_run(db, await make_job(db), worker_id)
    seq = await store_batch(db, run, worker_id)
    await fall_silent(db, worker_id)
    await take_over(db, lost_after=LOST_AFTER)
    assert await _leases.lock_leased_run(db, run_id=run.id, lease=run.lease, worker_id=run.worker_id) is None
    assert (
        await _leases.lock_leased_batch(db, run_id=run.id, seq=seq, lease=1, worker_id=run.worker_id) is None
    )
    await _progress.write_counters(db, run_id=run.id, rows_expected=99)
    assert await db.fetchval("SELECT counters FROM job_runs") == {}
