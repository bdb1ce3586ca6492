"""When each stage of a run was at work, as bars under each other. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from etl_core.models.run import StageSpan
from etl_core.rules.clock_text import clock_text
from etl_core.rules.job_tone import Tone
from etl_tui.app.job.runs.run_words import took_text
from etl_tui.app.look.cells import clean, fit
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.theme import Look

BAR, GOING_ON = "━", "─"
MOST_CELLS = 100
_NAME = 22
_TOLD = 18
_TONES = {
    "queued": Tone.WAITING,
    "extract": Tone.RUNNING,
    "transform": Tone.FINISHED,
    "load": Tone.READY,
}


def gantt_lines(look: Look, spans: Sequence[StageSpan], now: datetime, width: int) -> list[list[Piece]]:
    """A line for each stage, its streams below it, from the first moment to the last, or to now."""
    if not spans:
        return []
    start = min(span.first_at for span in spans)
    end = max(span.last_at if span.is_over else now for span in spans)
    total = max((end - start).total_seconds(), 0.001)
    cells = min(MOST_CELLS, max(8, width - _NAME - _TOLD - 3))
    lines = []
    for span in spans:
        until = span.last_at if span.is_over else max(now, span.last_at)
        first = min(int((span.first_at - start).total_seconds() / total * cells), cells - 1)
        last = max(first + 1, min(round((until - start).total_seconds() / total * cells), cells))
        name = f"  {span.stream}" if span.stream is not None else span.stage
        seconds = (until - span.first_at).total_seconds()
        told = f"{took_text(seconds):>6}" + (f" {span.rows:,} rows" if span.rows else "")
        lines.append(
            [
                Piece(f" {fit(clean(name), _NAME)}", look.text if span.stream is None else look.dim),
                Piece(" " * first, look.text),
                Piece(BAR * (last - first), look.tone(_TONES.get(span.stage, Tone.RUNNING))),
                Piece((" " if span.is_over else GOING_ON) * min(1, cells - last), look.dim),
                Piece(" " * max(0, cells - last - 1), look.text),
                Piece(f" {told}", look.dim),
            ]
        )
    ends = clock_text(end, now)
    begins = clock_text(start, now)
    lines.append([Piece(f" {'':<{_NAME}}{begins}{ends:>{max(1, cells - len(begins))}}", look.dim)])
    return lines
