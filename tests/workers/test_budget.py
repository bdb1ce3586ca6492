"""The budget of a credential: shared by workers, never passed, told by the source, kept as a hash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from etl_core.errors import Permanent, RateLimited
from etl_core.store.database import Connection, open_pool
from tests.support.jobs import one
from workers.budget import PostgresBudget, PostgresBudgets

HOUR = timedelta(hours=1)


@pytest.fixture
async def workers(database_url: str) -> AsyncIterator[list[PostgresBudgets]]:
    """Three workers, each with connections of its own."""
    async with AsyncExitStack() as stack:
        made = []
        for number in range(3):
            pool = await stack.enter_async_context(
                open_pool(database_url, application_name=f"budget {number}", max_size=4)
            )
            budgets = PostgresBudgets(pool)
            stack.push_async_callback(budgets.close)
            made.append(budgets)
        yield made


def opened(worker: PostgresBudgets, *, capacity: int = 1_000, per: timedelta = HOUR) -> PostgresBudget:
    return worker.open("s3cret-token", "api", capacity=capacity, per=per)


async def spend_all(budget: PostgresBudget, *, cost: int = 1) -> int:
    """Spends until refused; how much it was."""
    spent = 0
    while True:
        try:
            await budget.spend(cost)
        except RateLimited as refused:
            assert isinstance(refused.until, timedelta)
            assert timedelta(0) < refused.until <= HOUR
            return spent
        spent += cost


async def test_the_sum_of_all_workers_is_the_limit(workers: list[PostgresBudgets]) -> None:
    """Eight calls at once in each of three workers: not one too many, and none left over."""
    spent = await asyncio.gather(*(spend_all(opened(worker)) for worker in workers for _ in range(8)))
    assert sum(spent) == 1_000


async def test_what_a_worker_does_not_use_goes_back(workers: list[PostgresBudgets], db: Connection) -> None:
    first, second, _ = workers
    await opened(first).spend()
    held = await one(db, "SELECT remaining, reserved FROM credential_budgets")
    assert held["remaining"] + held["reserved"] == 1_000
    assert held["reserved"] > 1
    await first.close()
    assert tuple(await one(db, "SELECT remaining, reserved FROM credential_budgets")) == (999, 0)
    assert await spend_all(opened(second)) == 999


async def test_a_credential_is_kept_as_a_hash(workers: list[PostgresBudgets], db: Connection) -> None:
    await opened(workers[0]).spend()
    assert "s3cret" not in repr(workers[0]) + repr(opened(workers[0]))
    row = await one(db, "SELECT c::text AS whole, credential FROM credential_budgets AS c")
    assert "s3cret" not in row["whole"]
    assert len(row["credential"]) == 32


async def test_a_call_that_costs_more_than_there_ever_is(workers: list[PostgresBudgets]) -> None:
    with pytest.raises(Permanent, match="api: a call that costs 11 can never be made"):
        await opened(workers[0], capacity=10).spend(11)
