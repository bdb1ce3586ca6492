"""What the tests of the suite compare, and between what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etl_core.connector import Connector, ExtractContext, Page, Record, Stream
from etl_core.testing.case import ConnectorCase, Expected
from etl_core.testing.walking import Destination, Rows, pages_of

MOST_INTERRUPTIONS = 8
"""Of one test that changes the source at a page; all pages where there are not more."""


def expect(expected: Expected, rows: Rows, where: str = "") -> None:
    """Asserts that rows are the expected ones, naming the first that are not."""
    for stream, wanted in expected.items():
        table = rows.get(stream, {})
        lost = [key for key in wanted if key not in table]
        assert not lost, f"{where} {stream}: {len(lost)} rows are lost, such as {lost[:3]}"
        strange = [key for key in table if key not in wanted]
        assert not strange, (
            f"{where} {stream}: {len(strange)} rows should not be there, such as {strange[:3]}"
        )
        for key, columns in wanted.items():
            found = {name: table[key].get(name) for name in columns}
            assert found == dict(columns), f"{where} {stream} {key}"


def expect_same(case: ConnectorCase, found: Destination, whole: Destination, where: str) -> None:
    assert found.rows == whole.rows, where
    assert set(found.checkpoint) == set(whole.checkpoint), where
    if case.exact_checkpoint:
        assert found.checkpoint == whole.checkpoint, where


def keyed_rows(of: Destination, whole: Destination) -> dict[str, Mapping[Any, Record]]:
    """Without append-only streams, in which what is read twice is there twice."""
    appended = {name for name, table in whole.rows.items() if any(isinstance(key, int) for key in table)}
    return {name: table for name, table in of.rows.items() if name not in appended}


def some_pages(fresh: tuple[Destination, list[Stream]]) -> list[int]:
    """Numbers of pages to interrupt at, spread over all."""
    pages = fresh[0].pages
    step = max(1, pages // MOST_INTERRUPTIONS)
    return list(range(1, pages + 1, step))


async def streams_of(connector: Connector) -> dict[str, Stream]:
    return {stream.name: stream for stream in await connector.discover(ExtractContext())}


async def all_pages(connector: Connector, *, discover: bool = True) -> list[Page]:
    if discover:
        await connector.discover(ExtractContext())
    return [page async for page in pages_of(connector, ExtractContext())]
