"""Duties come at their intervals although the machine's clock is set: back by hours, forward by years."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.schedulers import base
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from scheduler import steady
from scheduler.steady import SteadyScheduler, SteadyTrigger
from tests.support.jobs import eventually


class WallClock:
    """Takes the place of `datetime` in the modules that ask for the time."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self, zone: object) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    made = WallClock()
    monkeypatch.setattr(base, "datetime", made)
    monkeypatch.setattr(steady, "datetime", made)
    return made


@pytest.mark.parametrize("ahead", [timedelta(hours=-3), timedelta(hours=3), timedelta(days=20_000)], ids=str)
async def test_duties_go_on_when_the_clock_is_set(clock: WallClock, ahead: timedelta) -> None:
    turns: list[float] = []

    async def duty() -> None:
        turns.append(time.monotonic())

    scheduler = SteadyScheduler(timezone="UTC", job_defaults={"misfire_grace_time": None, "coalesce": True})
    for interval in (0.05, 0.2):
        scheduler.add_job(duty, SteadyTrigger(seconds=interval, timezone="UTC"))
    scheduler.start()
    try:
        await asyncio.sleep(0.1)
        clock.ahead = ahead
        before = len(turns)

        async def goes_on() -> bool:
            return len(turns) >= before + 10

        await eventually(goes_on, "ten more turns")
        # At their intervals, not all missed ones at once.
        assert turns[-1] - turns[before] > 0.1
    finally:
        scheduler.shutdown(wait=False)


async def test_without_it_a_clock_set_back_stops_them(clock: WallClock) -> None:
    """What it is for."""
    turns: list[float] = []
    scheduler = AsyncIOScheduler(timezone="UTC", job_defaults={"misfire_grace_time": None, "coalesce": True})
    scheduler.add_job(lambda: turns.append(0), IntervalTrigger(seconds=0.05, timezone="UTC"))
    scheduler.start()
    try:
        await asyncio.sleep(0.1)
        clock.ahead = timedelta(hours=-3)
        await asyncio.sleep(0.1)
        before = len(turns)
        (job,) = scheduler.get_jobs()
        assert job.next_run_time - clock.now(UTC) > timedelta(hours=2)
        await asyncio.sleep(0.3)
        assert len(turns) == before
    finally:
        scheduler.shutdown(wait=False)
