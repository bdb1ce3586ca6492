"""The columns of a list: what they say, what they are sorted by, and where they stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from etl_tui.app.look.cells import fit

Row = TypeVar("Row")

LEAD_CELLS = 3
"""Cursor, glyph and a blank before the first column."""
LEAST_CELLS = 6
"""What a column that grows keeps when there is no room."""


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """As wide as its texts, `cells` at most; one that `grows` takes what is left.

    `key` is what it is sorted by (None sorts last; without `key` it is not sorted by). It is there from
    `from_width` cells on.
    """

    title: str
    cells: int
    text: Callable[[Row, datetime], str]
    key: Callable[[Row], Any] | None = None
    right: bool = False
    grows: bool = False
    from_width: int = 0
    largest_first: bool = False


class Placed(NamedTuple, Generic[Row]):
    """A column, the cell in which it begins, and how many it has."""

    column: Column[Row]
    start: int
    cells: int

    def fitted(self, text: str) -> str:
        return fit(text, self.cells, right=self.column.right)


def place_columns(
    columns: Sequence[Column[Row]], width: int, longest: Sequence[int]
) -> tuple[Placed[Row], ...]:
    """Where each of `columns` stands on `width` cells; `longest` are the cells of their longest texts."""
    gap = 1 if width < 80 else 2
    there = [
        (column, max(len(column.title), min(column.cells, most)))
        for column, most in zip(columns, longest, strict=True)
        if width >= column.from_width
    ]
    growing = sum(column.grows for column, _ in there) or 1
    left = width - LEAD_CELLS - gap * (len(there) - 1) - sum(cells for _, cells in there)
    # What grows gives way too, as far as it can.
    share, rest = left // growing, left % growing if left > 0 else 0
    placed: list[Placed[Row]] = []
    start = LEAD_CELLS
    for column, wanted in there:
        cells = wanted
        if column.grows:
            cells, rest = max(LEAST_CELLS, wanted + share + rest), 0
        cells = max(0, min(cells, width - start))
        placed.append(Placed(column, start, cells))
        start += cells + gap
    return tuple(place for place in placed if place.cells > 0)
