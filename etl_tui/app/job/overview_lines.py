"""The text of the overview, from what was asked. Pure but for the clock of its desk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from textwrap import wrap

from etl_core.models.job import JobDetails, JobRow
from etl_core.models.run import RunRow, RunState
from etl_core.rules.clock_text import ago_text, clock_text, until_text, wait_text
from etl_core.rules.job_tone import Tone, status_word, tone_of
from etl_core.rules.next_runs import next_runs
from etl_core.rules.notes import failures_text, is_retry
from etl_core.rules.possible import why_not_cancel, why_not_clear, why_not_run
from etl_core.rules.remedies import remedy
from etl_core.rules.why import why
from etl_tui.app.job.desk import Desk
from etl_tui.app.job.fields import field_lines
from etl_tui.app.look.cells import clean
from etl_tui.app.look.sparkline import sparkline
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.theme import Look

LABEL_CELLS = 10
STRIP = 40
"""So many runs at most in strip and sparklines."""

RUN_TONES = {
    RunState.QUEUED: Tone.WAITING,
    RunState.RUNNING: Tone.RUNNING,
    RunState.SUCCEEDED: Tone.FINISHED,
    RunState.FAILED: Tone.FAILED,
    RunState.CANCELLED: Tone.OFF,
}
"""How a run's state is shown everywhere."""


def overview_lines(desk: Desk, job: JobDetails, runs: Sequence[RunRow], width: int) -> list[list[Piece]]:
    """Sections, each with its label at the left; `runs` are the newest first."""
    look, now, row = desk.look, desk.clock.now(), desk.job
    sections = [
        _status(look, row, now),
        [[Piece(why(row, desk.health, now).text, look.text)]],
        [[Piece(_next(row, now), look.text)]],
        *_history(look, runs[:STRIP]),
        _error(look, row, width),
        _actions(look, row, now),
    ]
    labels = ("STATUS", "WHY", "NEXT", "RUNS", "ROWS", "DURATION", "ERROR", "CAN")
    lines = list(_labelled(look, labels, sections))
    return [*lines, [], *field_lines(job, look)]


def _labelled(
    look: Look, labels: Sequence[str], sections: Sequence[list[list[Piece]]]
) -> Iterator[list[Piece]]:
    for label, section in zip(labels, sections, strict=True):
        for index, line in enumerate(section):
            shown = label if index == 0 else ""
            cleaned = [Piece(clean(text), style) for text, style in line]
            yield [Piece(f" {shown:<{LABEL_CELLS}}", look.dim), *cleaned]


def _status(look: Look, job: JobRow, now: datetime) -> list[list[Piece]]:
    tone = tone_of(job)
    since = job.last_run_finished_at if job.status != "RUNNING" else job.run_started_at
    told = [
        f"since {clock_text(since, now)}" if since else "",
        failures_text(job) if job.status == "FAILED" else "",
        f"last success {ago_text(job.last_success_at, now)}" if job.last_success_at else "never succeeded",
    ]
    text = " · ".join(filter(None, told))
    return [[Piece(f"{tone.glyph} {status_word(job)}", look.tone(tone)), Piece(f"  {text}", look.text)]]


def _next(job: JobRow, now: datetime) -> str:
    if job.status == "RUNNING":
        return "when this run has ended"
    coming = next_runs(job, job.schedule_interval_minutes, job.retry_interval_minutes, now, count=3)
    if not coming:
        return "none by itself"
    first, *later = coming
    what = f"retry {job.retry_count} " if is_retry(job) and job.retry_count else ""
    then = f", then {' '.join(clock_text(moment, now) for moment in later)}" if later else ""
    return f"{what}at {clock_text(first, now)} (in {until_text(first, now)}){then}"


def _history(look: Look, runs: Sequence[RunRow]) -> list[list[list[Piece]]]:
    if not runs:
        return [[[Piece("it never ran", look.dim)]], [], []]
    oldest_first = list(reversed(runs))
    strip = [Piece(RUN_TONES[run.state].glyph, look.tone(RUN_TONES[run.state])) for run in oldest_first]
    good = sum(run.state is RunState.SUCCEEDED for run in runs)
    ended = sum(not run.state.is_open for run in runs)
    strip.append(Piece(f"  {good:,} of {ended:,} succeeded, newest at the right", look.dim))
    return [
        [strip],
        [_bars(look, [run.rows_extracted if run.finished_at else None for run in oldest_first], _count)],
        [_bars(look, [_seconds(run) for run in oldest_first], _span)],
    ]


def _bars(look: Look, figures: Sequence[float | None], told: Callable[[float], str]) -> list[Piece]:
    """The figures as bars and the newest in words."""
    known = [figure for figure in figures if figure is not None]
    last = f"  last {told(known[-1])}" if known else ""
    return [Piece(sparkline(figures), look.tone(Tone.RUNNING)), Piece(last, look.text)]


def _seconds(run: RunRow) -> float | None:
    if run.started_at is None or run.finished_at is None:
        return None
    return (run.finished_at - run.started_at).total_seconds()


def _count(figure: float) -> str:
    return f"{figure:,.0f}"


def _span(seconds: float) -> str:
    return wait_text(timedelta(seconds=seconds), seconds=True)


def _error(look: Look, job: JobRow, width: int) -> list[list[Piece]]:
    if not job.error_message and not job.error_kind:
        return [[Piece("none", look.dim)]]
    room = max(20, width - LABEL_CELLS - 2)
    lines = [
        [Piece(part, look.tone(Tone.FAILED))]
        for line in (job.error_message or "no message").splitlines()
        for part in wrap(clean(line), room) or [""]
    ]
    told = ": ".join(filter(None, (job.error_kind, remedy(job.error_kind))))
    return [*lines, *([Piece(part, look.text)] for part in wrap(told, room))]


def _actions(look: Look, job: JobRow, now: datetime) -> list[list[Piece]]:
    actions = [
        ("r", "run now", why_not_run(job, now)),
        ("c", "cancel", why_not_cancel(job)),
        ("C", "clear", why_not_clear(job, now)),
        ("s", "settings", None),
        ("o", "switch it off" if job.active else "switch it on", None),
    ]
    return [
        [
            Piece(f"{key} ", look.title if refusal is None else look.dim),
            Piece(word, look.text if refusal is None else look.dim),
            Piece(f"  not now: {refusal}" if refusal else "", look.dim),
        ]
        for key, word, refusal in actions
    ]
