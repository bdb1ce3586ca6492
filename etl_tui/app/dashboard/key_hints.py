"""The last line: keys that work here, and no others."""

from __future__ import annotations

from collections.abc import Sequence

from etl_tui.app.look.styled_line import Piece, StyledLine
from etl_tui.app.look.theme import Look


class KeyHints(StyledLine):
    """Pairs of key and word, the most useful first: what does not fit is left out at the end."""

    def __init__(self, look: Look) -> None:
        super().__init__(look, "hints")

    def show_keys(self, keys: Sequence[tuple[str, str]]) -> None:
        """Drawn only when they are others than before."""
        pieces = [Piece(" ", self.look.text)]
        for key, word in keys:
            pieces += [Piece(key, self.look.title), Piece(f" {word}  ", self.look.dim)]
        self.show(pieces)
