"""Running a connector as a worker does, with a dictionary in place of the destination."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast

from etl_core.connector import Connector, ExtractContext, Page, PartitionState, Record, Reject, Stream
from etl_core.errors import BadRecord

Checkpoint = dict[tuple[str, str], PartitionState]
Rows = dict[str, dict[Any, Record]]


@dataclass
class Destination:
    """Tables by stream, and the checkpoint that moves with them."""

    rows: Rows = field(default_factory=dict)
    checkpoint: Checkpoint = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    pages: int = 0
    records: int = 0

    def load(self, connector: Connector, streams: Mapping[str, Stream], page: Page) -> None:
        self.pages += 1
        for name, records in page.records.items():
            stream = streams[name]
            table = self.rows.setdefault(name, {})
            for record in records:
                self.records += 1
                try:
                    row = connector.transform(stream, record)
                except BadRecord as refused:
                    self.refused.append(str(refused))
                    continue
                json.dumps(row)
                key = tuple(row[column] for column in stream.key) or len(table)
                table[key] = {**table.get(key, {}), **row}
        self.rejects += page.rejects
        for fragment in page.checkpoint:
            state = PartitionState(fragment.bookmark, fragment.resume)
            # Through JSON, as Postgres stores it.
            stored = json.loads(json.dumps([state.bookmark, state.resume]))
            assert stored == [state.bookmark, state.resume]
            place = (fragment.stream, fragment.partition)
            if fragment.resume is not None:
                before = self.checkpoint.get(place, PartitionState()).bookmark
                assert fragment.bookmark == before, "a bookmark moves only where a walk is complete"
            self.checkpoint[place] = PartitionState(*stored)

    def begin_run(self) -> None:
        self.pages = self.records = 0


async def run(connector: Connector, into: Destination, *, stop_after: int | None = None) -> list[Stream]:
    """One run; with `stop_after` it dies once so many pages are loaded, or later if there are not so many."""
    into.begin_run()
    context = ExtractContext(checkpoint=dict(into.checkpoint))
    streams = list(await connector.discover(context))
    by_name = {stream.name: stream for stream in streams}
    if stop_after == 0:
        return streams
    pages = cast("Any", connector.extract(context))
    async with aclosing(pages):
        async for page in pages:
            into.load(connector, by_name, page)
            if into.pages == stop_after:
                break
    return streams


async def run_fresh(connector: Connector) -> tuple[Destination, list[Stream]]:
    into = Destination()
    return into, await run(connector, into)
