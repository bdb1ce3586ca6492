"""Writes the logs of runs: some times a second, off the way of the data, bounded for each run.

A line is in PostgreSQL a fraction of a second after it was told, so that a worker which is killed leaves its
last ones. Of a run that tells too much the middle is cut, there: the first lines and the last stay, between
them one that says how many were left out (`cut_run_log` in `0023_run_logs.sql`).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import structlog

from etl_core.run_log import Level, RunLog
from etl_core.secret_values import mask
from etl_core.store.database import OUTAGES, Pool
from etl_core.store.queries import load
from workers.outages import PASSING

_run_logs = load("run_logs")

log = structlog.get_logger()

INTERVAL = 0.25
"""Seconds that a line waits at most."""
LAST_TIMEOUT = 2.0
"""Seconds that the end of a run waits for its last lines."""
FIRST_LINES, FIRST_BYTES = 2_000, 1_000_000
"""Of a run, kept as they come; of what follows only the last."""
LAST_LINES, LAST_BYTES = 500, 250_000
CUT_EVERY = 500
"""Lines of a worker after which a log is looked at whether it is to be cut."""
AT_ONCE = 2_000
"""Lines of a run that wait to be written; of more only the last are."""
MOST_IDLE = 200
"""Runs of which nothing waits and whose lines are counted on; now and then up to twice as many."""
LONGEST = 2_000
"""Characters of a line."""
LONGEST_FIELD = 500
MOST_FIELDS = 20


class Line(NamedTuple):
    at: float
    """Monotonic."""
    level: Level
    message: str
    fields: dict[str, Any]


@dataclass(slots=True)
class _Kept:
    """The lines of one run that are not written yet."""

    waiting: deque[Line] = field(default_factory=lambda: deque(maxlen=AT_ONCE))
    dropped: int = 0
    since_cut: int = 0
    by_connector: bool = False
    """Its connector told something: its end waits for it."""
    is_closed: bool = False

    def add(self, line: Line) -> None:
        self.dropped += len(self.waiting) == self.waiting.maxlen
        self.since_cut += 1
        self.waiting.append(line)

    def take(self) -> list[Line]:
        """What waits; it does no more."""
        lines = [*self.waiting]
        self.waiting.clear()
        return lines

    def put_back(self, lines: list[Line]) -> None:
        """They could not be written: they wait before those that came meanwhile."""
        every = [*lines, *self.waiting]
        self.dropped += max(0, len(every) - AT_ONCE)
        self.waiting.clear()
        self.waiting.extend(every)


class RunLogs:
    """The logs of the runs of one worker."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._runs: dict[int, _Kept] = {}
        self._writing = asyncio.Lock()
        self._is_telling = False

    def of(self, run_id: int, *, by_connector: bool = False) -> RunLog:
        """Where what is told of a run is written."""
        return _Log(self, run_id, by_connector)

    def write(
        self,
        run_id: int,
        message: str,
        level: Level,
        fields: dict[str, Any] | None = None,
        *,
        by_connector: bool = False,
    ) -> None:
        """Adds a line, shortened, without secrets and without what PostgreSQL cannot store."""
        kept = self._runs.setdefault(run_id, _Kept())
        kept.by_connector = kept.by_connector or by_connector
        kept.is_closed = False
        told = {
            _storable(name)[:100]: _plain(value) for name, value in list((fields or {}).items())[:MOST_FIELDS]
        }
        kept.add(Line(time.monotonic(), level, _shortened(_storable(mask(message)), LONGEST), told))

    async def tell(self) -> None:
        """Writes what came since the last time.

        Raises:
            PASSING: nothing was written; it is kept for the next time.
        """
        async with self._writing:
            told = {run_id: kept.take() for run_id, kept in self._runs.items() if kept.waiting}
            if not told:
                return
            now = time.monotonic()
            try:
                await _run_logs.add_lines(
                    self._pool,
                    run_ids=[run_id for run_id, lines in told.items() for _ in lines],
                    ages=[now - line.at for lines in told.values() for line in lines],
                    levels=[line.level for lines in told.values() for line in lines],
                    messages=[line.message for lines in told.values() for line in lines],
                    fields=[line.fields for lines in told.values() for line in lines],
                )
            except BaseException:  # cancelled, too: there is a last tell
                for run_id, lines in told.items():
                    self._runs[run_id].put_back(lines)
                raise
            for run_id in told:
                if self._runs[run_id].since_cut >= CUT_EVERY:
                    await self._cut(run_id, self._runs[run_id])

    async def _cut(self, run_id: int, kept: _Kept) -> None:
        cut = await _run_logs.cut_log(
            self._pool,
            run_id=run_id,
            first_lines=FIRST_LINES,
            first_bytes=FIRST_BYTES,
            last_lines=LAST_LINES,
            last_bytes=LAST_BYTES,
            dropped=kept.dropped,
        )
        kept.since_cut = 0
        if cut:
            kept.dropped = 0

    async def flush(self, run_id: int) -> None:
        """Writes what was told of a run, before what comes next is written; not for long."""
        kept = self._runs.get(run_id)
        if kept is None or not kept.waiting:
            return
        try:
            async with asyncio.timeout(LAST_TIMEOUT):
                await self.tell()
        except (*PASSING, *OUTAGES, TimeoutError):
            log.warning("lines of a run's log are late", run=run_id, in_run_log=False)

    async def settle(self, run_id: int) -> None:
        """Before the end of a run is written: what its connector told of it is there."""
        kept = self._runs.get(run_id)
        if kept is not None and kept.by_connector:
            await self.flush(run_id)

    async def close(self, run_id: int) -> None:
        """No line follows. What is left is written with the next, or now where nobody writes by himself."""
        if not self._is_telling:
            await self.flush(run_id)
        if run_id in self._runs:
            self._runs[run_id].is_closed = True
        self._forget()

    async def tell_for_ever(self) -> None:
        """Some times a second; an outage is tried again at the next. Cancelled, it writes what is left."""
        self._is_telling = True
        try:
            while True:
                await asyncio.sleep(INTERVAL)
                await self._try_to_tell()
        finally:
            self._is_telling = False

    async def _try_to_tell(self) -> None:
        try:
            await self.tell()
        except (*PASSING, *OUTAGES):
            log.debug("run logs not written")
        self._forget()

    def _forget(self) -> None:
        """Runs that ended; the last are kept, for one is worked on batch by batch, and its lines add up."""
        if len(self._runs) <= 2 * MOST_IDLE:  # or each end of a run would look at all of them
            return
        idle = [run_id for run_id, kept in self._runs.items() if kept.is_closed and not kept.waiting]
        for run_id in idle[:-MOST_IDLE]:
            del self._runs[run_id]

    async def tell_last(self) -> None:
        """Before the end of the worker. Not for long."""
        try:
            async with asyncio.timeout(LAST_TIMEOUT):
                await self.tell()
        except (*PASSING, *OUTAGES, TimeoutError):
            log.debug("run logs not written")


@dataclass(frozen=True, slots=True)
class _Log:
    logs: RunLogs
    run_id: int
    by_connector: bool

    def write(self, message: str, level: Level = "info", **fields: Any) -> None:
        self.logs.write(self.run_id, message, level, fields, by_connector=self.by_connector)


def _plain(value: Any) -> Any:
    """A JSON value; what is none, and long, as text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return round(value, 6) if abs(value) < 1e300 else str(value)
    if isinstance(value, dict):
        return {
            _storable(mask(str(name)))[:100]: _plain(each) for name, each in list(value.items())[:MOST_FIELDS]
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in list(value)[:MOST_FIELDS]]
    return _shortened(_storable(mask(str(value))), LONGEST_FIELD)


def _storable(text: str) -> str:
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text):,} characters)"
