"""Reads an API ahead of the store: the next answers come while a page is stored, and small pages become one.

Page after page, an API and a database would wait for each other, and a hundred records cost a transaction.
So a small page also waits a moment for those behind it when nobody else keeps it from being stored.
What is read ahead is bounded, and is read again after a crash: checkpoints move as before, page by page.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace

import msgspec

from etl_core.connector import TRIAL_OPTION, ExtractContext, Fragment, Page, Record

MOST_RECORDS = 1_000
MOST_BYTES = 1 << 20
"""Of a page made of several. Twice as much may be there at once, with the page that is being stored: behind a
page larger than that nothing is read."""
PATIENCE = 1.0
"""Seconds that a page waits at most for those behind it. The first does not: with it the tables are made, and
people see that something comes."""


def reading_ahead(context: ExtractContext, pages: AsyncGenerator[Page]) -> AsyncGenerator[Page]:
    """`read_ahead`, but for a run that only looks: it shows each answer, and asks for no more than those."""
    return pages if TRIAL_OPTION in context.options else read_ahead(pages)


async def read_ahead(pages: AsyncGenerator[Page]) -> AsyncGenerator[Page]:
    """The same records and checkpoints in the same order, in as many pages or fewer.

    All steps of `pages` are taken in one task of its own, which ends with this generator. Its exception is
    raised behind the last page that came before.
    """
    ahead = _Ahead()
    reading = asyncio.create_task(ahead.read(pages), name="read ahead")
    try:
        while (page := await ahead.take()) is not None:
            yield page
            del page
        await reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


@dataclass(slots=True)
class _Waiting:
    page: Page
    records: int
    bytes: int
    last: tuple[int, int]
    """Records and bytes of the page that was taken in last."""
    since: float = field(default_factory=time.monotonic)
    """When the first of it came."""

    @property
    def has_room(self) -> bool:
        """Whether another page like the last one may become part of it."""
        records, size = self.last
        return (
            _is_plain(self.page)
            and self.records + records <= MOST_RECORDS
            and self.bytes + size <= MOST_BYTES
        )

    def take_in(self, other: _Waiting) -> bool:
        """Whether the page behind this one is now part of it."""
        if (
            self.page.lane != other.page.lane
            or self.records + other.records > MOST_RECORDS
            or self.bytes + other.bytes > MOST_BYTES
            or not (_is_plain(self.page) and _is_plain(other.page))
            or _has_ended(self.page) & _moved(other.page)
        ):
            return False
        self.page = _joined(self.page, other.page)
        self.records += other.records
        self.bytes += other.bytes
        self.last = other.last
        return True


@dataclass(slots=True)
class _Ahead:
    _waiting: deque[_Waiting] = field(default_factory=deque)
    _in_hand: tuple[int, int] = (0, 0)
    """Records and bytes of the page that was taken last."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _has_ended: bool = False
    _patience: float = 0.0
    """Seconds that the next page waits for others."""

    async def read(self, pages: AsyncGenerator[Page]) -> None:
        """Until the end of `pages`, or an exception of theirs."""
        try:
            async with aclosing(pages):
                async for page in pages:
                    self._add(page)
                    del page
                    while self._is_full():
                        await self._change()
        finally:
            self._has_ended = True
            self._changed.set()

    async def take(self) -> Page | None:
        """The next page, once nothing more can become part of it or it waited long enough; None: no more."""
        self._in_hand = 0, 0
        self._changed.set()
        while (seconds := self._seconds_until_next()) is None or seconds > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._change()
        if not self._waiting:
            return None
        taken = self._waiting.popleft()
        self._patience = PATIENCE
        self._in_hand = taken.records, taken.bytes
        self._changed.set()
        return taken.page

    def _seconds_until_next(self) -> float | None:
        """Until a page is to be taken, or it is known that there are no more; None: until another comes."""
        if self._has_ended or len(self._waiting) > 1:
            return 0.0
        if not self._waiting:
            return None
        first = self._waiting[0]
        return first.since + self._patience - time.monotonic() if first.has_room else 0.0

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _add(self, page: Page) -> None:
        size = sum(len(records) for records in page.records.values()), _weight(page.records)
        came = _Waiting(page, *size, last=size)
        if not (self._waiting and self._waiting[-1].take_in(came)):
            self._waiting.append(came)
        self._changed.set()

    def _is_full(self) -> bool:
        records, size = self._in_hand
        return (
            records + sum(waits.records for waits in self._waiting) >= 2 * MOST_RECORDS
            or size + sum(waits.bytes for waits in self._waiting) >= 2 * MOST_BYTES
        )


def _weight(streams: Mapping[str, Sequence[Record]]) -> int:
    """Bytes as JSON, about: those of the record in the middle count for all of a stream."""
    return sum(
        len(found) * len(msgspec.json.encode(found[len(found) // 2])) for found in streams.values() if found
    )


def _is_plain(page: Page) -> bool:
    """Records and the checkpoints behind them: what else a page tells is about itself alone."""
    return not (page.failures or page.whole_of or page.deleted or page.seen) and not any(
        fragment.covers or fragment.begins_anew for fragment in page.checkpoint
    )


def _moved(page: Page) -> set[tuple[str, str]]:
    return {(fragment.stream, fragment.partition) for fragment in page.checkpoint}


def _has_ended(page: Page) -> set[tuple[str, str]]:
    """The partitions whose walk ends with the page; what another walk moves must not cover that."""
    return {(fragment.stream, fragment.partition) for fragment in page.checkpoint if not fragment.resume}


def _joined(first: Page, then: Page) -> Page:
    records = {stream: list(found) for stream, found in first.records.items()}
    for stream, found in then.records.items():
        records.setdefault(stream, []).extend(found)
    moved: dict[tuple[str, str], Fragment] = {}
    for fragment in (*first.checkpoint, *then.checkpoint):
        moved[fragment.stream, fragment.partition] = fragment
    return replace(  # what else there is of a plain page, the last one says for both
        then,
        records=records,
        checkpoint=tuple(moved.values()),
        total=first.total if then.total is None else then.total,
        rejects=(*first.rejects, *then.rejects),
    )
