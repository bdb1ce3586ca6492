"""A process that spends all it gets: `python -m tests.workers.spending URL CAPACITY`, a dot for each unit.

With `held` as a third argument it stops dead after the first one, with what it holds, until stdin ends.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

from etl_core.errors import RateLimited
from etl_core.store.database import open_pool
from workers.budget import PostgresBudgets


async def spend_all(url: str, capacity: int, *, held: bool) -> None:
    """Until refused for longer than anyone waits in place."""
    async with open_pool(url, application_name="spending", max_size=4) as pool:
        budgets = PostgresBudgets(pool)
        budget = budgets.open("s3cret-token", "api", capacity=capacity, per=timedelta(hours=1))
        try:
            while True:
                await budget.spend()
                print(".", flush=True)
                if held:
                    sys.stdin.read()  # the whole process: its lot does not go back by a timer either
        except RateLimited:
            await budgets.close()


if __name__ == "__main__":
    asyncio.run(spend_all(sys.argv[1], int(sys.argv[2]), held=sys.argv[3:] == ["held"]))
