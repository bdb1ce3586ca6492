"""The line below a list: what its selected row is, or for a while what came of an action."""

from __future__ import annotations

from etl_core.rules.job_tone import Tone
from etl_tui.app.dashboard.message_line import MessageLine
from etl_tui.app.feed.clock import DatabaseClock
from etl_tui.app.look.cells import clean
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.theme import Look


class SentenceLine(MessageLine):
    """A `MessageLine` that speaks of rows of any kind."""

    def __init__(self, look: Look, clock: DatabaseClock) -> None:
        super().__init__(look, clock)
        self._tone, self._sentence = Tone.OFF, ""

    def tell(self, tone: Tone, sentence: str) -> None:
        """The row to speak of from now on."""
        self._tone, self._sentence = tone, clean(sentence)
        self.tick()

    def moved(self) -> None:
        """The cursor stands on another row: what was told of the last action gives way."""
        self._end_message()
        self.tick()

    def tick(self) -> None:
        if not self._has_message:
            glyph = Piece(f" {self._tone.glyph} ", self.look.tone(self._tone))
            self.show([glyph, Piece(self._sentence, self.look.text)])
