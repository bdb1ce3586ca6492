"""The budget of a credential: shared by workers, never passed, told by the source, kept as a hash."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
import stamina
from asyncpg.exceptions import ConnectionDoesNotExistError

from etl_core.budgets import ProcessBudgets
from etl_core.errors import Permanent, RateLimited
from etl_core.store.database import Connection, open_pool
from tests.support.jobs import one
from workers import budget as budget_module
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


async def test_the_source_knows_better(workers: list[PostgresBudgets], db: Connection) -> None:
    """Somebody else has used the credential: all workers together get what the source says is left."""
    first = opened(workers[0])
    await first.spend()
    await first.observe(remaining=70, limit=5_000, resets_in=timedelta(minutes=30))
    spent = await asyncio.gather(*(spend_all(opened(worker)) for worker in workers))
    assert sum(spent) == 70
    assert await db.fetchval("SELECT seen_limit FROM credential_budgets") == 5_000


async def test_little_left_holds_for_what_is_in_hand(workers: list[PostgresBudgets]) -> None:
    budget = opened(workers[0])
    await budget.spend()
    await budget.observe(remaining=900, resets_in=HOUR)
    await budget.spend()
    await budget.observe(remaining=0, resets_in=HOUR)  # not told to anyone yet
    with pytest.raises(RateLimited, match="rate limit of api: nothing is left for"):
        await budget.spend()


async def test_parked_by_one_for_all(workers: list[PostgresBudgets]) -> None:
    first, second, _ = (opened(worker) for worker in workers)
    await first.park(timedelta(minutes=5))
    for budget in (first, second):
        with pytest.raises(RateLimited) as refused:
            await budget.spend()
        assert isinstance(refused.value.until, timedelta)
        assert timedelta(minutes=4) < refused.value.until <= timedelta(minutes=5)


async def test_a_short_wait_is_waited_for(workers: list[PostgresBudgets], db: Connection) -> None:
    """Windows of a quarter second with ten units: thirty take two whole ones at least."""
    began = await db.fetchval("SELECT clock_timestamp()")
    budgets = [opened(worker, capacity=10, per=timedelta(seconds=0.25)) for worker in workers]
    await asyncio.gather(*(budget.spend() for budget in budgets for _ in range(10)))
    took: timedelta = await db.fetchval("SELECT clock_timestamp() - $1", began)
    assert took >= timedelta(seconds=0.5)


async def test_a_wait_can_be_cancelled(workers: list[PostgresBudgets]) -> None:
    budget = opened(workers[0])
    await budget.park(timedelta(seconds=30))
    waiting = asyncio.create_task(budget.spend())
    await asyncio.sleep(0.1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_what_went_back_with_a_lost_answer_does_not_go_back_again(
    workers: list[PostgresBudgets], monkeypatch: pytest.MonkeyPatch
) -> None:
    take_turn = budget_module._budgets.take_budget_turn
    lost = 0

    async def loses_answers(*arguments: object, **named: object) -> object:
        nonlocal lost
        row = await take_turn(*arguments, **named)
        if named["given_back"] and not named["at_least"] and lost < 3:
            lost += 1
            raise ConnectionDoesNotExistError("the answer was lost")
        return row

    monkeypatch.setattr(budget_module._budgets, "take_budget_turn", loses_answers)
    budget = opened(workers[0])
    with stamina.set_testing(True, attempts=5):
        for _ in range(3):
            for _ in range(101):
                await budget.spend()
            await budget.park(timedelta(0))  # what is left of its lot goes back
        spent = 303 + await spend_all(budget)
    assert lost == 3
    assert spent <= 1_000


async def test_processes_and_one_that_is_killed(database_url: str) -> None:
    """What the killed one held is lost, and the limit is not passed."""
    program = [sys.executable, "-m", "tests.workers.spending", database_url, "600"]
    killed = await asyncio.create_subprocess_exec(*program, "held", stdin=PIPE, stdout=PIPE)
    assert killed.stdout is not None
    lines = [await killed.stdout.readline()]  # before the others, who may spend all of it in that time
    others = [await asyncio.create_subprocess_exec(*program, stdout=PIPE) for _ in range(2)]
    processes = [killed, *others]
    killed.kill()
    for process in processes:
        told, _ = await process.communicate()
        lines += told.splitlines(keepends=True)
    spent = lines.count(b".\n")
    assert [process.returncode for process in processes] == [-9, 0, 0]
    assert 600 - 12 <= spent <= 600


def test_a_budget_of_this_process_behaves_alike() -> None:
    asyncio.run(_as_the_other())


async def _as_the_other() -> None:
    budgets = ProcessBudgets()
    budget = budgets.open("s3cret-token", "api", capacity=10, per=HOUR)
    assert budgets.open("s3cret-token", "api", capacity=10, per=HOUR) is budget
    assert "s3cret" not in repr(budgets)
    with pytest.raises(Permanent):
        await budget.spend(11)
    await budget.spend(2)
    await budget.observe(remaining=5, limit=10, resets_in=timedelta(minutes=30))
    await budget.observe(remaining=9, resets_in=timedelta(seconds=1))
    await budget.spend(5)
    with pytest.raises(RateLimited):
        await budget.spend()
    await budget.observe(remaining=10, resets_in=timedelta(minutes=90))
    await budget.spend()
    await budget.park(timedelta(minutes=2))
    with pytest.raises(RateLimited):
        await budget.spend()
