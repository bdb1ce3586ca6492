"""Claims due jobs and rings for their runs, and for runs that a person asked for."""

from __future__ import annotations

import asyncio
from typing import Self

import structlog

from etl_core.broker.protocol import Broker, Stage
from etl_core.errors import Unreachable
from etl_core.lifecycle.claim import MOST_CLAIMS, claim_due_jobs
from etl_core.store.database import Connection, Pool
from etl_core.store.queries import load

_dispatch = load("dispatch")

log = structlog.get_logger()


class Claim:
    """Run at an interval and when woken; never twice at once in a process."""

    def __init__(self, pool: Pool, broker: Broker, *, lost_after: float) -> None:
        self._pool = pool
        self._broker = broker
        self._lost_after = lost_after
        self._turn = asyncio.Lock()
        self.seconds_to_next_due = 0.0
        """Until the next job falls due, as of the last claim (infinity when none will)."""

    async def run_once(self, *, woken: bool = False) -> list[int]:
        """The runs queued, lot by lot until the workers alive can take no more.

        Each lot's ring follows its commit, and goes on while the next lot is claimed; when it fails, workers
        find the rows by polling.

        Args:
            woken: somebody notified us, so ring for every ready run: a person's run has no other ring. At an
                interval only new ones are rung for, else messages would pile up while no worker takes them.
        """
        async with self._turn, _Ringing(self._broker) as ringing:
            try:
                async with self._pool.acquire() as conn:
                    queued = await self._claim_lots(conn, ringing, woken=woken)
                    next_due = await _dispatch.seconds_to_next_due(conn)
            except Exception:
                self.seconds_to_next_due = float("inf")  # else its waiter would try again without a pause
                raise
            self.seconds_to_next_due = float("inf") if next_due is None else max(0.0, next_due)
            return queued

    async def _claim_lots(self, conn: Connection, ringing: _Ringing, *, woken: bool) -> list[int]:
        queued: list[int] = []
        while True:
            lot = await claim_due_jobs(conn, lost_after=self._lost_after)
            queued += lot
            if lot:
                log.info("jobs claimed", runs=lot)
            if lot or woken:
                new_runs = None if woken else len(lot)
                await ringing.begin(await _dispatch.count_rings(conn, new_runs=new_runs))
            if len(lot) < MOST_CLAIMS:
                return queued


class _Ringing:
    """The rings of one lot on their way, never of two; all are answered when the context ends."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._task is not None and kind is not None and issubclass(kind, asyncio.CancelledError):
            self._task.cancel()
        elif self._task is not None:
            await self._task

    async def begin(self, times: int) -> None:
        """Rings so often, in the background, once the rings before are answered."""
        if self._task is not None:
            await self._task
        self._task = asyncio.create_task(self._ring(times), name="ring") if times else None

    async def _ring(self, times: int) -> None:
        try:
            await self._broker.ring(Stage.EXTRACT, times)
        except Unreachable as error:
            log.warning("ring failed; workers will find the runs by polling", error=str(error))
