"""A line of the screen made of styled pieces: all that is drawn outside grid and dialogs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from etl_tui.app.look.cells import ELLIPSIS, cut, width_of
from etl_tui.app.look.theme import Look


class Piece(NamedTuple):
    text: str
    style: Style


def line_strip(look: Look, left: Sequence[Piece], right: Sequence[Piece] = (), *, width: int) -> Strip:
    """A line of exactly `width` cells: pieces from the left, pieces to the right end; the left gives way."""
    show = look.glyphs.show
    ends = [Segment(show(text), style) for text, style in right]
    room, end = width - sum(width_of(segment.text) for segment in ends), show(ELLIPSIS)
    if room < 0:
        ends, room = [], width
    segments: list[Segment] = []
    for text, style in left:
        shown = show(cut(text, room))
        if shown == end and segments and segments[-1].text.endswith(end):  # told once
            shown = " " * room
        room -= width_of(shown)
        segments.append(Segment(shown, style))
        if room <= 0:
            break
    segments.append(Segment(" " * room, look.text))
    return Strip([*segments, *ends], width)


class StyledLine(Widget):
    """One row: pieces from the left, pieces to the right end; the left gives way. Drawn when they change."""

    DEFAULT_CSS = "StyledLine { height: 1; width: 1fr; }"
    ALLOW_SELECT = False

    def __init__(self, look: Look, name: str) -> None:
        super().__init__(id=name)
        self.look = look
        self._left: Sequence[Piece] = ()
        self._right: Sequence[Piece] = ()

    def show(self, left: Sequence[Piece], right: Sequence[Piece] = ()) -> None:
        """Replaces what is shown. Texts must be clean; glyphs are fitted to the terminal here."""
        if (self._left, self._right) != (left, right):
            self._left, self._right = left, right
            self.refresh(Region(0, 0, *self.size))

    @property
    def shown(self) -> str:
        """The text as it is drawn, for tests and for whoever reads the screen aloud."""
        return self.render_line(0).text

    def render_line(self, y: int) -> Strip:
        return line_strip(self.look, self._left, self._right, width=self.size.width)
