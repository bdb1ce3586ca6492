"""The scheduler process: duties at their intervals, and a claim at once when something says so."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress

import structlog

from etl_core import __version__
from etl_core.broker.channels import SCHEDULER
from etl_core.broker.listen import listen
from etl_core.broker.open import open_broker
from etl_core.broker.protocol import Doorbell
from etl_core.process import stop_when_asked, this_host
from etl_core.settings import Settings
from etl_core.store.database import CONNECT_TIMEOUT, OUTAGES, Pool, open_pool
from etl_core.store.first_look import look_first
from etl_core.store.location import database_location
from etl_core.store.queries import load
from scheduler.duties.claim import Claim
from scheduler.duties.deadline import Deadline
from scheduler.duties.heartbeat import Heartbeat
from scheduler.duties.prune import Prune
from scheduler.duties.rest import Rest
from scheduler.duties.sweep import Sweep
from scheduler.steady import SteadyScheduler, SteadyTrigger

_processes = load("processes")

log = structlog.get_logger()

APPLICATION_NAME = "etl-scheduler"
PRUNE_INTERVAL = 600.0
"""Seconds."""

Duty = Callable[[], Awaitable[object]]


async def run_scheduler(settings: Settings, *, with_parent: bool = False) -> None:
    """Runs until asked to stop.

    Raises:
        Unreachable: no database at the first look; later it is waited for. Conflict: its schema is behind or
            ahead.
    """
    stop = stop_when_asked(with_parent=with_parent)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(database_location(settings))
        await look_first(url, application_name=APPLICATION_NAME)
        pool = await stack.enter_async_context(
            open_pool(url, application_name=APPLICATION_NAME, min_size=0, max_size=4)
        )
        broker = await open_broker(settings, url, pool=pool, application_name=APPLICATION_NAME)
        stack.push_async_callback(broker.close)
        scheduler_id = await _register(pool, stop, pause=settings.claim_interval)
        if scheduler_id is None:
            return
        stack.push_async_callback(_sign_off, pool, scheduler_id)

        claim = Claim(pool, broker, lost_after=settings.lease_timeout)
        sweep = Sweep(pool, broker, lost_after=settings.lease_timeout)
        rest = Rest(pool, rest_seconds=settings.finished_rest)
        heartbeat = Heartbeat(pool, scheduler_id)
        deadline = Deadline(pool)
        prune = Prune(pool, keep_days=settings.keep_days, keep_versions=settings.keep_versions)

        apscheduler = SteadyScheduler(
            # A stall must not drop a duty, and ten missed intervals are one (m).
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
            timezone="UTC",
        )
        for name, duty, seconds in (
            ("claim", claim.run_once, settings.claim_interval),
            ("sweep", sweep.run_once, settings.lease_timeout / 4),
            ("deadline", deadline.run_once, settings.claim_interval),
            ("prune", prune.run_once, PRUNE_INTERVAL),
            ("rest", rest.run_once, min(5.0, settings.finished_rest)),
            ("heartbeat", heartbeat.run_once, settings.heartbeat_interval),
        ):
            trigger = SteadyTrigger(seconds=seconds, timezone="UTC")
            apscheduler.add_job(_ending_quietly(_guarded(name, duty)), trigger, name=name)
        apscheduler.start()
        stack.callback(apscheduler.shutdown, wait=False)

        bell = await stack.enter_async_context(listen(url, SCHEDULER, application_name=APPLICATION_NAME))
        log.info("scheduler started", scheduler=scheduler_id, transport=broker.transport, version=__version__)
        await _claim_when_woken(claim, bell, settings.claim_interval, stop)
        log.info("scheduler stops", scheduler=scheduler_id)


async def _register(pool: Pool, stop: asyncio.Event, *, pause: float) -> int | None:
    """A row in `schedulers`, as soon as the database lets us have one; None when we are to stop before."""
    told = False
    while not stop.is_set():
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                scheduler_id: int = await _processes.register_scheduler(
                    pool, host=this_host(), pid=os.getpid(), version=__version__
                )
        except OUTAGES as error:
            if not told:
                log.warning("waits for the database", error=str(error) or type(error).__name__)
            told = True
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await stop.wait()
        else:
            return scheduler_id
    return None


async def _sign_off(pool: Pool, scheduler_id: int) -> None:
    try:
        async with asyncio.timeout(2):
            await _processes.stop_scheduler(pool, scheduler_id=scheduler_id)
    except OUTAGES:
        log.warning("could not sign off", scheduler=scheduler_id)


def _guarded(name: str, duty: Duty) -> Duty:
    """A duty that an outage cannot end: it is told once and tried again at the next interval."""
    told = False

    async def run() -> None:
        nonlocal told
        try:
            await duty()
            told = False
        except OUTAGES as error:
            if not told:
                log.warning("duty failed", duty=name, error=str(error) or type(error).__name__)
            told = True

    return run


def _ending_quietly(duty: Duty) -> Duty:
    """One under way when we stop is cut off; APScheduler would tell that as a failure, with a traceback."""

    async def run() -> None:
        with suppress(asyncio.CancelledError):
            await duty()

    return run


async def _claim_when_woken(claim: Claim, bell: Doorbell, interval: float, stop: asyncio.Event) -> None:
    """Claims when control says so and when the next job falls due, until `stop` is set."""
    woken = True
    guarded = _guarded("claim", lambda: claim.run_once(woken=woken))
    ended = asyncio.create_task(stop.wait())
    try:
        while not stop.is_set():
            await guarded()
            rung = asyncio.create_task(bell.wait(min(interval, claim.seconds_to_next_due)))
            await asyncio.wait({rung, ended}, return_when=asyncio.FIRST_COMPLETED)
            woken = rung.done() and rung.result()
            rung.cancel()
    finally:
        ended.cancel()
