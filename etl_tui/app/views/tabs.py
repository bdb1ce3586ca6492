"""The line of the views: which there are, by which key, and which one this is."""

from __future__ import annotations

from collections.abc import Sequence

from etl_tui.app.look.cells import width_of
from etl_tui.app.look.styled_line import Piece, StyledLine
from etl_tui.app.look.theme import Look

VIEWS = (
    ("1", "jobs"),
    ("2", "queues"),
    ("3", "workers"),
    ("4", "schedule"),
    ("5", "activity"),
)
"""Key and name, in the order of the screen."""


class ViewTabs(StyledLine):
    """Where the words of all do not fit, the others are their keys alone."""

    def __init__(self, look: Look, here: str) -> None:
        super().__init__(look, "tabs")
        self._here = here
        self._told = ""

    def tell(self, text: str) -> None:
        """What the view has to say in short, at the right end."""
        if text != self._told:
            self._told = text
            self._draw()

    def on_mount(self) -> None:
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        told = f" {self._told} "
        pieces = self._pieces(short=False)
        if sum(width_of(text) for text, _ in pieces) + width_of(told) > self.size.width:
            pieces = self._pieces(short=True)
        self.show(pieces, [Piece(told, self.look.dim)])

    def _pieces(self, *, short: bool) -> Sequence[Piece]:
        look = self.look
        pieces = [Piece(" ", look.text)]
        for key, name in VIEWS:
            if name == self._here:
                pieces.append(Piece(f" {key} {name.upper()} ", look.on_selected(look.title)))
            else:
                pieces += [
                    Piece(f" {key}", look.title),
                    Piece(" " if short else f" {name} ", look.dim),
                ]
        return pieces
