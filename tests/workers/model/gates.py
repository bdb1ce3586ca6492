"""A pool of connections behind a gate: its user goes on by one transaction when he is let."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Generator, Sized
from typing import Any

import asyncpg

from etl_core.store.database import Connection, Pool

_PATIENCE = 1_000
"""Rounds of the event loop."""


async def settle_down() -> None:
    """Lets everybody go on until he stands before a gate: nothing here waits for time, or in a thread."""
    ready: Sized = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]  # nobody else can tell
    for _ in range(_PATIENCE):
        await asyncio.sleep(0)
        if not ready:
            return
    raise AssertionError("somebody goes round in circles")


class Gate:
    """Those who wait are let through one at a time."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self._is_free = asyncio.Event()

    @property
    def waiting(self) -> int:
        return sum(not one.done() for one in self._waiting)

    async def let_one_through(self, which: int = 0, *, loses_answer: bool = False) -> None:
        """Until he is done and waits for nothing but a gate.

        `loses_answer`: he is not told that it is done.
        """
        waiting = [one for one in self._waiting if not one.done()]
        one = waiting[which % len(waiting)]
        self._waiting.remove(one)
        self._is_free.clear()
        one.set_result(loses_answer)
        await self._is_free.wait()
        await settle_down()

    async def enter(self) -> bool:
        """Waits to be let through; whether the answer is to be lost."""
        waits: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(waits)
        return await waits

    def leave(self) -> None:
        self._is_free.set()


class GatedPool:
    """As much of asyncpg's pool as workers use."""

    def __init__(self, pool: Pool, gate: Gate) -> None:
        self._pool = pool
        self._gate = gate
        self._lent: dict[Connection, Loan] = {}

    def acquire(self) -> Loan:
        return Loan(self._pool, self._gate, self._lent)

    async def release(self, conn: Connection) -> None:
        await self._lent[conn].give_back()


class Loan:
    """A connection behind the gate, for `await` or `async with`."""

    def __init__(self, pool: Pool, gate: Gate, lent: dict[Connection, Loan]) -> None:
        self._pool = pool
        self._gate = gate
        self._lent = lent
        self._loses_answer = False

    async def _take(self) -> Connection:
        self._loses_answer = await self._gate.enter()
        self._conn = await self._pool.acquire()
        self._lent[self._conn] = self
        return self._conn

    async def give_back(self) -> None:
        del self._lent[self._conn]
        await self._pool.release(self._conn)
        self._gate.leave()
        if self._loses_answer:
            raise asyncpg.ConnectionDoesNotExistError("the answer was lost")

    def __await__(self) -> Generator[Any, None, Connection]:
        return self._take().__await__()

    async def __aenter__(self) -> Connection:
        return await self._take()

    async def __aexit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._loses_answer = self._loses_answer and kind is None
        await self.give_back()
