"""A list under its heading; a click on a title sorts by it."""

from __future__ import annotations

from typing import Any

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical

from etl_tui.app.look.styled_line import Piece, StyledLine
from etl_tui.app.look.theme import Look
from etl_tui.app.views.list_order import ListOrder
from etl_tui.app.views.list_view import ListView

RISING, FALLING = "▲", "▼"


class ListHeading(StyledLine):
    """The titles, the one that the list is sorted by marked."""

    def __init__(self, look: Look, of: ListView[Any]) -> None:
        super().__init__(look, f"{of.id}-heading")
        self._of = of

    def draw_titles(self) -> None:
        """As the list stands now."""
        order = self._of.order
        pieces, at = [], 0
        for place in self._of.placed:
            title = place.column.title[: place.cells]
            is_sorted = title == order.title
            start = place.start + (place.cells - len(title) if place.column.right else 0)
            arrow = " "
            if is_sorted:
                arrow = FALLING if order.reverse != place.column.largest_first else RISING
            style = self.look.title if is_sorted else self.look.dim
            pieces += [Piece(" " * (start - at - 1), self.look.dim), Piece(arrow + title, style)]
            at = start + len(title)
        self.show(pieces)

    def on_click(self, event: events.Click) -> None:
        for place in reversed(self._of.placed):
            if event.x >= place.start:
                self._of.sort(self._of.order.by(place.column.title, self._of.columns))
                return


class ListPane(Vertical):
    """`rows` is the list; the keys of sorting act on it."""

    DEFAULT_CSS = "ListPane { height: 1fr; }"

    def __init__(self, look: Look, rows: ListView[Any]) -> None:
        super().__init__(id=f"{rows.id}-pane")
        self.rows = rows
        self._heading = ListHeading(look, rows)

    def compose(self) -> ComposeResult:
        yield self._heading
        yield self.rows

    def sort_beside(self, step: int) -> None:
        """By the column beside, as the screen shows them."""
        titles = [place.column.title for place in self.rows.placed if place.column.key]
        self.rows.sort(self.rows.order.beside(titles, step))

    def turn(self) -> None:
        """The other way round."""
        self.rows.sort(self.rows.order.turned())

    def unsort(self) -> None:
        self.rows.sort(ListOrder())

    @on(ListView.LayoutChanged)
    def _draw_heading(self, event: ListView.LayoutChanged) -> None:
        event.stop()
        self._heading.draw_titles()
