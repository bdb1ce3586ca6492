"""In which order a list shows its rows: as they come, or by a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from etl_tui.app.views.columns import Column, Row


@dataclass(frozen=True, slots=True)
class ListOrder:
    """`title` is that of a column, None while rows stand as they came."""

    title: str | None = None
    reverse: bool = False

    def sort(self, rows: Sequence[Row], columns: Sequence[Column[Row]]) -> list[Row]:
        """The rows in this order; those without a value come last, whichever way."""
        column = next((column for column in columns if column.title == self.title), None)
        if column is None or column.key is None:
            return list(reversed(rows)) if self.reverse else list(rows)
        key = column.key
        known = [row for row in rows if key(row) is not None]
        known.sort(key=key, reverse=self.reverse != column.largest_first)
        return known + [row for row in rows if key(row) is None]

    def by(self, title: str, columns: Sequence[Column[Row]]) -> ListOrder:
        """By that column; by the one that it is already, the other way round."""
        if not any(column.title == title and column.key for column in columns):
            return self
        return self.turned() if title == self.title else ListOrder(title)

    def turned(self) -> ListOrder:
        """The other way round."""
        return replace(self, reverse=not self.reverse)

    def beside(self, titles: Sequence[str], step: int) -> ListOrder:
        """By the next of these columns in that direction; beyond the ends as the rows came."""
        able: list[str | None] = [None, *titles]
        at = able.index(self.title) if self.title in able else 0
        return ListOrder(able[(at + step) % len(able)])
