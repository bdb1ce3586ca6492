"""The program as it runs: scheduler and workers as processes that are killed, stopped and cut off."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from etl_core.control.jobs import run_now
from etl_core.errors import Conflict
from etl_core.store import database, embedded
from etl_core.store.database import Connection
from etl_core.store.migrations import migrate
from tests.e2e.running import (
    AIRPORTS_TABLE,
    Processes,
    begin_again_slowly,
    expect_each_airport_once,
    expect_each_row_once,
    make_airports_job,
    make_batches_job,
    processes,
    until_ended,
)
from tests.support.forked import Running
from tests.support.jobs import PERSON, eventually, make_job, one
from tests.support.places import place
from tests.support.rabbitmq import ForeignRabbitMQ, RabbitMQ

RUN = "SELECT * FROM job_runs WHERE id = $1"


@pytest.fixture(params=["postgres", "amqp"])
def broker_url(request: pytest.FixtureRequest) -> str | None:
    """Each transport in turn: None, or a RabbitMQ without our queues."""
    return str(request.getfixturevalue("amqp_url")) if request.param == "amqp" else None


@pytest.fixture
def fleet(broker_url: str | None, database_url: str, tmp_path: Path) -> Iterator[Processes]:
    """Processes on each transport in turn."""
    with processes(database_url, broker_url, tmp_path) as started:
        yield started


async def ended(process: Running) -> int:
    """Its exit code, once it has ended by itself."""
    return await asyncio.to_thread(process.wait, 30)


async def test_a_due_job_runs_by_itself(
    broker_url: str | None, database_url: str, db: Connection, tmp_path: Path
) -> None:
    """And a person's run at once, and a failed one again: nobody but these two has a hand in it."""
    with processes(database_url, broker_url, tmp_path, anew=True) as fleet:
        fleet.scheduler()
        fleet.worker()
        await runs_by_itself(db)


async def runs_by_itself(db: Connection) -> None:
    job_id = await make_airports_job(db)
    run = await until_ended(db, job_id)
    assert (run["trigger"], run["losses"]) == ("schedule", 0)
    await expect_each_airport_once(db, run)

    asked_for = await run_now(db, job_id, PERSON)
    again = await until_ended(db, job_id, runs=2)
    assert (again["id"], again["trigger"], again["state"]) == (asked_for.id, "manual", "SUCCEEDED")
    assert again["counters"]["rows_extracted"] == 0  # the file has not changed

    await db.execute(
        "UPDATE etl_jobs SET status = 'FAILED', error_kind = 'transient',"
        " last_run_finished_at = now() - interval '15 min' + interval '1 s'"
    )
    retried = await until_ended(db, job_id, runs=3)
    assert (retried["trigger"], retried["state"]) == ("retry", "SUCCEEDED")


async def test_another_worker_goes_on_when_one_is_killed(fleet: Processes, db: Connection) -> None:
    job_id = await make_airports_job(db)
    fleet.scheduler()
    victim = fleet.worker()
    run_id = await begin_again_slowly(db, job_id, AIRPORTS_TABLE)
    victim.kill()
    fleet.worker()
    run = await until_ended(db, job_id, runs=2)
    assert run["id"] == run_id  # the same run, not a new one
    await expect_each_airport_once(db, run)
    lost = await one(db, "SELECT pid FROM workers WHERE lost_at IS NOT NULL")
    assert lost["pid"] == victim.pid
    assert await db.fetchval("SELECT count(*) FROM job_events WHERE action = 'worker_lost'") == 1


async def test_sigterm_ends_both_and_the_run_goes_back(fleet: Processes, db: Connection) -> None:
    job_id = await make_batches_job(db)
    scheduler, worker = fleet.scheduler(), fleet.worker()
    run_id = await begin_again_slowly(db, job_id)
    for process in (worker, scheduler):
        process.send_signal(signal.SIGTERM)
    assert [await ended(worker), await ended(scheduler)] == [0, 0]
    run = await one(db, RUN, run_id)
    assert (run["state"], run["worker_id"], run["losses"]) == ("QUEUED", None, 0)
    assert run["started_at"] is not None
    assert await db.fetchval("SELECT bool_and(stopped_at IS NOT NULL AND lost_at IS NULL) FROM workers")
    assert await db.fetchval("SELECT bool_and(stopped_at IS NOT NULL) FROM schedulers")
    fleet.worker()  # finds it by itself, without a scheduler
    await expect_each_row_once(db, await until_ended(db, job_id, runs=2))


