"""Claims due jobs and rings for their runs, and for runs that a person asked for."""

from __future__ import annotations

import asyncio

import structlog

from etl_core.broker.protocol import Broker, Stage
from etl_core.errors import Unreachable
from etl_core.lifecycle.claim import claim_due_jobs
from etl_core.store.database import Pool
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
        """The runs queued. The ring follows the commit; when it fails, workers find the rows by polling.

        Args:
            woken: somebody notified us, so ring for every ready run: a person's run has no other ring. At an
                interval only new ones are rung for, else messages would pile up while no worker takes them.
        """
        async with self._turn:
            try:
                async with self._pool.acquire() as conn:
                    queued = await claim_due_jobs(conn, lost_after=self._lost_after)
                    rings = await _dispatch.count_ready_runs(conn) if woken else len(queued)
                    next_due = await _dispatch.seconds_to_next_due(conn)
            except Exception:
                self.seconds_to_next_due = float("inf")  # else its waiter would try again without a pause
                raise
            self.seconds_to_next_due = float("inf") if next_due is None else max(0.0, next_due)
            if queued:
                log.info("jobs claimed", runs=queued)
            if rings:
                await self._ring(rings)
            return queued

    async def _ring(self, times: int) -> None:
        try:
            await self._broker.ring(Stage.EXTRACT, times)
        except Unreachable as error:
            log.warning("ring failed; workers will find the runs by polling", error=str(error))
