"""A list to choose from: lines with a cursor, of which those in sight are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.segment import Segment
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from etl_tui.app.look.cells import cut, fit, width_of
from etl_tui.app.look.theme import Look


class Choice(NamedTuple):
    """A line: its name, what is said of it, what stands at its end; `able`: it can be chosen now."""

    name: str
    text: str = ""
    right: str = ""
    able: bool = True


class Choices(ScrollView, can_focus=False):
    """Texts must be clean. Its dialog has the keys and moves the cursor; a click chooses."""

    DEFAULT_CSS = "Choices { height: 1fr; scrollbar-size: 1 1; overflow-x: hidden; }"
    ALLOW_SELECT = False

    class Clicked(Message):
        """A line, by its place."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, look: Look, *, name_cells: int = 16) -> None:
        super().__init__(id="choices")
        self._look = look
        self._name_cells = name_cells
        self._choices: Sequence[Choice] = ()
        self.cursor = 0

    @property
    def choices(self) -> Sequence[Choice]:
        return self._choices

    @property
    def chosen(self) -> Choice | None:
        """The line under the cursor."""
        return self._choices[self.cursor] if self.cursor < len(self._choices) else None

    def show_choices(self, choices: Sequence[Choice]) -> None:
        """Replaces the lines; the cursor goes to the first."""
        self._choices, self.cursor = choices, 0
        self.virtual_size = Size(self.scrollable_content_region.width, len(choices))
        self.scroll_to(0, 0, animate=False)
        self.refresh()

    def move(self, rows: int) -> None:
        self.move_to(self.cursor + rows)

    def move_to(self, index: int) -> None:
        """To that line, or the last."""
        self.cursor = max(0, min(index, len(self._choices) - 1))
        top, height = self.scroll_offset.y, self.size.height
        if not top <= self.cursor < top + height:
            self.scroll_to(y=max(0, self.cursor - height // 2), animate=False, force=True)
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        index = self.scroll_offset.y + event.y
        if index < len(self._choices):
            self.move_to(index)
            self.post_message(self.Clicked(index))

    def on_resize(self) -> None:
        self.virtual_size = Size(self.scrollable_content_region.width, len(self._choices))

    def render_line(self, y: int) -> Strip:
        look, index = self._look, self.scroll_offset.y + y
        width = self.scrollable_content_region.width
        if index >= len(self._choices):
            return Strip.blank(width, look.text)
        choice = self._choices[index]
        name_style = look.title if choice.able else look.dim
        text_style = look.text if choice.able else look.dim
        right_style = look.dim
        if index == self.cursor:
            name_style, text_style, right_style = map(look.on_selected, (name_style, text_style, right_style))
        show = look.glyphs.show
        name = (
            f" {fit(show(choice.name), min(self._name_cells, width - 1))} "
            if choice.text
            else f" {choice.name}"
        )
        room = max(0, width - width_of(name) - width_of(choice.right) - 2)
        segments = [
            Segment(cut(name, width), name_style),
            Segment(fit(show(choice.text), room), text_style),
            Segment(f" {show(choice.right)} ", right_style),
        ]
        return Strip(segments).adjust_cell_length(width, text_style)
