"""Clocks change twice a year; intervals do not. Whatever zone the session that writes a row lives in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.sql.schema import migrated
from tests.sql.test_due_at import Job, computed, prepare

# In Berlin 02:00 becomes 03:00, and in autumn 03:00 becomes 02:00: both at 01:00 UTC.
CHANGES = [datetime(2026, 3, 29, 1, 0, tzinfo=UTC), datetime(2026, 10, 25, 1, 0, tzinfo=UTC)]
INTERVALS = [2, 30, 59, 60, 61, 90, 24 * 60, 7 * 24 * 60, 30 * 24 * 60]
BEFORE = [timedelta(seconds=1), timedelta(minutes=30), timedelta(hours=1), timedelta(hours=23)]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC"])
async def test_daylight_saving_shifts_no_interval(admin_url: str, zone: str) -> None:
    base = Job(1, True, "READY", False, True, None, datetime(2026, 1, 1, tzinfo=UTC), None, None, None, 60, 1)
    across = [
        replace(base, schedule=interval, last_run_started_at=change - before)
        for change in CHANGES
        for interval in INTERVALS
        for before in BEFORE
    ]
    retried = [
        replace(job, status="FAILED", last_run_finished_at=job.last_run_started_at, retry=job.schedule - 1)
        for job in across
    ]
    jobs = [replace(job, id=number) for number, job in enumerate(across + retried, start=1)]
    async with migrated(admin_url) as conn:
        await prepare(conn)
        await conn.execute(f"SET timezone = '{zone}'")
        due = await computed(conn, jobs)
        for job in jobs:
            wait = timedelta(minutes=job.retry if job.status == "FAILED" else job.schedule)
            assert job.last_run_started_at
            assert due[job.id] == job.last_run_started_at + wait, job
        # The obvious way, days of the session's zone, would: the day of a change has 23 or 25 hours.
        obvious = await conn.fetchval("SELECT $1::timestamptz + interval '1 day'", CHANGES[0] - BEFORE[1])
        assert (obvious != CHANGES[0] - BEFORE[1] + timedelta(days=1)) == (zone == "Europe/Berlin")
