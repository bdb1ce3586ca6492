"""A job that falls due is claimed at that moment, also when the event loop stood still just then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from etl_core.broker.postgres import PostgresBroker
from etl_core.broker.protocol import Bell
from etl_core.store import database
from etl_core.store.database import Connection, Pool
from scheduler.duties.claim import Claim
from scheduler.process import _claim_when_woken
from tests.support.jobs import eventually, make_job, make_worker

STALL = 1.5
LONG = 3600.0
"""Seconds; the poll would not find the job for an hour."""


class SilentBell(Bell):
    """Nobody notifies."""

    async def pause(self) -> None: ...

    async def resume(self) -> None: ...


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with database.open_pool(database_url, application_name="etl-scheduler") as opened:
        yield opened


async def make_job_due_in(db: Connection, seconds: float) -> int:
    await make_worker(db)
    job_id = await make_job(db, schedule=60)
    await db.execute(
        "UPDATE etl_jobs SET last_run_started_at = now() - interval '1 h' + make_interval(secs => $1)",
        seconds,
    )
    return job_id


async def test_a_stalled_event_loop_loses_no_due_job(db: Connection, database_url: str, pool: Pool) -> None:
    broker = PostgresBroker(database_url)
    claim = Claim(pool, broker, lost_after=60)
    job_id = await make_job_due_in(db, 1.0)
    stop = asyncio.Event()
    waking = asyncio.create_task(_claim_when_woken(claim, SilentBell(), LONG, stop))
    try:

        async def waits() -> bool:
            return 0 < claim.seconds_to_next_due < LONG or bool(
                await db.fetchval("SELECT count(*) FROM job_runs")
            )

        await eventually(waits, "the first look")
        time.sleep(STALL)  # the job falls due meanwhile
        await eventually(lambda: db.fetchval("SELECT job_id = $1 FROM job_runs", job_id), "a claim")
    finally:
        stop.set()
        with suppress(asyncio.CancelledError):
            await waking
        await broker.close()


async def test_each_next_due_job_is_waited_for_in_turn(db: Connection, database_url: str, pool: Pool) -> None:
    """The delay is asked for anew after each claim."""
    broker = PostgresBroker(database_url)
    claim = Claim(pool, broker, lost_after=60)
    await make_worker(db, slots=50)
    for number in range(3):
        job_id = await make_job(db, f"job {number}")
        await db.execute(
            "UPDATE etl_jobs SET last_run_started_at ="
            " now() - interval '1 h' + make_interval(secs => $2) WHERE id = $1",
            job_id,
            0.3 * number,
        )
    stop = asyncio.Event()
    waking = asyncio.create_task(_claim_when_woken(claim, SilentBell(), LONG, stop))
    try:
        await eventually(lambda: db.fetchval("SELECT count(*) = 3 FROM job_runs"), "three claims")
        assert await db.fetchval(
            "SELECT bool_and(last_run_started_at = r.queued_at) FROM etl_jobs AS j"
            " JOIN job_runs AS r ON r.job_id = j.id"
        )
    finally:
        stop.set()
        await waking
        await broker.close()


async def test_a_date_trigger_loses_its_wake_up() -> None:
    """The obvious way (m): APScheduler drops what it could not start within a second."""
    woken: list[float] = []
    apscheduler = AsyncIOScheduler(timezone="UTC")
    apscheduler.start()
    try:
        due = datetime.now(UTC) + timedelta(seconds=0.3)
        apscheduler.add_job(lambda: woken.append(time.monotonic()), "date", run_date=due, id="due")
        await asyncio.sleep(0.05)
        time.sleep(STALL)

        async def gone() -> bool:
            return apscheduler.get_job("due") is None

        await eventually(gone, "its end")
        await asyncio.sleep(0.1)
        assert woken == []
    finally:
        apscheduler.shutdown(wait=False)
