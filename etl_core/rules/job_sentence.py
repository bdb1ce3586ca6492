"""The line below the grid: what there is to say of the selected job in one sentence. Pure functions."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from etl_core.rules.clock_text import clock_text, span_text, until_text, wait_text
from etl_core.rules.counts_text import result_sentence
from etl_core.rules.notes import LATE_AFTER, is_retry, progress_text, running_rate, stale_text, waiting_text

if TYPE_CHECKING:
    from etl_core.models.job import JobRow

_TRIGGERS = {"schedule": "by its schedule", "retry": "as a retry", "manual": "by hand"}


def job_sentence(job: JobRow, now: datetime) -> str:
    """`timeout after 30 s from api.example · failed 13:38 · retry in 18m`; times in the zone of `now`."""
    if job.status == "RUNNING":
        parts = _running(job, now)
    elif job.status == "FAILED":
        parts = _failed(job, now)
    else:
        parts = _resting(job, now)
    return " · ".join(filter(None, parts))


def when_next(job: JobRow, now: datetime) -> str:
    """`retry in 18m`, `next in 2m`, `due now`, `late by 4m`, or why there is no next time."""
    if not job.active:
        return "off, o switches it on"
    if job.integration_id is None:
        return "waits for an integration"
    if job.held:
        return "held, r tries it"
    return _due(job.due_at, now, "retry" if is_retry(job) else "next") if job.due_at is not None else ""


def _due(due_at: datetime, now: datetime, what: str) -> str:
    if now - due_at > LATE_AFTER:
        return f"late by {span_text(now - due_at)}"
    when = until_text(due_at, now)
    return "due now" if when == "now" else f"{what} in {when}"


def _running(job: JobRow, now: datetime) -> tuple[str, ...]:
    run = f"run {job.run_id}" if job.run_id is not None else "run"
    if job.run_state != "RUNNING" or job.run_started_at is None:
        since = job.run_queued_at or now
        return (f"{run} queued {wait_text(now - since, seconds=True)} ago", waiting_text(job, now))
    by = _TRIGGERS.get(job.run_trigger or "", "")
    rows = progress_text(job, now)
    if job.rows_expected:
        rows = f"{job.rows_extracted or 0:,} of {job.rows_expected:,} rows"
    started = f"{run} started {clock_text(job.run_started_at, now)} {by}".rstrip()
    return (started, rows, running_rate(job, now))


def _failed(job: JobRow, now: datetime) -> tuple[str, ...]:
    ended = job.last_run_finished_at or job.last_run_started_at
    return (
        " ".join((job.error_message or job.error_kind or "failed").split()),
        f"failed {clock_text(ended, now)}" if ended else "",
        when_next(job, now),
    )


def _resting(job: JobRow, now: datetime) -> tuple[str, ...]:
    last = "never ran"
    if job.last_run_started_at is not None:
        last = f"last run {clock_text(job.last_run_finished_at or job.last_run_started_at, now)}"
    if job.run_state == "SUCCEEDED":
        last = f"{last}, {result_sentence(job)}"
    elif job.run_state == "CANCELLED":
        last = f"{last}, cancelled"
    reason = job.off_reason if not job.active else job.hold_reason if job.held else None
    return (last, stale_text(job, now), reason or "", when_next(job, now))
