"""The titles of the columns, the one that the grid is sorted by marked; a click sorts by another."""

from __future__ import annotations

from textual import events
from textual.message import Message

from etl_tui.app.dashboard.layout import Layout
from etl_tui.app.dashboard.view_choice import ViewChoice
from etl_tui.app.look.styled_line import Piece, StyledLine
from etl_tui.app.look.theme import Look

RISING, FALLING, FAILED_FIRST = "▲", "▼", "✖"


class Heading(StyledLine):
    """Follows the grid's layout and order."""

    class Clicked(Message):
        """A title, to sort by."""

        def __init__(self, title: str) -> None:
            super().__init__()
            self.title = title

    def __init__(self, look: Look) -> None:
        super().__init__(look, "heading")
        self._layout: Layout | None = None
        self._view = ViewChoice()

    @property
    def titles(self) -> list[str]:
        """From left to right."""
        return [place.title for place in self._layout.titles()] if self._layout else []

    def show_layout(self, layout: Layout) -> None:
        self._layout = layout
        self._draw()

    def show_view(self, view: ViewChoice) -> None:
        """How the jobs are sorted; cards have no columns, so it says by what."""
        self._view = view
        self._draw()

    def _draw(self) -> None:
        if self._layout is None:
            return
        order = self._view.order
        first = FAILED_FIRST if order.failed_first else " "
        if self._view.cards:
            arrow = FALLING if order.is_falling else RISING
            by = f"  by {self._view.grouping}" if self._view.grouping else ""
            self.show(
                [Piece(f" {first} ", self.look.dim), Piece(f"{arrow}{order.title}{by}", self.look.title)]
            )
            return
        pieces, at = [], 0
        for place in self._layout.titles():
            is_sorted = place.title == order.title
            arrow = (FALLING if order.is_falling else RISING) if is_sorted else " "
            before = " " * (place.start - at - 1)
            before = f" {first}{before[2:]}" if at == 0 else before
            style = self.look.title if is_sorted else self.look.dim
            pieces += [Piece(before, self.look.dim), Piece(arrow + place.shown, style)]
            at = place.start + len(place.shown)
        self.show(pieces)

    def on_click(self, event: events.Click) -> None:
        if self._layout is not None and not self._view.cards:
            for place in reversed(self._layout.titles()):
                if event.x >= place.cells_from:
                    self.post_message(self.Clicked(place.title))
                    return
