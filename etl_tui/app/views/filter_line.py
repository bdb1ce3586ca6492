"""The filter of a list beside the jobs: typed after `/`, followed as one types, kept until it is cleared."""

from __future__ import annotations

from textual import on
from textual.message import Message
from textual.widgets import Input

from etl_core.rules.text_filter import TextFilter, parse_text_filter
from etl_tui.app.look.slash_line import SlashInput, SlashLine
from etl_tui.app.look.theme import Look

LONGEST_TEXT = 200


class TextFilterLine(SlashLine):
    """Words, in any order."""

    class Changed(Message):
        """Another filter is to be followed."""

        def __init__(self, text_filter: TextFilter) -> None:
            super().__init__()
            self.text_filter = text_filter

    def __init__(self, look: Look) -> None:
        super().__init__(look, SlashInput(compact=True, max_length=LONGEST_TEXT, select_on_focus=False))

    def begin_with(self, text: str) -> None:
        """Somebody wants to type; or has typed `text` elsewhere, and that is all."""
        if not text:
            self.begin()
            return
        self._before = self.text
        self.add_class("-shown")
        self._input.value = text

    @on(Input.Changed)
    def _follow(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(parse_text_filter(event.value)))

    @on(Input.Submitted)
    def _keep(self, event: Input.Submitted) -> None:
        event.stop()
        self.leave()
