"""The worker process: claims ready runs while it has a free slot, and carries them out.

A process lives through incarnations. When a sweep took it for lost (it was stopped, or cut off), all that
it held belongs to others: it drops that and starts again under a new id.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog

from etl_core import __version__
from etl_core.broker.channels import SCHEDULER
from etl_core.broker.open import open_broker
from etl_core.broker.protocol import Doorbell, Stage
from etl_core.lifecycle.claim import ClaimedRun, claim_run
from etl_core.lifecycle.takeover import worker_application_name
from etl_core.process import stop_when_asked, this_host
from etl_core.settings import Settings
from etl_core.store.database import OUTAGES, Pool, connect, open_pool
from etl_core.store.location import database_location
from etl_core.store.migrations import check_schema
from etl_core.store.queries import load
from workers.execution import Execution, give_back
from workers.heartbeat import Heartbeat

_processes = load("processes")
_interventions = load("interventions")

log = structlog.get_logger()

STAGES = (Stage.EXTRACT, Stage.TRANSFORM, Stage.LOAD)
FULL_PATIENCE = 1.0
"""A worker full for longer, in seconds, takes no more rings, so that they go to others."""
LEASE_WATCH_INTERVAL = 1.0
"""Seconds between two looks whether our runs are still ours."""
STALL = 5.0
"""Seconds after which a look is given up."""


async def run_worker(settings: Settings, *, slots: int, with_parent: bool = False) -> None:
    """Runs until asked to stop; then the batches in hand are finished, the runs go back to the queue.

    Raises:
        Unreachable: no database at the start. Conflict: its schema is behind or ahead. InvalidInput: a URL
            that cannot be right.
    """
    stop = stop_when_asked(with_parent=with_parent)
    async with database_location(settings) as url:
        conn = await connect(url, application_name="etl-worker")
        try:
            await check_schema(conn)
        finally:
            await conn.close()
        # A URL that cannot be right ends us here: registered already, we would be taken for a lost worker.
        await (await open_broker(settings, url)).close()
        while not stop.is_set():
            try:
                async with _incarnation(settings, url, slots, stop) as worker:
                    await worker.serve()
            except OUTAGES as error:  # the database went away before we were known to it
                log.warning("cannot start; trying again", error=str(error) or type(error).__name__)
                await _first(stop.wait(), asyncio.sleep(settings.claim_interval))


@asynccontextmanager
async def _incarnation(
    settings: Settings, url: str, slots: int, stop: asyncio.Event
) -> AsyncIterator[Worker]:
    """A registered worker with its own connections, heartbeat and doorbell."""
    conn = await connect(url, application_name="etl-worker")
    try:
        worker_id = await _processes.register_worker(
            conn, host=this_host(), pid=os.getpid(), version=__version__, stages=list(STAGES), slots=slots
        )
    finally:
        await conn.close()
    name = worker_application_name(worker_id)
    lost = asyncio.Event()
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            # A run loads, stores its next page and writes its progress at the same time.
            open_pool(url, application_name=name, min_size=1, max_size=3 * slots + 1, reset_sessions=False)
        )
        broker = await open_broker(settings, url, pool=pool, application_name=name)
        stack.push_async_callback(broker.close)
        bell = await stack.enter_async_context(broker.subscribe([Stage.EXTRACT]))
        await stack.enter_async_context(
            Heartbeat(url, worker_id, interval=settings.heartbeat_interval, on_lost=lost.set)
        )
        log.info(
            "worker started", worker=worker_id, slots=slots, transport=broker.transport, version=__version__
        )
        yield Worker(
            settings=settings,
            pool=pool,
            bell=bell,
            worker_id=worker_id,
            slots=slots,
            stop=stop,
            lost=lost,
        )
        if not lost.is_set():
            await _processes.stop_worker(pool, worker_id=worker_id)
        log.info("worker stops", worker=worker_id, lost=lost.is_set())


class Worker:
    """One incarnation: its slots and the runs in them."""

    def __init__(
        self,
        *,
        settings: Settings,
        pool: Pool,
        bell: Doorbell,
        worker_id: int,
        slots: int,
        stop: asyncio.Event,
        lost: asyncio.Event,
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._bell = bell
        self._id = worker_id
        self._slots = slots
        self._stop = stop
        self._lost = lost
        self._running: dict[asyncio.Task[None], Execution] = {}
        self._slot_freed = False

    async def serve(self) -> None:
        """Claims and carries out runs until asked to stop, or until taken for lost."""
        ended = asyncio.create_task(_first(self._stop.wait(), self._lost.wait()))
        watch = asyncio.create_task(self._watch_leases(), name="lease watch")
        try:
            while not ended.done():
                await self._fill_slots()
                await self._wait_for_work(ended)
        finally:
            ended.cancel()
            watch.cancel()
            if self._lost.is_set():
                log.error("taken for lost: what this worker held belongs to others", worker=self._id)
                await self._drop()
            else:
                await self._hand_back()

    async def _fill_slots(self) -> None:
        while len(self._running) < self._slots and not self._stop.is_set() and not self._lost.is_set():
            try:
                async with self._pool.acquire() as conn:
                    run = await claim_run(conn, self._id)
            except OUTAGES as error:
                log.warning("cannot claim; trying again", error=str(error) or type(error).__name__)
                return
            if run is None:
                await self._ask_for_work()
                return
            self._start(run)

    async def _ask_for_work(self) -> None:
        """A slot has just become free and nothing is queued: schedulers may claim at once what is due."""
        if not self._slot_freed:
            return
        self._slot_freed = False
        try:
            await _processes.wake_scheduler_when_due(self._pool, channel=SCHEDULER)
        except OUTAGES:
            log.debug("scheduler not woken; it looks by itself")

    def _start(self, run: ClaimedRun) -> None:
        for task, older in self._running.items():
            if older.run.id == run.id:
                task.cancel()  # of an older lease: this one is the truth
        execution = Execution(self._pool, self._id, run)
        task = asyncio.create_task(execution.carry_out(), name=f"run {run.id}")
        self._running[task] = execution
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._slot_freed = True

    async def _watch_leases(self) -> None:
        """Keeps what we work on and what we hold the same.

        Work on runs that were taken from us (cancelled, released, past their deadline) is stopped. A run that
        we hold and do not work on (the answer to our claim was lost) is given back; it is seen twice first,
        for a claim may just be on its way.
        """
        unknown: set[tuple[int, int]] = set()
        while True:
            await asyncio.sleep(LEASE_WATCH_INTERVAL)
            working = {(e.run.id, e.run.lease): task for task, e in self._running.items()}
            try:
                async with asyncio.timeout(STALL):
                    held = {
                        (row["id"], row["lease"])
                        async for row in _interventions.list_held_runs(self._pool, worker_id=self._id)
                    }
                    now_working = {(e.run.id, e.run.lease) for e in self._running.values()}
                    for run_id, lease in unknown & (held - now_working):
                        log.warning("held, but not worked on: given back", run=run_id, lease=lease)
                        await give_back(self._pool, run_id, lease, self._id)
                    unknown = held - now_working
            except (*OUTAGES, TimeoutError):
                continue
            for key, task in working.items():
                if key not in held and not task.done():
                    log.warning("run was taken from this worker", run=key[0], lease=key[1])
                    task.cancel()

    async def _wait_for_work(self, ended: asyncio.Task[None]) -> None:
        """Until a ring, a free slot, the poll interval, or the end."""
        if len(self._running) < self._slots:
            rung = asyncio.create_task(self._bell.wait(self._settings.claim_interval))
            await asyncio.wait({rung, ended, *self._running}, return_when=asyncio.FIRST_COMPLETED)
            rung.cancel()
            return
        done, _ = await asyncio.wait(
            {ended, *self._running}, timeout=FULL_PATIENCE, return_when=asyncio.FIRST_COMPLETED
        )
        if done:
            return
        await self._bell.pause()
        try:
            await asyncio.wait({ended, *self._running}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._bell.resume()

    async def _hand_back(self) -> None:
        """Finishes the batches in hand and puts the runs back; past the time limit they are cut off."""
        for execution in self._running.values():
            execution.give_way()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=self._settings.stop_timeout)
            if late:
                log.warning("runs cut off at the end", worker=self._id, runs=len(late))
        await self._drop()

    async def _drop(self) -> None:
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _first(*waits: Coroutine[Any, Any, Any]) -> None:
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
