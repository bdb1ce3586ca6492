"""On wide terminals: the selected job at the right, without another question to the database."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from etl_core.models.health import Health
from etl_tui.app.dashboard.arrangement import Group, Line
from etl_tui.app.dashboard.preview_lines import Lines, group_lines, job_lines
from etl_tui.app.feed.clock import DatabaseClock
from etl_tui.app.look.cells import cut, width_of
from etl_tui.app.look.changed_span import changed_span
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.theme import Look

DELAY_SECONDS = 0.15
"""The cursor must rest so long: a key that is held sends no previews."""
MARGIN = 2


class Preview(Widget):
    """Follows the cursor a moment later, its job's changes and the clock at once. Draws lines that differ."""

    DEFAULT_CSS = "Preview { height: 1fr; width: 40; }"
    ALLOW_SELECT = False

    def __init__(self, look: Look, clock: DatabaseClock) -> None:
        super().__init__(id="preview")
        self._look = look
        self._clock = clock
        self._health: Health | None = None
        self._line: Line | None = None
        self._coming: Line | None = None
        self._timer: Timer | None = None
        self._drawn: list[Strip] = []

    @property
    def text(self) -> str:
        """What it says, for tests."""
        return "\n".join(strip.text.rstrip() for strip in self._drawn)

    def show(self, line: Line | None, *, at_once: bool = False) -> None:
        """The line to speak of."""
        self._coming = line
        if at_once or _is_of(line, self._line):
            self._take()
        elif self._timer is None:
            self._timer = self.set_timer(DELAY_SECONDS, self._take)
        else:
            self._timer.reset()

    def show_health(self, health: Health | None) -> None:
        """Who is alive. Told with the next tick."""
        self._health = health

    def tick(self) -> None:
        """Draws what the clock made different."""
        if not self.display or not self.size.height:
            return
        strips = [self._strip(pieces) for pieces in self._lines()]
        strips += [self._strip([])] * (max(self.size.height, len(self._drawn)) - len(strips))
        for y, strip in enumerate(strips):
            before = self._drawn[y] if y < len(self._drawn) else self._strip([])
            if (span := changed_span(before, strip)) is not None:
                self.refresh(Region(span[0], y, span[1] - span[0], 1))
        self._drawn = strips

    def on_resize(self) -> None:
        self._drawn = []
        self.tick()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        return self._drawn[y] if y < len(self._drawn) else self._strip([])

    def _take(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self._line = self._coming
        self.tick()

    def _lines(self) -> Lines:
        cells, now = self.size.width - MARGIN - 1, self._clock.now()
        if self._line is None:
            return []
        if isinstance(self._line, Group):
            return group_lines(self._line, now, self._look, cells)
        return job_lines(self._line, now, self._look, cells, health=self._health)

    def _strip(self, pieces: Sequence[Piece]) -> Strip:
        look, width = self._look, self.size.width
        room = max(0, width - MARGIN)
        segments = [Segment(look.glyphs.show("│ "), look.dim)]
        for text, style in pieces:
            shown = cut(text, room)
            room -= width_of(shown)
            segments.append(Segment(look.glyphs.show(shown), style))
        return Strip(segments).adjust_cell_length(width, look.text)


def _is_of(line: Line | None, before: Line | None) -> bool:
    """Whether it is the job that is shown already, as it is now."""
    if line is None or before is None or isinstance(line, Group) or isinstance(before, Group):
        return False
    return line.id == before.id
