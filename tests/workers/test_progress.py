"""How far a run is, as people see it while it runs."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from etl_core.broker.protocol import STAGES, Stage
from etl_core.control.jobs import run_now
from etl_core.control.runs import describe_run
from etl_core.settings import Settings
from tests.support.jobs import PERSON, eventually
from tests.workers.running import Hand, Silent, until_loaded
from workers.execution import Execution
from workers.process import Worker
from workers.progress import Progress
from workers.rings import Rings


class SilentBell:
    """Nobody rings it."""

    connected = True

    async def wait(self, timeout: float) -> bool:
        await asyncio.sleep(timeout)
        return False

    async def pause(self) -> None:
        return

    async def resume(self) -> None:
        return


async def test_stages_by_stream_with_pace_and_time_left(worker: Hand) -> None:
    job_id = await worker.make_job(records=2_000, page_size=10, streams=2, delay_ms=10)
    _, run = await worker.start(job_id)
    progress = Progress(worker.pool)
    execution = Execution(worker.pool, worker.worker_id, run, progress=progress)
    carrying = asyncio.create_task(execution.carry_out())
    await until_loaded(worker.db, 3)
    await progress.tell()
    await until_loaded(worker.db, 6)
    await progress.tell()
    told = await describe_run(worker.db, run.id)
    assert [(part.stream, part.stage) for part in told.progress] == [
        ("records", stage) for stage in ("extract", "transform", "load")
    ]
    assert told.rows_expected == 4_000
    assert 50 <= told.total("load") <= told.total("extract") <= 4_000
    assert told.lag == told.total("extract") - told.total("load")
    assert told.seconds_left is not None
    assert told.seconds_left > 0
    assert all(part.bytes > part.rows for part in told.progress)
    execution.give_way()
    await carrying


async def test_a_worker_that_stops_at_once_tells_of_a_short_run(
    worker: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It never comes to the end of its second."""
    monkeypatch.setattr("workers.progress.INTERVAL", 3600.0)
    run = await run_now(worker.db, await worker.make_job(records=30, page_size=10), PERSON)
    stop = asyncio.Event()
    served = Worker(
        settings=Settings(),
        pool=worker.pool,
        bells={Stage.EXTRACT: SilentBell(), Stage.TRANSFORM: SilentBell()},
        rings=Rings(Silent()),
        worker_id=worker.worker_id,
        slots=1,
        stages=STAGES,
        stop=stop,
        lost=asyncio.Event(),
    )
    serving = asyncio.create_task(served.serve())
    ended = "SELECT state = 'SUCCEEDED' FROM job_runs WHERE id = $1"
    await eventually(lambda: worker.db.fetchval(ended, run.id))
    stop.set()
    await serving
    told = await describe_run(worker.db, run.id)
    assert (told.total("extract"), told.total("load")) == (30, 30)


async def test_an_outage_loses_no_count(worker: Hand) -> None:
    _, run = await worker.start(await worker.make_job(records=30, page_size=10))
    progress = Progress(worker.pool)
    await Execution(worker.pool, worker.worker_id, run, progress=progress).carry_out()
    await worker.db.execute("ALTER TABLE run_progress RENAME TO elsewhere")
    with pytest.raises(asyncpg.UndefinedTableError):
        await progress.tell()
    await worker.db.execute("ALTER TABLE elsewhere RENAME TO run_progress")
    await progress.tell()
    told = await describe_run(worker.db, run.id)
    assert (told.total("extract"), told.total("load"), told.seconds_left) == (30, 30, None)
