"""Writes what connectors tell of their runs: once a second, off the way of the data, bounded for each run."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import structlog

from etl_core.run_log import Level, RunLog
from etl_core.secret_values import mask
from etl_core.store.database import OUTAGES, Pool
from etl_core.store.queries import load
from workers.outages import PASSING

_run_logs = load("run_logs")

log = structlog.get_logger()

INTERVAL = 1.0
"""Seconds that a line waits at most."""
LAST_TIMEOUT = 2.0
"""Seconds that the end of a run waits for its last lines."""
FIRST_LINES = 2_000
"""Of a run, kept as they come; of what follows only the last."""
LAST_LINES = 500
LONGEST = 2_000
"""Characters of a line."""

Line = tuple[Level, str]


@dataclass(slots=True)
class _Kept:
    """The lines of one run that are not written yet."""

    waiting: list[Line] = field(default_factory=list)
    last: deque[Line] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    lines: int = 0

    def add(self, line: Line) -> None:
        self.lines += 1
        if self.lines <= FIRST_LINES:
            self.waiting.append(line)
        else:
            self.last.append(line)

    def end(self) -> None:
        """No line follows: those behind the cut can be written."""
        left_out = self.lines - FIRST_LINES - len(self.last)
        if left_out > 0:
            self.waiting.append(("warning", f"... {left_out:,} lines left out ..."))
        self.waiting += self.last
        self.last.clear()


class RunLogs:
    """The logs of the runs of one worker."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._runs: dict[int, _Kept] = {}
        self._writing = asyncio.Lock()

    def of(self, run_id: int) -> RunLog:
        """Where the connector of a run writes."""
        return _Log(self, run_id)

    def write(self, run_id: int, message: str, level: Level) -> None:
        """Adds a line, shortened, without secrets and without what PostgreSQL cannot store."""
        text = mask(message).replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()
        if len(text) > LONGEST:
            text = f"{text[:LONGEST]}... ({len(text):,} characters)"
        self._runs.setdefault(run_id, _Kept()).add((level, text))

    async def tell(self) -> None:
        """Writes what came since the last time.

        Raises:
            PASSING: nothing was written; it is kept for the next time.
        """
        async with self._writing:
            told = {run_id: kept.waiting for run_id, kept in self._runs.items() if kept.waiting}
            if not told:
                return
            await _run_logs.add_lines(
                self._pool,
                run_ids=[run_id for run_id, lines in told.items() for _ in lines],
                levels=[level for lines in told.values() for level, _ in lines],
                messages=[message for lines in told.values() for _, message in lines],
            )
            for run_id, lines in told.items():  # others may have been added meanwhile
                kept = self._runs[run_id]
                kept.waiting = kept.waiting[len(lines) :]

    async def close(self, run_id: int) -> None:
        """Writes the last lines of a run before its end is; not for long."""
        kept = self._runs.get(run_id)
        if kept is None:
            return
        kept.end()
        try:
            async with asyncio.timeout(LAST_TIMEOUT):
                await self.tell()
        except (*PASSING, *OUTAGES, TimeoutError):
            log.warning("the last lines of a run's log are lost", run=run_id, lines=len(kept.waiting))
        finally:
            self._runs.pop(run_id, None)

    async def tell_for_ever(self) -> None:
        """Once a second; an outage is tried again at the next."""
        while True:
            await asyncio.sleep(INTERVAL)
            try:
                await self.tell()
            except (*PASSING, *OUTAGES):
                log.debug("run logs not written")


@dataclass(frozen=True, slots=True)
class _Log:
    logs: RunLogs
    run_id: int

    def write(self, message: str, level: Level = "info", **fields: Any) -> None:
        self.logs.write(self.run_id, message, level)
