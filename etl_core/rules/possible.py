"""What a person can do to a job, told before it is tried. Pure: the database has the last word."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from etl_core.rules.clock_text import clock_text

if TYPE_CHECKING:
    from etl_core.models.job import JobRow


def why_not_run(job: JobRow, now: datetime) -> str | None:
    """Why it cannot be run now; None when it can."""
    if job.status == "RUNNING":
        run = f": run {job.run_id}" if job.run_id is not None else ""
        if job.run_state == "RUNNING" and job.run_started_at is not None:
            return f"already running{run}, started {clock_text(job.run_started_at, now)}"
        return f"already running{run}, queued"
    if job.integration_id is None:
        return "it has no integration; etl-tui jobs settings --integration gives it one"
    return None


def why_not_cancel(job: JobRow) -> str | None:
    """Why there is nothing to cancel; None when there is."""
    return None if job.status == "RUNNING" else "it is not running: there is nothing to cancel"


def why_not_clear(job: JobRow, now: datetime) -> str | None:
    """Why there is nothing to clear; None when there is."""
    snoozed = job.not_before is not None and job.not_before > now
    if job.held or job.status == "FAILED" or job.retry_count or snoozed:
        return None
    return "it has no hold, failure or snooze to clear"


def cancel_effect(job: JobRow, now: datetime) -> list[str]:
    """What cancelling does, in lines: to the run, to what is loaded, and when the job runs again."""
    run = f"Run {job.run_id}" if job.run_id is not None else "The run"
    lines = []
    if job.run_started_at is None:
        lines.append(f"{run} has not started: it never will.")
    else:
        rows = f" It has read {job.rows_extracted:,} rows." if job.rows_extracted else ""
        lines.append(f"{run} ends where it is.{rows}")
        lines.append("What is loaded stays, with the checkpoint behind it.")
    return [*lines, _coming(job, now)]


def _coming(job: JobRow, now: datetime) -> str:
    if not job.active:
        return "The job is off and does not run again by itself."
    if job.held:
        return "The job is held and does not run again by itself."
    started = job.last_run_started_at or now
    when = max(started + timedelta(minutes=job.schedule_interval_minutes), job.not_before or now, now)
    return f"The job is READY then and runs again at {clock_text(when, now)}, as planned."
