"""Says that this scheduler is alive; without one a banner warns."""

from __future__ import annotations

from etl_core.store.database import Pool
from etl_core.store.queries import load

_processes = load("processes")


class Heartbeat:
    """One per process."""

    def __init__(self, pool: Pool, scheduler_id: int) -> None:
        self._pool = pool
        self._scheduler_id = scheduler_id

    async def run_once(self) -> None:
        """Moves `schedulers.heartbeat_at` to Postgres's now."""
        await _processes.beat_scheduler(self._pool, scheduler_id=self._scheduler_id)
