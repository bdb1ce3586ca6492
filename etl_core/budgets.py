"""What a credential may still ask of its source: the protocol, waiting for it, and a budget in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol

import structlog

from etl_core.errors import Permanent, RateLimited

log = structlog.get_logger()

WORTH_TELLING = 1.0
"""Seconds of a wait that a run tells of."""

LONGEST_WAIT = 60.0
"""Seconds that a call waits in place, where `wait_at_most` says nothing else; longer, and the run is parked,
which frees its worker."""

_longest_wait = LONGEST_WAIT


def longest_wait() -> float:
    """Seconds that a call of this process waits in place."""
    return _longest_wait


def wait_at_most(seconds: float) -> None:
    """Sets that for the process: its `limit_patience`."""
    global _longest_wait  # noqa: PLW0603 - a setting of the process
    _longest_wait = seconds


class Budget(Protocol):
    """What a credential may still ask of one resource of its source, shared by all runs that use it.

    Time is cut into windows of `per`; in each at most `capacity` units are spent. All workers share it, by
    Postgres's clock.
    """

    async def spend(self, cost: int = 1) -> None:
        """Before each call: takes its cost, waiting up to 60 s for it.

        Raises:
            RateLimited: it would have to wait longer. Permanent: the cost is above the capacity.
        """

    async def observe(self, *, remaining: int, resets_in: timedelta, limit: int | None = None) -> None:
        """What an answer said of the limit: units left, how long the window lasts, units in a whole one.

        `resets_in` is counted from the answer's own `Date`. Only ever lowers what is left of a window.
        """

    async def park(self, wait: timedelta) -> None:
        """The source refuses for so long: nobody spends meanwhile."""


class Budgets(Protocol):
    """Where budgets come from; a worker's are in Postgres."""

    def open(self, credential: str, resource: str, *, capacity: int, per: timedelta) -> Budget: ...


async def spend_when_there(
    take: Callable[[], Awaitable[float]], *, resource: str, cost: int, capacity: int
) -> None:
    """Calls `take` until it returns 0; what else it returns are seconds to wait before the next try.

    Raises:
        RateLimited: it would wait longer than `longest_wait` in all. Permanent: no window ever has so much.
    """
    if cost > capacity:
        raise Permanent(f"{resource}: a call that costs {cost} can never be made, the limit is {capacity}")
    waited = 0.0
    while (wait := await take()) > 0:
        if waited + wait > longest_wait():
            raise RateLimited(
                f"rate limit of {resource}: nothing is left for {wait:.0f} s",
                until=timedelta(seconds=wait),
            )
        if wait >= WORTH_TELLING:
            log.info("waits for a rate limit", resource=resource, seconds=round(wait))
        await asyncio.sleep(wait)
        waited += wait


class ProcessBudget:
    """A budget in memory, for tests and trying out: other processes do not see it."""

    def __init__(self, resource: str, capacity: int, per: timedelta) -> None:
        self._resource = resource
        self._capacity = capacity
        self._per = per.total_seconds()
        self._left = capacity
        self._ends_at = 0.0
        self._is_observed = False
        self._parked_until = 0.0

    async def spend(self, cost: int = 1) -> None:
        async def take() -> float:
            return self._take(cost)

        await spend_when_there(take, resource=self._resource, cost=cost, capacity=self._capacity)

    def _take(self, cost: int) -> float:
        now = self._turn_window()
        if now < self._parked_until:
            return self._parked_until - now
        if self._left < cost:
            return max(self._ends_at - now, 0.001)
        self._left -= cost
        return 0.0

    def _turn_window(self) -> float:
        now = time.monotonic()
        if now >= self._ends_at:
            self._left, self._ends_at, self._is_observed = self._capacity, now + self._per, False
        return now

    async def observe(self, *, remaining: int, resets_in: timedelta, limit: int | None = None) -> None:
        now = self._turn_window()
        end = now + resets_in.total_seconds()
        if limit is not None:
            self._capacity = min(self._capacity, max(limit, 1))
        if end <= now or (self._is_observed and end < self._ends_at - min(self._per / 4, 5)):
            return  # of an older window
        if self._is_observed and end > self._ends_at + max(self._per / 2, 5):
            self._left, self._ends_at = min(self._capacity, remaining), end
            return
        self._left = min(self._left, remaining)
        if not self._is_observed:
            self._ends_at, self._is_observed = end, True

    async def park(self, wait: timedelta) -> None:
        self._parked_until = max(self._parked_until, time.monotonic() + wait.total_seconds())


class ProcessBudgets:
    """The budgets of one process, one for each credential and resource."""

    def __init__(self) -> None:
        self._budgets: dict[tuple[str, str], ProcessBudget] = {}

    def open(self, credential: str, resource: str, *, capacity: int, per: timedelta) -> ProcessBudget:
        return self._budgets.setdefault((credential, resource), ProcessBudget(resource, capacity, per))

    def __repr__(self) -> str:
        return f"ProcessBudgets({len(self._budgets)})"
