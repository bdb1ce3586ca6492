"""Keeps the screen alive: asks for changes once a second while somebody looks, through lost connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

from etl_core.control.feed import FeedChanges
from etl_core.errors import EtlError, Unreachable
from etl_core.models.health import Health
from etl_core.models.job import JobRow
from etl_tui.app.feed.source import JobSource

LOOK_EVERY = 1.0
COALESCE = 0.25
"""Seconds between two looks at the least, however often one is wanted."""
HEALTH_EVERY = 5.0
RECONCILE_EVERY = 30.0
"""Seconds between comparisons of all versions: for late commits and deletions."""
BACKOFF = (1, 2, 4, 8, 15, 30)
"""Seconds before each next try of a lost database; the last one repeats."""


FIRST_ROWS = 120
"""So many are asked for and shown before all: a large screen full."""


class LiveListener(Protocol):
    """Who shows it. Called in the loop of the screen, one at a time."""

    def show_first(self, jobs: Sequence[JobRow]) -> None: ...
    def show_all(self, jobs: Sequence[JobRow]) -> None: ...
    def show_changes(self, changes: FeedChanges) -> None: ...
    def show_health(self, health: Health) -> None: ...
    def show_lost(self, error: str, seconds: int, reached: bool) -> None: ...


class Live:
    """Runs `follow` for as long as the screen lives; nothing that goes wrong in it ends it."""

    def __init__(self, source: JobSource, listener: LiveListener, *, look_every: float = LOOK_EVERY) -> None:
        self._source = source
        self._listener = listener
        self._look_every = self._pace = look_every
        self._watched = asyncio.Event()
        self._watched.set()
        self._woken = asyncio.Event()
        self._reconcile_at = 0.0
        self._health_at = 0.0
        self._is_new = True
        self._looked_at = 0.0
        self._reached = True

    def pause(self, *, glance_every: float | None = None) -> None:
        """Nobody looks: ask nothing, or only now and then, for somebody wants to be told of news."""
        if glance_every is None:
            self._watched.clear()
        else:
            self._pace = glance_every

    def resume(self) -> None:
        """Somebody looks again: compare everything at once."""
        if not self._watched.is_set() or self._pace != self._look_every:
            self._pace = self._look_every
            self._reconcile_at = self._health_at = 0.0
            self._watched.set()
            self.wake()

    def wake(self, *, reconcile: bool = False) -> None:
        """Look now rather than within the second: after an action, or because a person asked."""
        if reconcile:
            self._reconcile_at = self._health_at = 0.0
        self._woken.set()

    async def follow(self) -> None:
        """Shows everything, then changes for ever; a lost connection is opened again with growing pauses."""
        failures = 0
        connected, error = True, ""
        while True:
            await self._watched.wait()
            try:
                if not connected:
                    self._listener.show_lost(error, 0, self._reached)
                    await self._source.reconnect()
                    connected = True
                await self._show_all()
                failures = 0
                await self._follow_changes()
            except EtlError as refusal:
                # A refusal (a migration under way, a right taken away) is tried again like a lost connection.
                error = str(refusal)
                self._reached = not isinstance(refusal, Unreachable)
                connected = self._reached and connected
            except Exception as defect:
                # The screen must outlive a row that it cannot read: told, and tried again.
                error, connected = f"unexpected {type(defect).__name__}: {defect}", False
                self._reached = True
            await self._count_down(error, BACKOFF[min(failures, len(BACKOFF) - 1)])
            failures += 1

    async def _show_all(self) -> None:
        await self._show_health()
        if self._is_new:
            self._is_new = False
            first = await self._source.read_first(FIRST_ROWS)
            if len(first) == FIRST_ROWS:
                self._listener.show_first(first)
        self._listener.show_all(await self._source.read_all())
        self._reconcile_at = time.monotonic() + RECONCILE_EVERY

    async def _follow_changes(self) -> None:
        while True:
            await self._wait(self._pace)
            await self._watched.wait()
            if (early := self._looked_at + COALESCE - time.monotonic()) > 0:
                await asyncio.sleep(early)
            now = time.monotonic()
            if now >= self._health_at:
                await self._show_health()
            self._listener.show_changes(await self._source.read_changes())
            if now >= self._reconcile_at:
                self._reconcile_at = now + RECONCILE_EVERY
                self._listener.show_changes(await self._source.reconcile())
            self._looked_at = time.monotonic()

    async def _show_health(self) -> None:
        self._health_at = time.monotonic() + HEALTH_EVERY
        self._listener.show_health(await self._source.read_health())

    async def _count_down(self, error: str, seconds: int) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._listener.show_lost(error, round(left + 0.5), self._reached)
            if await self._wait(min(left, 1.0)):
                return

    async def _wait(self, seconds: float) -> bool:
        """Waits; True when woken before the time."""
        try:
            await asyncio.wait_for(self._woken.wait(), seconds)
        except TimeoutError:
            return False
        self._woken.clear()
        return True
