"""Rescues what was lost: runs of lost workers, runs nobody settled, rows that contradict each other."""

from __future__ import annotations

import time

import structlog

from etl_core.broker.protocol import Broker, Stage
from etl_core.errors import Unreachable
from etl_core.lifecycle.mend import mend_contradictions, settle_forgotten
from etl_core.lifecycle.takeover import Takeover, take_over
from etl_core.store.database import Pool
from etl_core.store.queries import load

_dispatch = load("dispatch")

log = structlog.get_logger()


class Sweep:
    """Waits one lease after a gap of its own: after an outage every heartbeat is old, and nobody lost."""

    def __init__(self, pool: Pool, broker: Broker, *, lost_after: float) -> None:
        self._pool = pool
        self._broker = broker
        self._lost_after = lost_after
        self._steady_since: float | None = None
        self._last_look = float("-inf")

    async def run_once(self) -> Takeover | None:
        """What was taken over; None while it waits after a gap."""
        try:
            async with self._pool.acquire() as conn:
                await _dispatch.end_holds(conn)
                takeover = None
                if self._is_steady(time.monotonic()):
                    takeover = await take_over(conn, lost_after=self._lost_after)
                await settle_forgotten(conn)
                await mend_contradictions(conn)
        except Exception:
            self._steady_since = None  # the database may have been away: nobody could say that he is alive
            raise
        if takeover and takeover.freed_runs:
            try:
                await self._broker.ring(Stage.EXTRACT, len(takeover.freed_runs))
            except Unreachable as error:
                log.warning("ring failed; workers will find the runs by polling", error=str(error))
        return takeover

    def _is_steady(self, now: float) -> bool:
        """Whether we have looked without a gap for a whole lease."""
        if self._steady_since is None or now - self._last_look > self._lost_after:
            self._steady_since = now
        self._last_look = now
        return now - self._steady_since >= self._lost_after
