"""One case: a worker dies at one point, others recover, the books are checked. Also how points are found."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import aio_pika

from etl_core.broker.amqp import AmqpBroker
from etl_core.broker.amqp_link import queue_name
from etl_core.broker.protocol import Stage
from etl_core.control.interventions import cancel
from etl_core.control.jobs import run_now
from etl_core.errors import Conflict
from etl_core.store.database import Connection, connect
from tests.crash import seam
from tests.crash.books import (
    describe,
    disagreements,
    left_after_cancel,
    left_after_next,
    left_undone,
    look,
)
from tests.crash.layouts import Layout
from tests.crash.programs import SETTINGS, Program, start
from tests.crash.seam import Moment, Point
from tests.support.jobs import PERSON, make_job
from tests.support.postgres import temporary_database

PATIENCE = 60.0
"""How long is waited for what must come, in seconds; busy machines are slow."""
LINGER = 2.0
"""A worker that has not come to its point so long after the end of its run, in seconds, will not."""
TRIES = 3
"""On a busy machine the sweep may settle a run before its worker does."""
CLAIMS = {"take_runs", "claim_batch"}
"""What a worker asks for again and again when there is nothing to do."""
ONCE = {"notify", "publish", "ack"}
"""Statements whose number depends on the clock: only the first of each is a point."""


@dataclass(slots=True)
class Outcome:
    """What one death left and what became of it."""

    layout: str
    transport: str
    point: Point
    moment: Moment
    found: str = ""
    """What there was at the moment of the death."""
    wrong: list[str] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)

    @property
    def held(self) -> bool:
        return not self.wrong

    def __str__(self) -> str:
        where = f"{self.transport}, {self.layout}, {self.moment} {self.point}"
        told = [f"{where}: {'; '.join(self.wrong) or 'held'}", f"  found: {self.found}"]
        for log in self.logs if self.wrong else ():
            text = log.read_text(errors="replace") if log.exists() else ""
            told.append("\n".join([f"  --- {log}", *text.splitlines()[-60:]]))
        return "\n".join(told)


class Site:
    """Where cases take place one after the other: a database each, and one virtual host of a broker."""

    def __init__(self, admin_url: str, template: str, logs: Path, amqp_url: str | None) -> None:
        self._admin_url = admin_url
        self._template = template
        self._logs = logs
        self._amqp_url = amqp_url
        self._numbers = count(1)

    @property
    def transport(self) -> str:
        return "amqp" if self._amqp_url else "postgres"

    async def points(self, layout: Layout) -> list[Point]:
        """Every point of the way, in the order in which a worker that nothing happens to comes there."""
        async with self._case(layout) as case:
            record = case.folder / "points"
            await case.start("workers", layout.stages, environment=seam.environment(record=record))
            ends = time.monotonic() + PATIENCE
            while True:
                points = [*seam.read_points(record)] if record.exists() else []
                if len(points) > 4 and all(point.statement in CLAIMS for point in points[-4:]):
                    break
                if time.monotonic() > ends:
                    raise TimeoutError(f"{layout.name}: the way has no end: {[str(p) for p in points[-5:]]}")
                await asyncio.sleep(0.05)
        while points[-1].statement in CLAIMS:
            points.pop()
        beside = {"claim_batch"} if layout.rings is Stage.EXTRACT else set()
        return [
            point
            for point in points
            if point.statement not in beside and (point.nth == 1 or point.statement.split()[0] not in ONCE)
        ]

    async def run(self, layout: Layout, point: Point, moment: Moment) -> Outcome:
        """Kills a worker at this point and lets others recover."""
        for _ in range(TRIES):
            outcome = Outcome(layout.name, self.transport, point, moment)
            if await self._died(outcome, layout):
                return outcome
        outcome.wrong.append(f"it never came there, in {TRIES} tries")
        return outcome

    async def _died(self, outcome: Outcome, layout: Layout) -> bool:
        """False when the run ended without the worker having come to its point: the sweep went before."""
        async with self._case(layout) as case:
            outcome.logs = case.logs
            await case.start("scheduler")
            doomed = await case.start(
                "workers",
                layout.stages,
                environment=seam.environment(at=outcome.point, moment=outcome.moment),
            )
            while not doomed.ended.done():
                if await case.has_ended_for(LINGER):
                    return False
                await asyncio.wait({doomed.ended}, timeout=0.1)
            if doomed.ended.result() != -signal.SIGKILL:
                outcome.wrong.append(f"it ended by itself with {doomed.ended.result()}")
                return True
            seen = await look(case.db)
            outcome.found = describe(seen)
            outcome.wrong += [f"at its death {what}" for what in disagreements(seen)]
            is_cancelled = layout.cancels and await case.cancel()
            for stages in layout.recover:
                await case.start("workers", stages)
            if not await case.comes_to_an_end():
                outcome.wrong.append(f"not recovered: {describe(await look(case.db))}")
                await case.tell_what_waits()
                return True
            seen = await look(case.db)
            if not is_cancelled:
                outcome.wrong += disagreements(seen) + left_undone(seen, layout.records)
                return True
            outcome.wrong += disagreements(seen) + left_after_cancel(seen)
            await run_now(case.db, case.job_id, PERSON)
            if await case.comes_to_an_end():
                outcome.wrong += left_after_next(await look(case.db), layout.records)
            else:
                outcome.wrong.append("the next run has no end")
        return True

    @asynccontextmanager
    async def _case(self, layout: Layout) -> AsyncIterator[_Case]:
        folder = Path(tempfile.mkdtemp(prefix=f"{next(self._numbers)}-", dir=self._logs))
        async with temporary_database(self._admin_url, template=self._template) as url:
            db = await connect(url, application_name="tests")
            job_id = await make_job(db, config=layout.config)
            case = _Case(db, url, self._amqp_url, folder, job_id)
            try:
                await layout.prepare(db, url, job_id)
                if self._amqp_url:
                    await _ring_once(self._amqp_url, layout.rings)
                yield case
            finally:
                await case.end()
                db.terminate()


class _Case:
    """One database and the programs on it."""

    def __init__(self, db: Connection, url: str, amqp_url: str | None, folder: Path, job_id: int) -> None:
        self.db = db
        self.folder = folder
        self.job_id = job_id
        self.logs: list[Path] = []
        self._environment = SETTINGS | {"ETL_DATABASE_URL": url}
        if amqp_url:
            self._environment["ETL_AMQP_URL"] = amqp_url
        self._programs: list[Program] = []

    async def start(
        self, program: str, stages: str | None = None, *, environment: dict[str, str] | None = None
    ) -> Program:
        """A scheduler, or a worker of one slot."""
        log = self.folder / f"{len(self.logs)}-{program}-{(stages or '').replace(',', '-')}.log"
        arguments: Sequence[str] = ("--concurrency", "1", "--stages", stages) if stages else ()
        started = await start(program, arguments, self._environment | (environment or {}), log)
        self.logs.append(log)
        self._programs.append(started)
        return started

    async def has_ended_for(self, seconds: float) -> bool:
        """Whether the run ended so long ago, or has been on its way for far too long."""
        return bool(
            await self.db.fetchval(
                "SELECT finished_at < clock_timestamp() - make_interval(secs => $1)"
                " OR queued_at < clock_timestamp() - make_interval(secs => $2)"
                " FROM job_runs ORDER BY id DESC LIMIT 1",
                seconds,
                PATIENCE,
            )
        )

    async def cancel(self) -> bool:
        """By a person; False when the run has ended already."""
        try:
            await cancel(self.db, self.job_id, PERSON)
        except Conflict:
            return False
        return True

    async def comes_to_an_end(self) -> bool:
        """Whether the run ends in time."""
        ends = time.monotonic() + PATIENCE
        while await self.db.fetchval("SELECT finished_at IS NULL FROM job_runs ORDER BY id DESC LIMIT 1"):
            if time.monotonic() > ends:
                return False
            await asyncio.sleep(0.05)
        return True

    async def tell_what_waits(self) -> None:
        """Has every program that runs write its tasks and where they wait into its log."""
        for program in self._programs:
            program.send(signal.SIGUSR1)
        await asyncio.sleep(1)

    async def end(self) -> None:
        for program in self._programs:
            program.kill()
        await asyncio.gather(*(program.ended for program in self._programs))


async def _ring_once(amqp_url: str, stage: Stage) -> None:
    """Exactly one ring is in the queues."""
    broker = AmqpBroker(amqp_url, name="tests")
    try:
        await broker.ring(stage)
        connection = await aio_pika.connect(amqp_url)
        async with connection, connection.channel() as channel:
            for each in Stage:
                await (await channel.get_queue(queue_name(each))).purge()
        await broker.ring(stage)
    finally:
        await broker.close()
