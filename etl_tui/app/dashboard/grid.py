"""The grid of jobs: a plain list drawn line by line, because a DataTable of 10,000 rows costs 9 x the start.

Drawn rows are remembered by what the clock changes in them, so that a tick draws only lines, and of them only
the span, whose text changed.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import NamedTuple

from rich.segment import Segment
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from etl_core.models.health import Health
from etl_core.models.job import JobRow
from etl_core.rules.job_tone import tone_of
from etl_tui.app.dashboard.columns import Layout, Moment, choose_layout
from etl_tui.app.feed.clock import DatabaseClock
from etl_tui.app.look.changed_span import changed_span
from etl_tui.app.look.theme import Look

CACHED_ROWS = 512
"""More than any screen has lines; beyond it the cache starts anew."""


class _Drawn(NamedTuple):
    job: JobRow
    ticking: tuple[str, ...]
    selected: bool
    strip: Strip


class JobGrid(ScrollView, can_focus=False):
    """Shows `jobs` in the order given; the cursor stays on its job when rows come, go or change.

    It takes no focus, for a widget is drawn anew whenever it gets or loses it, and a terminal that reports
    focus would cost a screenful each time; its screen has the keys.
    """

    DEFAULT_CSS = """
    JobGrid { height: 1fr; width: 1fr; overflow-x: hidden; overflow-y: auto;
        scrollbar-size-vertical: 1; scrollbar-gutter: stable; }
    """
    ALLOW_SELECT = False

    class Selected(Message):
        """The cursor stands on another job, or on none."""

        def __init__(self, job: JobRow | None) -> None:
            super().__init__()
            self.job = job

    class Opened(Message):
        """A job was clicked twice."""

    class LayoutChanged(Message):
        """Columns have other widths: whoever draws the heading follows."""

        def __init__(self, layout: Layout) -> None:
            super().__init__()
            self.layout = layout

    def __init__(self, look: Look, clock: DatabaseClock, *, many_tenants: bool = True) -> None:
        super().__init__(id="grid")
        self._look = look
        self._clock = clock
        self._many_tenants = many_tenants
        self._health: Health | None = None
        self._jobs: list[JobRow] = []
        self._cursor = 0
        self._columns = choose_layout(80, ())
        self._marks: Set[int] = frozenset()
        self._cache: dict[tuple[int, bool, bool], _Drawn] = {}
        self._on_screen: dict[int, Strip] = {}

    @property
    def jobs(self) -> Sequence[JobRow]:
        return self._jobs

    @property
    def selected(self) -> JobRow | None:
        """The job under the cursor."""
        return self._jobs[self._cursor] if self._jobs else None

    def show_jobs(self, jobs: Sequence[JobRow]) -> None:
        """Shows these jobs, in this order; rows that look as before are not drawn again."""
        before = self.selected
        index = {job.id: position for position, job in enumerate(jobs)}
        same_rows = len(jobs) == len(self._jobs) and all(
            new.id == old.id for new, old in zip(jobs, self._jobs, strict=True)
        )
        self._jobs = list(jobs)
        if before is not None:
            self._cursor = index.get(before.id, min(self._cursor, max(0, len(jobs) - 1)))
        if not same_rows:
            self._lay_out()
            self.virtual_size = Size(self._width, len(jobs))
            if before is not None and self.selected is not None and not self._is_visible(self._cursor):
                self._scroll_to_cursor()
            self.refresh()
        self.tick()
        if self.selected is not before:
            self.post_message(self.Selected(self.selected))

    def show_health(self, health: Health | None) -> None:
        """Who is alive: why a job does not start depends on it. Drawn with the next tick."""
        self._health = health

    def show_marks(self, marks: Set[int]) -> None:
        """The ids of the jobs that are marked."""
        self._marks = marks
        self.tick()

    def tick(self) -> None:
        """Draws what the clock or a change of its job made different among the visible rows."""
        for y, drawn in list(self._on_screen.items()):
            strip = self._row(self._top + y)
            if strip is not drawn and (span := changed_span(drawn, strip)) is not None:
                start, end = span
                self.refresh(Region(start, y, end - start, 1))

    def render_line(self, y: int) -> Strip:
        strip = self._row(self._top + y)
        self._on_screen[y] = strip
        return strip

    @property
    def _width(self) -> int:
        # The stylesheet keeps the scrollbar's column free even when there is none.
        return self.scrollable_content_region.width

    @property
    def _top(self) -> int:
        return self.scroll_offset.y

    def _row(self, index: int) -> Strip:
        if not 0 <= index < len(self._jobs):
            return Strip.blank(self._columns.width, self._look.text)
        job = self._jobs[index]
        selected = index == self._cursor
        marked = job.id in self._marks
        moment = Moment(self._clock.now(), selected, self._health, marked)
        ticking = self._columns.ticking(job, moment)
        drawn = self._cache.get((job.id, selected, marked))
        if drawn is not None and drawn.job is job and drawn.ticking == ticking:
            return drawn.strip
        if len(self._cache) > CACHED_ROWS:
            self._cache.clear()
        strip = self._draw(job, moment, ticking)
        self._cache[job.id, selected, marked] = _Drawn(job, ticking, selected, strip)
        return strip

    def _draw(self, job: JobRow, moment: Moment, ticking: tuple[str, ...]) -> Strip:
        look, layout = self._look, self._columns
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

    # The cursor

    def move(self, rows: int) -> None:
        """Moves the cursor by rows."""
        self._move_to(self._cursor + rows)

    def page(self, pages: int) -> None:
        """Moves the cursor by screens, one line of overlap."""
        self._move_to(self._cursor + pages * max(1, self.size.height - 1))

    def move_to_first(self) -> None:
        self._move_to(0)

    def move_to_last(self) -> None:
        self._move_to(len(self._jobs) - 1)

    def on_click(self, event: events.Click) -> None:
        index = self._top + event.y
        if 0 <= index < len(self._jobs):
            self._move_to(index)
            if event.chain == 2:
                self.post_message(self.Opened())

    def _move_to(self, index: int) -> None:
        index = max(0, min(index, len(self._jobs) - 1))
        if not self._jobs or index == self._cursor:
            return
        self._cursor = index
        if self._is_visible(index):
            self.tick()
        else:
            self._scroll_to_cursor()
        self.post_message(self.Selected(self.selected))

    def _is_visible(self, index: int) -> bool:
        return self._top <= index < self._top + self.size.height

    def _scroll_to_cursor(self) -> None:
        # Half a page at once: a line at a time sends the whole screen for every key.
        self.scroll_to(y=self._cursor - self.size.height // 2, animate=False, force=True)
        self.refresh()

    # Size

    def on_resize(self) -> None:
        # What was drawn under another height may stay in Textual's cache: drawn again, it is known again.
        self._on_screen.clear()
        self.refresh()
        self._lay_out()
        self.virtual_size = Size(self._width, len(self._jobs))
        if self._jobs and not self._is_visible(self._cursor):
            self._scroll_to_cursor()

    def _lay_out(self) -> None:
        layout = choose_layout(self._width or 80, self._jobs, many_tenants=self._many_tenants)
        if layout != self._columns:
            self._columns = layout
            self._cache.clear()
            self.refresh()
            self.post_message(self.LayoutChanged(layout))
