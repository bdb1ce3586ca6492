"""The budget of a credential in Postgres, shared by all runs of all workers.

A worker takes units in small lots, so that not each request costs a round trip. A lot is used for
LOT_LASTS seconds at most; what is left of it goes back with the next turn, or by itself when nobody asks.
What a killed worker held is lost until the window ends: the limit is never passed.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import asyncpg
import structlog

from etl_core.budgets import spend_when_there
from etl_core.errors import Transient
from etl_core.store.database import OUTAGES, Pool
from etl_core.store.queries import load
from workers.outages import PASSING, step_retries

_budgets = load("budgets")

log = structlog.get_logger()

LOT_LASTS = 2.0
"""Seconds; take_budget_turn reckons with it."""
TELL_EVERY = 1.0
"""Seconds between two turns that only tell what answers said."""
MOST_AT_ONCE = 100
"""Units of a lot; at most a fiftieth of a window."""

_NOTHING_SEEN: Mapping[str, Any] = {"seen": None, "seen_limit": None, "resets_in": None}


class PostgresBudgets:
    """The budgets that this worker's runs use."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._open: dict[tuple[bytes, str], PostgresBudget] = {}
        self._salt: str | None = None
        self._hashes: dict[bytes, bytes] = {}

    def open(self, credential: str, resource: str, *, capacity: int, per: timedelta) -> PostgresBudget:
        """The same object for the same credential and resource, with what was declared last."""
        key = hashlib.sha256(credential.encode()).digest()
        budget = self._open.get((key, resource))
        if budget is None:
            budget = self._open[key, resource] = PostgresBudget(self, credential, resource)
        budget.declare(capacity, per)
        return budget

    async def close(self) -> None:
        """Gives back what is held."""
        for budget in self._open.values():
            await budget.close()

    async def turn(
        self, credential: str, resource: str, parameters: Mapping[str, Any], *, tries_again: bool
    ) -> asyncpg.Record:
        """One transaction; raises Transient when the database stays away."""
        try:
            hashed = await self._hash(credential)
            told = {**parameters, "credential": hashed, "resource": resource}

            async def ask() -> asyncpg.Record:
                try:
                    row: asyncpg.Record = await _budgets.take_budget_turn(self._pool, **told)
                finally:
                    # Perhaps only the answer was lost: what goes back twice would be spent twice.
                    told["given_back"] = 0
                return row

            row = await (step_retries.on(PASSING)(ask) if tries_again else ask())
        except PASSING as error:
            raise Transient(
                f"{resource}: its budget cannot be asked: {str(error) or type(error).__name__}"
            ) from None
        return row

    async def _hash(self, credential: str) -> bytes:
        """Slow and salted: a dump of the database must not give a weak password away."""
        raw = credential.encode()
        key = hashlib.sha256(raw).digest()
        if key not in self._hashes:
            if self._salt is None:
                self._salt = str(await step_retries.on(PASSING)(_budgets.budget_salt, self._pool))
            self._hashes[key] = await asyncio.to_thread(
                hashlib.scrypt, raw, salt=self._salt.encode(), n=2**14, r=8, p=1, dklen=32
            )
        return self._hashes[key]

    def __repr__(self) -> str:
        return f"PostgresBudgets({len(self._open)})"


