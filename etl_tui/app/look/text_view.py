"""Lines of text to scroll through, of any number: a checkpoint of a megabyte opens as fast as a short one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from etl_tui.app.look.cells import ELLIPSIS, width_of
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.theme import Look


class TextView(ScrollView, can_focus=True):
    """Draws the lines in sight; what goes on at their right is told by an ellipsis. Texts must be clean."""

    DEFAULT_CSS = "TextView { height: 1fr; scrollbar-size: 1 1; }"
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
        Binding("g", "scroll_home", show=False),
        Binding("G", "scroll_end", show=False),
    ]

    def __init__(self, look: Look, name: str | None = None) -> None:
        super().__init__(id=name)
        self._look = look
        self._lines: list[Strip] = []

    @property
    def text(self) -> str:
        """All lines, for tests."""
        return "\n".join(line.text.rstrip() for line in self._lines)

    def show_lines(self, lines: Sequence[Sequence[Piece]], *, keep_place: bool = False) -> None:
        """Replaces the text and goes to its top, unless it is to stay where it is."""
        show = self._look.glyphs.show
        self._lines = [Strip([Segment(show(text), style) for text, style in line]) for line in lines]
        width = max((sum(width_of(text) for text, _ in line) for line in lines), default=0)
        self.virtual_size = Size(width, len(lines))
        if not keep_place:
            self.scroll_to(0, 0, animate=False)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        x, top = self.scroll_offset
        index, width = top + y, self.size.width
        if index >= len(self._lines):
            return Strip.blank(width, self._look.text)
        line = self._lines[index]
        if width < 2 or line.cell_length <= x + width:
            return line.crop_extend(x, x + width, self._look.text)
        shown = line.crop(x, x + width - 1)
        # Half of a wide character is left out, as terminals do.
        gap = " " * (width - 1 - shown.cell_length)
        style = next((part.style for part in reversed(list(shown)) if part.style), self._look.text)
        return Strip([*shown, Segment(f"{gap}{self._look.glyphs.show(ELLIPSIS)}", style)], width)
