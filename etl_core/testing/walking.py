"""Running a connector as a worker does, into a destination in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

from etl_core.connector import Connector, ExtractContext, Page, Stream
from etl_core.testing.destination import Destination, Rows

__all__ = ["Destination", "Rows", "pages_of", "run", "run_fresh"]


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
