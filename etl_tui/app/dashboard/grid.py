"""The grid of jobs: a plain list drawn line by line, because a DataTable of 10,000 rows costs 9 x the start.

Rows and cards are two forms of the same list, with one cursor. A tick draws only lines, and of them only the
span, whose text changed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence, Set

from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from etl_core.models.health import Health
from etl_core.models.job import JobRow
from etl_tui.app.dashboard.arrangement import (
    Group,
    Grouping,
    Line,
    arrange,
    find_line,
    group_name,
    key_of_line,
)
from etl_tui.app.dashboard.cards_form import CardsForm
from etl_tui.app.dashboard.form import Form, Scene
from etl_tui.app.dashboard.layout import Layout, choose_layout
from etl_tui.app.dashboard.recent import RecentChanges
from etl_tui.app.dashboard.rows_form import RowsForm
from etl_tui.app.feed.clock import DatabaseClock
from etl_tui.app.look.changed_span import changed_span
from etl_tui.app.look.theme import Look


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
        self._clock = clock
        self._many_tenants = many_tenants
        self._health: Health | None = None
        self._jobs: Sequence[JobRow] = []
        self._lines: Sequence[Line] = []
        self._cursor = 0
        self._marks: Set[int] = frozenset()
        self._recent = RecentChanges()
        self._chosen: Sequence[str] | None = None
        self._grouping: Grouping | None = None
        self._folded: set[str] = set()
        self._wanted: int | str | None = None
        self._columns = choose_layout(80, ())
        self._rows = RowsForm(look, lambda: self._columns)
        self._cards = CardsForm(look)
        self._form: Form = self._rows
        self._on_screen: dict[int, Strip] = {}

    # What is shown

    @property
    def jobs(self) -> Sequence[JobRow]:
        """All of them, those folded away included."""
        return self._jobs

    @property
    def selected(self) -> JobRow | None:
        """The job under the cursor; None on the line of a group."""
        line = self.selected_line
        return line if isinstance(line, JobRow) else None

    @property
    def selected_line(self) -> Line | None:
        """The job or the group under the cursor."""
        return self._lines[self._cursor] if self._lines else None

    @property
    def line_key(self) -> int | str | None:
        """What `stand_on` takes."""
        line = self.selected_line
        return self._wanted if line is None else key_of_line(line)

    @property
    def folded(self) -> frozenset[str]:
        """The names of the groups that are."""
        return frozenset(self._folded)

    def stand_on(self, line: int | str | None, folded: Set[str]) -> None:
        """Begins with these groups folded and the cursor on the line of that key, once there are lines."""
        self._wanted, self._folded = line, set(folded)

    @property
    def layout_of_columns(self) -> Layout:
        return self._columns

    def show_jobs(self, jobs: Sequence[JobRow]) -> None:
        """Shows these jobs, in this order; rows that look as before are not drawn again."""
        self._recent.follow(self._jobs, jobs, time.monotonic())
        self._jobs = jobs
        self._arrange()

    def show_health(self, health: Health | None) -> None:
        """Who is alive: why a job does not start depends on it. Drawn with the next tick."""
        self._health = health

    def show_marks(self, marks: Set[int]) -> None:
        """The ids of the jobs that are marked."""
        self._marks = marks
        self.tick()

    def show_grouping(self, grouping: Grouping | None) -> None:
        """Groups, all open, or none."""
        if grouping is self._grouping:
            return
        self._grouping = grouping
        self._folded.clear()
        self._arrange()

    def show_columns(self, titles: Sequence[str] | None) -> None:
        """These columns in this order; None: those that the width gives."""
        if titles != self._chosen:
            self._chosen = titles
            self._lay_out()

    def show_cards(self, cards: bool) -> None:
        """Cards, or rows."""
        form: Form = self._cards if cards else self._rows
        if form is not self._form:
            self._form = form
            self._place()
            self._scroll_to_cursor()

    def tick(self) -> None:
        """Draws what the clock or a change of its job made different among the visible rows."""
        self._recent.end(time.monotonic())
        scene = self._scene()
        for y, drawn in list(self._on_screen.items()):
            strip = self._form.strip(self._top + y, scene)
            if strip is not drawn and (span := changed_span(drawn, strip)) is not None:
                start, end = span
                self.refresh(Region(start, y, end - start, 1))

    def render_line(self, y: int) -> Strip:
        strip = self._form.strip(self._top + y, self._scene())
        self._on_screen[y] = strip
        return strip

    def _scene(self) -> Scene:
        return Scene(self._cursor, self._clock.now(), self._health, self._marks, self._recent.ids)

    def _arrange(self) -> None:
        before, lines = self.selected_line, arrange(self._jobs, self._grouping, self._folded)
        same_lines = (
            len(lines) == len(self._lines)
            and self._grouping is None
            and all(
                isinstance(new, JobRow) and isinstance(old, JobRow) and new.id == old.id
                for new, old in zip(lines, self._lines, strict=True)
            )
        )
        self._lines = lines
        if before is not None:
            found = find_line(lines, before, self._cursor, self._grouping)
            self._cursor = max(0, min(self._cursor, len(lines) - 1)) if found is None else found
        elif lines and self._wanted is not None:
            keys = [key_of_line(line) for line in lines]
            self._cursor = keys.index(self._wanted) if self._wanted in keys else 0
            self._wanted = None
        if same_lines:
            self._form.place(lines, self._width)
        else:
            self._lay_out()
            self._place()
            if (before is not None or self._cursor) and lines and not self._is_visible(self._cursor):
                self._scroll_to_cursor()
        self.tick()
        if self.selected_line is not before:
            self.post_message(self.Selected(self.selected))

    def _place(self) -> None:
        self._form.place(self._lines, self._width)
        self.virtual_size = Size(self._width, self._form.height)
        self._on_screen.clear()
        self.refresh()

    @property
    def _width(self) -> int:
        # The stylesheet keeps the scrollbar's column free even when there is none.
        return self.scrollable_content_region.width

    @property
    def _top(self) -> int:
        return self.scroll_offset.y

    # Groups

    @property
    def grouping(self) -> Grouping | None:
        return self._grouping

    def fold(self, folded: bool | None = None) -> None:
        """Folds the group at the cursor, or opens it; None: whichever it is not."""
        name = self._group_here()
        if name is None:
            return
        if folded is None:
            folded = name not in self._folded
        if folded:
            self._folded.add(name)
        else:
            self._folded.discard(name)
        self._arrange()

    def fold_all(self) -> None:
        """Folds every group, or opens all when all are."""
        if self._grouping is None:
            return
        names = {group_name(job, self._grouping) for job in self._jobs}
        self._folded = set() if names <= self._folded else names
        self._arrange()

    def _group_here(self) -> str | None:
        line = self.selected_line
        if line is None or self._grouping is None:
            return None
        return line.name if isinstance(line, Group) else group_name(line, self._grouping)

    # The cursor

    def move(self, rows: int) -> None:
        """Moves the cursor by rows, of cards where there are such."""
        if self._lines:
            self._move_to(self._form.below(self._cursor, rows))

    def aside(self, step: int) -> None:
        """To the card beside; where nothing is beside it folds (left) or opens (right) the group."""
        if not self._lines:
            return
        beside = self._form.beside(self._cursor, step)
        if beside is None:
            self.fold(step < 0)
        else:
            self._move_to(beside)

    def page(self, pages: int) -> None:
        """Moves the cursor by screens, one line of overlap."""
        if self._lines:
            top, end = self._form.span(self._cursor)
            self.move(pages * max(1, self.size.height // (end - top) - 1))

    def move_to_first(self) -> None:
        self._move_to(0)

    def move_to_last(self) -> None:
        self._move_to(len(self._lines) - 1)

    def on_click(self, event: events.Click) -> None:
        index = self._form.at(event.x, self._top + event.y)
        if index is not None:
            self._move_to(index)
            if event.chain == 2:
                if isinstance(self.selected_line, Group):
                    self.fold()
                else:
                    self.post_message(self.Opened())

    def _move_to(self, index: int) -> None:
        index = max(0, min(index, len(self._lines) - 1))
        if not self._lines or index == self._cursor:
            return
        self._cursor = index
        if self._is_visible(index):
            self.tick()
        else:
            self._scroll_to_cursor()
        self.post_message(self.Selected(self.selected))

    def _is_visible(self, index: int) -> bool:
        top, end = self._form.span(index)
        return self._top <= top and end <= self._top + self.size.height

    def _scroll_to_cursor(self) -> None:
        # Half a page at once: a line at a time sends the whole screen for every key.
        if self._lines:
            top, end = self._form.span(self._cursor)
            self.scroll_to(y=(top + end) // 2 - self.size.height // 2, animate=False, force=True)
        self.refresh()

    # Size

    def on_resize(self) -> None:
        # What was drawn under another height may stay in Textual's cache: drawn again, it is known again.
        self._lay_out()
        self._place()
        if self._lines and not self._is_visible(self._cursor):
            self._scroll_to_cursor()

    def _lay_out(self) -> None:
        layout = choose_layout(
            self._width or 80,
            self._jobs,
            many_tenants=self._many_tenants,
            chosen=self._chosen,
            grouping=self._grouping,
        )
        if layout != self._columns:
            self._columns = layout
            self._rows.forget()
            self.refresh()
            self.post_message(self.LayoutChanged(layout))
