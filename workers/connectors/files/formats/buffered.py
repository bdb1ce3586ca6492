"""Rows that are decoded some at a time: what is pending is given out one by one or together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from etl_core.connector import Record
from workers.connectors.files.formats.malformed import Malformed

Row = Record | Malformed


class Chunks(Protocol):
    """Where rows come from."""

    def __call__(self, skip: int) -> Iterator[tuple[Sequence[Row], int]]:
        """Rows behind the first `skip`, some at a time, and about how many bytes they take."""


class BufferedRows:
    """`offset` and `line` count rows."""

    def __init__(self, chunks: Chunks) -> None:
        self._make = chunks
        self._chunks: Iterator[tuple[Sequence[Row], int]] | None = None
        self._pending: Sequence[Row] = ()
        self._at = 0
        self._bytes_a_row = 0.0
        self._bytes = 0.0
        self.offset = 0

    @property
    def line(self) -> int:
        return self.offset

    @property
    def bytes_read(self) -> int:
        return int(self._bytes)

    def move_to(self, offset: int, line: int) -> None:
        """Goes on behind so many rows."""
        self.offset = offset

    def records(self) -> Iterator[Row]:
        """Each of them."""
        while self._fill():
            row = self._pending[self._at]
            self._take(1)
            yield row

    def next_records(self, most: int, most_bytes: int) -> Sequence[Record]:
        """Those that are decoded, up to the first that is no record."""
        if not self._fill():
            return []
        if self._bytes_a_row:
            most = min(most, max(1, int(most_bytes / self._bytes_a_row)))
        found: list[Record] = []
        for row in self._pending[self._at : self._at + most]:
            if isinstance(row, Malformed):
                break
            found.append(row)
        self._take(len(found))
        return found

    def _take(self, count: int) -> None:
        self._at += count
        self.offset += count
        self._bytes += count * self._bytes_a_row

    def _fill(self) -> bool:
        if self._chunks is None:
            self._chunks = self._make(self.offset)
        while self._at >= len(self._pending):
            self._pending, self._at = (), 0
            found = next(self._chunks, None)
            if found is None:
                return False
            self._pending, size = found
            self._bytes_a_row = size / max(1, len(self._pending))
        return True
