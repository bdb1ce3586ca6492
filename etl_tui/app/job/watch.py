"""Looks at one job once a second while somebody does; the dashboard below it opens lost connections again."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

import asyncpg

from etl_core.control.jobs import read_job
from etl_core.errors import EtlError, NotFound
from etl_core.models.health import Health
from etl_core.models.job import JobRow
from etl_tui.app.feed.source import JobSource

LOOK_EVERY = 1.0
HEALTH_EVERY = 5.0


class WatchListener(Protocol):
    """Who shows it. Called in the loop of the screen, one at a time."""

    def show_job(self, job: JobRow) -> None: ...
    def show_health(self, health: Health) -> None: ...
    def show_trouble(self, error: str) -> None: ...
    def show_gone(self) -> None: ...


class JobWatch:
    """Runs `follow` for as long as the screen lives."""

    def __init__(self, source: JobSource, job_id: int, listener: WatchListener) -> None:
        self._source = source
        self._job_id = job_id
        self._listener = listener
        self._watched = asyncio.Event()
        self._watched.set()
        self._woken = asyncio.Event()
        self._health_at = 0.0

    def pause(self) -> None:
        """Nobody looks: ask nothing."""
        self._watched.clear()

    def resume(self) -> None:
        """Somebody looks again."""
        self._watched.set()
        self.wake()

    def wake(self, *, reconcile: bool = False) -> None:
        """Look now rather than within the second."""
        if reconcile:
            self._health_at = 0.0
        self._woken.set()

    async def follow(self) -> None:
        """Shows the job for ever; what goes wrong is told and tried again."""
        while True:
            await self._watched.wait()
            try:
                await self._look()
            except NotFound:
                self._listener.show_gone()
                return
            except EtlError as refusal:
                self._listener.show_trouble(str(refusal))
            except Exception as defect:
                self._listener.show_trouble(f"unexpected {type(defect).__name__}: {defect}")
            try:
                await asyncio.wait_for(self._woken.wait(), LOOK_EVERY)
            except TimeoutError:
                continue
            self._woken.clear()

    async def _look(self) -> None:
        if time.monotonic() >= self._health_at:
            health = await self._source.read_health()
            self._health_at = time.monotonic() + HEALTH_EVERY
            self._listener.show_health(health)

        async def read(conn: asyncpg.Connection) -> JobRow:
            return await read_job(conn, self._job_id)

        self._listener.show_job(await self._source.ask(read))
