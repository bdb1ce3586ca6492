"""A field for an interval: free text, what it means in words, and presets, the matching one marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from etl_core.rules.intervals import humanise_minutes, short_interval
from etl_tui.app.dialogs.worded_field import WordedField
from etl_tui.app.look.theme import Look

PRESET_CELLS = 5
NARROW_CELLS = 4


class Presets(Widget, can_focus=True):
    """A row of intervals in minutes; arrows and clicks choose, `marked` is the one that the field holds."""

    DEFAULT_CSS = "Presets { height: 1; width: 1fr; }"
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "step(-1)", show=False),
        Binding("right", "step(1)", show=False),
    ]

    class Chosen(Message):
        """A preset was picked."""

        def __init__(self, minutes: int) -> None:
            super().__init__()
            self.minutes = minutes

    def __init__(self, look: Look, minutes: Sequence[int]) -> None:
        super().__init__()
        self._look = look
        self._minutes = minutes
        self.marked: int | None = None

    def mark(self, minutes: int | None) -> None:
        """Marks the preset of this many minutes, if there is one."""
        self.marked = minutes
        self.refresh()

    def render_line(self, y: int) -> Strip:
        look = self._look
        marked = look.title + look.on_selected(look.title)
        segments = []
        for minutes in self._minutes:
            label = short_interval(minutes)
            is_marked = minutes == self.marked
            if is_marked and self.has_focus:
                label = f"<{label}>"
            style = marked if is_marked else look.dim
            segments.append(Segment(label, style))
            segments.append(Segment(" " * (self._cells - len(label)), look.text))
        return Strip(segments).adjust_cell_length(self.size.width, look.text)

    @property
    def _cells(self) -> int:
        """Of one preset: closer together where there is no room."""
        wanted = PRESET_CELLS * (len(self._minutes) - 1) + len("24h")
        return PRESET_CELLS if self.size.width >= wanted else NARROW_CELLS

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        index = event.x // self._cells
        if index < len(self._minutes):
            self.post_message(self.Chosen(self._minutes[index]))

    def action_step(self, step: int) -> None:
        """The next preset in that direction, counted from what the field holds."""
        if step > 0:
            following = [minutes for minutes in self._minutes if self.marked is None or minutes > self.marked]
            minutes = following[0] if following else self._minutes[-1]
        else:
            preceding = [minutes for minutes in self._minutes if self.marked is None or minutes < self.marked]
            minutes = preceding[-1] if preceding else self._minutes[0]
        self.post_message(self.Chosen(minutes))


class IntervalField(WordedField):
    """What its text means comes back through `show_minutes`."""

    def __init__(self, look: Look, label: str, minutes: int, presets: Sequence[int], *, name: str) -> None:
        super().__init__(label, short_interval(minutes), name=name)
        self._presets = Presets(look, presets)

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield self._presets

    def focus_input(self) -> None:
        self._input.focus()

    def show_minutes(self, minutes: int | None) -> None:
        """Says in words what the text means, and marks the preset that it is."""
        self.say(humanise_minutes(minutes) if minutes is not None else "")
        self._presets.mark(minutes)

    @on(Presets.Chosen)
    def _take_preset(self, event: Presets.Chosen) -> None:
        event.stop()
        self.text = short_interval(event.minutes)
