"""The two lines on top: title, totals and clock; subtitle, who is alive, what waits and what comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from textual.app import ComposeResult
from textual.containers import Vertical

from etl_core.models.health import Health
from etl_core.models.job import JobRow
from etl_core.rules.clock_text import ago_text, span_text
from etl_core.rules.job_tone import Tone
from etl_tui.app.dashboard.totals import count_states, state_of, totals_bar, totals_pieces
from etl_tui.app.look.cells import clean, width_of
from etl_tui.app.look.styled_line import Piece, StyledLine
from etl_tui.app.look.theme import Look

TITLE = "ETL Jobs Dashboard"
SUBTITLE = "Monitor and control your autonomous data synchronization jobs"
SOON = timedelta(hours=1)
LEAST_BAR, MOST_BAR = 8, 40
"""Cells of the bar of totals; where there is room for fewer it is not there."""


class Header(Vertical):
    """Drawn when something in it changes. The second line gives way by the stylesheet."""

    DEFAULT_CSS = "Header { height: auto; }"

    def __init__(self, look: Look, tenant: str | None = None) -> None:
        super().__init__(id="header")
        self._look = look
        self._tenant = clean(tenant) if tenant else None
        self._totals: Counter[str] = Counter()
        self._due: dict[int, datetime] = {}
        self._last_success: datetime | None = None
        self._health: Health | None = None
        self._now = datetime.now().astimezone()
        self._clock = ""
        self._title = StyledLine(look, "title")
        self._subtitle = StyledLine(look, "subtitle")

    def compose(self) -> ComposeResult:
        yield self._title
        yield self._subtitle

    def on_mount(self) -> None:
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def show_totals(self, jobs: Iterable[JobRow]) -> None:
        """Counts the states of all jobs, what falls due, and finds the last success of any."""
        jobs = list(jobs)
        self._totals = count_states(jobs)
        self._due = {job.id: job.due_at for job in jobs if job.due_at is not None}
        self._last_success = max((job.last_success_at for job in jobs if job.last_success_at), default=None)
        self._draw()

    def follow_changes(self, changed: Sequence[tuple[JobRow, JobRow]]) -> None:
        """The same, of jobs that are others than before (old, new)."""
        for old, new in changed:
            self._totals[state_of(old)] -= 1
            self._totals[state_of(new)] += 1
            self._due.pop(new.id, None)
            if new.due_at is not None:
                self._due[new.id] = new.due_at
            if new.last_success_at is not None and new.last_success_at != old.last_success_at:
                self._last_success = max(new.last_success_at, self._last_success or new.last_success_at)
        self._draw()

    def show_clock(self, now: datetime, *, paused: bool) -> None:
        """The minute; paused is told, for what is shown is then as old as that."""
        clock = f"‖ paused {now:%H:%M}" if paused else f"{now:%H:%M}"
        self._now = now
        if clock != self._clock:
            self._clock = clock
            self._draw()

    def show_health(self, health: Health | None) -> None:
        """Who is alive and what waits; nothing while that is unknown."""
        self._health = health
        self._draw_subtitle()

    def _draw(self) -> None:
        self._draw_title()
        self._draw_subtitle()

    def _draw_title(self) -> None:
        look = self._look
        ends = [Piece("  ", look.text), *(Piece(*piece) for piece in look.mark_pieces)]
        if self._tenant:
            ends.append(Piece(f"  {self._tenant} ", look.text))
        ends.append(Piece(f"  {self._clock} ", look.text))
        room = self.size.width - len(TITLE) - 2 - sum(width_of(text) for text, _ in ends)
        totals = totals_pieces(self._totals, look, room)
        room -= sum(width_of(text) for text, _ in totals) + 2
        bar = totals_bar(self._totals, look, min(room, MOST_BAR)) if room >= LEAST_BAR else []
        gap = [Piece(" ", look.text)] if bar else []
        self._title.show([Piece(f" {TITLE} ", look.title)], [*bar, *gap, *totals, *ends])

    def _draw_subtitle(self) -> None:
        look = self._look
        facts = self._facts()
        room = self.size.width - len(SUBTITLE) - 3
        told: list[Piece] = []
        for must, piece in facts:
            room -= width_of(piece.text)
            if must or room >= 0:
                told.append(piece)
        self._subtitle.show([Piece(f" {SUBTITLE}", look.dim)], told)

    def _facts(self) -> list[tuple[bool, Piece]]:
        """What there is to tell, the most important first; whether the subtitle gives way for it."""
        look, health, facts = self._look, self._health, []
        if health is not None:
            workers = f"{health.workers_alive:,} worker{'' if health.workers_alive == 1 else 's'} "
            facts.append((True, Piece(workers, look.dim if health.workers_alive else look.tone(Tone.FAILED))))
            if health.runs_queued:
                age = self._now - health.queue_oldest_at if health.queue_oldest_at else timedelta()
                old = f", oldest {span_text(age)}" if age >= timedelta(minutes=1) else ""
                style = look.tone(Tone.WAITING) if old else look.dim
                facts.append((True, Piece(f" {health.runs_queued:,} queued{old} ", style)))
        soon = self._now + SOON
        due = sum(1 for moment in self._due.values() if moment <= soon)
        facts.append((False, Piece(f" {due:,} due in 1h ", look.dim)))
        if self._last_success is not None:
            facts.append(
                (False, Piece(f" last success {ago_text(self._last_success, self._now)} ", look.dim))
            )
        if health is not None and not health.runs_queued:
            facts.append((False, Piece(" queue empty ", look.dim)))
        return facts
