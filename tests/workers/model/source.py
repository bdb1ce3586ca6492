"""The connector of the simulated source."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel

from etl_core.connector import (
    Column,
    ColumnType,
    ExtractContext,
    Finding,
    Fragment,
    Page,
    PartitionFailure,
    PartitionState,
    Record,
    Stream,
)
from etl_core.errors import BadRecord
from tests.workers.model.world import EVENTS, ORDERS, OVERLAP, PLACES, USERS, Place, Row, Spoilt, World

COLUMNS = (
    *(Column(name, ColumnType.BIGINT) for name in ("id", "version", "weight")),
    Column("partition", ColumnType.TEXT),
)


class WorldConfig(BaseModel):
    """There is nothing to say."""


class WorldConnector:
    """Reads the partitions in turn, each page as the world is at that moment.

    Each checkpoint value carries a token, by which the books find what it promises.
    """

    type: ClassVar[str] = "world"
    default_max_runs: ClassVar[int | None] = None
    Config: ClassVar[builtins.type[BaseModel]] = WorldConfig
    world: ClassVar[World]

    def __init__(self, config: WorldConfig) -> None:
        self.config = config

    async def check(self) -> Sequence[Finding]:
        return []

    async def discover(self, context: ExtractContext) -> Sequence[Stream]:
        return [
            Stream(ORDERS, COLUMNS, ("id",)),
            Stream(USERS, COLUMNS, ("id",), full_refresh=True),
            Stream(EVENTS, COLUMNS),
        ]

    async def extract(self, context: ExtractContext) -> AsyncIterator[Page]:
        walks = [
            Walk(self.world, place, context.state(*place)).pages()
            for place in PLACES
            if context.wants(*place)
        ]
        while walks:
            for walk in tuple(walks):
                self.world.page_is_due()
                page = next(walk, None)
                if page is None:
                    walks.remove(walk)
                    continue
                if page.failures:
                    walks.remove(walk)
                yield page
                if self.world.doubles and _may_be_doubled(page):
                    self.world.doubles -= 1
                    yield page

    def transform(self, stream: Stream, record: Record) -> Record:
        match self.world.spoilt.get((stream.name, record["id"])):
            case Spoilt.REFUSED:
                raise BadRecord("refused for now")
            case Spoilt.TORN:
                return {**record, "weight": "heavy"}
        return record


def _may_be_doubled(page: Page) -> bool:
    """Not what says something else then: appended twice is there twice, a last page alone is a whole walk."""
    return bool(page.checkpoint) and all(
        f.stream == ORDERS or (f.stream == USERS and f.resume) for f in page.checkpoint
    )


class Walk:
    """One partition from where its checkpoint stands."""

    def __init__(self, world: World, place: Place, state: PartitionState) -> None:
        self._world = world
        self._stream, self._partition = place
        self._state = state
        known = state.resume or state.bookmark or {}
        self._read = dict(world.promised.get(known.get("token", 0), {}))

    def pages(self) -> Iterator[Page]:
        match self._stream:
            case "orders":
                yield from self._what_changed()
            case "users":
                yield from self._everything()
            case _:
                yield from self._what_was_appended()

    def _what_changed(self) -> Iterator[Page]:
        """Up to the moment at which the walk began: what changes meanwhile is for the next."""
        resume, bookmark = self._state.resume or {}, self._state.bookmark or {}
        until = resume.get("until", self._world.clock)
        after = tuple(resume.get("after") or (bookmark.get("at", 0) - OVERLAP, 0))
        while True:
            rows = [row for row in self._here() if after < (row.at, row.id) and row.at <= until]
            rows.sort(key=lambda row: (row.at, row.id))
            page, rest = self._cut(rows)
            if not rest:
                yield self._page(page, {"at": until}, None)
                return
            after = (page[-1].at, page[-1].id)
            yield self._page(page, self._state.bookmark, {"after": list(after), "until": until})

    def _everything(self) -> Iterator[Page]:
        """In the order of the keys, which never change."""
        after = (self._state.resume or {}).get("after", 0)
        while True:
            rows = sorted((row for row in self._here() if row.id > after), key=lambda row: row.id)
            page, rest = self._cut(rows)
            if not rest:
                yield self._page(page, {"walked": True}, None)
                return
            after = page[-1].id
            yield self._page(page, self._state.bookmark, {"after": after})

    def _what_was_appended(self) -> Iterator[Page]:
        through = (self._state.bookmark or {}).get("through", 0)
        while rows := self._cut([row for row in self._here() if row.id > through])[0]:
            through = rows[-1].id
            yield self._page(rows, {"through": through}, None)

    def _here(self) -> list[Row]:
        return [row for row in self._world.rows[self._stream].values() if row.partition == self._partition]

    def _cut(self, rows: list[Row]) -> tuple[list[Row], list[Row]]:
        return rows[: self._world.page_size], rows[self._world.page_size :]

    def _page(self, rows: list[Row], bookmark: dict[str, Any] | None, resume: dict[str, Any] | None) -> Page:
        lane = f"{self._stream}/{self._partition}" if self._stream == USERS else self._stream
        broken = self._world.broken.get((self._stream, self._partition))
        if broken is not None:
            return Page(lane, {}, failures=[PartitionFailure(self._stream, self._partition, broken)])
        records = [
            {"id": row.id, "version": row.version, "weight": row.id + row.version, "partition": row.partition}
            for row in rows
        ]
        self._read |= {(self._stream, row.id): row.version for row in rows}
        token = 1 + len(self._world.promised)
        self._world.promised[token] = dict(self._read)
        self._world.delivered[token] = len(records)
        if resume is not None:
            resume = {**resume, "token": token}
        else:
            bookmark = {**(bookmark or {}), "token": token}
        fragment = Fragment(self._stream, self._partition, bookmark, resume)
        return Page(lane, {self._stream: records} if records else {}, [fragment])
