"""Jobs as rows: a line each, of two segments, remembered by what the clock changes in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.segment import Segment
from textual.strip import Strip

from etl_core.models.job import JobRow
from etl_core.rules.job_tone import tone_of
from etl_tui.app.dashboard.arrangement import Group, Line
from etl_tui.app.dashboard.columns import Moment
from etl_tui.app.dashboard.form import Scene
from etl_tui.app.dashboard.group_line import group_strip
from etl_tui.app.dashboard.layout import Layout
from etl_tui.app.look.theme import Look

CACHED_ROWS = 512
"""More than any screen has lines; beyond it the cache starts anew."""


class _Drawn(NamedTuple):
    line: Line
    ticking: tuple[str, ...]
    strip: Strip


class RowsForm:
    """Line `index` is row `index` of the sheet."""

    def __init__(self, look: Look, layout: Callable[[], Layout]) -> None:
        self._look = look
        self._layout = layout
        self._lines: Sequence[Line] = ()
        self._drawn: dict[tuple[int | str, bool, bool, bool], _Drawn] = {}

    @property
    def height(self) -> int:
        return len(self._lines)

    def place(self, lines: Sequence[Line], width: int) -> None:
        self._lines = lines

    def forget(self) -> None:
        """Columns have other widths: everything is drawn anew."""
        self._drawn.clear()

    def span(self, index: int) -> tuple[int, int]:
        return index, index + 1

    def at(self, x: int, y: int) -> int | None:
        return y if 0 <= y < len(self._lines) else None

    def beside(self, index: int, step: int) -> int | None:
        return None

    def below(self, index: int, step: int) -> int:
        return index + step

    def strip(self, y: int, scene: Scene) -> Strip:
        layout = self._layout()
        if not 0 <= y < len(self._lines):
            return Strip.blank(layout.width, self._look.text)
        line = self._lines[y]
        if isinstance(line, Group):
            return self._remember(
                (line.name, y == scene.cursor, False, False),
                line,
                (),
                lambda: group_strip(line, self._look, layout.width, selected=y == scene.cursor),
            )
        moment = scene.moment(line, y)
        ticking = layout.ticking(line, moment)
        return self._remember(
            (line.id, moment.selected, moment.marked, moment.changed),
            line,
            ticking,
            lambda: self._draw(line, moment, ticking),
        )

    def _remember(
        self,
        key: tuple[int | str, bool, bool, bool],
        line: Line,
        ticking: tuple[str, ...],
        draw: Callable[[], Strip],
    ) -> Strip:
        drawn = self._drawn.get(key)
        if drawn is not None and drawn.line is line and drawn.ticking == ticking:
            return drawn.strip
        if len(self._drawn) > CACHED_ROWS:
            self._drawn.clear()
        strip = draw()
        self._drawn[key] = _Drawn(line, ticking, strip)
        return strip

    def _draw(self, job: JobRow, moment: Moment, ticking: tuple[str, ...]) -> Strip:
        look, layout = self._look, self._layout()
        tone = tone_of(job)
        status_style = look.tone(tone)
        rest_style = status_style if tone.colour == "off" else look.text
        if moment.selected:
            status_style, rest_style = look.on_selected(status_style), look.on_selected(rest_style)
        show = look.glyphs.show
        return Strip(
            [
                Segment(show(layout.status(job, moment)), status_style),
                Segment(show(layout.rest(job, moment, ticking)), rest_style),
            ]
        ).adjust_cell_length(layout.width, rest_style)
