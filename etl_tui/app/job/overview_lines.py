"""The text of the overview, from what was asked. Pure but for the clock of its desk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from rich.style import Style

from etl_core.models.job import JobDetails, JobRow
from etl_core.models.run import RunState
from etl_core.models.run_comparison import RunStatistics
from etl_core.rules.clock_text import ago_text, clock_text, until_text
from etl_core.rules.job_tone import Tone, status_word, tone_of
from etl_core.rules.next_runs import next_runs
from etl_core.rules.notes import failures_text, is_retry
from etl_core.rules.possible import why_not_cancel, why_not_clear, why_not_run
from etl_core.rules.remedies import remedy
from etl_core.rules.usual import Band
from etl_core.rules.why import why
from etl_tui.app.job.desk import Desk
from etl_tui.app.job.fields import field_lines
from etl_tui.app.job.runs.run_list import RUN_TONES
from etl_tui.app.job.runs.run_words import took_text
from etl_tui.app.look.cells import clean, width_of, wrap
from etl_tui.app.look.sparkline import sparkline
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.theme import Look

LABEL_CELLS = 10
TOLD_CELLS = 46
"""For what stands behind the bars; fewer runs are shown where a line is short."""


def overview_lines(
    desk: Desk, job: JobDetails, statistics: RunStatistics, *, off_since: datetime | None, width: int
) -> list[list[Piece]]:
    """Sections, each with its label at the left."""
    look, now, row = desk.look, desk.clock.now(), desk.job
    sections = [
        _status(look, row, now, width),
        _wrapped(look, _why(desk, row, off_since, now), width),
        _wrapped(look, _next(row, now), width),
        *_history(look, statistics, width),
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


def _wrapped(look: Look, text: str, width: int) -> list[list[Piece]]:
    return [[Piece(part, look.text)] for part in wrap(clean(text), max(20, width - LABEL_CELLS - 2))]


def _status(look: Look, job: JobRow, now: datetime, width: int) -> list[list[Piece]]:
    tone = tone_of(job)
    since = job.last_run_finished_at if job.status != "RUNNING" else job.run_started_at
    since = since if job.active or job.status == "RUNNING" else None
    told = [
        f"since {clock_text(since, now)}" if since else "",
        failures_text(job) if job.status == "FAILED" else "",
        f"last success {ago_text(job.last_success_at, now)}" if job.last_success_at else "never succeeded",
    ]
    state = Piece(f"{tone.glyph} {status_word(job)}", look.tone(tone))
    first, *more = _wrapped(look, " · ".join(filter(None, told)), width - width_of(state.text) - 2)
    inset = Piece(" " * width_of(state.text), look.text)
    return [
        [lead, Piece("  ", look.text), *line]
        for lead, line in zip([state, *[inset] * len(more)], [first, *more], strict=True)
    ]


def _why(desk: Desk, job: JobRow, off_since: datetime | None, now: datetime) -> str:
    """`off by ana: too noisy, since 11-21 09:00 (3d ago)`."""
    told = why(job, desk.health, now).text
    if job.active or off_since is None:
        return told
    return f"{told}, since {clock_text(off_since, now)} ({ago_text(off_since, now)})"


def _next(job: JobRow, now: datetime) -> str:
    if job.status == "RUNNING":
        return "when this run has ended"
    coming = next_runs(job, job.schedule_interval_minutes, job.retry_interval_minutes, now, count=3)
    if not coming:
        return "none by itself"
    first, *later = coming
    what = f"retry {job.retry_count} " if is_retry(job) and job.retry_count else ""
    then = f", then {' '.join(clock_text(moment, now) for moment in later)}" if later else ""
    when = f"at {clock_text(first, now)} (in {until_text(first, now)})" if first > now else "now"
    return f"{what}{when}{then}"


def _history(look: Look, statistics: RunStatistics, width: int) -> list[list[list[Piece]]]:
    """The strip of the runs and their bars, the newest at the right."""
    runs = statistics.runs[-max(8, width - LABEL_CELLS - TOLD_CELLS) :]
    if not runs:
        return [[[Piece("it never ran", look.dim)]], [], []]
    tones = [RUN_TONES[RunState(run.state)] for run in runs]
    strip = [Piece(tone.glyph, look.tone(tone)) for tone in tones]
    good = sum(run.state == RunState.SUCCEEDED for run in runs)
    ended = sum(not RunState(run.state).is_open for run in runs)
    strip.append(Piece(f"  {good:,} of {ended:,} succeeded", look.dim))
    rows = [None if RunState(run.state).is_open else float(run.rows_extracted) for run in runs]
    seconds = [None if RunState(run.state).is_open else run.seconds for run in runs]
    return [
        [strip],
        [_bars(look, rows, statistics.usual_rows, _count)],
        [_bars(look, seconds, statistics.usual_seconds, took_text)],
    ]


def _bars(
    look: Look, figures: Sequence[float | None], usual: Band | None, told: Callable[[float], str]
) -> list[Piece]:
    """The figures as bars, those outside of the usual band in another colour; the newest in words."""
    unusual = look.tone(Tone.WAITING) + Style(underline=look.is_ansi or None)  # seen without colours, too
    bars = [
        Piece(bar, look.tone(Tone.RUNNING) if _is_usual(usual, figure) else unusual)
        for bar, figure in zip(sparkline(figures), figures, strict=True)
    ]
    known = [figure for figure in figures if figure is not None]
    last = f"  last {told(known[-1])}" if known else ""
    band = f", usually {told(usual.low)} to {told(usual.high)}" if usual else ""
    return [*bars, Piece(f"{last}{band}", look.text)]


def _is_usual(usual: Band | None, figure: float | None) -> bool:
    return usual is None or figure is None or usual.place(figure) == "usual"


def _count(figure: float) -> str:
    return f"{figure:,.0f}"


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
        ("b", "run it over a range, or read everything again", why_not_run(job, now)),
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
