"""Rings of a worker for the stages behind it: after the commit, in the background, never in the way."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Protocol

import structlog

from etl_core.broker.protocol import Stage
from etl_core.errors import Unreachable

log = structlog.get_logger()


class Ringing(Protocol):
    """What of a broker is needed here."""

    async def ring(self, stage: Stage, times: int = 1) -> None: ...


class Rings:
    """Rings coalesce while one is on its way: who is woken looks at everything that is ready."""

    def __init__(self, broker: Ringing) -> None:
        self._broker = broker
        self._wanted: Counter[Stage] = Counter()
        self._ringing: asyncio.Task[None] | None = None

    def ring(self, stage: Stage) -> None:
        """There is work in this stage; returns at once. A ring that fails does no harm: workers poll."""
        self._wanted[stage] += 1
        if self._ringing is None or self._ringing.done():
            self._ringing = asyncio.create_task(self._ring_all(), name="rings")

    async def _ring_all(self) -> None:
        while self._wanted:
            stage, times = self._wanted.popitem()
            try:
                await self._broker.ring(stage, times)
            except Unreachable as error:
                log.warning("ring failed; workers find the batches by polling", error=str(error))

    async def close(self) -> None:
        """What has not rung yet does not ring."""
        if self._ringing is not None:
            self._ringing.cancel()
            await asyncio.gather(self._ringing, return_exceptions=True)
