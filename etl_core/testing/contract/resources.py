"""What a connector takes of its worker: memory, and the time until it hears a cancel."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from contextlib import aclosing

import msgspec

from etl_core.connector import ExtractContext
from etl_core.testing.case import ConnectorCase
from etl_core.testing.contract.comparing import (
    expect,
)
from etl_core.testing.walking import Destination, pages_of, run

CANCEL_SECONDS = 2
"""A person who cancels a run waits so long at most."""
CANCEL_TRIES = 3
"""One of so many must be in time: a machine may be busy with something else."""
FLOW_BYTES = 2_000_000
"""Of JSON: what a large walk must carry for its use of memory to mean something."""


class Resources:
    """A worker has other runs, too."""

    async def test_cancelled_in_mid_walk_it_ends_in_time_and_can_go_on(self, case: ConnectorCase) -> None:
        await case.fill(case.few)
        broken = Destination()
        await _cancel_in_time(case, broken)
        await run(case.connector(), broken)
        expect(case.expected(), broken.rows)

    async def test_cancelled_while_the_source_does_not_answer(self, case: ConnectorCase) -> None:
        await case.fill(case.few)
        broken = Destination()
        async with case.stalled():
            await _cancel_in_time(case, broken)
        await run(case.connector(), broken)
        expect(case.expected(), broken.rows)

    async def test_memory_stays_flat_over_a_large_walk(self, case: ConnectorCase) -> None:
        """At no moment is there half of what flowed through: dicts of all records would be twice of it."""
        await case.fill(case.many)
        connector = case.connector()
        context = ExtractContext()
        await connector.discover(context)
        async with aclosing(pages_of(connector, context)) as warming_up:
            await anext(warming_up)
        gc.collect()
        flowed = pages = 0
        tracemalloc.start()
        try:
            async with aclosing(pages_of(connector, context)) as walk:
                async for page in walk:
                    pages += 1
                    # A number and no list: what is measured must not be this test.
                    flowed += sum(
                        len(msgspec.json.encode(record)) for each in page.records.values() for record in each
                    )
                    del page
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert pages >= 20 and flowed >= FLOW_BYTES, f"too little to tell: {pages} pages, {flowed:,} bytes"
        assert peak < flowed / 2, f"{peak:,} bytes at once, and {flowed:,} bytes of records flowed"


async def _cancel_in_time(case: ConnectorCase, broken: Destination) -> None:
    """Cancels a walk behind its first page, or while it waits for that."""
    loop = asyncio.get_running_loop()
    took = []
    for _ in range(CANCEL_TRIES):
        reached = asyncio.Event()

        async def work(reached: asyncio.Event) -> None:
            connector = case.connector()
            context = ExtractContext(checkpoint=dict(broken.checkpoint))
            streams = {stream.name: stream for stream in await connector.discover(context)}
            async with aclosing(pages_of(connector, context)) as pages:
                async for page in pages:
                    broken.load(connector, streams, page)
                    reached.set()
                    await asyncio.sleep(0)

        task = asyncio.create_task(work(reached))
        waiting = asyncio.create_task(reached.wait())
        await asyncio.wait({task, waiting}, timeout=0.2, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        began = loop.time()
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            took.append(loop.time() - began)
        else:
            return  # it had come to its end, where nothing is to be cancelled
        if took[-1] < CANCEL_SECONDS:
            return
    raise AssertionError(f"cancelled, it went on for {min(took):.1f} s and more, {CANCEL_TRIES} times")