async def test_a_stopped_worker_comes_back_as_another(fleet: Processes, db: Connection) -> None:
    """SIGSTOP past the lease: its locks go, its run goes on elsewhere. SIGCONT: it holds nothing.

    On amqp its connection stays open meanwhile, and rings that it got are lost.
    """
    job_id = await make_batches_job(db)
    fleet.scheduler()
    stopped = fleet.worker()
    await begin_again_slowly(db, job_id)
    stopped.send_signal(signal.SIGSTOP)
    other = fleet.worker()
    run = await until_ended(db, job_id, runs=2)
    await expect_each_row_once(db, run)
    finished_by = "SELECT pid FROM workers WHERE id = (SELECT max(worker_id) FROM run_batches)"
    assert await db.fetchval(finished_by) == other.pid

    stopped.send_signal(signal.SIGCONT)
    alive = (
        "SELECT count(*) = 1 FROM workers WHERE pid = $1 AND lost_at IS NULL"
        " AND heartbeat_at > now() - interval '1 s'"
    )
    await eventually(lambda: db.fetchval(alive, stopped.pid), "a new incarnation")
    assert await db.fetchval("SELECT count(*) FROM workers WHERE pid = $1", stopped.pid) == 2
    # What it had in hand is gone, and it works again.
    assert await one(db, RUN, run["id"]) == run
    await expect_each_row_once(db, run)
    other.kill()
    await other_job_runs(db, "after")


async def other_job_runs(db: Connection, name: str) -> None:
    """A small job that a person asks for, if it is not claimed before, ends well."""
    job_id = await make_job(db, name, integration=name, config={"records": 10})
    with suppress(Conflict):
        await run_now(db, job_id, PERSON)
    run = await until_ended(db, job_id)
    assert (run["state"], run["counters"]["rows_new"]) == ("SUCCEEDED", 10)


async def test_the_broker_restarts_under_them(
    db: Connection, database_url: str, amqp_url: str, rabbitmq: RabbitMQ | ForeignRabbitMQ, tmp_path: Path
) -> None:
    """Work goes on while it is away, by polling; and by rings when it is back."""
    with processes(database_url, amqp_url, tmp_path) as fleet:
        job_id = await make_batches_job(db)
        scheduler, worker = fleet.scheduler(), fleet.worker()
        await begin_again_slowly(db, job_id)
        await asyncio.to_thread(rabbitmq.stop)
        await other_job_runs(db, "meanwhile")
        await expect_each_row_once(db, await until_ended(db, job_id, runs=2))
        await asyncio.to_thread(rabbitmq.start)
        await other_job_runs(db, "afterwards")
        assert (scheduler.poll(), worker.poll()) == (None, None)
        assert await db.fetchval("SELECT count(*) FROM workers") == 1  # it never went away


@pytest.fixture
async def own_server() -> AsyncIterator[Path]:
    """The folder of a server of its own that can be restarted, where root's gets in."""
    folder = Path(tempfile.mkdtemp(prefix="etl-restart-", dir=place()))
    folder.chmod(0o755)
    yield folder
    with suppress(Exception):
        await asyncio.to_thread(embedded.stop, folder / "postgres")
    shutil.rmtree(folder, ignore_errors=True)


async def test_the_database_restarts_under_them(
    own_server: Path, tmp_path: Path, broker_url: str | None
) -> None:
    """In mid-run: nobody is lost, nothing is doubled, the same processes go on."""
    folder = own_server / "postgres"
    server = await asyncio.to_thread(embedded.start, folder, durable=False)
    url = server.url()
    db = await database.connect(url, application_name="tests")
    await migrate(db)
    with processes(url, broker_url, tmp_path) as fleet:
        job_id = await make_batches_job(db)
        scheduler, worker = fleet.scheduler(), fleet.worker()
        run_id = await begin_again_slowly(db, job_id)

        await asyncio.to_thread(embedded.stop, folder)
        assert db.is_closed() or not await answers(db)
        again = await asyncio.to_thread(embedded.start, folder, durable=False)
        db = await database.connect(url, application_name="tests")

        run = await until_ended(db, job_id, runs=2)
        assert run["id"] == run_id
        await expect_each_row_once(db, run)
        await other_job_runs(db, "afterwards")
        assert (scheduler.poll(), worker.poll()) == (None, None)
        assert await db.fetchval("SELECT count(*) FROM workers WHERE lost_at IS NOT NULL") == 0
        for process in (worker, scheduler):
            process.send_signal(signal.SIGTERM)
        assert [await ended(worker), await ended(scheduler)] == [0, 0]
        await db.close()
    await asyncio.to_thread(again.close)
    await asyncio.to_thread(server.close)


async def answers(db: Connection) -> bool:
    try:
        return bool(await db.fetchval("SELECT true", timeout=10))
    except Exception:
        return False
