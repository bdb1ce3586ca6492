"""The two lines on top: title, totals and clock; subtitle and who is alive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from textual.app import ComposeResult
from textual.containers import Vertical

from etl_core.models.health import Health
from etl_core.models.job import JobRow
from etl_core.rules.job_tone import Tone
from etl_tui.app.look.cells import clean, width_of
from etl_tui.app.look.styled_line import Piece, StyledLine
from etl_tui.app.look.theme import Look

TITLE = "ETL Jobs Dashboard"
SUBTITLE = "Monitor and control your autonomous data synchronization jobs"

TOTALS = ("failed", "running", "held", "ready", "off")
"""In the order of the screen."""
_GIVE_WAY = ("off", "held", "ready", "running", "failed")
"""In this order when the line is too short."""
_TONES = {
    "failed": Tone.FAILED,
    "running": Tone.RUNNING,
    "held": Tone.WAITING,
    "ready": Tone.READY,
    "off": Tone.OFF,
}


class Header(Vertical):
    """Drawn when a total, the minute or who is alive changes. The second line gives way by the stylesheet."""

    DEFAULT_CSS = "Header { height: auto; }"

    def __init__(self, look: Look, tenant: str | None = None) -> None:
        super().__init__(id="header")
        self._look = look
        self._tenant = clean(tenant) if tenant else None
        self._totals: Counter[str] = Counter()
        self._clock = ""
        self._title = StyledLine(look, "title")
        self._subtitle = StyledLine(look, "subtitle")

    def compose(self) -> ComposeResult:
        yield self._title
        yield self._subtitle

    def on_mount(self) -> None:
        self._draw_title()
        self.show_health(None)

    def on_resize(self) -> None:
        self._draw_title()

    def show_totals(self, jobs: Iterable[JobRow]) -> None:
        """Counts the states of all jobs."""
        totals = Counter(map(_total_of, jobs))
        if totals != self._totals:
            self._totals = totals
            self._draw_title()

    def show_clock(self, now: datetime, *, paused: bool) -> None:
        """The minute; paused is told, for what is shown is then as old as that."""
        clock = f"‖ paused {now:%H:%M}" if paused else f"{now:%H:%M}"
        if clock != self._clock:
            self._clock = clock
            self._draw_title()

    def show_health(self, health: Health | None) -> None:
        """How many workers are alive; nothing while that is unknown."""
        look = self._look
        alive = ""
        if health is not None:
            alive = f"{health.workers_alive:,} worker{'' if health.workers_alive == 1 else 's'} "
        self._subtitle.show([Piece(f" {SUBTITLE}", look.dim)], [Piece(alive, look.dim)])

    def _draw_title(self) -> None:
        look = self._look
        ends = [Piece("  ", look.text), *(Piece(*piece) for piece in look.mark_pieces)]
        if self._tenant:
            ends.append(Piece(f"  {self._tenant} ", look.text))
        ends.append(Piece(f"  {self._clock} ", look.text))
        totals = {word: self._total(word) for word in TOTALS if self._totals[word]}
        room = self.size.width - len(TITLE) - 2 - sum(width_of(text) for text, _ in ends)
        for word in _GIVE_WAY:
            if sum(width_of(text) for text, _ in totals.values()) > room:
                totals.pop(word, None)
        self._title.show([Piece(f" {TITLE} ", look.title)], [*totals.values(), *ends])

    def _total(self, word: str) -> Piece:
        tone = _TONES[word]
        return Piece(f" {tone.glyph} {self._totals[word]:,} {word} ", self._look.tone(tone))


def _total_of(job: JobRow) -> str:
    """Which total a job counts in: what rests is ready whether it just finished or not."""
    if job.status == "RUNNING":
        return "running"
    if not job.active:
        return "off"
    if job.status == "FAILED":
        return "failed"
    return "held" if job.held else "ready"
