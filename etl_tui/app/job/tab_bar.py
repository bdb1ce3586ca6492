"""The line of tabs: number and name, the open one bold and underlined."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from textual import events
from textual.message import Message

from etl_tui.app.look.cells import width_of
from etl_tui.app.look.styled_line import Piece, StyledLine
from etl_tui.app.look.theme import Look

_NARROW = 62


class TabBar(StyledLine):
    """A click opens a tab. On few cells only the open tab has its name."""

    class Clicked(Message):
        """A tab, counted from 0."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, look: Look, titles: Sequence[str]) -> None:
        super().__init__(look, "tabs")
        self._titles = list(titles)
        self._counts: dict[int, str] = {}
        self._open = 0

    def on_mount(self) -> None:
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def show_open(self, index: int) -> None:
        self._open = index
        self._draw()

    def show_count(self, index: int, count: str) -> None:
        """A figure behind a tab's name, as of rejects."""
        self._counts[index] = count
        self._draw()

    def on_click(self, event: events.Click) -> None:
        at = 1
        for index, text in enumerate(self._texts()):
            at += width_of(text) + 2
            if event.x < at:
                self.post_message(self.Clicked(index))
                return

    def _texts(self) -> list[str]:
        narrow = 0 < self.size.width < _NARROW
        texts = []
        for index, title in enumerate(self._titles):
            name = f"{index + 1}" if narrow and index != self._open else f"{index + 1} {title}"
            texts.append(f"{name} {self._counts[index]}" if self._counts.get(index) else name)
        return texts

    def _draw(self) -> None:
        pieces = [Piece(" ", self.look.text)]
        for index, text in enumerate(self._texts()):
            style = self.look.title + Style(underline=True) if index == self._open else self.look.dim
            pieces += [Piece(text, style), Piece("  ", self.look.text)]
        self.show(pieces)
