"""The line below the grid: what there is to say of the selected job in one sentence. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from etl_core.rules.clock_text import clock_text
from etl_core.rules.counts_text import result_sentence
from etl_core.rules.notes import (
    backfill_text,
    failures_text,
    is_near_off,
    progress_text,
    running_rate,
    stale_text,
)
from etl_core.rules.why import Why, WhyKind, why

if TYPE_CHECKING:
    from etl_core.models.health import Health
    from etl_core.models.job import JobRow

_TRIGGERS = {
    "schedule": "by its schedule",
    "retry": "as a retry",
    "manual": "by hand",
    "backfill": "as a backfill",
}
_ENDS = {
    WhyKind.OFF: "{on-off} switches it on",
    WhyKind.HELD: "{run-now} tries it, {clear} clears it",
    WhyKind.SNOOZED: "{clear} clears it",
}
"""The key that ends what keeps it, by the command's name."""
USUAL_KEYS: Final[Mapping[str, str]] = {"on-off": "o", "run-now": "r", "clear": "C"}


def job_sentence(
    job: JobRow, now: datetime, *, health: Health | None = None, keys: Mapping[str, str] = USUAL_KEYS
) -> str:
    """`timeout after 30 s from api.example · failed 13:38 · retry in 18m`; times in the zone of `now`.

    Why it does not run stands in it in the words of `why`, with the key that ends it.
    """
    reason = why(job, health, now)
    if reason.kind is WhyKind.RUNNING and job.run_started_at is not None:
        parts = _running(job, job.run_started_at, now)
    elif job.status == "RUNNING":
        parts = (f"run {job.run_id}" if reason.kind is not WhyKind.QUEUED else "", reason.text)
    elif job.status == "FAILED":
        parts = (*_failed(job, now), *_kept(reason, keys))
    else:
        parts = (_last(job, now), stale_text(job, now), *_kept(reason, keys))
    return " · ".join(filter(None, parts))


def _kept(reason: Why, keys: Mapping[str, str]) -> tuple[str, str]:
    return reason.text, _ENDS.get(reason.kind, "").format_map(keys)


def _running(job: JobRow, started_at: datetime, now: datetime) -> tuple[str, ...]:
    run = f"run {job.run_id}" if job.run_id is not None else "run"
    by = _TRIGGERS.get(job.run_trigger or "", "")
    rows = progress_text(job, now)
    if job.rows_expected:
        rows = f"{job.rows_extracted or 0:,} of {job.rows_expected:,} rows"
    started = f"{run} started {clock_text(started_at, now)} {by}".rstrip()
    return (started, rows, running_rate(job, now))


def _failed(job: JobRow, now: datetime) -> tuple[str, ...]:
    ended = job.last_run_finished_at or job.last_run_started_at
    return (
        " ".join((job.error_message or job.error_kind or "failed").split()),
        f"failed {clock_text(ended, now)}" if ended else "",
        failures_text(job) if is_near_off(job) else "",
    )


def _last(job: JobRow, now: datetime) -> str:
    last = "never ran"
    if job.last_run_started_at is not None:
        last = f"last run {clock_text(job.last_run_finished_at or job.last_run_started_at, now)}"
    if job.run_trigger == "backfill":
        return f"{last}, then {backfill_text(job)}"
    if job.run_state == "SUCCEEDED":
        return f"{last}, {result_sentence(job)}"
    return f"{last}, cancelled" if job.run_state == "CANCELLED" else last
