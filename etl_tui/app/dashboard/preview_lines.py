"""What the preview says of a job or a group, as lines of pieces. Pure: read from the row that is there."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from etl_core.models.health import Health
from etl_core.models.job import JobRow
from etl_core.rules.clock_text import ago_text, clock_text
from etl_core.rules.counts_text import result_sentence
from etl_core.rules.intervals import short_interval
from etl_core.rules.job_tone import Tone, status_word, tone_of
from etl_core.rules.notes import failures_text, next_text, progress_text, running_rate, stale_text
from etl_core.rules.why import why
from etl_tui.app.dashboard.arrangement import Group, integration_text
from etl_tui.app.dashboard.columns import full_name
from etl_tui.app.dashboard.totals import TONES, count_states, totals_bar
from etl_tui.app.look.cells import clean, wrap
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.theme import Look

LABEL_CELLS: Final = 14
MOST_ERROR_LINES: Final = 8
MOST_FAILED: Final = 10
Lines = list[list[Piece]]


def job_lines(job: JobRow, now: datetime, look: Look, cells: int, *, health: Health | None = None) -> Lines:
    """Name, state and why; where it runs, when, what its newest run did, the whole error."""
    tone = look.tone(tone_of(job))
    lines: Lines = [[Piece(full_name(job), look.title)]]
    lines.append([Piece(f"{tone_of(job).glyph} {status_word(job)}", tone)])
    lines += [[Piece(text, look.text)] for text in wrap(clean(why(job, health, now).text), cells)]
    lines.append([])

    def field(label: str, text: str) -> None:
        if text:
            pieces = wrap(clean(text), max(10, cells - LABEL_CELLS))
            lines.append([Piece(f"{label:<{LABEL_CELLS}}", look.dim), Piece(pieces[0], look.text)])
            lines.extend([Piece(" " * LABEL_CELLS, look.dim), Piece(more, look.text)] for more in pieces[1:])

    every = f"Interval: {short_interval(job.schedule_interval_minutes)}"
    field("integration", integration_text(job) or "none")
    field("runs", f"{every}, retry {short_interval(job.retry_interval_minutes)}")
    field("next run", next_text(job, now))
    field("last run", _last_run(job, now))
    field("last success", "" if job.last_success_at is None else ago_text(job.last_success_at, now))
    field("", f"{stale_text(job, now)}: three intervals or more" if stale_text(job, now) else "")
    field("retries", failures_text(job) or (str(job.retry_count) if job.retry_count else ""))
    if job.deadline_minutes:
        field("deadline", short_interval(job.deadline_minutes))
    if job.run_id is not None:
        lines.append([])
        field(f"run {job.run_id}", _run(job, now))
        if job.status == "RUNNING":
            field("progress", progress_text(job, now))
            field("rate", running_rate(job, now))
        field("rows", f"{job.rows_extracted:,} read" if job.rows_extracted else "")
        field("result", result_sentence(job) if job.run_state == "SUCCEEDED" else "")
    if job.error_message:
        lines.append([])
        error = [line for text in job.error_message.splitlines() for line in wrap(clean(text), cells)]
        lines += [[Piece(line, look.tone(Tone.FAILED))] for line in error[:MOST_ERROR_LINES]]
        if len(error) > MOST_ERROR_LINES:
            lines.append([Piece(f"… {len(error) - MOST_ERROR_LINES} more lines", look.dim)])
    return lines


def group_lines(group: Group, now: datetime, look: Look, cells: int) -> Lines:
    """How many of its jobs are in which state, what comes next, which failed."""
    totals = count_states(group.jobs)
    lines: Lines = [[Piece(group.name, look.title)], totals_bar(totals, look, cells), []]
    lines += [
        [Piece(f"{tone.glyph} {totals[word]:>6,} {word}", look.tone(tone))]
        for word, tone in TONES.items()
        if totals[word]
    ]
    soon = now + timedelta(hours=1)
    due = sum(1 for job in group.jobs if job.due_at is not None and job.due_at <= soon)
    lines += [[], [Piece(f"{due:,} due in the next hour", look.text)]]
    newest = max((job.last_success_at for job in group.jobs if job.last_success_at), default=None)
    lines.append([Piece(f"last success {ago_text(newest, now)}", look.text)])
    failed = [job for job in group.jobs if tone_of(job) is Tone.FAILED]
    if failed:
        lines.append([])
        lines += [
            [Piece(f"{Tone.FAILED.glyph} {full_name(job)}", look.tone(Tone.FAILED))]
            for job in failed[:MOST_FAILED]
        ]
        if len(failed) > MOST_FAILED:
            lines.append([Piece(f"  and {len(failed) - MOST_FAILED:,} more", look.dim)])
    return lines


def _last_run(job: JobRow, now: datetime) -> str:
    if job.status == "RUNNING" or job.last_run_finished_at is None:
        return "now" if job.status == "RUNNING" else "never"
    return f"{ago_text(job.last_run_finished_at, now)}, {clock_text(job.last_run_finished_at, now)}"


def _run(job: JobRow, now: datetime) -> str:
    started = f"started {clock_text(job.run_started_at, now)}" if job.run_started_at else ""
    by = f"by {job.run_requested_by}" if job.run_requested_by else job.run_trigger or ""
    return ", ".join(filter(None, (job.run_state or "", by, started)))
