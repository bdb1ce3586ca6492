"""What a run's log tells of its batches and partitions: the first ones each, then sums now and then."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from etl_core.connector import Page

log = structlog.get_logger()

FIRST = 10
"""Batches that are told of one by one."""
EVERY = 10.0
"""Seconds between two lines about those that follow."""
PARTITIONS = 25
"""That are told of one by one."""


class BatchLines:
    """One line for each of the first batches, then one for all that came in some seconds."""

    def __init__(self, event: str) -> None:
        self._event = event
        self._sums: Counter[str] = Counter()
        self._batches = 0
        self._first = self._last = 0
        self._lines = 0
        self._told_at = 0.0

    def add(self, seq: int, counts: Mapping[str, int]) -> None:
        """A batch, with figures that can be summed up."""
        self._first = self._first or seq
        self._last = seq
        self._batches += 1
        self._sums.update({name: count for name, count in counts.items() if count})
        if self._lines < FIRST or time.monotonic() - self._told_at >= EVERY:
            self.end()

    def end(self) -> None:
        """Tells what is left to tell."""
        if not self._batches:
            return
        where = {"seq": self._first} if self._batches == 1 else {"seq": f"{self._first}-{self._last}"}
        log.info(self._event, **where, **self._sums)
        self._sums.clear()
        self._batches = self._first = 0
        self._lines += 1
        self._told_at = time.monotonic()


class ExtractLines:
    """What extract tells: pages, partitions that begin and end, what is no record, what could not be read."""

    def __init__(self) -> None:
        self._batches = BatchLines("batch stored")
        self._open: set[tuple[str, str]] = set()
        self._told = 0
        self._more = 0

    def stored(self, seq: int, size: int, page: Page) -> None:
        """A page that is stored as batch `seq`, of so many bytes."""
        rows = sum(len(records) for records in page.records.values())
        self._batches.add(seq, {"rows": rows, "bytes": size, "no_records": len(page.rejects)})
        for f in page.checkpoint:
            place = f.stream, f.partition
            if f.resume is not None and place not in self._open:
                self._open.add(place)
                self._tell("partition begun", place)
            elif f.resume is None:
                self._open.discard(place)
                self._tell("partition done", place)
        for failure in page.failures:
            log.warning(
                "partition failed",
                stream=failure.stream,
                partition=failure.partition,
                kind=failure.error.kind.value,
                error=str(failure.error),
            )
        for reject in page.rejects[:1]:
            log.warning("no records", stream=reject.stream, count=len(page.rejects), reason=reject.reason)

    def end(self) -> None:
        """Nothing more is extracted."""
        self._batches.end()
        if self._more:
            log.info("more partitions", lines=self._more)

    def _tell(self, event: str, place: tuple[str, str]) -> None:
        if self._told >= 2 * PARTITIONS:
            self._more += 1
            return
        self._told += 1
        log.info(event, stream=place[0], partition=place[1])


def tell_rejects(seq: int, reasons: Sequence[str]) -> None:
    """The most frequent reasons of a batch's rejects, alike but for the values that they quote."""
    if not reasons:
        return
    alike: Counter[str] = Counter(_without_values(reason) for reason in reasons)
    shown: dict[str, Any] = dict(alike.most_common(3))
    log.warning("records rejected", seq=seq, count=len(reasons), reasons=shown)


def _without_values(reason: str) -> str:
    """`record 7: amount is 'x'` and `record 9: amount is 'y'` are one reason."""
    shown: list[str] = []
    quoted_by = ""
    for char in " ".join(reason.split())[:300]:
        if quoted_by:
            if char == quoted_by:
                quoted_by = ""
        elif char in "'\"" and not (shown and shown[-1].isalpha()):  # an apostrophe quotes nothing
            quoted_by = char
            shown.append("…")
        elif char.isdigit():
            if shown[-1:] != ["#"]:
                shown.append("#")
        else:
            shown.append(char)
    return "".join(shown)
