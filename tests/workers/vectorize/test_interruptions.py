"""Two workers divide a table, and none of them can be killed, stopped or fenced so that a row is lost."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from etl_core.store.database import OUTAGES
from tests.simulators.embeddings import EmbeddingServer, Fault
from tests.support.jobs import eventually
from tests.workers.vectorize.conftest import Place, issues, work


async def test_workers_divide_a_table(remote: Place, server: EmbeddingServer) -> None:
    await remote.load(*issues(range(120)))
    await remote.set(dimension=32)
    server.faults.extend([Fault(hangs=True)] * 3)
    async with (
        remote.vectorizer(range_rows=15) as one,
        remote.vectorizer(range_rows=15) as two,
        remote.vectorizer(range_rows=15) as three,
    ):
        together = asyncio.gather(work(one), work(two), work(three))
        await eventually(lambda: _is(len(server.requests) == 3))  # each has a range of its own in hand
        server.released.set()
        await together
        # Whoever found nothing left went away while the others were still at it.
        await work(one)
    assert len(await remote.vectors()) == 120
    assert set(Counter(server.texts).values()) == {1}
    assert await remote.db.fetchval("SELECT count(*) FROM vector_ranges") == 0
    assert await remote.db.fetchval("SELECT pass_ended_at IS NOT NULL FROM vector_tables")


async def test_a_worker_that_is_stopped_hands_its_range_on(remote: Place, server: EmbeddingServer) -> None:
    await remote.load(*issues(range(30)))
    await remote.set(dimension=32)
    server.faults.extend([Fault(), Fault(hangs=True)])
    async with remote.vectorizer() as made:
        task = asyncio.create_task(made.run_once())
        await eventually(lambda: _is(len(server.requests) == 2))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert len(await remote.vectors()) == 10  # what was written stays
    server.forget()
    assert await remote.work() == 1
    assert len(server.texts) == 20
    assert len(await remote.vectors()) == 30


async def test_the_range_of_a_killed_worker_is_taken_when_its_lease_is_over(
    remote: Place, server: EmbeddingServer
) -> None:
    await remote.load(*issues(range(30)))
    await remote.set(dimension=32)
    server.faults.extend([Fault(), Fault(hangs=True)])
    async with remote.vectorizer() as stopped:
        hanging = asyncio.create_task(stopped.run_once())
        await eventually(lambda: _is(len(server.requests) == 2))
        assert await remote.work() == 0  # it is another's, and may be alive
        await remote.db.execute("UPDATE vector_ranges SET leased_until = now()")
        assert await remote.work() == 1
        assert len(await remote.vectors()) == 30
        # The first one wakes up. Its batch is fenced: it writes nothing, not even what it was about to.
        await remote.db.execute("UPDATE acme_github.issues_vectors SET _error = 'as it was'")
        server.released.set()
        assert await hanging
    assert {row[0] for row in await remote.vectors("_error")} == {"as it was"}
    assert await remote.work() == 0


async def test_a_worker_that_dies_in_a_write_has_written_all_of_it_or_nothing(
    remote: Place, server: EmbeddingServer
) -> None:
    await remote.load(*issues(range(30)))
    await remote.set(dimension=32)
    server.faults.extend([Fault(), Fault(hangs=True)])
    async with remote.vectorizer() as made:
        task = asyncio.create_task(made.run_once())
        await eventually(lambda: _is(len(server.requests) == 2))
        async with remote.db.transaction():  # in the way of the write, so that it can be met in the middle
            await remote.db.execute("LOCK TABLE acme_github.issues_vectors IN SHARE MODE")
            server.released.set()
            stuck = (
                "SELECT pid FROM pg_stat_activity"
                " WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            pid = await eventually(lambda: remote.db.fetchval(stuck))
            await remote.db.execute("SELECT pg_terminate_backend($1)", pid)
            with pytest.raises(OUTAGES):
                await task
    assert len(await remote.vectors()) == 10
    await remote.db.execute("UPDATE vector_ranges SET leased_until = now()")
    await remote.work()
    assert len(await remote.vectors()) == 30


async def test_settings_that_change_meanwhile_fence_the_work_under_the_old_ones(
    remote: Place, server: EmbeddingServer
) -> None:
    await remote.load(*issues(range(20)))
    await remote.set(dimension=32)
    server.faults.append(Fault(hangs=True))
    async with remote.vectorizer() as old:
        hanging = asyncio.create_task(old.run_once())
        await eventually(lambda: _is(bool(server.requests)))
        server.dimension = 64
        await remote.set(model="other")
        await remote.work()
        server.released.set()
        await hanging
    assert {model for _, model in await remote.vectors()} == {"http:other/64"}
    assert len(await remote.vectors()) == 20


async def test_rows_that_come_in_during_a_pass_are_not_missed(remote: Place) -> None:
    await remote.load(*issues(range(10, 30)))
    async with remote.vectorizer(range_rows=5) as made:
        await made.run_once()
        await made.run_once()
        await remote.load(*issues([1, 2]), *issues([12], title="changed behind its back"))
        await work(made)
    assert len(await remote.vectors()) == 22
    hashes = await remote.db.fetchval(
        "SELECT bool_and(v._text_hash = sha256(convert_to(concat_ws(E'\\n', t.title, t.body), 'UTF8')))"
        " FROM acme_github.issues AS t JOIN acme_github.issues_vectors AS v USING (id)"
    )
    assert hashes


async def _is(condition: bool) -> bool:
    return condition
