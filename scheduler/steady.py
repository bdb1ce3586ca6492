"""APScheduler for a machine whose clock may be set while we run.

It counts by the wall clock. Set back by three hours, an interval job would not come for three hours; set
forward by a year, all that it missed would be listed first, a million times each, while the event loop waits.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger


class SteadyTrigger(IntervalTrigger):  # type: ignore[misc]  # APScheduler has no types
    """After a gap of any length, one interval from now."""

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        planned: datetime | None = super().get_next_fire_time(previous_fire_time, now)
        if planned is None or previous_fire_time is None or planned > now:
            return planned
        interval: timedelta = self.interval
        return now + interval


class SteadyScheduler(AsyncIOScheduler):  # type: ignore[misc]  # APScheduler has no types
    """For jobs with a `SteadyTrigger`. At each monotonic timer, what a clock set back put off is due."""

    def wakeup(self) -> None:
        """Called by its timer, and whenever a job was changed."""
        now = datetime.now(UTC)
        for job in self.get_jobs():
            if job.next_run_time is not None and job.next_run_time - now > job.trigger.interval:
                job.modify(next_run_time=now)
        super().wakeup()
