"""A list drawn line by line: only the rows in sight are told, only the cells that changed are sent."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic

from rich.segment import Segment
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from etl_core.rules.job_tone import Tone
from etl_core.rules.text_filter import TextFilter
from etl_tui.app.look.cells import fit, width_of
from etl_tui.app.look.changed_span import changed_span
from etl_tui.app.look.theme import Look
from etl_tui.app.views.columns import LEAD_CELLS, Column, Placed, Row, place_columns
from etl_tui.app.views.list_order import ListOrder

MEASURED_ROWS = 500
"""Columns are as wide as the longest text among so many rows."""


class ListView(ScrollView, Generic[Row], can_focus=False):
    """Shows rows of one kind; the cursor stays on its row, by `key`, when rows come, go or change.

    `fields` are what a filter looks into besides the columns; `empty` is said when there are no rows. It
    takes no focus: its screen has the keys.
    """

    DEFAULT_CSS = """
    ListView { height: 1fr; width: 1fr; overflow-x: hidden; overflow-y: auto;
        scrollbar-size-vertical: 1; scrollbar-gutter: stable; }
    """
    ALLOW_SELECT = False

    class Selected(Message):
        """The cursor stands on another row, or on none."""

    class Opened(Message):
        """A row was clicked twice."""

    class Activated(Message):
        """A list was clicked that had not the keys."""

        def __init__(self, clicked: ListView[Any]) -> None:
            super().__init__()
            self.clicked = clicked

    class LayoutChanged(Message):
        """Columns stand elsewhere, or the order is another one: the heading follows."""

    def __init__(
        self,
        look: Look,
        columns: Sequence[Column[Row]],
        *,
        name: str,
        key: Callable[[Row], Hashable],
        tone: Callable[[Row], Tone],
        now: Callable[[], datetime],
        fields: Callable[[Row], Mapping[str, str]] = lambda _: {},
        empty: str = "",
    ) -> None:
        super().__init__(id=name)
        self._look = look
        self.columns = tuple(columns)
        self._key, self._tone, self._now, self._fields = key, tone, now, fields
        self._empty = empty
        self._all: list[Row] = []
        self._rows: list[Row] = []
        self._cursor = 0
        self._filter = TextFilter("")
        self.order = ListOrder()
        self._longest = [0] * len(self.columns)
        self.placed: tuple[Placed[Row], ...] = ()
        self._active = True
        self._on_screen: dict[int, Strip] = {}

    @property
    def rows(self) -> Sequence[Row]:
        """Those that meet the filter, in order."""
        return self._rows

    @property
    def total(self) -> int:
        """All rows, whether they meet the filter or not."""
        return len(self._all)

    @property
    def selected(self) -> Row | None:
        """The row under the cursor."""
        return self._rows[self._cursor] if self._rows else None

    @property
    def rows_below(self) -> int:
        """Rows after the cursor."""
        return max(0, len(self._rows) - 1 - self._cursor)

    @property
    def drawn(self) -> list[str]:
        """The lines in sight as they are drawn, for tests and for whoever reads the screen aloud."""
        return [self.render_line(y).text.rstrip() for y in range(min(self.size.height, len(self._rows)))]

    def show_rows(self, rows: Sequence[Row]) -> None:
        """Shows these rows instead; lines that look as before are not drawn again."""
        self._all = list(rows)
        self._arrange()

    def follow_filter(self, text_filter: TextFilter) -> None:
        """Shows what meets it."""
        self._filter = text_filter
        self._arrange()

    def sort(self, order: ListOrder) -> None:
        """Shows the rows in this order."""
        self.order = order
        self._arrange()
        self.post_message(self.LayoutChanged())

    def set_active(self, active: bool) -> None:
        """Whether it has the keys: then the row under its cursor stands out."""
        if active != self._active:
            self._active = active
            self.tick()

    def tick(self) -> None:
        """Draws what the clock changed among the lines in sight."""
        for y, drawn in list(self._on_screen.items()):
            strip = self._line(self._top + y)
            if (span := changed_span(drawn, strip)) is not None:
                start, end = span
                self.refresh(Region(start, y, end - start, 1))

    def render_line(self, y: int) -> Strip:
        strip = self._line(self._top + y)
        self._on_screen[y] = strip
        return strip

    def _arrange(self) -> None:
        before = self.selected
        count = len(self._rows)
        found = self.order.sort(self._all, self.columns)
        if self._filter:
            now = self._now()
            found = [row for row in found if self._filter.matches(self._texts(row, now))]
        self._rows = found
        self._place_cursor(before)
        self._lay_out()
        if len(found) != count:
            self.virtual_size = Size(self._width, len(found))
            if found and not self._is_visible(self._cursor):
                self._scroll_to_cursor()
            self.refresh()
        self.tick()
        # By key, for rows that are made anew at every look: who shows them because of this would never end.
        after = self.selected
        if (before and self._key(before)) != (after and self._key(after)):
            self.post_message(self.Selected())

    def _place_cursor(self, before: Row | None) -> None:
        self._cursor = max(0, min(self._cursor, len(self._rows) - 1))
        if before is None:
            return
        key = self._key(before)
        if self._rows and self._key(self._rows[self._cursor]) == key:
            return
        at = next((index for index, row in enumerate(self._rows) if self._key(row) == key), None)
        self._cursor = self._cursor if at is None else at

    def _texts(self, row: Row, now: datetime) -> dict[str, str]:
        texts = {column.title.casefold(): column.text(row, now) for column in self.columns}
        return texts | dict(self._fields(row))

    @property
    def _width(self) -> int:
        # The stylesheet keeps the scrollbar's column free even when there is none.
        return self.scrollable_content_region.width

    @property
    def _top(self) -> int:
        return self.scroll_offset.y

    def _line(self, index: int) -> Strip:
        look, width = self._look, self._width
        if not 0 <= index < len(self._rows):
            if index or not self._empty:
                return Strip.blank(width, look.text)
            text = "nothing meets the filter; esc shows all" if self._all else self._empty
            return Strip([Segment(fit(f"   {look.glyphs.show(text)}", width), look.dim)])
        row, now = self._rows[index], self._now()
        tone = self._tone(row)
        lead, rest = look.tone(tone), look.text
        if tone is Tone.OFF:
            rest = lead
        is_cursor = index == self._cursor and self._active
        if is_cursor:
            lead, rest = look.on_selected(lead), look.on_selected(rest)
        pieces = [f"{'›' if is_cursor else ' '}{tone.glyph} "]
        at = LEAD_CELLS
        for place in self.placed:
            pieces.append(" " * (place.start - at) + place.fitted(place.column.text(row, now)))
            at = place.start + place.cells
        show = look.glyphs.show
        return Strip(
            [Segment(show("".join(pieces[:2])), lead), Segment(show("".join(pieces[2:])), rest)]
        ).adjust_cell_length(width, rest)

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
        self._move_to(len(self._rows) - 1)

    def on_click(self, event: events.Click) -> None:
        if not self._active:
            self.post_message(self.Activated(self))
        index = self._top + event.y
        if 0 <= index < len(self._rows):
            self._move_to(index)
            if event.chain == 2:
                self.post_message(self.Opened())

    def _move_to(self, index: int) -> None:
        index = max(0, min(index, len(self._rows) - 1))
        if not self._rows or index == self._cursor:
            return
        self._cursor = index
        if self._is_visible(index):
            self.tick()
        else:
            self._scroll_to_cursor()
        self.post_message(self.Selected())

    def _is_visible(self, index: int) -> bool:
        return self._top <= index < self._top + self.size.height

    def _scroll_to_cursor(self) -> None:
        # Half a page at once: a line at a time sends the whole screen for every key.
        self.scroll_to(y=self._cursor - self.size.height // 2, animate=False, force=True)
        self.refresh()

    # Size

    def on_resize(self) -> None:
        self._on_screen.clear()
        self._longest = [0] * len(self.columns)
        self._lay_out()
        self.virtual_size = Size(self._width, len(self._rows))
        if self._rows and not self._is_visible(self._cursor):
            self._scroll_to_cursor()

    def _lay_out(self) -> None:
        now = self._now()
        # Columns only widen until the next resize: what the clock changes must not move them about.
        for number, column in enumerate(self.columns):
            texts = (width_of(column.text(row, now)) for row in self._rows[:MEASURED_ROWS])
            self._longest[number] = max(self._longest[number], *texts, 0)
        placed = place_columns(self.columns, self._width or 80, self._longest)
        if placed != self.placed:
            self.placed = placed
            self.refresh()
            self.post_message(self.LayoutChanged())
