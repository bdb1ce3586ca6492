"""When a job would run next under a pair of intervals: the preview of the settings dialog. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etl_core.models.job import JobRow


def next_runs(
    job: JobRow, schedule_minutes: int, retry_minutes: int, now: datetime, *, count: int = 3
) -> list[datetime]:
    """The next starts as `due_at` would have them, given that every run succeeds; none of a job that rests.

    The first is the retry after a failure, else one interval after the last start; what is overdue starts
    now, once. Later ones count from start to start.
    """
    if not job.active or job.held or job.integration_id is None:
        return []
    schedule = timedelta(minutes=schedule_minutes)
    if job.status == "FAILED" and job.error_kind != "permanent":
        base, wait = job.last_run_finished_at or job.last_run_started_at, timedelta(minutes=retry_minutes)
    else:
        base, wait = job.last_run_started_at, schedule
    first = base + wait if base is not None else job.due_at or now
    first = max(first, now, job.not_before or now)
    return [first + schedule * index for index in range(count)]
