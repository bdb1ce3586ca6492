"""Backpressure by bytes: how much of a run may be extracted and not yet loaded."""

from __future__ import annotations

import asyncio

UNLOADED_BYTES = 64 * 1024 * 1024
"""Per run. A larger page is let in when nothing else is unloaded, so that it cannot block for ever."""


class ByteBudget:
    """Extract takes bytes and waits while the budget is spent; load gives them back."""

    def __init__(self, limit: int = UNLOADED_BYTES) -> None:
        self._limit = limit
        self._taken = 0
        self._freed = asyncio.Condition()

    async def take(self, size: int) -> None:
        """Waits until `size` bytes fit, or nothing is taken."""
        async with self._freed:
            await self._freed.wait_for(lambda: self._taken == 0 or self._taken + size <= self._limit)
            self._taken += size

    async def give_back(self, size: int) -> None:
        """`size` bytes are loaded, or will not be."""
        async with self._freed:
            self._taken -= size
            self._freed.notify_all()
