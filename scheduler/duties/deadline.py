"""Ends runs that take longer than their job allows."""

from __future__ import annotations

import structlog

from etl_core.lifecycle.end_early import fail_run_early, lock_open_run
from etl_core.rules.intervals import humanise_minutes
from etl_core.store.database import Pool
from etl_core.store.queries import load

_interventions = load("interventions")

log = structlog.get_logger()


class Deadline:
    """Any number may run at once: each run is looked at again under its lock."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def run_once(self) -> list[int]:
        """The runs ended. Their workers are fenced and notice within a second or two."""
        ended = []
        async with self._pool.acquire() as conn:
            overdue = [row async for row in _interventions.list_overdue_runs(conn)]
            for row in overdue:
                message = f"took longer than its deadline of {humanise_minutes(row['deadline_minutes'])}"
                async with conn.transaction():
                    held = await lock_open_run(conn, row["id"])
                    if held is None:
                        continue
                    await fail_run_early(conn, *held, message=message, actor="deadline")
                ended.append(row["id"])
                log.warning("run ended by its deadline", run=row["id"])
        return ended
