"""A line to type into, for a search or a filter, followed as one types."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input

from etl_tui.app.look.slash_line import SlashInput
from etl_tui.app.look.styled_line import Piece, StyledLine
from etl_tui.app.look.theme import Look


class PromptLine(Horizontal):
    """Not there without a text. It has the focus only while one types; Enter keeps the text, Esc drops it."""

    DEFAULT_CSS = """
    PromptLine { height: 1; display: none; }
    PromptLine.-shown { display: block; }
    PromptLine .slash { width: 3; }
    PromptLine .told { width: 20; }
    PromptLine Input { width: 1fr; background: $background; color: $foreground; }
    """

    class Changed(Message):
        """Another text is looked for."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Kept(Message):
        """Enter: the focus goes back."""

    class GivenUp(Message):
        """Esc: nothing is looked for."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self._input = SlashInput(compact=True, max_length=500, select_on_focus=False)
        self._slash = StyledLine(look, "prompt-slash")
        self._slash.add_class("slash")
        self._told = StyledLine(look, "prompt-told")
        self._told.add_class("told")

    def compose(self) -> ComposeResult:
        self._slash.show([Piece(" / ", self._look.title)])
        yield self._slash
        yield self._input
        yield self._told

    @property
    def text(self) -> str:
        return self._input.value.strip()

    def begin(self) -> None:
        """Somebody wants to type."""
        self.add_class("-shown")
        self._input.focus()

    def tell(self, text: str) -> None:
        """What was found, at the right."""
        self._told.show([], [Piece(f"{text} ", self._look.dim)])

    def clear(self) -> bool:
        """Nothing is looked for any more; whether something was."""
        shown = self.has_class("-shown")
        self.remove_class("-shown")
        self._input.value = ""
        return shown

    @on(Input.Changed)
    def _follow(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(self.text))

    @on(Input.Submitted)
    def _keep(self, event: Input.Submitted) -> None:
        event.stop()
        self.set_class(bool(self.text), "-shown")
        self.post_message(self.Kept())

    @on(SlashInput.GivenUp)
    def _give_up(self, event: SlashInput.GivenUp) -> None:
        event.stop()
        self.post_message(self.GivenUp())
