"""FINISHED rests at READY after a while, so that the grid shows what has just ended."""

from __future__ import annotations

from etl_core.store.database import Pool
from etl_core.store.queries import load

_dispatch = load("dispatch")


class Rest:
    """Any number may run at once."""

    def __init__(self, pool: Pool, *, rest_seconds: float) -> None:
        self._pool = pool
        self._rest_seconds = rest_seconds

    async def run_once(self) -> int:
        """How many jobs came to rest."""
        rested: int = await _dispatch.rest_finished(self._pool, rest_seconds=self._rest_seconds)
        return rested
