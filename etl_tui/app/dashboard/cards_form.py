"""Jobs as cards, several beside each other: for few jobs, or a large screen. Those in sight are drawn."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from rich.segment import Segment
from textual.strip import Strip

from etl_core.models.job import JobRow
from etl_tui.app.dashboard.arrangement import Group, Line
from etl_tui.app.dashboard.card import CARD_LINES, draw_card
from etl_tui.app.dashboard.form import Scene
from etl_tui.app.dashboard.group_line import group_strip
from etl_tui.app.look.theme import Look

LEAST_CELLS: Final = 38
"""A card is at least so wide where the terminal is."""
MOST_BESIDE: Final = 6


class CardsForm:
    """Bands, one below the other: a group's line, or up to `beside` cards."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._lines: Sequence[Line] = ()
        self._width = 0
        self._in_a_band = 1
        self._tops: list[int] = []
        """The first row of each band."""
        self._firsts: list[int] = []
        """The first line of each band."""
        self._height = 0
        self._seen: dict[int, tuple[tuple[object, ...], Strip]] = {}

    @property
    def height(self) -> int:
        return self._height

    def place(self, lines: Sequence[Line], width: int) -> None:
        if width != self._width:
            self._seen.clear()
        self._lines, self._width = lines, width
        self._in_a_band = max(1, min(MOST_BESIDE, width // LEAST_CELLS))
        self._tops, self._firsts, top, index = [], [], 0, 0
        while index < len(lines):
            self._tops.append(top)
            self._firsts.append(index)
            if isinstance(lines[index], Group):
                top, index = top + 1, index + 1
                continue
            end = index + 1
            while end < len(lines) and end - index < self._in_a_band and not isinstance(lines[end], Group):
                end += 1
            top, index = top + CARD_LINES, end
        self._height = top

    def span(self, index: int) -> tuple[int, int]:
        top = self._tops[self._band_of(index)]
        return top, top + (1 if isinstance(self._lines[index], Group) else CARD_LINES)

    def at(self, x: int, y: int) -> int | None:
        if not 0 <= y < self._height or x < 0:
            return None
        first, end = self._lines_of(bisect_right(self._tops, y) - 1)
        if isinstance(self._lines[first], Group):
            return first
        index = first + min(x // self._cells, self._in_a_band - 1)
        return index if index < end else None

    def beside(self, index: int, step: int) -> int | None:
        if self._in_a_band == 1 or isinstance(self._lines[index], Group):
            return None
        return max(0, min(index + step, len(self._lines) - 1))

    def below(self, index: int, step: int) -> int:
        band = self._band_of(index)
        column = index - self._firsts[band]
        if not 0 <= band + step < len(self._firsts):
            return index if abs(step) == 1 else (0 if step < 0 else len(self._lines) - 1)
        first, end = self._lines_of(band + step)
        return min(first + column, end - 1)

    def strip(self, y: int, scene: Scene) -> Strip:
        look = self._look
        if not 0 <= y < self._height:
            return Strip.blank(self._width, look.text)
        band = bisect_right(self._tops, y) - 1
        first, end = self._lines_of(band)
        line = self._lines[first]
        if isinstance(line, Group):
            strip = group_strip(line, look, self._width, selected=first == scene.cursor)
        else:
            segments: list[Segment] = []
            for index in range(first, end):
                job = self._lines[index]
                if isinstance(job, JobRow):
                    moment = scene.moment(job, index)
                    segments += draw_card(job, moment, look, self._cells)[y - self._tops[band]]
            strip = Strip(segments).adjust_cell_length(self._width, look.text)
        return self._same_as_before(y, strip)

    def _same_as_before(self, y: int, strip: Strip) -> Strip:
        """The strip of last time when it looks the same."""
        key = tuple(strip)
        before = self._seen.get(y)
        if before is not None and before[0] == key:
            return before[1]
        if len(self._seen) > 512:
            self._seen.clear()
        self._seen[y] = key, strip
        return strip

    @property
    def _cells(self) -> int:
        return self._width // self._in_a_band

    def _band_of(self, index: int) -> int:
        return bisect_right(self._firsts, index) - 1

    def _lines_of(self, band: int) -> tuple[int, int]:
        end = self._firsts[band + 1] if band + 1 < len(self._firsts) else len(self._lines)
        return self._firsts[band], end
