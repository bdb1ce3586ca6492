"""One of a few words, chosen with the arrows or a click."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from etl_tui.app.look.cells import width_of
from etl_tui.app.look.styled_line import Piece, line_strip
from etl_tui.app.look.theme import Look

GAP = 2


class ChoiceLine(Widget, can_focus=True):
    """Texts must be clean. The chosen one is marked, in arrows while it has the focus."""

    DEFAULT_CSS = "ChoiceLine { height: 1; width: 1fr; }"
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "step(-1)", show=False),
        Binding("right,l,space", "step(1)", show=False),
    ]

    class Changed(Message):
        """Another one is chosen."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, look: Look, words: Sequence[str], *, name: str, chosen: int = 0) -> None:
        super().__init__(id=name)
        self._look = look
        self._words = list(words)
        self.chosen = chosen

    def render_line(self, y: int) -> Strip:
        look = self._look
        marked = look.title + look.on_selected(look.title)
        pieces = []
        for index, word in enumerate(self._words):
            if index == self.chosen:
                told = f"‹{word}›" if self.has_focus else f" {word} "
                pieces.append(Piece(told, marked + Style(underline=self.has_focus)))
            else:
                pieces.append(Piece(f" {word} ", look.dim))
            pieces.append(Piece(" " * (GAP - 2), look.text))
        return line_strip(look, pieces, width=self.size.width)

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        at = 0
        for index, word in enumerate(self._words):
            at += width_of(word) + GAP
            if event.x < at:
                self._choose(index)
                return

    def action_step(self, step: int) -> None:
        self._choose((self.chosen + step) % len(self._words))

    def _choose(self, index: int) -> None:
        if index != self.chosen:
            self.chosen = index
            self.refresh()
            self.post_message(self.Changed(index))
