"""Keeps the history at a size: old runs, logs, events, rejects and processes go, in small steps."""

from __future__ import annotations

import structlog

from etl_core.lifecycle.checkpoint_history import prune_histories
from etl_core.store.database import Pool
from etl_core.store.queries import load

_prune = load("prune")

log = structlog.get_logger()

STEP = 1_000
"""Rows a transaction: a long DELETE would hold back vacuum and others."""


class Prune:
    """Under an advisory lock: two would only wait for each other's rows."""

    def __init__(self, pool: Pool, *, keep_days: float, keep_versions: int) -> None:
        self._pool = pool
        self._keep_days = keep_days
        self._keep_versions = keep_versions

    async def run_once(self) -> int:
        """How many rows went; 0 also when another scheduler is at it."""
        total = 0
        async with self._pool.acquire() as conn:
            if not await _prune.try_prune_turn(conn):
                return 0
            try:
                for step in (
                    _prune.prune_runs,
                    _prune.prune_logs,
                    _prune.prune_events,
                    _prune.prune_rejects,
                    _prune.prune_processes,
                    _prune.prune_budgets,
                ):
                    while gone := await step(conn, keep_days=self._keep_days, at_most=STEP):
                        total += gone
                        if gone < STEP:
                            break
                total += await prune_histories(
                    conn, keep_versions=self._keep_versions, keep_days=self._keep_days
                )
            finally:
                await _prune.end_prune_turn(conn)
        if total:
            log.info("history pruned", rows=total)
        return total
