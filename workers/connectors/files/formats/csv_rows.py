"""Rows of delimited text. The header and the file as a whole must be right; a bad row is only set aside.

A torn row says nothing about its neighbours, so it becomes a reject and the rest is loaded. A quote that is
still open at the end of the file has swallowed everything behind it, so that fails the file.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

from etl_core.connector import Record
from etl_core.errors import Permanent
from workers.connectors.files.config import FilesConfig
from workers.connectors.files.formats.lines import RECORD_LIMIT, LineReader
from workers.connectors.files.formats.malformed import Malformed

MOST_COLUMNS = 1_500
"""Of one stream; PostgreSQL's own limit is 1,600."""

_OPEN_QUOTE = "unexpected end of data"
_LONE_RETURN = "new-line character seen in unquoted field"

# The limit is one for the whole process, and its default of 128 KB refuses ordinary documents.
csv.field_size_limit(max(csv.field_size_limit(), RECORD_LIMIT))


class CsvRows:
    """The rows behind the header; `columns` are the names in it, or those the configuration gives."""

    def __init__(self, lines: LineReader, config: FilesConfig, name: str) -> None:
        self._lines = lines
        self._name = name
        self._rows = csv.reader(lines, delimiter=config.field_delimiter, strict=True)
        self._config = config
        self._nulls = config.nulls
        self._first: list[str] | None = None
        self.columns = self._read_header() if config.header else self._name_columns(tuple(config.columns))
        self._key = [(key, self.columns.index(key)) for key in config.record_key if key in self.columns]

    def rows(self) -> Iterator[list[str] | Malformed]:
        """Rows with as many fields as there are columns and no null in the key."""
        width = len(self.columns)
        while True:
            row = self._next_row()
            if row is None:
                return
            if isinstance(row, Malformed):
                yield row
            elif len(row) != width:
                yield self._malformed(f"{len(row)} fields, but the header has {width}")
            elif any(row[index] in self._nulls for _, index in self._key):
                empty = next(key for key, index in self._key if row[index] in self._nulls)
                yield self._malformed(f"the key column {empty!r} is empty")
            else:
                yield row

    def records(self) -> Iterator[Record | Malformed]:
        columns = self.columns
        for row in self.rows():
            yield row if isinstance(row, Malformed) else dict(zip(columns, row, strict=True))

    @property
    def offset(self) -> int:
        return self._lines.offset

    bytes_read = offset

    @property
    def line(self) -> int:
        return self._lines.line

    def next_records(self, most: int, most_bytes: int) -> list[Record]:
        """Rows come one by one."""
        return []

    def close(self) -> None:
        """The file is closed by who opened it."""

    def move_to(self, offset: int, line: int) -> None:
        """Goes on behind a record read earlier; the header, if there is one, has been read already."""
        self._first = None
        self._lines.move_to(offset, line)

    def _next_row(self) -> list[str] | Malformed | None:
        """The next row that is not blank; None at the end."""
        if self._first is not None:
            row, self._first = self._first, None
            return row
        while True:
            self._lines.begin_record()
            try:
                row = next(self._rows)
            except StopIteration:
                return None
            except csv.Error as error:
                if str(error) == _OPEN_QUOTE:
                    raise Permanent(
                        f"{self._name}, line {self._lines.record_line}: a quote is opened and never closed; "
                        "mend that row and deliver the file again"
                    ) from None
                if str(error).startswith(_LONE_RETURN):
                    return self._malformed("a carriage return that ends no line; lines end in LF or CRLF")
                return self._malformed(str(error))
            if row:
                return row

    def _malformed(self, reason: str) -> Malformed:
        return Malformed.of(f"line {self._lines.record_line}: {reason}", "".join(self._lines.record))

    def _read_header(self) -> tuple[str, ...]:
        row = self._next_row()
        if row is None:
            raise Permanent(f"{self._name} holds no line; a header was expected")
        if isinstance(row, Malformed):
            raise Permanent(f"{self._name}, header: {row.reason}")
        return self._checked(tuple(name.strip() for name in row))

    def _name_columns(self, given: Sequence[str]) -> tuple[str, ...]:
        """Names for a file without a header: those of `columns` in their order, else column_1, column_2."""
        row = self._next_row()
        if row is None:
            raise Permanent(f"{self._name} holds no row")
        if isinstance(row, Malformed):
            raise Permanent(f"{self._name}: {row.reason}")
        self._first = row
        if given and len(given) != len(row):
            raise Permanent(
                f"{self._name}, line {self._lines.record_line}: {len(row)} fields, "
                f"but `columns` names {len(given)}"
            )
        return self._checked(tuple(given) or tuple(f"column_{number}" for number in range(1, len(row) + 1)))

    def _checked(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        where = f"{self._name}, line {self._lines.record_line}"
        if len(columns) > MOST_COLUMNS:
            raise Permanent(f"{where}: {len(columns)} columns; at most {MOST_COLUMNS} can be loaded")
        for number, name in enumerate(columns, 1):
            if not name:
                raise Permanent(
                    f"{where}: column {number} of {len(columns)} has no name; name it in the header"
                )
            if name in columns[: number - 1]:
                raise Permanent(f"{where}: the column name {name!r} comes twice; rename one of them")
        return columns
