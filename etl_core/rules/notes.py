"""NEXT and NOTE of the grid: when a job runs again, and the one most useful thing about it. Pure functions.

`now` is the database's clock in the reader's zone. Texts are not shortened: width is the caller's.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from etl_core.rules.clock_text import NOTHING, ago_text, clock_text, span_text, until_text, wait_text
from etl_core.rules.counts_text import rate_text, result_parts

if TYPE_CHECKING:
    from etl_core.models.job import JobRow

BAR_CELLS = 8
LATE_AFTER = timedelta(minutes=1)
"""A job is late when it should have been claimed so long ago; schedulers look every few seconds."""
STALE_INTERVALS = 3
"""A last success older than so many intervals is told, even when the last run is fresh."""


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


def note_text(job: JobRow, now: datetime, *, seconds: bool = False) -> str:
    """Progress while running, why it waits, the error, or what the last run changed.

    `seconds` counts a short wait in seconds: for the selected job only, for every tick costs bytes.
    """
    if job.status == "RUNNING":
        return _running(job, now, seconds=seconds)
    if resting := _resting(job, now):
        return resting
    if job.status == "FAILED":
        return " · ".join(filter(None, (_failure(job), stale_text(job, now))))
    if job.not_before is not None and job.not_before > now:
        return _until("snoozed", job.not_before, now)
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


def waiting_text(job: JobRow, now: datetime) -> str:
    """Why an open run does not move: `waits: limit → 15:04`; empty when it does not wait."""
    if job.run_state != "QUEUED" or not job.run_wait_reason:
        return ""
    return _until(f"waits: {job.run_wait_reason}", job.run_ready_at, now)


def _resting(job: JobRow, now: datetime) -> str:
    """Why a job has no next time at all; empty when it has one."""
    if not job.active:
        return _with_reason(f"off by {job.off_by}" if job.off_by else "off", job.off_reason)
    if job.integration_id is None:
        return "no integration"
    return _until(_with_reason("held", job.hold_reason), job.held_until, now) if job.held else ""


def _running(job: JobRow, now: datetime, *, seconds: bool) -> str:
    if job.run_state == "RUNNING":
        return progress_text(job, now)
    if waiting := waiting_text(job, now):
        return waiting
    since = now - job.run_queued_at if job.run_queued_at else timedelta()
    return f"queued {wait_text(since, seconds=seconds)}".rstrip()


def _failure(job: JobRow) -> str:
    message = (job.error_message or "").strip().partition("\n")[0] or job.error_kind or "failed"
    return f"{job.retry_count} in a row: {message}" if job.retry_count > 1 else message


def _result(job: JobRow) -> str:
    if job.run_state == "SUCCEEDED":
        return " ".join(result_parts(job))
    return "cancelled" if job.run_state == "CANCELLED" else ""


def _with_reason(text: str, reason: str | None) -> str:
    return f"{text}: {reason}" if reason else text


def _until(text: str, moment: datetime | None, now: datetime) -> str:
    return f"{text} → {clock_text(moment, now)}" if moment is not None and moment > now else text
