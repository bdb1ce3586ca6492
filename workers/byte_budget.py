"""Backpressure: how much of a run a worker carries that is extracted and not yet loaded."""

from __future__ import annotations

import asyncio

CARRIED_BYTES = 64 * 1024 * 1024
"""Of records as JSON, per run; as Python objects they take a few times that."""
MOST_UNLOADED_BYTES = 64 * 1024 * 1024
"""Of a run's batches that others are to load, as they are stored."""
CARRIED_BATCHES = 2
"""One that is loaded and the next: more would only cost memory, for load is the slower part."""


class ByteBudget:
    """Extract takes of it and waits while it is spent; load gives back.

    A page larger than all of it is let in when nothing else is carried, so that it cannot block for ever.
    """

    def __init__(self, *, most_bytes: int = CARRIED_BYTES, most_batches: int = CARRIED_BATCHES) -> None:
        self._most_bytes = most_bytes
        self._most_batches = most_batches
        self._bytes = 0
        self._batches = 0
        self._freed = asyncio.Condition()

    async def take(self, size: int) -> None:
        """Waits until a batch of `size` bytes fits, or nothing is carried."""
        async with self._freed:
            await self._freed.wait_for(lambda: self._fits(size))
            self._bytes += size
            self._batches += 1

    async def room_for(self, size: int) -> None:
        """Waits until so many bytes more are within the budget, or nothing is carried; takes nothing.

        Before the next page is asked for: it will be about as large as the last one, and it is in the memory
        before its size is known.
        """
        async with self._freed:
            await self._freed.wait_for(lambda: self._batches == 0 or self._bytes + size <= self._most_bytes)

    async def give_back(self, size: int) -> None:
        """A batch of `size` bytes is loaded, or will not be."""
        async with self._freed:
            self._bytes -= size
            self._batches -= 1
            self._freed.notify_all()

    def _fits(self, size: int) -> bool:
        if self._batches == 0:
            return True
        return self._batches < self._most_batches and self._bytes + size <= self._most_bytes
