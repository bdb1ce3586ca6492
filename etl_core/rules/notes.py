"""NEXT and NOTE of the grid: when a job runs again, and the one most useful thing about it. Pure functions.

`now` is the database's clock in the reader's zone. Texts are not shortened: width is the caller's.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from etl_core.rules.clock_text import NOTHING, ago_text, span_text, until_text, wait_text
from etl_core.rules.counts_text import rate_text, result_parts
from etl_core.rules.why import LATE_AFTER, WhyKind, why

if TYPE_CHECKING:
    from etl_core.models.health import Health
    from etl_core.models.job import JobRow

BAR_CELLS = 8
STALE_INTERVALS = 3
"""A last success older than so many intervals is told, even when the last run is fresh."""
WARN_FAILURES = 5
"""From so many failures in a row on it is told when the job goes off; sooner where that comes soon."""


def next_text(job: JobRow, now: datetime) -> str:
    """`2m`, `retry 18m`, `late 4m` or `–`: the truth in two words."""
    if job.status == "RUNNING" or job.due_at is None:
        return NOTHING
    overdue = now - job.due_at
    if overdue > LATE_AFTER:
        return f"late {span_text(overdue)}"
    when = until_text(job.due_at, now)
    return f"retry {when}" if is_retry(job) else when


def is_retry(job: JobRow) -> bool:
    """Whether the next run is a retry: a permanent error waits for the normal interval instead."""
    return job.status == "FAILED" and job.error_kind != "permanent"


def note_text(job: JobRow, now: datetime, *, health: Health | None = None, seconds: bool = False) -> str:
    """Why it does not run, where more than its schedule keeps it; else progress, error or the last result.

    `seconds` counts a short wait in seconds: for the selected job only, for every tick costs bytes.
    """
    reason = why(job, health, now)
    if not reason.kind.is_ordinary:
        return reason.narrow
    if reason.kind is WhyKind.RUNNING:
        return progress_text(job, now)
    if reason.kind is WhyKind.QUEUED:
        since = now - job.run_queued_at if job.run_queued_at else timedelta()
        return f"queued {wait_text(since, seconds=seconds)}".rstrip()
    if job.status == "FAILED":
        return " · ".join(filter(None, (failure_text(job), stale_text(job, now))))
    return stale_text(job, now) or _result(job)


def stale_text(job: JobRow, now: datetime) -> str:
    """`last success 3d ago` when older than three intervals; empty otherwise, and when it never succeeded."""
    if job.last_success_at is None:
        return ""
    bound = STALE_INTERVALS * timedelta(minutes=job.schedule_interval_minutes)
    return f"last success {ago_text(job.last_success_at, now)}" if now - job.last_success_at > bound else ""


def progress_text(job: JobRow, now: datetime) -> str:
    """`━━━━━─── 62% 1.2k/s` when the source said how many records there are, else `12,400 rows`."""
    extracted = job.rows_extracted or 0
    if job.rows_expected is None or job.rows_expected <= 0:
        return f"{extracted:,} rows" if extracted else "starting"
    # A source that has more than it said is not done before it says so.
    share = min(extracted / job.rows_expected, 0.99) if extracted != job.rows_expected else 1.0
    filled = int(share * BAR_CELLS)
    bar = "━" * filled + "─" * (BAR_CELLS - filled)
    return f"{bar} {int(share * 100)}% {running_rate(job, now)}".rstrip()


def running_rate(job: JobRow, now: datetime) -> str:
    """Records a second since the run started; empty when there is nothing to divide."""
    if job.run_started_at is None:
        return ""
    return rate_text(job.rows_extracted or 0, (now - job.run_started_at).total_seconds())


def failure_text(job: JobRow) -> str:
    """`2 in a row: timeout`; near the end `7 in a row, off at 10: timeout`; the first one just `timeout`."""
    message = (job.error_message or "").strip().partition("\n")[0] or job.error_kind or "failed"
    if counted := failures_text(job):
        return f"{counted}: {message}"
    return message


def failures_text(job: JobRow) -> str:
    """`2 in a row`, `7 in a row, off at 10`; empty for none or the first of many."""
    if is_near_off(job):
        return f"{job.retry_count} in a row, off at {job.max_failures}"
    return f"{job.retry_count} in a row" if job.retry_count > 1 else ""


def is_near_off(job: JobRow) -> bool:
    """Whether so many failures came in a row that the job will soon be switched off."""
    return job.retry_count >= max(1, min(WARN_FAILURES, job.max_failures // 2))


def _result(job: JobRow) -> str:
    if job.run_trigger == "backfill":
        return backfill_text(job)
    if job.run_state == "SUCCEEDED":
        return " ".join(result_parts(job))
    return "cancelled" if job.run_state == "CANCELLED" else ""


def backfill_text(job: JobRow) -> str:
    """`backfill: 311 new`, `backfill failed`: the newest run was one, which is not the result of the job."""
    if job.run_state == "SUCCEEDED":
        return f"backfill: {' '.join(result_parts(job))}"
    return f"backfill {job.run_state.lower()}" if job.run_state else "backfill"
