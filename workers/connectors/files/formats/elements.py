"""The records of a JSON document as if each were a line: cut from the text without decoding the whole.

A record is an element of the list at `records` (names joined by dots), or, without that, an element of a
list at the top or an object there; documents may follow each other, so JSON lines under the name .json are
read, too. Cutting counts brackets outside of strings; whether a record is JSON is seen when it is decoded.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence

from etl_core.errors import Permanent
from workers.connectors.files.formats.lines import RECORD_LIMIT, Source
from workers.connectors.files.reading import OpenFile

_SPACE = re.compile(rb"[ \t\r\n]*")
_INSIDE = re.compile(rb'[^"\[\]{}]*')
_STRING_END = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_SCALAR = re.compile(rb"[^ \t\r\n,\[\]{}\"]+")
_READ = 1 << 16


class ElementReader(Source):
    """Gives out records as a LineReader gives out lines; `line` counts elements."""

    unit = "element"

    def __init__(self, source: OpenFile, name: str, path: Sequence[str] = ()) -> None:
        self._source = source
        self._name = name
        self._path = path
        self._buffer = b""
        self._at = 0
        self._gone = 0
        """Bytes before the buffer."""
        self._in_list = False
        self._moved = False
        self.offset = 0
        self.line = 0
        self.record: list[str] = []
        self.record_line = 1

    def begin_record(self) -> None:
        self.record = []
        self.record_line = self.line + 1

    def move_to(self, offset: int, line: int) -> None:
        """Behind an element of the list, or, for documents without a list, behind one of them."""
        self._source.skip(offset, 0)
        self._gone = self.offset = offset
        self.line = line
        self._moved = offset > 0

    def at_hand(self, most_bytes: int) -> None:
        """Elements are given out one by one."""

    def take(self, lines: Sequence[str]) -> None:
        raise AssertionError("nothing is at hand")

    def __iter__(self) -> Iterator[str]:
        if self._moved:
            # Behind an element follows a comma or the end of its list; behind a document another document.
            self._in_list = self._peek() in (b",", b"]")
        else:
            self._skip_mark()
            if self._path:
                self._descend()
        while True:
            if self._in_list:
                yield from self._elements()
                if self._path:
                    return
            start = self._peek()
            if not start:
                return
            if start == b"[":
                self._at += 1
                self._in_list = True
            elif start == b"{":
                yield self._give()
            else:
                raise self._broken("neither an object nor a list")

    def _elements(self) -> Iterator[str]:
        first = not self._moved
        self._moved = False
        while True:
            start = self._peek()
            if start == b"]":
                self._at += 1
                self._in_list = False
                return
            if not first:
                if start != b",":
                    raise self._broken("a comma or the end of the list was expected")
                self._at += 1
                start = self._peek()
            first = False
            if not start:
                raise self._broken("it ends in the middle of the list: is it cut short?")
            yield self._give()

    def _give(self) -> str:
        raw = self._cut()
        self.offset = self._gone + self._at
        self.line += 1
        if b"\0" in raw:
            raise Permanent(f"{self._name}, element {self.line}: a NUL byte; it must be cleaned first")
        try:
            text = raw.decode(self._source.encoding)
        except UnicodeDecodeError as error:
            raise Permanent(
                f"{self._name}, element {self.line}: byte offset {self.offset - len(raw) + error.start} "
                f"(0x{raw[error.start]:02x}) is not {self._source.encoding}; set `encoding`"
            ) from None
        self.record.append(text)
        return text

    def _descend(self) -> None:
        """To the list at the path."""
        for name in self._path:
            if self._peek() != b"{":
                raise self._broken(f"no object with the field {name!r} in it (`records`)")
            self._at += 1
            while True:
                start = self._peek()
                if start == b",":
                    self._at += 1
                    start = self._peek()
                if start != b'"':
                    raise self._broken(f"the field {name!r} is not there (`records`)")
                found = self._cut()
                if self._peek() != b":":
                    raise self._broken("a colon was expected")
                self._at += 1
                if found == b'"' + name.encode() + b'"':
                    break
                self._peek()
                self._cut(keep=False)
        if self._peek() != b"[":
            raise self._broken(f"{'.'.join(self._path)} is no list (`records`)")
        self._at += 1
        self._in_list = True

    def _cut(self, *, keep: bool = True) -> bytes:  # noqa: PLR0912 - a branch per kind of byte
        """The value that begins here; without `keep` it may be of any size, and nothing is returned."""
        kept: list[bytes] = []
        size = depth = 0
        began = False

        def take(end: int) -> None:
            nonlocal size, began
            began = True
            if keep:
                kept.append(self._buffer[self._at : end])
                size += end - self._at
                if size > RECORD_LIMIT:
                    raise Permanent(
                        f"{self._name}, element {self.line + 1}: larger than {RECORD_LIMIT >> 20} MB; "
                        "if the list is deeper, name it in `records`"
                    )
            self._at = end

        while True:
            if self._at >= len(self._buffer) and not self._refill():
                if depth or not began:
                    raise self._broken("it ends in the middle of a value: is it cut short?")
                return b"".join(kept)
            char = self._buffer[self._at]
            if char == 0x22:  # a quote
                while (end := _STRING_END.match(self._buffer, self._at + 1)) is None:
                    if not self._grow():
                        raise self._broken("a string is never closed: is it cut short?")
                take(end.end())
            elif char in b"[{":
                depth += 1
                take(self._at + 1)
            elif char in b"]}":
                if not depth:
                    return b"".join(kept)
                depth -= 1
                take(self._at + 1)
            elif depth:
                found = _INSIDE.match(self._buffer, self._at)
                assert found is not None  # noqa: S101 - it matches nothing, too
                take(found.end())
                continue
            else:
                scalar = _SCALAR.match(self._buffer, self._at)
                if scalar is None:
                    if began:
                        return b"".join(kept)
                    raise self._broken(f"{chr(char)!r} begins no value")
                take(scalar.end())
                if self._at < len(self._buffer):
                    return b"".join(kept)
                continue
            if not depth:
                return b"".join(kept)

    def _peek(self) -> bytes:
        """The next byte that is no space; b"" at the end."""
        while True:
            found = _SPACE.match(self._buffer, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._buffer):
                return self._buffer[self._at : self._at + 1]
            if not self._refill():
                return b""

    def _refill(self) -> bool:
        """The buffer is used up; False at the end of the file."""
        self._source.ask_whether_to_go_on()
        self._gone += len(self._buffer)
        self._buffer = self._source.text.read(_READ)
        self._at = 0
        return bool(self._buffer)

    def _grow(self) -> bool:
        """More behind what is not used up; False at the end of the file."""
        self._source.ask_whether_to_go_on()
        more = self._source.text.read(max(_READ, len(self._buffer)))
        if len(self._buffer) - self._at > RECORD_LIMIT:
            raise Permanent(
                f"{self._name}: a string of more than {RECORD_LIMIT >> 20} MB; is it never closed?"
            )
        self._gone += self._at
        self._buffer = self._buffer[self._at :] + more
        self._at = 0
        return bool(more)

    def _skip_mark(self) -> None:
        self._peek()
        if self._source.encoding == "utf-8" and self._buffer.startswith(codecs.BOM_UTF8):
            self._at = len(codecs.BOM_UTF8)

    def _broken(self, what: str) -> Permanent:
        at = self._gone + self._at
        return Permanent(f"{self._name}: no JSON at byte {at:,}, behind element {self.line}: {what}")
