"""Records of JSON lines: one object a line, blank lines passed over, a bad line only set aside.

Most lines are plain. Those that wait in the buffer are decoded together, and only if there is anything
unusual among them one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

import msgspec

from etl_core.connector import Record
from workers.connectors.files.config import FilesConfig
from workers.connectors.files.formats.lines import Source
from workers.connectors.files.formats.malformed import Malformed

T = TypeVar("T")

MOST_AT_ONCE: Final = 1 << 20
"""Lines, or bytes: as many as the buffer holds."""


class JsonRows:
    """Objects as they stand in the file; integers of any length stay exact, other numbers are doubles."""

    def __init__(self, lines: Source, config: FilesConfig, name: str) -> None:
        self._lines = lines
        self._config = config
        self._name = name
        self._key = config.record_key
        self._one_by_one_until = 0
        self._decode: Callable[[str], Any] = msgspec.json.Decoder().decode

    def next_records(self, most: int, most_bytes: int) -> list[Record]:
        """Of the next lines, if they are plain: at most so many, the last the one that reaches `most_bytes`.

        None at all says nothing: then `records` has the next one.
        """
        return self.next_decoded(self._plain_records, most, most_bytes) or []

    def next_decoded(
        self,
        decode: Callable[[Sequence[str]], T | None],
        most: int = MOST_AT_ONCE,
        most_bytes: int = MOST_AT_ONCE,
    ) -> T | None:
        """What `decode` makes of the next lines, none of which has a NUL in it; None: they go one by one.

        `decode` may answer None, or raise what msgspec raises, for lines that it does not want.
        """
        if self._lines.offset < self._one_by_one_until:
            return None
        lines = self._lines.at_hand(most_bytes)
        if lines is None:
            return None
        lines = lines[:most]
        decoded = None
        if not any("\\" in line and "\\u0000" in line for line in lines):
            with suppress(msgspec.MsgspecError, RecursionError):
                decoded = decode(lines)
        if decoded is None:
            self._one_by_one_until = self._lines.offset + sum(map(len, lines))
            return None
        self._lines.take(lines)
        return decoded

    def _plain_records(self, lines: Sequence[str]) -> list[Record] | None:
        records = list(map(self._decode, lines))
        if set(map(type, records)) != {dict} or any("" in record for record in records):
            return None
        for key in self._key:
            if any(record.get(key) is None for record in records):
                return None
        return records

    def records(self) -> Iterator[Record | Malformed]:
        """Every record of the file."""
        for record in self.records_but(lambda line: False):
            if record is not None:
                yield record

    def records_but(self, known: Callable[[str], bool]) -> Iterator[Record | Malformed | None]:
        """None for a line that is `known` to hold a record of no further interest."""
        lines = self._lines
        decode = self._decode
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

    @property
    def offset(self) -> int:
        return self._lines.offset

    bytes_read = offset

    @property
    def line(self) -> int:
        return self._lines.line

    def close(self) -> None:
        """The file is closed by who opened it."""

    def _malformed(self, reason: str, line: str) -> Malformed:
        return Malformed.of(f"{self._lines.unit} {self._lines.record_line}: {reason}", line)

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
