"""A job whose source is given by the test, and replays of its rejects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from etl_core.connector import Column, ColumnType, ExtractContext, Fragment, Page, Record, Stream
from etl_core.connector import Reject as Torn
from etl_core.control.rejects import replay_rejects
from etl_core.errors import BadRecord
from etl_core.models.reject import ReplaySelection
from etl_core.store.database import Connection
from tests.support.jobs import PERSON
from tests.workers.running import Hand
from workers import run_connector
from workers.connectors.synthetic import SyntheticConnector
from workers.execution import Execution

T = ColumnType
COLUMNS = (Column("id", T.BIGINT), Column("a", T.TEXT), Column("b", T.JSONB))
THINGS = Stream("things", COLUMNS, key=("id",))
LOG = Stream("log", COLUMNS)
ALL = ReplaySelection(all=True)


class Source(SyntheticConnector):
    """Yields the pages that it is given, a batch each, and refuses records that say one of the bad words."""

    pages: Sequence[dict[str, Sequence[Record]]] = ()
    torn: Sequence[str] = ()
    streams: Sequence[Stream] = (THINGS, LOG)
    bad: frozenset[str] = frozenset({"bad", "worse"})

    async def discover(self, context: ExtractContext) -> Sequence[Stream]:
        return self.streams

    async def extract(self, context: ExtractContext) -> AsyncIterator[Page]:
        for number, records in enumerate(self.pages, 1):
            torn = [Torn("log", "torn", text) for text in self.torn] if number == 1 else []
            yield Page("all", records, [Fragment("things", "default", {"at": number})], rejects=torn)

    def transform(self, stream: Stream, record: Record) -> Record:
        if record.get("a") in self.bad:
            raise BadRecord(f"{record['a']} is told to be refused")
        return record


@dataclass
class Replays:
    """A job with its source."""

    worker: Hand
    job_id: int
    source: type[Source]

    @property
    def db(self) -> Connection:
        return self.worker.db

    async def extract(self, *pages: dict[str, Sequence[Record]]) -> None:
        """A run of the job as any other."""
        self.source.pages = pages
        await self.worker.run(self.job_id)
        self.source.pages = ()

    async def start(self, worker: Hand, selection: ReplaySelection = ALL) -> Execution:
        """A replay in a worker's hands."""
        await replay_rejects(self.db, self.job_id, selection, PERSON)
        return (await worker.claim())[0]

    async def replay(self, selection: ReplaySelection = ALL) -> asyncpg.Record:
        """Carries a replay out; its run."""
        execution = await self.start(self.worker, selection)
        await execution.carry_out()
        return await self.worker.row(execution.run)

    async def rows(self, table: str, columns: str = "id, a") -> list[tuple[Any, ...]]:
        found = await self.db.fetch(f"SELECT {columns} FROM acme_made_up.{table} ORDER BY id")
        return [tuple(row) for row in found]

    async def rejects(self, columns: str = "payload") -> list[Any]:
        found = await self.db.fetch(f"SELECT {columns} FROM rejected_records ORDER BY stream, id")
        return [row[0] if len(row) == 1 else tuple(row) for row in found]


async def make_replays(worker: Hand, monkeypatch: pytest.MonkeyPatch) -> Replays:
    """A job of the worker's tenant, its source given no page yet."""
    source: type[Source] = type("Source", (Source,), {})
    monkeypatch.setattr(run_connector, "find_connector", lambda _: source)
    return Replays(worker, await worker.make_job(), source)


def counts(run: asyncpg.Record) -> dict[str, int]:
    return {
        name.removeprefix("rows_"): count
        for name, count in run["counters"].items()
        if name.startswith("rows_") and name != "rows_expected" and count
    }


def numbered(first: int, *words: str) -> list[Record]:
    return [{"id": number, "a": word} for number, word in enumerate(words, first)]


class Hang:
    """Stands in for a step: at one of its calls it waits for ever, before the real one or after it."""

    def __init__(self, step: Callable[..., Any], *, at_call: int) -> None:
        self._step = step
        self._left = at_call
        self.reached = asyncio.Event()

    @property
    def before(self) -> Callable[..., Any]:
        async def call(*arguments: Any, **named: Any) -> Any:
            await self._wait()
            return await self._step(*arguments, **named)

        return call

    @property
    def after(self) -> Callable[..., Any]:
        async def call(*arguments: Any, **named: Any) -> Any:
            result = await self._step(*arguments, **named)
            await self._wait()
            return result

        return call

    async def _wait(self) -> None:
        self._left -= 1
        if self._left == 0:
            self.reached.set()
            await asyncio.Event().wait()
