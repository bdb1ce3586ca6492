"""The connector: what it reads, in which pages, and where it goes on."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Sequence
from typing import ClassVar

from etl_core.connector import (
    SINGLE_PARTITION,
    Column,
    ColumnType,
    ExtractContext,
    Finding,
    Fragment,
    Page,
    Record,
    Stream,
)
from etl_core.errors import BadRecord
from etl_core.stored_state import read_state
from pydantic import BaseModel

from etl_tui_my_system.checkpoint import Bookmark, Resume
from etl_tui_my_system.config import MySystemConfig
from etl_tui_my_system.source import Position, Source

ITEMS = Stream(
    "items",
    (
        Column("id", ColumnType.BIGINT),
        Column("title", ColumnType.TEXT),
        Column("price", ColumnType.NUMERIC),
        Column("description", ColumnType.TEXT),
        Column("updated_at", ColumnType.TIMESTAMPTZ),
    ),
    key=("id",),
)


class MySystemConnector:
    """Items of my-system."""

    type: ClassVar[str] = "my-system"
    Config: ClassVar[builtins.type[BaseModel]] = MySystemConfig
    Bookmark: ClassVar[builtins.type[BaseModel]] = Bookmark
    Resume: ClassVar[builtins.type[BaseModel]] = Resume
    default_max_runs: ClassVar[int | None] = 1
    stream_names: ClassVar[Sequence[str]] = (ITEMS.name,)

    def __init__(self, config: MySystemConfig) -> None:
        self.config = config
        self._source = Source(config.path)

    async def check(self) -> Sequence[Finding]:
        """What `etl-tui integrations test` prints: a line for each thing that the credential may read."""
        count = await self._source.count()
        return [Finding("items", "ok", f"{count:,} in {self.config.path}")]

    async def discover(self, context: ExtractContext) -> Sequence[Stream]:
        return [ITEMS]

    async def extract(self, context: ExtractContext) -> AsyncIterator[Page]:
        """Items from the bookmark on, the least recently updated first.

        An item that is updated meanwhile moves behind the others and comes again: nothing is lost. Those of
        the bookmark's own moment are read again, for some may have come after it; that changes no row.
        """
        bookmark, resume = read_state(context, ITEMS.name, SINGLE_PARTITION, Bookmark, Resume)
        if resume:
            position = Position(resume.updated_at, resume.id)
        else:
            position = Position(bookmark.updated_at) if bookmark else Position()
        while True:
            # One more than fits a page tells whether there is another page.
            found = await self._source.items_after(position, self.config.page_size + 1)
            items = found[: self.config.page_size]
            if items:
                position = Position(items[-1]["updated_at"], items[-1]["id"])
            elif not resume:
                return
            if len(found) > len(items):
                # In mid-walk: the bookmark stays, and `resume` says where a broken walk goes on.
                yield _page(items, bookmark, Resume(updated_at=position.updated_at, id=position.id))
            else:
                yield _page(items, Bookmark(updated_at=position.updated_at), None)
                return

    def transform(self, stream: Stream, record: Record) -> Record:
        """From an item as the source gives it to a row: a pure function."""
        price = record["price"]
        if not isinstance(price, int | float | None):
            raise BadRecord(f"item {record['id']}: price {price!r} is no number")
        return record


def _page(items: Sequence[Record], bookmark: Bookmark | None, resume: Resume | None) -> Page:
    checkpoint = Fragment(
        ITEMS.name,
        SINGLE_PARTITION,
        bookmark=bookmark.model_dump() if bookmark else None,
        resume=resume.model_dump() if resume else None,
    )
    return Page(lane=ITEMS.name, records={ITEMS.name: items}, checkpoint=[checkpoint])
