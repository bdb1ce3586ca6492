"""Large pages: one at a time is in a worker's memory, whatever else it has to do."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator
from typing import ClassVar

import pytest

from etl_core.broker.protocol import STAGES
from etl_core.connector import ExtractContext, Fragment, Page, Record
from tests.workers.replaying import Source
from tests.workers.running import Hand, Silent
from workers import run_connector
from workers.batch_work import BatchWork, claim_batch
from workers.byte_budget import ByteBudget
from workers.execution import Execution
from workers.rings import Rings

PAGES = 4


class Records(list[Record]):
    """A list whose end can be seen."""


class Watched(Source):
    """Looks, before it makes a page, how many of those before are still there."""

    alive: ClassVar[list[int]] = []

    async def extract(self, context: ExtractContext) -> AsyncIterator[Page]:
        made: list[weakref.ref[Records]] = []
        for number in range(1, PAGES + 1):
            self.alive.append(sum(each() is not None for each in made))
            records = Records([{"id": number, "a": "x" * 1_000}])
            made.append(weakref.ref(records))
            page = Page("all", {"things": records}, [Fragment("things", "default", {"at": number})])
            del records
            yield page
            del page


@pytest.mark.parametrize("carries", [True, False])
async def test_a_page_is_gone_before_the_next_is_made(
    worker: Hand, monkeypatch: pytest.MonkeyPatch, carries: bool
) -> None:
    monkeypatch.setattr(run_connector, "find_connector", lambda _: Watched)
    monkeypatch.setattr(Watched, "alive", [])
    _, run = await worker.start(await worker.make_job())
    execution = Execution(worker.pool, worker.worker_id, run, carries=carries)
    execution._budget = ByteBudget(most_bytes=1_500)  # for one of them
    await execution.carry_out()
    assert Watched.alive == [0] * PAGES
    await worker.work_batches()
    assert (await worker.row(run))["state"] == "SUCCEEDED"


async def test_batches_share_the_memory_of_their_worker(worker: Hand) -> None:
    _, run = await worker.start(await worker.make_job(records=20, page_size=10))
    await Execution(worker.pool, worker.worker_id, run, carries=False).carry_out()
    batch = await claim_batch(worker.pool, worker.worker_id, STAGES, suspects=True)
    assert batch is not None
    assert batch.size > 1_000
    budget = ByteBudget(most_bytes=2 * batch.size - 1)
    await budget.take(batch.size)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await BatchWork(worker.pool, batch, STAGES, Rings(Silent()), budget=budget).carry_out()
    await budget.give_back(batch.size)
    await BatchWork(worker.pool, batch, STAGES, Rings(Silent()), budget=budget).carry_out()
    await worker.expect_rows(10)
