"""Tells people how far the runs are that a worker works on: once a second, off the way of the data."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping

import structlog

from etl_core.broker.protocol import Stage
from etl_core.store.database import OUTAGES, Pool
from etl_core.store.queries import load

_progress = load("progress")

log = structlog.get_logger()

INTERVAL = 1.0
"""Seconds between two looks that screens get at an open run."""
LAST_TIMEOUT = 2.0
"""Seconds that a worker which stops gives to it."""


class Progress:
    """Counts in memory what was done; what is lost with the process is lost for the eyes alone."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._done: dict[tuple[int, str, Stage], list[int]] = defaultdict(lambda: [0, 0])
        self._expected: dict[int, int] = {}

    def add(self, run_id: int, stage: Stage, rows: Mapping[str, int], size: int) -> None:
        """Rows of a batch by stream, and its size in bytes, which is divided among them."""
        total = sum(rows.values())
        for stream, count in rows.items():
            done = self._done[run_id, stream, stage]
            done[0] += count
            done[1] += size * count // total if total else 0

    def expect(self, run_id: int, rows: int) -> None:
        """So many rows are to come of the run in all, says its source."""
        self._expected[run_id] = rows

    async def tell(self) -> None:
        """Writes what was done since the last time.

        Raises:
            OUTAGES: the database is away; what was to be told is kept for the next time.
        """
        done, self._done = self._done, defaultdict(lambda: [0, 0])
        if not done:
            return
        try:
            keys = sorted(done)
            await _progress.add_progress(
                self._pool,
                run_ids=[run_id for run_id, _, _ in keys],
                streams=[stream for _, stream, _ in keys],
                stages=[stage for _, _, stage in keys],
                rows=[done[key][0] for key in keys],
                bytes=[done[key][1] for key in keys],
            )
        except BaseException:  # cancelled, too: there is a last tell
            for key, (rows, size) in done.items():
                self._done[key][0] += rows
                self._done[key][1] += size
            raise
        for run_id in {run_id for run_id, _, _ in keys}:
            await _progress.write_counters(
                self._pool, run_id=run_id, rows_expected=self._expected.pop(run_id, None)
            )

    async def tell_last(self) -> None:
        """Before the end: a run shorter than a second was never told of. Not for long."""
        try:
            async with asyncio.timeout(LAST_TIMEOUT):
                await self.tell()
        except OUTAGES:
            log.debug("progress not written")

    async def tell_for_ever(self) -> None:
        """Once a second; an outage is tried again at the next."""
        while True:
            await asyncio.sleep(INTERVAL)
            try:
                await self.tell()
            except OUTAGES:
                log.debug("progress not written")
