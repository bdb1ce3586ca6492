"""Answers of an API are small; they are gathered into pages that are worth a transaction."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from etl_core.connector import Fragment, Page, PartitionFailure, Record, Reject
from etl_core.errors import SourceError

PAGE_RECORDS = 2_000
"""A page is yielded once it has so many records,"""
PAGE_SECONDS = 5.0
"""or once its first answer is so old,"""
PAGE_BYTES = 4 * 1024 * 1024
"""or once its records are about so large as JSON."""
_MOST_PAYLOAD: Final = 4_000
"""Characters kept of what is no record."""
_SAMPLE: Final = 20


class Gatherer:
    """Pages of one lane; the checkpoint of a page is what was true behind its last answer."""

    def __init__(self, lane: str, *, page_records: int | None = None) -> None:
        self._lane = lane
        self._most = min(page_records or PAGE_RECORDS, PAGE_RECORDS)
        self._began_at: float | None = None
        self._ready: list[Page] = []
        self._clear()

    def add(self, records: dict[str, list[Record]], fragments: Sequence[Fragment]) -> None:
        """What one answer held, and where that leaves the walk."""
        self._began_at = self._began_at or time.monotonic()
        for stream, found in records.items():
            if found:
                self._records.setdefault(stream, []).extend(found)
                self._count += len(found)
                self._bytes += _size(found)
        for fragment in fragments:
            place = (fragment.stream, fragment.partition)
            before = self._fragments.get(place)
            began_anew = fragment.begins_anew or (before is not None and before.begins_anew)
            self._fragments[place] = replace(fragment, begins_anew=began_anew)

    def delete(self, stream: str, key: Record) -> None:
        """The key is gone, whatever records of it were added before."""
        self._began_at = self._began_at or time.monotonic()
        self._deleted.setdefault(stream, {})[tuple(key.values())] = key
        self._count += 1

    def keep(self, stream: str, key: Record) -> None:
        """A record of the key was added: it is not gone."""
        if stream in self._deleted:
            self._deleted[stream].pop(tuple(key.values()), None)

    def reject(self, stream: str, found: Sequence[Any]) -> None:
        """What stands in a list of records and is no object."""
        for value in found:
            payload = msgspec.json.encode(value).decode()[:_MOST_PAYLOAD]
            self._rejects.append(Reject(stream, "no JSON object, so no record", payload))

    def fail(self, stream: str, partition: str, error: SourceError) -> None:
        """A partition that cannot be read now."""
        self._failures.append(PartitionFailure(stream, partition, error))

    def pages(self, *, all_of_it: bool = False) -> list[Page]:
        """Those that are full or cut off, each once; with `all_of_it` what was gathered since, too."""
        if all_of_it or self._is_full():
            self.cut()
        ready, self._ready = self._ready, []
        return ready

    def cut(self) -> None:
        """What comes next begins another page."""
        if not (self._records or self._fragments or self._rejects or self._failures):
            return
        page = Page(
            lane=self._lane,
            records=self._records,
            checkpoint=list(self._fragments.values()),
            rejects=self._rejects,
            failures=self._failures,
            deleted={stream: list(keys.values()) for stream, keys in self._deleted.items() if keys},
        )
        self._ready.append(page)
        self._clear()

    def _is_full(self) -> bool:
        return (
            self._count >= self._most
            or self._bytes >= PAGE_BYTES
            or (self._began_at is not None and time.monotonic() - self._began_at >= PAGE_SECONDS)
        )

    def _clear(self) -> None:
        self._records: dict[str, list[Record]] = {}
        self._fragments: dict[tuple[str, str], Fragment] = {}
        self._deleted: dict[str, dict[tuple[Any, ...], Record]] = {}
        self._rejects: list[Reject] = []
        self._failures: list[PartitionFailure] = []
        self._count = self._bytes = 0
        self._began_at = None


def _size(records: Sequence[Record]) -> int:
    """About: by a sample, for measuring costs as much as storing."""
    step = max(1, len(records) // _SAMPLE)
    sample = records[::step]
    return len(msgspec.json.encode(sample)) * len(records) // len(sample)
