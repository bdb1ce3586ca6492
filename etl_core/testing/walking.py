"""Running a connector as a worker does, with a dictionary in place of the destination."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast

from etl_core.connector import (
    Connector,
    ExtractContext,
    Page,
    PartitionFailure,
    PartitionState,
    Record,
    Reject,
    Stream,
)
from etl_core.errors import BadRecord

Place = tuple[str, str]
"""Stream, partition."""
Checkpoint = dict[Place, PartitionState]
Rows = dict[str, dict[Any, Record]]


@dataclass
class _Walk:
    """What a full refresh has seen of one partition so far."""

    seen: set[Any] = field(default_factory=set)
    is_complete: bool = False


@dataclass
class Destination:
    """Tables by stream, and the checkpoint that moves with them."""

    rows: Rows = field(default_factory=dict)
    """Stream -> key (or, for append-only streams, number of the row) -> row."""
    checkpoint: Checkpoint = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Messages of records that `transform` refused or that have no key."""
    failures: list[PartitionFailure] = field(default_factory=list)
    pages: int = 0
    """Of the last run, as the next one."""
    records: int = 0
    _walks: dict[str, dict[str, _Walk]] = field(default_factory=dict)

    def load(self, connector: Connector, streams: Mapping[str, Stream], page: Page) -> None:
        """Merges a page and moves the checkpoint, as one transaction does.

        Raises:
            AssertionError: the page is none that a worker could load.
        """
        self.pages += 1
        for name, records in page.records.items():
            assert name in streams, f"records of stream {name!r}, which discover did not name"
            for record in records:
                self.records += 1
                self._merge(connector, streams[name], page, record)
        self.rejects += page.rejects
        self.failures += page.failures
        before = dict(self.checkpoint)
        for fragment in page.checkpoint:
            state = PartitionState(fragment.bookmark, fragment.resume)
            # Through JSON, as Postgres stores it.
            stored = json.loads(json.dumps([state.bookmark, state.resume]))
            assert stored == [state.bookmark, state.resume], "a checkpoint must come back from JSON as it was"
            place = (fragment.stream, fragment.partition)
            if fragment.resume is not None:
                was = before.get(place, PartitionState()).bookmark
                assert fragment.bookmark == was, "a bookmark moves only where a walk is complete"
            self.checkpoint[place] = PartitionState(*stored)
        for stream in streams.values():
            if stream.full_refresh:
                self._refresh(stream.name, page, before)

    def _merge(self, connector: Connector, stream: Stream, page: Page, record: Record) -> None:
        table = self.rows.setdefault(stream.name, {})
        try:
            row = connector.transform(stream, record)
        except BadRecord as refused:
            self.refused.append(str(refused))
            return
        json.dumps(row)
        if any(row.get(column) is None for column in stream.key):
            self.refused.append(f"a record of {stream.name} without its key")
            return
        key = tuple(row[column] for column in stream.key) or len(table)
        table[key] = {**table.get(key, {}), **row}
        if stream.full_refresh:
            for partition in {f.partition for f in page.checkpoint if f.stream == stream.name} or {""}:
                self._walks.setdefault(stream.name, {}).setdefault(partition, _Walk()).seen.add(key)

    def _refresh(self, stream: str, page: Page, before: Checkpoint) -> None:
        """Deletes what whole walks of all partitions did not see."""
        walks = self._walks.setdefault(stream, {})
        for fragment in page.checkpoint:
            if fragment.stream != stream:
                continue
            walk = walks.setdefault(fragment.partition, _Walk())
            walk.is_complete = fragment.resume is None
        known = {partition for name, partition in {**before, **self.checkpoint} if name == stream}
        if known and all(partition in walks and walks[partition].is_complete for partition in known):
            seen = set[Any]().union(*(walk.seen for walk in walks.values()))
            table = self.rows.setdefault(stream, {})
            self.rows[stream] = {key: row for key, row in table.items() if key in seen}
            walks.clear()

    def begin_run(self) -> None:
        """Counts start anew."""
        self.pages = self.records = 0

    @property
    def rejected(self) -> int:
        """Records that are not in a table, over all runs."""
        return len(self.rejects) + len(self.refused)

    def forget_resumes(self) -> None:
        """What a person does to a walk that is stuck: the next run starts at the bookmarks."""
        for place, state in self.checkpoint.items():
            self.checkpoint[place] = PartitionState(state.bookmark, None)
        self._walks.clear()


async def pages_of(connector: Connector, context: ExtractContext) -> AsyncGenerator[Page]:
    """The pages of `extract`, which is closed with this generator."""
    async with aclosing(cast("Any", connector.extract(context))) as pages:
        async for page in pages:
            yield page


async def run(connector: Connector, into: Destination, *, stop_after: int | None = None) -> list[Stream]:
    """One run; with `stop_after` it dies once so many pages are loaded, or later if there are not so many."""
    into.begin_run()
    context = ExtractContext(checkpoint=dict(into.checkpoint))
    streams = list(await connector.discover(context))
    by_name = {stream.name: stream for stream in streams}
    if stop_after == 0:
        return streams
    async with aclosing(pages_of(connector, context)) as pages:
        async for page in pages:
            into.load(connector, by_name, page)
            if into.pages == stop_after:
                break
    return streams


async def run_fresh(connector: Connector) -> tuple[Destination, list[Stream]]:
    """A first run, to its end."""
    into = Destination()
    return into, await run(connector, into)
