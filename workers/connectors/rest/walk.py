"""A walk through one list: page by page from a position, through windows of time, to its end.

A walk knows what the next one must know: the largest cursor value that it saw, or the delta link that it
ended with. What cannot be trusted is refused: a position that comes again, pages without end that hold
nothing, the same page twice.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from etl_core.connector import Record
from etl_core.errors import Permanent, Transient
from workers.connectors.rest.answers import Answer
from workers.connectors.rest.api import Api, Expired
from workers.connectors.rest.checkpoint import Bookmark, Resume
from workers.connectors.rest.cursors import (
    Mark,
    before,
    larger,
    read_mark,
    read_time,
    write_mark,
    write_parameter,
)
from workers.connectors.rest.manifest import template
from workers.connectors.rest.manifest.kinds import compile_expression
from workers.connectors.rest.manifest.paging import ODataDelta, Seek
from workers.connectors.rest.manifest.stream import StreamSpec
from workers.connectors.rest.pagers import Asked, Pager, Position, TooFar

log = structlog.get_logger()

MOST_EMPTY_PAGES: Final = 1_000
"""In a row, each of which promises another: Microsoft's delta queries do that, but not for ever."""
FUTURE: Final = timedelta(days=1)
"""A cursor value further ahead of all clocks is not believed: the bookmark would pass what is yet to come."""
SHORTEST_WINDOW: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Step:
    """What one answer held, and where the walk stands behind it."""

    records: Sequence[Any]
    """As they came: not each must be an object."""
    resume: Resume | None
    """None: the walk is complete."""
    bookmark: Bookmark
    """Of the walk so far; true once it is complete."""
    begins_anew: bool = False
    """What the walk saw before this step counts no more."""


