"""How fast rows may be read."""

from __future__ import annotations

import asyncio
import time


class Pace:
    """So many rows a second, counted from the first on: time that was lost elsewhere is not made up for."""

    def __init__(self, per_second: float) -> None:
        """0: no limit."""
        self._per_second = per_second
        self._free_at = 0.0

    async def wait(self, rows: int) -> None:
        """After so many rows, until more may be read."""
        if not self._per_second:
            return
        now = time.monotonic()
        self._free_at = max(now, self._free_at) + rows / self._per_second
        await asyncio.sleep(self._free_at - now)
