"""What a command prints, as rows of its streams.

One stream: each line is a row of it. Several: each line says which, `{"stream": "orders", "record": {...}}`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from etl_core.connector import Page, Record, Reject

PAGE_RECORDS = 5_000
PAGE_BYTES: Final = 4 << 20
_PAYLOAD_LIMIT: Final = 2_000
LANE: Final = "command"


@dataclass(slots=True)
class Gathering:
    """The next page, filled line by line."""

    streams: Sequence[str]
    _records: dict[str, list[Record]] = field(default_factory=dict)
    _rejects: list[Reject] = field(default_factory=list)
    _count: int = 0
    _bytes: int = 0
    _lines: int = 0
    """Of the whole output."""

    def pages(self, lines: Sequence[bytes]) -> Iterator[Page]:
        """Those that become full with these lines, without a checkpoint.

        Blank lines are passed over; what is no row is a reject of the first stream.
        """
        for line in lines:
            self._lines += 1
            if not line or line.isspace():
                continue
            self._bytes += len(line)
            try:
                self._add(msgspec.json.decode(line))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                self._reject(f"not valid JSON ({error})", line)
            except _NoRow as problem:
                self._reject(str(problem), line)
            self._count += 1
            if self._count >= PAGE_RECORDS or self._bytes >= PAGE_BYTES:
                yield self.take()

    @property
    def is_empty(self) -> bool:
        return self._count == 0

    def take(self) -> Page:
        """What was gathered since the last one."""
        page = Page(lane=LANE, records=self._records, rejects=self._rejects)
        self._records, self._rejects, self._count, self._bytes = {}, [], 0, 0
        return page

    def _add(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise _NoRow("no JSON object")
        stream = self.streams[0]
        if len(self.streams) > 1:
            if value.keys() != {"stream", "record"} or not isinstance(value["record"], dict):
                raise _NoRow('of several streams each line is {"stream": ..., "record": {...}}')
            if value["stream"] not in self.streams:
                raise _NoRow(f"stream {value['stream']!r:.80} is not declared")
            stream, value = value["stream"], value["record"]
        self._records.setdefault(stream, []).append(value)

    def _reject(self, reason: str, line: bytes) -> None:
        text = line[: _PAYLOAD_LIMIT + 1].decode("utf-8", "backslashreplace")
        shown = text if len(text) <= _PAYLOAD_LIMIT else f"{text[:_PAYLOAD_LIMIT]}…"
        self._rejects.append(Reject(self.streams[0], f"line {self._lines}: {reason}", shown))


class _NoRow(Exception):
    """A line that is JSON and no row."""
