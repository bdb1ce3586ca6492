"""A process that spends all it gets: `python -m tests.workers.spending URL CAPACITY`, a dot for each unit."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

from etl_core.errors import RateLimited
from etl_core.store.database import open_pool
from workers.budget import PostgresBudgets


async def spend_all(url: str, capacity: int) -> None:
    """Until refused for longer than anyone waits in place."""
    async with open_pool(url, application_name="spending", max_size=4) as pool:
        budgets = PostgresBudgets(pool)
        budget = budgets.open("s3cret-token", "api", capacity=capacity, per=timedelta(hours=1))
        try:
            while True:
                await budget.spend()
                print(".", flush=True)
        except RateLimited:
            await budgets.close()


if __name__ == "__main__":
    asyncio.run(spend_all(sys.argv[1], int(sys.argv[2])))
