"""The last line: keys that work here, and no others."""

from __future__ import annotations

from collections.abc import Sequence

from etl_tui.app.styled_line import Piece, StyledLine
from etl_tui.app.theme import Look


class KeyHints(StyledLine):
    """`keys` are pairs of key and word, the most useful first: what does not fit is left out at the end."""

    def __init__(self, look: Look, keys: Sequence[tuple[str, str]]) -> None:
        super().__init__(look, "hints")
        pieces = [Piece(" ", look.text)]
        for key, word in keys:
            pieces += [Piece(key, look.title), Piece(f" {word}  ", look.dim)]
        self.show(pieces)
