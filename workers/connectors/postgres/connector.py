"""The PostgreSQL connector: its streams are what the catalog has of the tables that are meant."""

from __future__ import annotations

import builtins
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import lru_cache
from typing import ClassVar

from pydantic import BaseModel

from etl_core.backfill import ANY_STREAM, RangeKind
from etl_core.connector import (
    SINGLE_PARTITION,
    TRIAL_OPTION,
    Backfill,
    ExtractContext,
    Finding,
    Page,
    PartitionFailure,
    Record,
    Stream,
    Verbatim,
)
from etl_core.errors import Permanent, RateLimited, SourceError, Transient, Unauthorised
from etl_core.stored_state import read_state
from workers.connectors.postgres.catalog import ask_identity
from workers.connectors.postgres.checkpoint import Bookmark, Resume
from workers.connectors.postgres.config import XMIN, PostgresConfig
from workers.connectors.postgres.finding_sources import find_sources
from workers.connectors.postgres.findings import look
from workers.connectors.postgres.session import Session, open_session
from workers.connectors.postgres.sources import Source, Unreadable
from workers.connectors.postgres.types import VERBATIM
from workers.connectors.postgres.walk import Walk, plan


class PostgresConnector:
    """Tables and queries of a PostgreSQL database (see `docs/connectors.md`)."""

    type: ClassVar[str] = "postgres"
    default_max_runs: ClassVar[int | None] = 1
    Config: ClassVar[builtins.type[BaseModel]] = PostgresConfig
    Bookmark: ClassVar[builtins.type[BaseModel]] = Bookmark
    Resume: ClassVar[builtins.type[BaseModel]] = Resume

    def __init__(self, config: PostgresConfig) -> None:
        self.config = config
        self._sources: list[Source | Unreadable] = []
        self._server: str | None = None
        self._done: set[str] = set()
        """Streams that this instance has read to their end: begun again, it reads the others."""

    async def check(self) -> Sequence[Finding]:
        async with open_session(self.config) as session:
            return await look(session, self.config)

    async def discover(self, context: ExtractContext) -> Sequence[Stream]:
        async with open_session(self.config) as session:
            self._server = await ask_identity(session)
            self._sources = await find_sources(session, self.config)
        readable = [each for each in self._sources if isinstance(each, Source)]
        if not readable:
            first = next(each for each in self._sources if isinstance(each, Unreadable))
            raise first.error
        self._done = set()
        return [source.as_stream() for source in readable]

    async def extract(self, context: ExtractContext) -> AsyncIterator[Page]:
        wanted = [
            each for each in self._sources if context.wants(each.stream) and each.stream not in self._done
        ]
        if context.backfill is not None:
            wanted = _with_ranges(wanted, context.backfill)
        total = self._expected(wanted, context)
        trial = context.options.get(TRIAL_OPTION, {})
        if "stream" in trial:
            wanted = [each for each in wanted if each.stream == trial["stream"]]
        async with open_session(self.config) as session:
            for source in wanted:
                if isinstance(source, Unreadable):
                    yield _failed(source.stream, source.error)
                    continue
                most = min(self.config.page_size, trial.get("records", self.config.page_size))
                async with aclosing(self._pages(session, source, context, most)) as pages:
                    async for page in pages:
                        yield replace(page, total=total)
                        del page
                self._done.add(source.stream)

    def _expected(self, wanted: Sequence[Source | Unreadable], context: ExtractContext) -> int | None:
        """Rows of what is read as a whole; None where the server does not estimate one of them."""
        about = []
        if context.backfill is not None:
            return None
        for source in wanted:
            if isinstance(source, Source):
                state = read_state(context, source.stream, SINGLE_PARTITION, Bookmark, Resume)
                if plan(source, *state, self._server).everything:
                    about.append(source.about)
        return sum(about) if about and all(about) else None

    async def _pages(
        self, session: Session, source: Source, context: ExtractContext, most: int
    ) -> AsyncGenerator[Page]:
        """Those of one stream; if it alone cannot be read, a page that says so: the others are read all the
        same."""
        bookmark, resume = read_state(context, source.stream, SINGLE_PARTITION, Bookmark, Resume)
        if context.backfill is not None and bookmark is not None:
            return  # it has come to its end before
        walk = Walk(
            session,
            self.config,
            source,
            bookmark,
            resume,
            server=self._server,
            most_rows=most,
            backfill=context.backfill,
        )
        try:
            async with aclosing(walk.pages()) as pages:
                async for page in pages:
                    yield page
                    del page
        except (RateLimited, Unauthorised):
            raise
        except SourceError as error:
            if isinstance(error, Transient) and error.retry_in_place:
                raise
            yield _failed(source.stream, error)
            await session.end()

    def backfill_ranges(self) -> Mapping[str, RangeKind]:
        """By the first cursor column, in its own values; which streams there are the server knows."""
        read = (*self.config.tables, *self.config.queries)
        return {ANY_STREAM: "key"} if any(each.cursor and XMIN not in each.cursor for each in read) else {}

    def transform(self, stream: Stream, record: Record) -> Record:
        row = dict(record)
        for name in _written_by_postgresql(stream):
            value = row.get(name)
            if type(value) is str:
                row[name] = Verbatim(value)
        return row


@lru_cache(maxsize=256)
def _written_by_postgresql(stream: Stream) -> tuple[str, ...]:
    return tuple(column.name for column in stream.columns if column.type in VERBATIM)


def _with_ranges(sources: Sequence[Source | Unreadable], backfill: Backfill) -> list[Source | Unreadable]:
    """Those that a range can be read of.

    Raises:
        Permanent: one that was asked for has no cursor column.
    """
    found = [each for each in sources if isinstance(each, Unreadable) or (each.cursor and not each.by_xmin)]
    for each in sources:
        if backfill.streams is not None and each not in found:
            raise Permanent(f"{each.stream} has no cursor column that a range could be taken of")
    return found


def _failed(stream: str, error: SourceError) -> Page:
    return Page(stream, {}, failures=[PartitionFailure(stream, SINGLE_PARTITION, error)])
