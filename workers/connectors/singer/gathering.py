"""Records become pages; a page has a checkpoint when a STATE came with its records."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from etl_core.connector import Fragment, Page, Record, Reject

PAGE_RECORDS = 5_000
"""A STATE behind so many ends a page; without a STATE twice as many do."""
PAGE_BYTES: Final = 4 << 20
PAGE_SECONDS: Final = 10.0
"""A STATE so long after the last page ends one, however few its records are."""
LANE: Final = "singer"
_PAYLOAD_LIMIT: Final = 2_000


@dataclass(slots=True)
class Gathering:
    """The next page."""

    _records: dict[str, list[Record]] = field(default_factory=dict)
    _rejects: list[Reject] = field(default_factory=list)
    _count: int = 0
    _bytes: int = 0
    _covered: dict[str, int] | None = None
    """Stream -> records before the last STATE of the page; None: no STATE yet."""
    _state: Any = None
    _began: float = field(default_factory=time.monotonic)

    def add(self, stream: str, record: Record, size: int) -> None:
        """A record; `size` in bytes of JSON."""
        self._records.setdefault(stream, []).append(record)
        self._count += 1
        self._bytes += size

    def reject(self, stream: str, reason: str, line: bytes) -> None:
        """What came in place of a record."""
        text = line[: _PAYLOAD_LIMIT + 1].decode("utf-8", "backslashreplace")
        shown = text if len(text) <= _PAYLOAD_LIMIT else f"{text[:_PAYLOAD_LIMIT]}…"
        self._rejects.append(Reject(stream, reason, shown))
        self._count += 1

    def mark(self, state: Any) -> None:
        """A STATE covers all records before it, of every stream; of several the last counts."""
        self._state = state
        self._covered = {stream: len(records) for stream, records in self._records.items()}

    @property
    def has_state(self) -> bool:
        return self._covered is not None

    @property
    def state(self) -> Any:
        return self._state

    @property
    def streams(self) -> Sequence[str]:
        """Of its records."""
        return tuple(self._records)

    @property
    def is_empty(self) -> bool:
        return self._count == 0 and self._covered is None

    @property
    def is_full(self) -> bool:
        return self._count >= 2 * PAGE_RECORDS or self._bytes >= PAGE_BYTES

    @property
    def is_done(self) -> bool:
        """Whether the STATE that has just come is to end the page."""
        return self.is_full or self._count >= PAGE_RECORDS or time.monotonic() - self._began >= PAGE_SECONDS

    def drop_uncovered(self) -> None:
        """Leaves out what came behind the last STATE: it comes again."""
        covered = self._covered or {}
        self._records = {
            stream: records[: covered[stream]]
            for stream, records in self._records.items()
            if covered.get(stream)
        }

    def take(self, checkpoint: Sequence[Fragment], *, goes_on: bool) -> Page:
        """The page, and the next one begins."""
        page = Page(
            lane=LANE,
            records=self._records,
            rejects=self._rejects,
            checkpoint=checkpoint,
            goes_on=goes_on,
        )
        self._records, self._rejects, self._count, self._bytes = {}, [], 0, 0
        self._covered, self._state, self._began = None, None, time.monotonic()
        return page
