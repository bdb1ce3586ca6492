"""A line to type into after `/`, for filters: not there without a text; Esc gives up what was typed."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input

from etl_tui.app.look.styled_line import Piece, StyledLine
from etl_tui.app.look.theme import Look


class SlashInput(Input):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "give_up", show=False)]

    class GivenUp(Message):
        """Esc: as it was before."""

    def action_give_up(self) -> None:
        self.post_message(self.GivenUp())


class SlashLine(Horizontal):
    """It has the focus only while one types. Subclasses follow what is typed."""

    DEFAULT_CSS = """
    SlashLine { height: 1; display: none; }
    SlashLine.-shown { display: block; }
    SlashLine #slash { width: 3; }
    SlashLine Input { width: 1fr; background: $background; color: $foreground; }
    """

    def __init__(self, look: Look, line: SlashInput) -> None:
        super().__init__(id="filter")
        self._look = look
        self._input = line
        self._before = ""

    def compose(self) -> ComposeResult:
        slash = StyledLine(self._look, "slash")
        slash.show([Piece(" / ", self._look.title)])
        yield slash
        yield self._input

    @property
    def text(self) -> str:
        return self._input.value.strip()

    def begin(self) -> None:
        """Somebody wants to type."""
        self._before = self.text
        self.add_class("-shown")
        self._input.focus()
        self._input.cursor_position = len(self._input.value)

    def clear(self) -> bool:
        """Back to all there is; whether there was a filter."""
        if not self.text:
            return False
        self._input.value = ""
        self.remove_class("-shown")
        return True

    def leave(self) -> None:
        """Typing is over: what was typed holds."""
        self.screen.set_focus(None)
        self.set_class(bool(self.text), "-shown")

    @on(SlashInput.GivenUp)
    def _give_up(self) -> None:
        self._input.value = self._before
        self.leave()
