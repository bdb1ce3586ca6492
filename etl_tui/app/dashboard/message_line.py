"""The line below the grid: the selected job in a sentence, or for a while what came of an action."""

from __future__ import annotations

from textual.timer import Timer

from etl_core.models.health import Health
from etl_core.models.job import JobRow
from etl_core.rules.job_sentence import job_sentence
from etl_core.rules.job_tone import Tone, tone_of
from etl_tui.app.commands.host import sentence_keys
from etl_tui.app.dashboard.arrangement import Group
from etl_tui.app.feed.clock import DatabaseClock
from etl_tui.app.look.cells import clean
from etl_tui.app.look.styled_line import Piece, StyledLine
from etl_tui.app.look.theme import Look

_NO_JOBS = "no jobs yet; etl-tui jobs add makes one"
MESSAGE_SECONDS = 10
"""How long an answer stays, unless the cursor moves first."""


class MessageLine(StyledLine):
    """Confirmations and refusals stand where the eye is, not in a toast over the grid."""

    def __init__(self, look: Look, clock: DatabaseClock) -> None:
        super().__init__(look, "message")
        self._clock = clock
        self._job: JobRow | None = None
        self._group: Group | None = None
        self._health: Health | None = None
        self._filter = ""
        self._has_message = False
        self._timer: Timer | None = None
        self.quiet = False
        """Speaks of no job between messages: the screen says it elsewhere."""

    def show_job(self, job: JobRow | None, group: Group | None = None) -> None:
        """The job (or group) to speak of from now on; a message gives way when it is another one."""
        self._group = group
        moved = (job.id if job else None) != (self._job.id if self._job else None)
        self._job = job
        if moved:
            self._end_message()
        self.tick()

    def show_none(self, filter_text: str) -> None:
        """What keeps jobs from being shown, if there is none to speak of."""
        self._filter = filter_text

    def show_health(self, health: Health | None) -> None:
        """Who is alive: why the job does not start depends on it. Told with the next tick."""
        self._health = health

    def confirm(self, text: str) -> None:
        """An action was done."""
        self._say(Tone.FINISHED, text)

    def refuse(self, text: str) -> None:
        """An action was not done, and why."""
        self._say(Tone.FAILED, text)

    def end(self) -> None:
        """What was told is of something else than what is shown now."""
        if self._has_message:
            self._end_message()
            self.tick()

    def tick(self) -> None:
        """Follows the clock while it speaks of the job."""
        if self._has_message:
            return
        if self.quiet:
            self.show([])
            return
        if self._group is not None:
            count = len(self._group.jobs)
            told = f" {self._group.name} · {count:,} {'job' if count == 1 else 'jobs'}"
            self.show([Piece(told, self.look.dim)])
            return
        if self._job is None:
            none = "no job meets the filter; esc shows all" if self._filter else _NO_JOBS
            self.show([Piece(f" {none}", self.look.dim)])
            return
        tone = tone_of(self._job)
        keys = sentence_keys(self.app)
        sentence = clean(job_sentence(self._job, self._clock.now(), health=self._health, keys=keys))
        self.show([Piece(f" {tone.glyph} ", self.look.tone(tone)), Piece(sentence, self.look.text)])

    def _say(self, tone: Tone, text: str) -> None:
        self._end_message()
        self._has_message = True
        self._timer = self.set_timer(MESSAGE_SECONDS, self._time_out)
        style = self.look.tone(tone) if tone is Tone.FAILED else self.look.text
        self.show([Piece(f" {tone.glyph} ", self.look.tone(tone)), Piece(clean(text), style)])

    def _time_out(self) -> None:
        self._end_message()
        self.tick()

    def _end_message(self) -> None:
        self._has_message = False
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
