"""Wake-ups that a stalled process must not lose (m): a date trigger drops its job after a stall."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger

from etl_core.broker.postgres import PostgresBroker
from etl_core.broker.protocol import Bell
from etl_core.store.database import Connection, open_pool
from scheduler.duties.claim import Claim
from scheduler.process import _claim_when_woken
from tests.support.jobs import eventually, make_job, make_worker

DUE_IN = 1.0
STALL = 3.0
"""Seconds; the job falls due in the middle of it."""


async def test_a_date_trigger_loses_its_wake_up_in_a_stall() -> None:
    """The obvious way, for comparison."""
    fired: list[bool] = []

    async def claim() -> None:
        fired.append(True)

    apscheduler = AsyncIOScheduler(timezone="UTC")
    apscheduler.start()
    apscheduler.add_job(claim, DateTrigger(datetime.now(UTC) + timedelta(seconds=DUE_IN)))
    await asyncio.sleep(0)
    time.sleep(STALL)  # the loop stands still
    for _ in range(20):
        await asyncio.sleep(0.05)
    assert fired == []
    assert apscheduler.get_jobs() == []  # and it never comes
    apscheduler.shutdown(wait=False)


async def test_a_job_that_falls_due_in_a_stall_is_claimed(database_url: str, db: Connection) -> None:
    """By the wait for the next due alone: no interval and nobody's notification within the test."""
    await make_worker(db)
    await make_job(db)
    await db.execute(
        "UPDATE etl_jobs SET last_run_started_at = now() - interval '60 min' + make_interval(secs => $1)",
        DUE_IN,
    )
    stop = asyncio.Event()
    async with open_pool(database_url, application_name="tests", max_size=2) as pool:
        broker = PostgresBroker(database_url, pool=pool)
        claim = Claim(pool, broker, lost_after=60)
        claiming = asyncio.create_task(_claim_when_woken(claim, Bell(), 600, stop))  # type: ignore[arg-type]

        async def looked() -> Any:
            return claim.seconds_to_next_due > 0

        await eventually(looked)
        assert await db.fetchval("SELECT count(*) FROM job_runs") == 0
        time.sleep(STALL)

        async def queued() -> Any:
            return await db.fetchval("SELECT count(*) FROM job_runs") == 1

        await eventually(queued)
        stop.set()
        await claiming
        await broker.close()
