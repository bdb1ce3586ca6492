"""The worker process: claims what is ready in its stages while it has a free slot, and carries it out.

A process lives through incarnations. When a sweep took it for lost (it was stopped, or cut off), all that
it held belongs to others: it drops that and starts again under a new id.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Collection, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog

from etl_core import __version__
from etl_core.broker.channels import SCHEDULER
from etl_core.broker.open import open_broker
from etl_core.broker.protocol import ALL_STAGES, Doorbell, Stage
from etl_core.lifecycle.claim import claim_runs
from etl_core.lifecycle.takeover import worker_application_name
from etl_core.process import stop_when_asked, this_host
from etl_core.settings import Settings
from etl_core.store.database import CONNECT_TIMEOUT, OUTAGES, Pool, connect, open_pool
from etl_core.store.first_look import look_first
from etl_core.store.location import database_location
from etl_core.store.queries import load
from workers.batch_work import BatchWork, claim_batch
from workers.budget import PostgresBudgets
from workers.byte_budget import ByteBudget
from workers.clean_ends import CleanEnds
from workers.execution import Execution
from workers.heartbeat import Heartbeat
from workers.lease_watch import watch_leases
from workers.loader import destination
from workers.progress import Progress
from workers.rings import Rings
from workers.run_log import RunLogs
from workers.stage_loop import StageLoop
from workers.vectorize.loop import serve_vectorizing
from workers.work import Work

_processes = load("processes")

log = structlog.get_logger()

APPLICATION_NAME = "etl-worker"
"""Until we have an id, by which each incarnation is named."""


async def run_worker(
    settings: Settings, *, slots: int, stages: Collection[Stage] = ALL_STAGES, with_parent: bool = False
) -> None:
    """Runs until asked to stop; then the batches in hand are finished, the runs go back to the queue.

    Raises:
        Unreachable: no database at the first look; later it is waited for. Conflict: its schema is behind or
            ahead. InvalidInput: a URL that cannot be right.
    """
    stop = stop_when_asked(with_parent=with_parent)
    async with database_location(settings) as url:
        await look_first(url, application_name=APPLICATION_NAME)
        # A URL that cannot be right ends us here: registered already, we would be taken for a lost worker.
        await (await open_broker(settings, url)).close()
        while not stop.is_set():
            try:
                async with _incarnation(settings, url, slots, stages, stop) as worker:
                    await worker.serve()
            except OUTAGES as error:  # the database went away before we were known to it
                log.warning("waits for the database", error=str(error) or type(error).__name__)
                await _first(stop.wait(), asyncio.sleep(settings.claim_interval))


@asynccontextmanager
async def _incarnation(
    settings: Settings, url: str, slots: int, stages: Collection[Stage], stop: asyncio.Event
) -> AsyncIterator[Worker]:
    """A registered worker with its own connections, heartbeat and doorbell."""
    conn = await connect(url, application_name=APPLICATION_NAME, command_timeout=CONNECT_TIMEOUT)
    try:
        worker_id = await _processes.register_worker(
            conn, host=this_host(), pid=os.getpid(), version=__version__, stages=list(stages), slots=slots
        )
    finally:
        conn.terminate()
    name = worker_application_name(worker_id)
    lost = asyncio.Event()
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            # A run loads, stores its next page and writes its progress at the same time; a batch one thing.
            open_pool(url, application_name=name, min_size=1, max_size=4 * slots + 2, reset_sessions=False)
        )
        broker = await open_broker(settings, url, pool=pool, application_name=name)
        stack.push_async_callback(broker.close)
        bells = {
            served[0]: await stack.enter_async_context(broker.subscribe(served))
            for served in _by_loop(stages)
        }
        rings = Rings(broker)
        stack.push_async_callback(rings.close)
        await stack.enter_async_context(
            Heartbeat(url, worker_id, interval=settings.heartbeat_interval, on_lost=lost.set)
        )
        log.info(
            "worker started",
            worker=worker_id,
            slots=slots,
            stages=list(stages),
            transport=broker.transport,
            version=__version__,
        )
        yield Worker(
            settings=settings,
            pool=pool,
            bells=bells,
            rings=rings,
            worker_id=worker_id,
            slots=slots,
            stages=stages,
            stop=stop,
            lost=lost,
        )
        await destination.close()
        if not lost.is_set():
            await _sign_off(pool, worker_id)
        log.info("worker stops", worker=worker_id, lost=lost.is_set())


async def _sign_off(pool: Pool, worker_id: int) -> None:
    """Without it others wait for our lease to end, no more."""
    try:
        async with asyncio.timeout(2):
            await _processes.stop_worker(pool, worker_id=worker_id)
    except OUTAGES:
        log.warning("could not sign off", worker=worker_id)


def _by_loop(stages: Collection[Stage]) -> list[list[Stage]]:
    """Runs have slots of their own: extracts that wait for loads must not starve them."""
    behind = [stage for stage in (Stage.TRANSFORM, Stage.LOAD) if stage in stages]
    alone = [[stage] for stage in (Stage.EXTRACT, Stage.VECTORIZE) if stage in stages]
    return [*alone, behind] if behind else alone


class Worker:
    """One incarnation: a loop for runs, if it extracts, and one for batches, if it transforms or loads."""

    def __init__(
        self,
        *,
        settings: Settings,
        pool: Pool,
        bells: Mapping[Stage, Doorbell],
        rings: Rings,
        worker_id: int,
        slots: int,
        stages: Collection[Stage],
        stop: asyncio.Event,
        lost: asyncio.Event,
    ) -> None:
        """`bells` has one for each loop, under its first stage: extract; transform and load; vectorize."""
        self._settings = settings
        self._pool = pool
        self._rings = rings
        self._progress = Progress(pool)
        self._ends = CleanEnds(pool, worker_id)
        self._logs = RunLogs(pool)
        self._batch_memory = ByteBudget(most_batches=slots)
        self._budgets = PostgresBudgets(pool)
        self._id = worker_id
        self._stages = frozenset(stages)
        self._stop = stop
        self._lost = lost
        self._vectorize_bell = bells.get(Stage.VECTORIZE)
        self._loops = [
            StageLoop(
                self._claim_runs if stage is Stage.EXTRACT else self._claim_batches,
                bell,
                slots=slots,
                poll_interval=settings.claim_interval,
                out_of_work=self._ask_for_runs if stage is Stage.EXTRACT else None,
            )
            for stage, bell in bells.items()
            if stage is not Stage.VECTORIZE
        ]

    async def serve(self) -> None:
        """Claims and carries out work until asked to stop, or until taken for lost."""
        ended = asyncio.create_task(_first(self._stop.wait(), self._lost.wait()))
        watch = asyncio.create_task(watch_leases(self._pool, self._id, self._loops), name="lease watch")
        telling = asyncio.create_task(self._progress.tell_for_ever(), name="progress")
        logging = asyncio.create_task(self._logs.tell_for_ever(), name="run logs")
        try:
            async with asyncio.TaskGroup() as group:
                for loop in self._loops:
                    group.create_task(loop.serve(ended))
                if self._vectorize_bell is not None:
                    interval = self._settings.claim_interval
                    group.create_task(
                        serve_vectorizing(self._pool, self._vectorize_bell, ended, poll_interval=interval)
                    )
        finally:
            ended.cancel()
            watch.cancel()
            telling.cancel()
            logging.cancel()
            if self._lost.is_set():
                log.error("taken for lost: what this worker held belongs to others", worker=self._id)
                await self._drop()
            else:
                await self._hand_back()
                await self._progress.tell_last()
                await self._logs.tell_last()
                await self._budgets.close()

    async def _claim_runs(self, free: int, _: Collection[Work]) -> list[Work]:
        carries = {Stage.TRANSFORM, Stage.LOAD} <= self._stages
        async with self._pool.acquire() as conn:
            runs = await claim_runs(conn, self._id, free)
        return [
            Execution(
                self._pool,
                self._id,
                run,
                carries=carries,
                rings=self._rings,
                progress=self._progress,
                ends=self._ends,
                budgets=self._budgets,
                logs=self._logs,
            )
            for run in runs
        ]

    async def _claim_batches(self, free: int, under_way: Collection[Work]) -> list[Work]:
        """One that cost a worker before is worked on with nothing beside it."""
        claimed: list[Work] = []
        while len(claimed) < free and not any(
            isinstance(work, BatchWork) and work.is_suspect for work in (*under_way, *claimed)
        ):
            batch = await claim_batch(
                self._pool, self._id, self._stages, suspects=not under_way and not claimed
            )
            if batch is None:
                break
            claimed.append(
                BatchWork(
                    self._pool,
                    batch,
                    self._stages,
                    self._rings,
                    self._progress,
                    budget=self._batch_memory,
                    logs=self._logs,
                )
            )
        return claimed

    async def _ask_for_runs(self) -> None:
        """A slot has just become free and nothing is queued: schedulers may claim at once what is due."""
        try:
            await _processes.wake_scheduler_when_due(self._pool, channel=SCHEDULER)
        except OUTAGES:
            log.debug("scheduler not woken; it looks by itself")

    def _tasks(self) -> dict[asyncio.Task[None], Work]:
        return {task: work for loop in self._loops for task, work in loop.working.items()}

    async def _hand_back(self) -> None:
        """Finishes the batches in hand and puts the runs back; past the time limit they are cut off."""
        working = self._tasks()
        for work in working.values():
            work.give_way()
        if working:
            _, late = await asyncio.wait(working, timeout=self._settings.stop_timeout)
            if late:
                log.warning("work cut off at the end", worker=self._id, pieces=len(late))
        await self._drop()

    async def _drop(self) -> None:
        tasks = list(self._tasks())
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
