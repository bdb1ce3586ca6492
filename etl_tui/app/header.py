"""The two lines on top: title, totals and clock; subtitle and who is alive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from textual.app import ComposeResult
from textual.containers import Vertical

from etl_core.models.health import Health
from etl_core.models.job import JobRow
from etl_core.rules.job_tone import Tone, tone_of
from etl_tui.app.cells import clean
from etl_tui.app.styled_line import Piece, StyledLine
from etl_tui.app.theme import Look

TITLE = "ETL Jobs Dashboard"
SUBTITLE = "Monitor and control your autonomous data synchronization jobs"

_TOTALS = (
    (Tone.FAILED, "failed"),
    (Tone.RUNNING, "running"),
    (Tone.WAITING, "waiting"),
    (Tone.FINISHED, "finished"),
    (Tone.READY, "ready"),
    (Tone.OFF, "off"),
)


class Header(Vertical):
    """Drawn when a total, the minute or who is alive changes. The second line gives way by the stylesheet."""

    DEFAULT_CSS = "Header { height: auto; }"

    def __init__(self, look: Look, tenant: str | None = None) -> None:
        super().__init__(id="header")
        self._look = look
        self._tenant = clean(tenant) if tenant else None
        self._totals: Counter[Tone] = Counter()
        self._clock = ""
        self._title = StyledLine(look, "title")
        self._subtitle = StyledLine(look, "subtitle")

    def compose(self) -> ComposeResult:
        yield self._title
        yield self._subtitle

    def on_mount(self) -> None:
        self._draw_title()
        self.show_health(None)

    def show_totals(self, jobs: Iterable[JobRow]) -> None:
        """Counts the states of all jobs."""
        totals = Counter(map(tone_of, jobs))
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
        right = []
        for tone, word in _TOTALS:
            if self._totals[tone]:
                right.append(Piece(f" {tone.glyph} {self._totals[tone]:,} {word} ", look.tone(tone)))
        if self._tenant:
            right.append(Piece(f"  {self._tenant} ", look.text))
        right.append(Piece(f"  {self._clock} ", look.text))
        self._title.show([Piece(f" {TITLE} ", look.title)], right)