class PostgresBudget:
    """One of them; see `etl_core.connector.Budget`."""

    def __init__(self, budgets: PostgresBudgets, credential: str, resource: str) -> None:
        self._budgets = budgets
        self._credential = credential
        self._resource = resource
        self._capacity = 1
        self._per = timedelta(hours=1)
        self._turning = asyncio.Lock()
        self._window: int | None = None
        self._held = 0
        self._spent = 0
        """Of this lot, not told yet."""
        self._good_until = 0.0
        self._seen: tuple[int, int | None, float] | None = None
        """What an answer said that was not told yet: units left, the limit, the window's end (monotonic)."""
        self._spent_since_seen = 0
        self._told_at = 0.0
        self._returning: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def declare(self, capacity: int, per: timedelta) -> None:
        """What the connector knows of the limit."""
        self._capacity, self._per = capacity, per

    async def spend(self, cost: int = 1) -> None:
        async def take() -> float:
            return await self._take(cost)

        await spend_when_there(take, resource=self._resource, cost=cost, capacity=self._capacity)

    async def _take(self, cost: int) -> float:
        if self._take_from_lot(cost):
            return 0.0
        async with self._turning:
            if self._take_from_lot(cost):  # another call fetched a lot meanwhile
                return 0.0
            row = await self._turn(at_least=cost)
            if self._take_from_lot(cost, just_fetched=bool(row["granted"])):
                return 0.0
            return max(float(row["wait"]), 0.01)

    def _take_from_lot(self, cost: int, *, just_fetched: bool = False) -> bool:
        if self._held < cost or (time.monotonic() >= self._good_until and not just_fetched):
            return False
        self._held -= cost
        self._spent += cost
        self._spent_since_seen += cost
        return True

    async def observe(self, *, remaining: int, resets_in: timedelta, limit: int | None = None) -> None:
        now = time.monotonic()
        ends_at = now + resets_in.total_seconds()
        if self._seen and abs(self._seen[2] - ends_at) < 5:  # answers overtake each other
            remaining = min(remaining, self._seen[0] - self._spent_since_seen)
        self._spent_since_seen = 0
        self._seen = (remaining, limit, ends_at)
        self._held, too_much = min(self._held, max(remaining, 0)), max(self._held - remaining, 0)
        self._spent += too_much  # the source knows of calls that nobody told us of
        if now - self._told_at >= TELL_EVERY and not self._turning.locked():
            async with self._turning:
                await self._turn()

    async def park(self, wait: timedelta) -> None:
        async with self._turning:
            await self._turn(rest=wait)

    async def close(self) -> None:
        """Gives back what is held, if the database can be reached."""
        if self._returning:
            self._returning.cancel()
        async with self._turning:
            await self._return()

    async def _turn(
        self, *, at_least: int = 0, rest: timedelta | None = None, tries_again: bool = True
    ) -> asyncpg.Record:
        """Tells all that is not told, gives back the lot, and takes another if asked for one."""
        lot = {"of_window": self._window, "spent": self._spent, "given_back": self._held}
        seen = self._seen_now()
        # Calls that are answered while the database is asked must not take from what goes back.
        self._held = self._spent = 0
        self._seen = None
        asked_at = self._told_at = time.monotonic()
        row = await self._budgets.turn(
            self._credential,
            self._resource,
            {
                **lot,
                **seen,
                "capacity": self._capacity,
                "per": self._per,
                "rest": rest,
                "at_least": at_least,
                "at_most": max(at_least, min(MOST_AT_ONCE, self._capacity // 50)),
            },
            tries_again=tries_again,
        )
        self._window = row["in_window"]
        if row["granted"]:
            self._held = row["granted"]
            # From before the question: the window that the database knows of ends no sooner.
            self._good_until = asked_at + min(LOT_LASTS, row["seconds_left"])
            self._return_later()
        return row

    def _seen_now(self) -> Mapping[str, Any]:
        if self._seen is None:
            return _NOTHING_SEEN
        remaining, limit, ends_at = self._seen
        return {
            "seen": remaining - self._spent_since_seen,
            "seen_limit": limit,
            "resets_in": timedelta(seconds=ends_at - time.monotonic()),
        }

    def _return_later(self) -> None:
        """When the lot is over and nobody asked for another, what is left of it goes back."""
        if self._returning:
            self._returning.cancel()
        loop = asyncio.get_running_loop()
        self._returning = loop.call_later(LOT_LASTS + 0.1, self._begin_return)

    def _begin_return(self) -> None:
        task = asyncio.get_running_loop().create_task(self._return_turn(), name="budget returned")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _return_turn(self) -> None:
        async with self._turning:
            await self._return()

    async def _return(self) -> None:
        if not (self._held or self._spent):
            return
        try:
            await self._turn(tries_again=False)
        except (Transient, *OUTAGES) as error:  # lost until the window ends
            log.debug("budget not given back", resource=self._resource, error=str(error))

    def __repr__(self) -> str:
        return f"PostgresBudget({self._resource!r})"
