"""Records of JSON lines: one object a line, blank lines passed over, a bad line only set aside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from etl_core.connector import Record
from workers.connectors.files.config import FilesConfig
from workers.connectors.files.lines import LineReader
from workers.connectors.files.malformed import Malformed


class JsonRows:
    """Objects as they stand in the file; integers of any length stay exact, other numbers are doubles."""

    def __init__(self, lines: LineReader, config: FilesConfig) -> None:
        self._lines = lines
        self._key = config.key

    def records(self) -> Iterator[Record | Malformed]:
        """Every record of the file."""
        for record in self.records_but(lambda line: False):
            if record is not None:
                yield record

    def records_but(self, known: Callable[[str], bool]) -> Iterator[Record | Malformed | None]:
        """None for a line that is `known` to hold a record of no further interest."""
        lines = self._lines
        decode = msgspec.json.Decoder().decode
        lines.begin_record()
        for line in lines:
            if known(line):
                yield None
            elif not line.isspace():
                try:
                    record = decode(line)
                except (msgspec.MsgspecError, RecursionError) as error:
                    yield self._malformed(f"not valid JSON ({error})", line)
                else:
                    reason = self._why_not(record, line)
                    yield self._malformed(reason, line) if reason else record
            lines.begin_record()

    def move_to(self, offset: int, line: int) -> None:
        """Goes on behind a record read earlier."""
        self._lines.move_to(offset, line)

    def _malformed(self, reason: str, line: str) -> Malformed:
        return Malformed.of(f"line {self._lines.record_line}: {reason}", line)

    def _why_not(self, record: object, line: str) -> str | None:
        if not isinstance(record, dict):
            return f"a JSON {_JSON_NAMES[type(record)]}, not an object"
        for key in self._key:
            if record.get(key) is None:
                return f"the key column {key!r} is {'null' if key in record else 'missing'}"
        if "" in record:
            return "a field has no name"
        # PostgreSQL has no NUL in text or jsonb; looking into the values only where one may be.
        if "\\u0000" in line and _holds_nul(record):
            return "a text holds the NUL character \\u0000, which PostgreSQL cannot store"
        return None


_JSON_NAMES: dict[type, str] = {
    list: "array",
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
}


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(key) or _holds_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(_holds_nul(item) for item in value)
