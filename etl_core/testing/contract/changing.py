"""A source that changes between runs, between a kill and its resume, and while it is read."""

from __future__ import annotations

from contextlib import aclosing

from etl_core.connector import ExtractContext
from etl_core.errors import Transient
from etl_core.testing.case import ConnectorCase
from etl_core.testing.contract.comparing import (
    expect,
    some_pages,
    streams_of,
)
from etl_core.testing.walking import Destination, pages_of, run, run_fresh


class Changing:
    """Whatever changes when: a run later, nothing is lost and nothing is doubled."""

    async def test_what_changes_between_runs_is_found(self, case: ConnectorCase) -> None:
        await case.fill(case.few)
        loaded, _ = await run_fresh(case.connector())
        for _ in range(3):
            await case.change()
            await run(case.connector(), loaded)
            expect(case.expected(), loaded.rows)

    async def test_changed_between_a_kill_and_its_resume_nothing_is_lost(self, case: ConnectorCase) -> None:
        await case.fill(case.few)
        for pages in some_pages(await run_fresh(case.connector())):
            broken = Destination()
            await run(case.connector(), broken, stop_after=pages)
            await case.change()
            await _run_until_whole(case, broken)
            await _run_until_whole(case, broken)
            expect(case.expected(), broken.rows, f"changed after page {pages}")

    async def test_changed_while_it_is_read_nothing_is_lost(self, case: ConnectorCase) -> None:
        await case.fill(case.few)
        for pages in some_pages(await run_fresh(case.connector())):
            loaded = Destination()
            try:
                connector = case.connector()
                streams = await streams_of(connector)
                async with aclosing(pages_of(connector, ExtractContext())) as walk:
                    async for page in walk:
                        loaded.load(connector, streams, page)
                        if loaded.pages == pages:
                            await case.change()
            except Transient:
                pass  # it may say so, and is then tried again
            await _run_until_whole(case, loaded)
            expect(case.expected(), loaded.rows, f"changed while page {pages} was loaded")


async def _run_until_whole(case: ConnectorCase, into: Destination) -> None:
    """A run and, if the source changed under it, its retry."""
    for _ in range(2):
        try:
            await run(case.connector(), into)
        except Transient:
            continue
        return
    await run(case.connector(), into)
