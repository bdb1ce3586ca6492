"""Lines of text, counted in bytes and lines, so that reading can go on behind any record."""

from __future__ import annotations

import codecs
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from etl_core.errors import Permanent
from workers.connectors.files.reading import OpenFile

RECORD_LIMIT = 16 << 20
"""Bytes of one record; more is a file without line ends, or a quote that is never closed."""

_LINES_UNASKED = 2_048


class Source(ABC):
    """Gives out the texts of records one by one."""

    unit = "line"
    """What `line` counts."""
    offset: int
    line: int
    record: list[str]
    record_line: int

    @abstractmethod
    def begin_record(self) -> None: ...

    @abstractmethod
    def move_to(self, offset: int, line: int) -> None: ...

    @abstractmethod
    def at_hand(self, most_bytes: int) -> list[str] | None: ...

    @abstractmethod
    def take(self, lines: Sequence[str]) -> None: ...

    @abstractmethod
    def __iter__(self) -> Iterator[str]: ...


class LineReader(Source):
    """Iterates over the lines of a source, line ends kept.

    `offset` (bytes) and `line` count what was given out. `begin_record` starts a new record: `record` holds
    its lines since then, and together they may not pass `RECORD_LIMIT`.
    """

    def __init__(self, source: OpenFile, name: str) -> None:
        self._source = source
        self._name = name
        self.offset = 0
        self.line = 0
        self.record: list[str] = []
        self.record_offset = 0
        self.record_line = 1

    def begin_record(self) -> None:
        self.record = []
        self.record_offset = self.offset
        self.record_line = self.line + 1

    def move_to(self, offset: int, line: int) -> None:
        """Goes on at a place where a record ended, which is not before the present one."""
        self._source.skip(offset - self.offset, self.offset)
        self.offset = offset
        self.line = line

    def at_hand(self, most_bytes: int) -> list[str] | None:
        """Whole lines that can be had without reading further and are not yet given out (`take`).

        Without their ends; the last of them the one that reaches `most_bytes`. None where a line must be
        looked at by itself: the first, one that goes beyond the buffer, one that may be no text.
        """
        if self.offset == 0 or self._source.encoding != "utf-8":
            return None
        self._source.ask_whether_to_go_on()
        waiting = self._source.text.peek()
        end = waiting.rfind(b"\n")
        if end >= most_bytes:
            end = waiting.index(b"\n", most_bytes - 1)
        if end < 0 or b"\0" in (whole := waiting[:end]):
            return None
        try:
            return whole.decode().split("\n")
        except UnicodeDecodeError:
            return None

    def take(self, lines: Sequence[str]) -> None:
        """Gives out lines that `at_hand` answered, the first or all of them."""
        text = "\n".join(lines)
        size = (len(text) if text.isascii() else len(text.encode())) + 1
        self._source.text.read(size)
        self.offset += size
        self.line += len(lines)

    def __iter__(self) -> Iterator[str]:
        read = self._source.text.readline
        encoding = self._source.encoding
        while raw := read(RECORD_LIMIT + 1):
            if self.offset == 0 and encoding == "utf-8" and raw.startswith(codecs.BOM_UTF8):
                self.offset = len(codecs.BOM_UTF8)
                raw = raw[self.offset :]
                if not raw:
                    return
            if self.offset + len(raw) - self.record_offset > RECORD_LIMIT:
                raise Permanent(
                    f"{self._name}, line {self.record_line}: a record longer than {RECORD_LIMIT >> 20} MB; "
                    "is a quote never closed, or are there no line ends?"
                )
            if b"\0" in raw:
                raise Permanent(
                    f"{self._name}, line {self.line + 1}: a NUL byte at offset {self.offset + raw.index(0)}; "
                    "this is no text in the encoding set (utf-16?), or it must be cleaned first"
                )
            try:
                text = raw.decode(encoding)
            except UnicodeDecodeError as error:
                raise Permanent(
                    f"{self._name}, line {self.line + 1}: byte offset {self.offset + error.start} "
                    f"(0x{raw[error.start]:02x}) is not {encoding}; set `encoding`, for example to cp1252"
                ) from None
            self.offset += len(raw)
            self.line += 1
            if self.line % _LINES_UNASKED == 0:
                self._source.ask_whether_to_go_on()
            self.record.append(text)
            yield text
