"""What every format gives: records one by one or many at once, and the place behind the last of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from etl_core.connector import ColumnType, Record
from workers.connectors.files.formats.malformed import Malformed

Columns = dict[str, ColumnType | None]
"""In their order; None: no value was seen."""


@dataclass(slots=True)
class Learned:
    """What is known of records after reading all of them once."""

    columns: Columns = field(default_factory=dict)
    records: int = 0
    first_reject: Malformed | None = None


class Rows(Protocol):
    """The records of one file, or of one member of a zip. Its methods block."""

    @property
    def offset(self) -> int:
        """Behind the last record given out: bytes of text, or records where there are no bytes to count."""

    @property
    def line(self) -> int:
        """Lines, elements or rows before `offset`."""

    @property
    def bytes_read(self) -> int:
        """About as many as the records given out so far take; only grows."""

    def learn(self) -> Learned:
        """Reads from the beginning to the end; nothing else is asked of these rows afterwards."""

    def move_to(self, offset: int, line: int) -> None:
        """Goes on behind a record read earlier, before any record was asked for."""

    def records(self) -> Iterator[Record | Malformed]:
        """Each of them."""

    def next_records(self, most: int, most_bytes: int) -> Sequence[Record]:
        """Several that can be had together; none says nothing: then `records` has the next one."""

    def close(self) -> None:
        """Lets go of what it opened itself."""
