"""What the crash matrix found, each provoked on purpose: there it depends on who is quicker."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from etl_core.lifecycle.takeover import take_over
from etl_core.store.database import Connection, connect
from tests.support.jobs import eventually, fall_silent, load_batch, store_batch
from tests.workers.running import hand
from workers.stage_loop import StageLoop
from workers.work import Held, Work

BEHIND_THE_FIRST = {
    "stream": "records",
    "partition": "default",
    "bookmark": None,
    "resume": {"generation": 0, "next": 11},
}


async def test_a_batch_loaded_while_its_run_is_taken_up_is_not_extracted_again(
    db: Connection, database_url: str
) -> None:
    """The worker that takes the run up has read the checkpoint when another's load moves it."""
    async with hand(db, database_url) as lost, hand(db, database_url) as heir:
        job_id = await lost.make_job(records=20, page_size=10)
        _, run = await lost.start(job_id)
        await store_batch(db, run, lost.worker_id, fragments=[BEHIND_THE_FIRST])
        await fall_silent(db, lost.worker_id)
        await take_over(db, lost_after=60)
        execution, run = await heir.claim()

        loader = await connect(database_url, application_name="tests")
        async with loader.transaction():
            await loader.execute("LOCK TABLE run_batches IN ACCESS EXCLUSIVE MODE")
            under_way = asyncio.create_task(execution.carry_out())
            await eventually(lambda: _somebody_waits_for_a_lock(db), "the heir before the lock")
            await load_batch(loader, run, 1)
        await loader.close()
        await under_way
        stored = await db.fetch("SELECT seq, counts -> 'rows_extracted' FROM run_batches ORDER BY seq")
        assert [tuple(batch) for batch in stored] == [(1, 10), (2, 10)]


async def _somebody_waits_for_a_lock(db: Connection) -> bool:
    return bool(
        await db.fetchval(
            "SELECT EXISTS (SELECT FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock')"
        )
    )


class _SlowBell:
    """A doorbell whose `pause` takes as long as a piece of work: on amqp it is a round trip."""

    connected = True

    def __init__(self) -> None:
        self.pausing = asyncio.Event()
        self.paused = asyncio.Event()

    async def wait(self, timeout: float) -> bool:
        await asyncio.sleep(timeout)
        return False

    async def pause(self) -> None:
        self.pausing.set()
        await self.paused.wait()

    async def resume(self) -> None:
        return


class _Piece:
    """Work that ends when it is told to."""

    holds: Collection[Held] = ()

    def __init__(self, end: asyncio.Event) -> None:
        self.end = end

    async def carry_out(self) -> None:
        await self.end.wait()

    def give_way(self) -> None:
        return


async def test_work_that_ends_while_the_bell_is_paused_frees_its_slot() -> None:
    bell = _SlowBell()
    claimed: list[_Piece] = []
    second = asyncio.Event()

    async def claim(free: int, _: Collection[Work]) -> Sequence[Work]:
        if claimed:
            second.set()
            return []
        claimed.append(_Piece(bell.pausing))
        return claimed

    loop = StageLoop(claim, bell, slots=1, poll_interval=0.05)
    stop = asyncio.Event()
    ended = asyncio.create_task(_until(stop))
    serving = asyncio.create_task(loop.serve(ended))
    await eventually(lambda: _is_idle(loop, claimed), "the end of the work")
    bell.paused.set()
    try:
        async with asyncio.timeout(2):
            await second.wait()
    finally:
        stop.set()
        await serving


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()


async def _is_idle(loop: StageLoop, claimed: Sequence[object]) -> bool:
    return bool(claimed) and not loop.working
