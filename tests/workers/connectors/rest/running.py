"""Runs as a worker carries them out, with what a retry or `connectors try` asks for."""

from __future__ import annotations

from contextlib import aclosing

from etl_core.connector import TRIAL_OPTION, Connector, ExtractContext
from etl_core.testing.destination import Destination
from etl_core.testing.walking import pages_of


async def run(
    connector: Connector,
    into: Destination,
    *,
    stop_after: int | None = None,
    only: frozenset[tuple[str, str]] | None = None,
    page_records: int | None = None,
) -> None:
    """One run; with `stop_after` it dies once so many pages are loaded, or later if there are not so many."""
    into.begin_run()
    options = {} if page_records is None else {TRIAL_OPTION: {"records": page_records}}
    context = ExtractContext(checkpoint=dict(into.checkpoint), only=only, options=options)
    streams = {stream.name: stream for stream in await connector.discover(context)}
    async with aclosing(pages_of(connector, context)) as pages:
        async for page in pages:
            into.load(connector, streams, page)
            if into.pages == stop_after:
                break
