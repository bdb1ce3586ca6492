"""The lines on top: which job, its state, its schedule; what it is about and what happens next."""

from __future__ import annotations

from collections.abc import Collection

from textual.app import ComposeResult
from textual.containers import Vertical

from etl_core.models.health import Health
from etl_core.models.job import JobRow
from etl_core.rules.clock_text import ago_text
from etl_core.rules.intervals import short_interval
from etl_core.rules.job_sentence import job_sentence
from etl_core.rules.job_tone import Tone, status_word, tone_of
from etl_core.rules.others_waiting import others_text
from etl_tui.app.commands.host import sentence_keys
from etl_tui.app.dashboard.columns import full_name
from etl_tui.app.feed.clock import DatabaseClock
from etl_tui.app.job.trail import trail
from etl_tui.app.look.cells import clean
from etl_tui.app.look.styled_line import Piece, StyledLine
from etl_tui.app.look.theme import Look


class JobHead(Vertical):
    """Drawn when its texts change."""

    DEFAULT_CSS = "JobHead { height: auto; }"

    def __init__(self, look: Look, clock: DatabaseClock) -> None:
        super().__init__(id="job-head")
        self._look = look
        self._clock = clock
        self._title_line = StyledLine(look, "job-name")
        self._sentence = StyledLine(look, "job-sentence")
        self._job: JobRow | None = None
        self._health: Health | None = None
        self._others: Collection[JobRow] = ()
        self._trouble = ""

    def compose(self) -> ComposeResult:
        yield self._title_line
        yield self._sentence

    def show_job(self, job: JobRow, health: Health | None, others: Collection[JobRow]) -> None:
        self._job, self._health, self._others, self._trouble = job, health, others, ""
        self.tick()

    def show_trouble(self, error: str) -> None:
        """No answer: what is shown is from before."""
        self._trouble = clean(error)
        self.tick()

    def on_resize(self) -> None:
        self.tick()

    def tick(self) -> None:
        """Follows the clock."""
        if self._job is None or not self.size.width:
            return
        self._title_line.show(self._title_of(self._job, self.size.width))
        if self._trouble:
            style = self._look.tone(Tone.FAILED)
            self._sentence.show([Piece(f" {Tone.FAILED.glyph} not up to date: {self._trouble}", style)])
            return
        now = self._clock.now()
        sentence = job_sentence(self._job, now, health=self._health, keys=sentence_keys(self.app))
        told = [sentence, others_text(self._job, self._others)]
        self._sentence.show([Piece(f" {clean(' · '.join(filter(None, told)))}", self._look.text)])

    def _title_of(self, job: JobRow, width: int) -> list[Piece]:
        look, now = self._look, self._clock.now()
        tone = tone_of(job)
        every, retry = (
            short_interval(job.schedule_interval_minutes),
            short_interval(job.retry_interval_minutes),
        )
        ends = [
            Piece(f"   {tone.glyph} {status_word(job)}", look.tone(tone)),
            Piece(f"   every {every}, retry {retry}", look.dim),
            Piece(f"   last success {ago_text(job.last_success_at, now)}", look.dim),
        ]
        return trail(look, full_name(job), ends=ends, width=width)
