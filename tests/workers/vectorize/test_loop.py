"""A worker's loop: a ring wakes it, an outage does not end it, a stop leaves nothing in hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from etl_core.broker.open import open_broker
from etl_core.broker.protocol import Stage
from etl_core.errors import Unreachable
from etl_core.settings import Settings
from tests.simulators.embeddings import EmbeddingServer, Fault
from tests.support.jobs import eventually
from tests.workers.vectorize.conftest import Place, issues
from workers.vectorize import serve_vectorizing


@pytest.fixture
async def stop(remote: Place, database_url: str) -> AsyncIterator[asyncio.Event]:
    """A loop over the real doorbell runs until this is set, and may not have failed."""
    broker = await open_broker(
        Settings(amqp_url=None), database_url, pool=remote.pool, application_name="etl-worker"
    )
    stop = asyncio.Event()
    ended = asyncio.create_task(_wait(stop))
    try:
        async with broker.subscribe([Stage.VECTORIZE]) as bell:
            loop = asyncio.create_task(serve_vectorizing(remote.pool, bell, ended, poll_interval=3600))
            yield stop
            stop.set()
            await asyncio.wait_for(loop, 20)
    finally:
        ended.cancel()
        await broker.close()


async def _wait(stop: asyncio.Event) -> None:
    await stop.wait()


async def ring(remote: Place, database_url: str) -> None:
    broker = await open_broker(
        Settings(amqp_url=None), database_url, pool=remote.pool, application_name="tests"
    )
    await broker.ring(Stage.VECTORIZE)
    await broker.close()


async def test_a_ring_wakes_it(remote: Place, stop: asyncio.Event, database_url: str) -> None:
    await eventually(lambda: _vectors(remote, 0))
    await remote.load(*issues(range(3)))
    await ring(remote, database_url)
    await eventually(lambda: _vectors(remote, 3))
    # The connections it would use are cut; after the next ring it goes on with others.
    cut = await remote.db.fetch(
        "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'etl-worker' AND datname = current_database()"
    )
    gone = "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = ANY($1)"
    pids = [row["pid"] for row in cut]
    await eventually(lambda: remote.db.fetchval(gone, pids), "the cut connections gone")
    # The range may still have been in its hand; nobody waits here until that lease has run out.
    await remote.db.execute("UPDATE vector_ranges SET leased_until = now()")
    await remote.load(*issues([3]))

    async def rung_until_done() -> bool:
        with suppress(Unreachable):  # perhaps by one that was just cut
            await ring(remote, database_url)
        return await _vectors(remote, 4)

    await eventually(rung_until_done)


async def test_a_stop_gives_the_range_back_at_once(
    remote: Place, stop: asyncio.Event, server: EmbeddingServer, database_url: str
) -> None:
    await remote.load(*issues(range(30)))
    await remote.set(dimension=32)
    server.faults.extend([Fault(), Fault(hangs=True)])
    await ring(remote, database_url)
    await eventually(lambda: _asked(server, 2))
    stop.set()
    await eventually(lambda: remote.db.fetchval("SELECT bool_and(leased_until <= now()) FROM vector_ranges"))
    assert await remote.work() == 1
    assert await _vectors(remote, 30)


async def _vectors(remote: Place, count: int) -> bool:
    if await remote.db.fetchval("SELECT to_regclass('acme_github.issues_vectors') IS NULL"):
        return count == 0
    found = await remote.db.fetchval("SELECT count(*) FROM acme_github.issues_vectors")
    return bool(found == count)


async def _asked(server: EmbeddingServer, times: int) -> bool:
    return len(server.requests) == times
