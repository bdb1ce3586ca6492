"""A worker's run on a real database, in the test's own process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from etl_core.broker.protocol import STAGES, Stage
from etl_core.lifecycle.claim import ClaimedRun, claim_run
from etl_core.store.database import Connection, Pool, open_pool
from tests.support.jobs import eventually, make_job, make_worker, one, start_run
from workers.batch_work import BatchWork, claim_batch
from workers.execution import Execution
from workers.rings import Rings


class Silent:
    """A broker whose rings nobody hears."""

    transport = "none"

    async def ring(self, stage: Stage, times: int = 1) -> None:
        return


@dataclass
class Hand:
    """A registered worker with its pool."""

    db: Connection
    pool: Pool
    worker_id: int

    async def start(self, job_id: int) -> tuple[Execution, ClaimedRun]:
        """A run that a person asks for, in this worker's hands."""
        run = await start_run(self.db, job_id, self.worker_id)
        return Execution(self.pool, self.worker_id, run), run

    async def claim(self) -> tuple[Execution, ClaimedRun]:
        """The ready run, in this worker's hands."""
        run = await claim_run(self.db, self.worker_id)
        assert run is not None
        return Execution(self.pool, self.worker_id, run), run

    async def run(self, job_id: int) -> asyncpg.Record:
        """Carries out a run that a person asks for; its row afterwards."""
        execution, run = await self.start(job_id)
        await execution.carry_out()
        return await self.row(run)

    async def work_batches(self, stages: Collection[Stage] = STAGES) -> list[int]:
        """Carries out the waiting batches that a worker of these stages may take; their numbers."""
        done = []
        while batch := await claim_batch(self.pool, self.worker_id, stages, suspects=True):
            await BatchWork(self.pool, batch, stages, Rings(Silent())).carry_out()
            done.append(batch.seq)
        return done

    async def row(self, run: ClaimedRun) -> asyncpg.Record:
        return await one(self.db, "SELECT * FROM job_runs WHERE id = $1", run.id)

    async def make_job(self, **config: Any) -> int:
        """A job of the synthetic connector with this configuration."""
        return await make_job(self.db, config=config)

    async def configure(self, **config: Any) -> None:
        """Another configuration for every integration."""
        await self.db.execute("UPDATE integrations SET config = $1", config)

    async def job(self) -> asyncpg.Record:
        return await one(self.db, "SELECT * FROM etl_jobs")

    async def expect_rows(self, count: int, *, table: str = "acme_made_up.records") -> None:
        """The destination holds these rows, each once, numbered from 1."""
        found = await one(self.db, f"SELECT count(*), count(DISTINCT id), max(id) FROM {table}")
        assert tuple(found) == (count, count, count or None)


@asynccontextmanager
async def hand(db: Connection, url: str) -> AsyncIterator[Hand]:
    """Another worker on the database."""
    worker_id = await make_worker(db)
    async with open_pool(url, application_name=f"etl-worker/{worker_id}", max_size=6) as pool:
        yield Hand(db, pool, worker_id)


async def until_loaded(db: Connection, batches: int) -> None:
    """Waits until so many batches of any run are in the destination."""
    enough = "SELECT count(*) >= $1 FROM run_batches WHERE state = 'LOADED'"
    await eventually(lambda: db.fetchval(enough, batches))
