"""Real schedulers and workers: who is busy leaves rings to others; transports are switched under load."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from etl_core.broker.protocol import QueueDepth, Stage
from etl_core.control.interventions import cancel
from etl_core.control.jobs import run_now
from etl_core.store.database import Connection
from tests.broker.test_amqp import broker_at
from tests.broker.test_amqp_alarm import alarm
from tests.chaos.cluster import OURS, Program
from tests.support.jobs import PERSON, eventually, make_job
from tests.support.rabbitmq import RabbitMQ

pytestmark = pytest.mark.timeout(300)
NO_POLL = {"ETL_CLAIM_INTERVAL": "600"}
POLL = {"ETL_CLAIM_INTERVAL": "1"}


class Programs:
    """Processes on one database, ended with the test."""

    def __init__(self, url: str, folder: Path, stack: ExitStack) -> None:
        self._url = url
        self._folder = folder
        self._stack = stack
        self._number = 0

    def start(self, module: str, amqp_url: str | None, settings: dict[str, str], *extra: str) -> Program:
        environment = {name: value for name, value in os.environ.items() if name not in OURS} | settings
        environment["ETL_DATABASE_URL"] = self._url
        if amqp_url is not None:
            environment["ETL_AMQP_URL"] = amqp_url
        self._number += 1
        program = Program(module, self._number, environment, self._folder, *extra)
        self._stack.callback(program.end)
        program.start()
        return program

    def worker(self, amqp_url: str | None, settings: dict[str, str]) -> Program:
        """A worker with one slot."""
        return self.start("workers", amqp_url, settings, "--concurrency", "1")

    def scheduler(self, amqp_url: str | None, settings: dict[str, str]) -> Program:
        return self.start("scheduler", amqp_url, settings)


@pytest.fixture
async def programs(database_url: str, tmp_path: Path) -> AsyncIterator[Programs]:
    with ExitStack() as stack:
        yield Programs(database_url, tmp_path, stack)


async def newest_worker(db: Connection, *, count: int) -> int:
    """The id of the newest of so many workers, once it is there."""

    async def there() -> Any:
        return await db.fetchval("SELECT max(id) FROM workers HAVING count(*) = $1", count)

    found: int = await eventually(there, f"{count} workers")
    return found


async def run_becomes(db: Connection, run_id: int, state: str) -> int:
    """Its worker, once the run is so."""

    async def is_so() -> Any:
        return await db.fetchrow("SELECT worker_id FROM job_runs WHERE id = $1 AND state = $2", run_id, state)

    row = await eventually(is_so, f"run {run_id} to be {state}")
    worker_id: int = row["worker_id"]
    return worker_id


async def test_a_full_worker_leaves_the_rings_to_an_idle_one(
    amqp_url: str, db: Connection, programs: Programs
) -> None:
    """One slot each, and no poll that would find the work without a ring."""
    endless = await make_job(
        db, "endless", integration="slow", config={"records": 100_000, "page_size": 1, "delay_ms": 100}
    )
    quick = [
        await make_job(db, f"quick {n}", integration=f"quick {n}", config={"records": 3}) for n in range(5)
    ]
    async with broker_at(amqp_url) as broker:

        async def consumers(count: int) -> None:
            async def so_many() -> bool:
                return await broker.depth(Stage.EXTRACT) == QueueDepth(ready=0, consumers=count)

            await eventually(so_many, f"{count} consumers")

        programs.worker(amqp_url, NO_POLL)
        busy = await newest_worker(db, count=1)
        await consumers(1)
        run = await run_now(db, endless, PERSON)
        await broker.ring(Stage.EXTRACT)
        assert await run_becomes(db, run.id, "RUNNING") == busy
        await consumers(0)  # full for a second: it takes no more
        programs.worker(amqp_url, NO_POLL)
        idle = await newest_worker(db, count=2)
        await consumers(1)
        for job_id in quick:
            asked_for = await run_now(db, job_id, PERSON)
            await broker.ring(Stage.EXTRACT)
            assert await run_becomes(db, asked_for.id, "SUCCEEDED") == idle
        assert await run_becomes(db, run.id, "RUNNING") == busy
        await cancel(db, endless, PERSON)
        await consumers(2)  # a slot is free: it takes them again


async def make_due(db: Connection) -> None:
    """All jobs at once; they are due again only in an hour."""
    await db.execute(
        "UPDATE etl_jobs SET last_run_started_at = now() - interval '61 min', status = 'READY'"
        " WHERE status IN ('READY', 'FINISHED')"
    )


async def all_ran(db: Connection, rounds: int, jobs: int) -> None:
    """Each job has ended so many runs, and none is open."""

    async def so_it_is() -> bool:
        ended = await db.fetchval("SELECT count(*) FROM job_runs WHERE state = 'SUCCEEDED'")
        assert not await db.fetchval("SELECT error_message FROM job_runs WHERE state = 'FAILED'")
        return bool(ended == rounds * jobs)

    await eventually(so_it_is, f"{jobs} runs in round {rounds}")


async def test_switching_from_one_transport_to_the_other(
    amqp_url: str, db: Connection, programs: Programs
) -> None:
    """Scheduler on postgres with workers on both; then scheduler on amqp; then the last worker follows."""
    config = {"records": 10, "page_size": 2, "delay_ms": 50}
    jobs = [await make_job(db, f"job {n}", integration=f"i{n}", config=config) for n in range(10)]
    old = programs.worker(None, POLL)
    on_postgres = await newest_worker(db, count=1)
    programs.worker(amqp_url, POLL)
    on_amqp = await newest_worker(db, count=2)

    scheduler = programs.scheduler(None, POLL)
    await all_ran(db, 1, len(jobs))

    await make_due(db)  # in the middle of the switch: nothing is lost between the two
    await asyncio.to_thread(scheduler.end)
    programs.scheduler(amqp_url, POLL)
    await all_ran(db, 2, len(jobs))
    used = await db.fetch("SELECT DISTINCT worker_id FROM job_runs")
    assert {row["worker_id"] for row in used} == {on_postgres, on_amqp}

    programs.worker(amqp_url, POLL)
    await newest_worker(db, count=3)
    await make_due(db)
    await asyncio.to_thread(old.end)
    await all_ran(db, 3, len(jobs))
    # Each three times, none lost a worker, none read anything twice (the second run finds nothing new).
    runs = await db.fetch(
        "SELECT job_id, count(*), max(r.losses) AS losses, sum(o.rows_extracted)::int AS rows"
        " FROM job_runs AS r INNER JOIN run_overview AS o USING (id, job_id) GROUP BY job_id"
    )
    assert [(row["count"], row["losses"], row["rows"]) for row in runs] == [(3, 0, 10)] * len(jobs)
    assert await db.fetchval("SELECT count(*) FROM acme_i0.records") == 10
    assert await db.fetchval("SELECT count(*) FROM etl_jobs WHERE status = 'RUNNING'") == 0


async def test_jobs_run_through_an_alarm(
    own_amqp_url: str, own_rabbitmq: RabbitMQ, db: Connection, programs: Programs
) -> None:
    """RabbitMQ takes no messages: the scheduler says so once, workers find the runs by polling."""
    jobs = [await make_job(db, f"job {n}", integration=f"i{n}", config={"records": 3}) for n in range(4)]
    programs.worker(own_amqp_url, POLL)
    await newest_worker(db, count=1)
    async with alarm(own_rabbitmq, "memory"):
        scheduler = programs.scheduler(own_amqp_url, POLL)
        await all_ran(db, 1, len(jobs))
        await make_due(db)
        await all_ran(db, 2, len(jobs))
    log = scheduler.log_tail(1_000)
    assert log.count("broker_blocked") == 1, log
    assert "blocked by an alarm (memory)" in log
    assert "guest:guest" not in log


async def test_jobs_run_while_a_queue_is_refused(amqp_url: str, db: Connection, programs: Programs) -> None:
    """A queue with other arguments: no crash loop, told with the way out, and polling goes on."""
    jobs = [await make_job(db, f"job {n}", integration=f"i{n}", config={"records": 3}) for n in range(2)]
    async with broker_at(amqp_url) as broker:
        await broker.ring(Stage.LOAD)
        link = broker._link
        assert link is not None
        await link.channel.queue_delete("etl.load")
        await link.channel.declare_queue("etl.load", durable=True)
    worker, scheduler = programs.worker(amqp_url, POLL), programs.scheduler(amqp_url, POLL)
    await all_ran(db, 1, len(jobs))
    assert (worker.returncode, scheduler.returncode) == (None, None)
    for program in (worker, scheduler):
        assert program.log_tail(1_000).count("rabbitmqctl delete_queue etl.load") >= 1