@dataclass(slots=True)
class Walk:
    """One walk; `steps` may be iterated once."""

    api: Api
    name: str
    """Of the stream, for messages."""
    spec: StreamSpec
    scope: template.Scope
    bookmark: Bookmark | None = None
    resume: Resume | None = None
    everything: bool = False
    """Not only what is new: whatever the bookmark says."""
    span: tuple[Mark, Mark] | None = None
    """Of a backfill: only records whose cursor value is in it, the end not among it."""
    now: datetime | None = None
    """For tests; default: the clock, and the API's."""
    _at: Position = field(default_factory=dict)
    _seen: Mark | None = None
    _window: datetime | None = None
    _window_end: datetime | None = None
    _full: bool = False
    _expired_before: int = 0
    _anew: bool = False
    _probed: Answer | None = None
    _positions: set[int] = field(default_factory=set)
    _empty: int = 0
    _last_records: Sequence[Any] = ()
    _served_at: datetime | None = None

    def __post_init__(self) -> None:
        self._full = self.everything or self.bookmark is None or bool(self.resume and self.resume.full)
        self._begin(self.resume)

    @property
    def is_delta(self) -> bool:
        return isinstance(self.api.manifest.pagination_of(self.spec), ODataDelta)

    @property
    def is_full(self) -> bool:
        """Whether it reads all there is; a delta link that has expired makes it so."""
        return self._full

    async def probe(self) -> None:
        """Asks for the first page, and keeps it for `steps`: afterwards `is_full` is sure.

        Raises: as `steps`.
        """
        self._probed = await self._answer()

    async def steps(self) -> AsyncGenerator[Step]:
        """Raises: SourceError; Skipped where a rule of the manifest says that there is nothing."""
        while True:
            answer = self._probed or await self._answer()
            self._probed = None
            step = self._take(answer)
            yield step
            if step.resume is None:
                return

    async def _answer(self) -> Answer:
        while True:
            asked, more = self._asked()
            try:
                answer = await self.api.get(self.spec, asked, self.scope, **more)
            except Expired as expired:
                self._expire(expired)
                continue
            self._served_at = answer.served_at or self._served_at
            return answer

    def _asked(self) -> tuple[Asked, Mapping[str, str]]:
        more: dict[str, str] = {}
        incremental = self.spec.incremental
        if not self._at and self.is_delta and not self._full and self.bookmark and self.bookmark.delta:
            return Asked(url=self.bookmark.delta), more
        if incremental is not None and incremental.param is not None:
            mark = self._at.get("from") or self._since()
            if mark is not None:
                more[incremental.param] = write_parameter(mark, incremental.format)
        windows = self.spec.windows
        if windows is not None and self._window is not None:
            more[windows.from_param] = write_parameter(write_mark(self._window), windows.format)
            more[windows.to_param] = write_parameter(write_mark(self._end_of_window()), windows.format)
        return self._pager().ask(self._at), more

    def _take(self, answer: Answer) -> Step:
        records = self._records(answer)
        self._see(records)
        anew, self._anew = self._anew, False
        following = self._follow(answer, records)
        if self.span is not None:
            records = self._in_span(records)
        if following is None:
            delta = self._pager().delta(answer)
            if self.is_delta and delta is None:
                raise Transient(f"{answer.told}: the last page has no delta link")
            return Step(records, None, self._reached(delta), anew)
        self._guard(answer, self._records(answer), following)
        self._at = following
        return Step(records, self._resume(), self._reached(None), anew)

    def _records(self, answer: Answer) -> Sequence[Any]:
        found = compile_expression(self.spec.records).search(answer.body)
        if isinstance(found, Mapping):
            return [found]
        if isinstance(found, list):
            return found
        holds = (
            f"it holds {', '.join(list(answer.body)[:8])}"
            if isinstance(answer.body, dict)
            else "it is no object"
        )
        raise Permanent(
            f"{answer.told}: stream {self.name}: there are no records at {self.spec.records!r} of the answer "
            f"({holds}); where an empty list is left out, write `({self.spec.records}) || `[]``"
        )

    def _in_span(self, records: Sequence[Any]) -> Sequence[Any]:
        incremental = self.spec.incremental
        if incremental is None or self.span is None:
            return records
        first, end = self.span
        cursor = compile_expression(incremental.cursor)
        marks = [(record, read_mark(cursor.search(record), incremental.kind)) for record in records]
        return [
            record
            for record, mark in marks
            if mark is not None and larger(mark, first) == mark and larger(mark, end) != mark
        ]

    def _see(self, records: Sequence[Any]) -> None:
        incremental = self.spec.incremental
        if incremental is None:
            return
        cursor = compile_expression(incremental.cursor)
        for record in records:
            mark = read_mark(cursor.search(record), incremental.kind)
            if mark is not None and self._is_believed(mark):
                self._seen = larger(self._seen, mark)

    def _is_believed(self, mark: Mark) -> bool:
        if not isinstance(mark, str):
            return True
        moment = read_time(mark)
        return moment is not None and moment <= self._now() + FUTURE

    def _follow(self, answer: Answer, records: Sequence[Any]) -> Position | None:
        how = self.api.manifest.pagination_of(self.spec)
        try:
            if isinstance(how, Seek):
                following = self._seek(how, answer, records)
            else:
                following = self._pager().follow(self._at, answer, records)
        except TooFar:
            return self._split_window(answer)
        if following is None and self._window is not None:
            return self._next_window()
        return following

    def _seek(self, how: Seek, answer: Answer, records: Sequence[Any]) -> Position | None:
        incremental = self.spec.incremental
        if incremental is None:
            raise ValueError(f"stream {self.name} seeks and has no cursor")  # `agreement` refuses it
        if len(records) < how.size:
            return None
        cursor = compile_expression(incremental.cursor)
        marks = [read_mark(cursor.search(record), incremental.kind) for record in records]
        known = [mark for mark in marks if mark is not None]
        if not known or known != sorted(known):
            raise Permanent(
                f"{answer.told}: stream {self.name}: `seek` needs records in ascending order of "
                f"{incremental.cursor}: let `params` ask for it"
            )
        start = self._at.get("from") or self._since()
        was = None if start is None else write_parameter(start, incremental.format)
        if write_parameter(known[-1], incremental.format) != was:
            return {"from": known[-1]}
        page = {"page": self._at.get("page", 1) + 1}
        return page if start is None else {"from": start, **page}

    def _next_window(self) -> Position | None:
        """The walk is complete once a window reaches the present, by the clock that is ahead."""
        end = self._end_of_window()
        last = read_time(self.span[1]) if self.span is not None else None
        if end >= (last or self._now()):
            return None
        self._window, self._window_end = end, None
        return {}

    def _split_window(self, answer: Answer) -> Position:
        if self._window is None:
            raise Permanent(
                f"{answer.told}: stream {self.name}: there is more, and the API gives no page behind this "
                "one: let the manifest read it in windows of time"
            )
        half = (self._end_of_window() - self._window) / 2
        half -= timedelta(microseconds=half.microseconds)
        if half < SHORTEST_WINDOW:
            raise Permanent(f"{answer.told}: stream {self.name}: more records in a second than the API lists")
        self._window_end = self._window + half
        return {}

    def _guard(self, answer: Answer, records: Sequence[Any], following: Position) -> None:
        """Refuses what would never end."""
        if "url" in following or "cursor" in following:
            position = hash(str(following.get("url", following.get("cursor"))))
            if position in self._positions:
                raise Permanent(
                    f"{answer.told}: stream {self.name}: leads to a page that was read before; see "
                    "`pagination` of the manifest"
                )
            self._positions.add(position)
        self._empty = 0 if records else self._empty + 1
        if self._empty > MOST_EMPTY_PAGES:
            raise Permanent(
                f"{answer.told}: stream {self.name}: {MOST_EMPTY_PAGES:,} pages in a row were empty and "
                "promised more"
            )
        if len(records) > 1 and records == self._last_records and "offset" not in following and following:
            raise Permanent(
                f"{answer.told}: stream {self.name}: the same page twice; does the API know the parameter of "
                "`pagination`?"
            )
        self._last_records = records

    def _expire(self, expired: Expired) -> None:
        """The position is worth nothing: go on from the bookmark, or, if that was it, from the beginning."""
        self._expired_before += 1
        is_first = not self._at and (self._full or not (self.bookmark and self.bookmark.delta))
        if is_first or self._expired_before > 3:
            raise Permanent(f"{expired}; it was the first page of a walk") from None
        log.warning("a position has expired; reading again", stream=self.name, error=str(expired))
        if not self._at:
            self._full = True
        self._begin(None)
        self._anew = True

    def _begin(self, resume: Resume | None) -> None:
        self._at = dict(resume.at) if resume and resume.at else {}
        self._seen = resume.seen if resume else None
        self._positions.clear()
        self._last_records = ()
        self._empty = 0
        self._window = self._window_end = None
        if self.spec.windows is not None:
            self._window = read_time(resume.window) if resume and resume.window else self._first_window()
            self._window_end = read_time(resume.window_end) if resume and resume.window_end else None

    def _first_window(self) -> datetime:
        mark = self._since()
        moment = read_time(mark) if isinstance(mark, str) else None
        if moment is None:
            raise Permanent(
                f"stream {self.name}: `start` of the manifest's `incremental` is no time: {mark!r}"
            )
        return moment.replace(microsecond=0)

    def _end_of_window(self) -> datetime:
        if self._window is None or self.spec.windows is None:
            raise ValueError(f"stream {self.name} has no windows")
        return self._window_end or self._window + self.spec.windows.size

    def _since(self) -> Mark | None:
        """What this walk asks for: records with this cursor value or a larger one."""
        incremental = self.spec.incremental
        if incremental is None:
            return None
        if self.span is not None:
            return self.span[0]
        start = self._start()
        if not self.everything and self.bookmark is not None and self.bookmark.cursor is not None:
            return larger(before(self.bookmark.cursor, incremental.overlap), start)
        return start

    def _start(self) -> Mark | None:
        """Where the manifest says that the first run begins."""
        incremental = self.spec.incremental
        if incremental is None or incremental.start is None:
            return None
        try:
            given = template.value(incremental.start, self.scope)
        except template.Missing:
            return None
        mark = read_mark(given, incremental.kind)
        if mark is None:
            raise Permanent(
                f"stream {self.name}: it is to start at {given!r}, which is no {incremental.kind}"
            )
        return mark

    def _reached(self, delta: str | None) -> Bookmark:
        before_this = self.bookmark.cursor if self.bookmark else None
        return Bookmark(cursor=larger(before_this, self._seen), delta=delta)

    def _resume(self) -> Resume:
        is_split = self._window is not None and self._window_end is not None
        return Resume(
            at=self._at or None,
            seen=self._seen,
            window=write_mark(self._window) if self._window else None,
            window_end=write_mark(self._end_of_window()) if is_split else None,
            full=True if self._full and self.is_delta else None,
        )

    def _now(self) -> datetime:
        if self.now is not None:
            return self.now
        ours = datetime.now(UTC)
        return max(ours, self._served_at) if self._served_at else ours

    def _pager(self) -> Pager:
        return Pager(self.api.manifest.pagination_of(self.spec), self.spec.key)


def objects(records: Sequence[Any]) -> tuple[list[Record], list[Any]]:
    """Those that can be records, and the others."""
    if all(isinstance(record, dict) for record in records):
        return list(records), []
    return (
        [record for record in records if isinstance(record, dict)],
        [record for record in records if not isinstance(record, dict)],
    )
