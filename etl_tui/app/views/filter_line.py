"""The filter of a list beside the jobs: typed after `/`, followed as one types, kept until it is cleared."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input

from etl_core.rules.text_filter import TextFilter, parse_text_filter
from etl_tui.app.look.styled_line import Piece, StyledLine
from etl_tui.app.look.theme import Look

LONGEST_TEXT = 200


class _Typed(Input):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "give_up", show=False)]

    class GivenUp(Message):
        """Esc: as it was before."""

    def action_give_up(self) -> None:
        self.post_message(self.GivenUp())


class TextFilterLine(Horizontal):
    """Not there without a filter. It has the focus only while one types."""

    DEFAULT_CSS = """
    TextFilterLine { height: 1; display: none; }
    TextFilterLine.-shown { display: block; }
    TextFilterLine #slash { width: 3; }
    TextFilterLine Input { width: 1fr; background: $background; color: $foreground; }
    """

    class Changed(Message):
        """Another filter is to be followed."""

        def __init__(self, text_filter: TextFilter) -> None:
            super().__init__()
            self.text_filter = text_filter

    def __init__(self, look: Look) -> None:
        super().__init__(id="filter")
        self._look = look
        self._input = _Typed(compact=True, max_length=LONGEST_TEXT, select_on_focus=False)
        self._before = ""

    def compose(self) -> ComposeResult:
        slash = StyledLine(self._look, "slash")
        slash.show([Piece(" / ", self._look.title)])
        yield slash
        yield self._input

    @property
    def text(self) -> str:
        return self._input.value.strip()

    def begin(self, text: str = "") -> None:
        """Somebody wants to type; or has typed `text` elsewhere, and that is all."""
        self._before = self.text
        self.add_class("-shown")
        if text:
            self._input.value = text
            return
        self._input.focus()
        self._input.cursor_position = len(self._input.value)

    def clear(self) -> bool:
        """Back to all rows; whether there was a filter."""
        if not self.text:
            return False
        self._input.value = ""
        self.remove_class("-shown")
        return True

    @on(Input.Changed)
    def _follow(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(parse_text_filter(event.value)))

    @on(Input.Submitted)
    def _keep(self, event: Input.Submitted) -> None:
        event.stop()
        self._leave()

    @on(_Typed.GivenUp)
    def _give_up(self) -> None:
        self._input.value = self._before
        self._leave()

    def _leave(self) -> None:
        self.screen.set_focus(None)
        self.set_class(bool(self.text), "-shown")
