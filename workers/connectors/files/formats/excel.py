"""A sheet of a workbook, row by row; imported only where openpyxl is.

Read-only openpyxl streams a sheet, but holds the texts that its cells share: a workbook whose texts, styles
and the like unpack to more than the bytes that a run may carry is refused.
"""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from xml.etree.ElementTree import ParseError

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from etl_core.errors import Permanent
from workers.connectors.files.config import FilesConfig
from workers.connectors.files.formats.buffered import BufferedRows, Row
from workers.connectors.files.formats.csv_rows import MOST_COLUMNS
from workers.connectors.files.formats.learning import learn_values
from workers.connectors.files.formats.malformed import Malformed
from workers.connectors.files.formats.rows import Learned
from workers.connectors.files.places.files import Stopped

HELD_BYTES = 64 << 20
"""Of a workbook's parts besides its sheets, unpacked."""
_AT_ONCE = 500
_OLE_MAGIC = b"\xd0\xcf\x11\xe0"
_ERRORS = frozenset(
    ("#N/A", "#DIV/0!", "#REF!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!", "#GETTING_DATA", "#SPILL!", "#CALC!")
)
_EXACT = 1 << 53
_BROKEN = (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, TypeError, ParseError, EOFError)

Cells = tuple[Any, ...]


class ExcelRows(BufferedRows):
    """Rows behind the first that is not blank, which names the columns. Of formulas the value last shown."""

    def __init__(self, file: Any, config: FilesConfig, name: str, stop: threading.Event) -> None:
        super().__init__(self._decoded)
        self._config = config
        self._name = name
        self._stop = stop
        _expect_workbook(file, name)
        try:
            self._book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        except _BROKEN as error:
            raise self._damaged(error) from None
        self._sheet = self._choose()
        # What writers say of a sheet's size is often wrong, and believed it would cut rows off.
        self._sheet.reset_dimensions()
        self._columns: tuple[str, ...] = ()

    def learn(self) -> Learned:
        columns = {name: self._config.columns.get(name) for name in self._read_columns()}
        return learn_values(self.records(), columns, self._config, self._name)

    def close(self) -> None:
        self._book.close()

    def _read_columns(self) -> tuple[str, ...]:
        if not self._columns:
            first = next(self._cells(), None)
            if first is None:
                raise Permanent(f"{self._name}: the sheet {self._sheet.title!r} is empty")
            number, cells = first
            self._columns = self._named(cells) if self._config.header else self._numbered(cells)
            self._check_columns(number)
        return self._columns

    def _decoded(self, skip: int) -> Iterator[tuple[Sequence[Row], int]]:
        columns = self._read_columns()
        rows = self._cells()
        if self._config.header:
            next(rows, None)
        pending: list[Row] = []
        size = 0
        for place, (number, cells) in enumerate(rows):
            if place < skip:
                continue
            row = self._row(columns, number, cells)
            pending.append(row)
            size += sum(len(value) if isinstance(value, str) else 8 for value in cells)
            if len(pending) >= _AT_ONCE:
                yield pending, size
                pending, size = [], 0
        if pending:
            yield pending, size

    def _cells(self) -> Iterator[tuple[int, Cells]]:
        """Row numbers of the sheet and values, without blank rows and without empty cells at the end."""
        try:
            for number, cells in enumerate(self._sheet.iter_rows(values_only=True), 1):
                if self._stop.is_set():
                    raise Stopped
                width = len(cells)
                while width and cells[width - 1] in (None, ""):
                    width -= 1
                if width:
                    yield number, cells[:width]
        except _BROKEN as error:
            raise self._damaged(error) from None

    def _row(self, columns: tuple[str, ...], number: int, cells: Cells) -> Row:
        if len(cells) > len(columns):
            return self._malformed(
                f"row {number}: {len(cells)} cells, but the header has {len(columns)}", cells
            )
        nulls = self._config.nulls
        values = [_value(cell) for cell in cells] + [None] * (len(columns) - len(cells))
        record = {
            name: None if isinstance(value, str) and value in nulls else value
            for name, value in zip(columns, values, strict=True)
        }
        for key in self._config.record_key:
            if record.get(key) is None:
                return self._malformed(f"row {number}: the key column {key!r} is empty", cells)
        return record

    @staticmethod
    def _malformed(reason: str, cells: Cells) -> Malformed:
        return Malformed.of(reason, "\t".join("" if cell is None else str(cell) for cell in cells))

    def _named(self, cells: Cells) -> tuple[str, ...]:
        return tuple("" if cell is None else str(_value(cell)).strip() for cell in cells)

    def _numbered(self, cells: Cells) -> tuple[str, ...]:
        given = tuple(self._config.columns)
        if given and len(given) < len(cells):
            raise Permanent(f"{self._name}: {len(cells)} cells in a row, but `columns` names {len(given)}")
        return given or tuple(f"column_{number}" for number in range(1, len(cells) + 1))

    def _check_columns(self, number: int) -> None:
        where = f"{self._name}, row {number}"
        if len(self._columns) > MOST_COLUMNS:
            raise Permanent(f"{where}: {len(self._columns)} columns; at most {MOST_COLUMNS} can be loaded")
        for place, name in enumerate(self._columns):
            if not name:
                raise Permanent(
                    f"{where}: column {place + 1} of {len(self._columns)} has no name; name it in the header"
                )
            if name in self._columns[:place]:
                raise Permanent(f"{where}: the column name {name!r} comes twice; rename one of them")

    def _choose(self) -> Any:
        wanted = self._config.sheet
        sheets = self._book.worksheets
        for number, sheet in enumerate(sheets, 1):
            if wanted in (None, number, sheet.title):
                return sheet
        there = ", ".join(repr(sheet.title) for sheet in sheets) or "none"
        raise Permanent(f"{self._name}: there is no sheet {wanted!r}; there are {there}")

    def _damaged(self, error: BaseException) -> Permanent:
        said = " ".join(str(error).split())[:200] or type(error).__name__
        return Permanent(f"{self._name} is no workbook, or damaged ({said}); deliver it again")


def _expect_workbook(file: Any, name: str) -> None:
    start = file.read(4)
    file.seek(0)
    if start == _OLE_MAGIC:
        raise Permanent(f"{name} is an old .xls, or protected by a password; save it as a plain .xlsx")
    try:
        with zipfile.ZipFile(file) as parts:
            held = sum(
                part.file_size
                for part in parts.infolist()
                if not part.filename.startswith(("xl/worksheets/sheet", "xl/media/"))
            )
    except zipfile.BadZipFile:
        raise Permanent(f"{name} is no workbook, or cut short; deliver it again") from None
    if held > HELD_BYTES:
        raise Permanent(
            f"{name}: the texts of its cells take {held >> 20} MB, too much to hold; save it as CSV"
        )
    file.seek(0)


def _value(cell: Any) -> Any:  # noqa: PLR0911 - a line per type
    """As JSON has it: whole numbers without a fraction, times as ISO 8601 text, an error as null."""
    match cell:
        case bool() | int() | None:
            return cell
        case str():
            return None if cell in _ERRORS else cell
        case float():
            return int(cell) if cell.is_integer() and abs(cell) < _EXACT else cell
        case datetime():
            is_day = (cell.hour, cell.minute, cell.second, cell.microsecond) == (0, 0, 0, 0)
            return (cell.date() if is_day else cell).isoformat()
        case date() | time():
            return cell.isoformat()
        case timedelta():
            return str(cell)
    return str(cell)
