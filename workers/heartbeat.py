"""Says that a worker is alive, from a thread of its own: a busy event loop does not cost it its runs."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog

from etl_core.lifecycle.takeover import worker_application_name
from etl_core.store.database import OUTAGES, Connection, connect
from etl_core.store.queries import load

_processes = load("processes")

log = structlog.get_logger()

SILENCE_LIMIT = 300.0
"""A main loop silent for so long, in seconds, is hung: the process ends and its runs go to others."""


class Heartbeat:
    """A context that beats until it is left; `on_lost` runs in the main loop when we were taken for lost."""

    def __init__(self, url: str, worker_id: int, *, interval: float, on_lost: Callable[[], None]) -> None:
        self._url = url
        self._worker_id = worker_id
        self._interval = interval
        self._on_lost = on_lost
        self._stop = threading.Event()
        self._main_loop = asyncio.get_running_loop()
        self._main_alive_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    async def __aenter__(self) -> Self:
        self._thread.start()
        self._pulse = asyncio.create_task(self._mark_main_alive(), name="pulse")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pulse.cancel()
        self._stop.set()
        await asyncio.to_thread(self._thread.join, 5)

    async def _mark_main_alive(self) -> None:
        while True:
            self._main_alive_at = time.monotonic()
            await asyncio.sleep(1)

    def _run(self) -> None:
        asyncio.run(self._beat())

    async def _beat(self) -> None:
        conn: Connection | None = None
        told = False
        while not self._stop.is_set():
            if time.monotonic() - self._main_alive_at > SILENCE_LIMIT:
                log.error("the event loop has been silent too long: this process ends", seconds=SILENCE_LIMIT)
                os._exit(70)
            try:
                if conn is None or conn.is_closed():
                    conn = await connect(
                        self._url,
                        application_name=worker_application_name(self._worker_id),
                        command_timeout=self._interval * 2,
                    )
                alive = await _processes.beat_worker(conn, worker_id=self._worker_id)
                told = False
                if alive is None:
                    self._main_loop.call_soon_threadsafe(self._on_lost)
                    break
            except OUTAGES as error:
                if not told:
                    log.warning("heartbeat failed; trying on", error=str(error) or type(error).__name__)
                told = True
                if conn is not None:
                    conn.terminate()
                    conn = None
            await asyncio.to_thread(self._stop.wait, self._interval)
        if conn is not None:
            conn.terminate()
