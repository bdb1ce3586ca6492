"""What the rules of the state machine stand on: the database with four jobs, and hands that hold runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from etl_core.broker.protocol import Stage
from etl_core.control import jobs
from etl_core.control.job_limits import set_max_failures
from etl_core.errors import Conflict, Fenced
from etl_core.lifecycle.claim import ClaimedRun
from etl_core.store.database import Connection, Pool, open_pool
from tests.lifecycle.state_machine import model
from tests.lifecycle.state_machine.agreement import Agreement
from tests.lifecycle.state_machine.model import Job, Run, Worker, World
from tests.support.jobs import PERSON, fall_silent, make_job, make_worker
from tests.support.postgres import temporary_database
from tests.workers.running import Silent
from workers.batch import Batch
from workers.batch_work import BatchWork, ClaimedBatch
from workers.connectors.synthetic import SyntheticConnector
from workers.connectors.synthetic.config import SyntheticConfig
from workers.execution import Execution
from workers.extract import Extractor
from workers.load import Loader
from workers.rings import Rings

T = TypeVar("T")

LANES = ("left", "right")
"""Each is the one partition that it holds."""
CONNECTOR = SyntheticConnector(SyntheticConfig())
JOBS = (("acme", "a", "one"), ("acme", "a", "two"), ("acme", "b", "three"), ("other", "a", "four"))
MAX_FAILURES = 3

CLEAN = """
DELETE FROM pauses; DELETE FROM blackout_windows; DELETE FROM etl_jobs; DELETE FROM workers;
DELETE FROM integrations; DELETE FROM tenants;
ALTER TABLE job_events DISABLE TRIGGER USER; DELETE FROM job_events;
ALTER TABLE job_events ENABLE TRIGGER USER;
UPDATE dispatch_limits SET max_runs = NULL;
SELECT setval(pg_get_serial_sequence('etl_jobs', 'id'), 1, false)
"""
"""Ids begin anew: a first run waits by its job's id, and the same steps must do the same again."""

TIME_PASSES = """
WITH jobs AS (
    UPDATE etl_jobs SET created_at = created_at - $1::interval, held_until = held_until - $1::interval,
        last_run_started_at = last_run_started_at - $1::interval, not_before = not_before - $1::interval,
        last_run_finished_at = last_run_finished_at - $1::interval
),

runs AS (
    UPDATE job_runs SET ready_at = ready_at - $1::interval, started_at = started_at - $1::interval
    WHERE state IN ('QUEUED', 'RUNNING')
),

walks AS (
    UPDATE stream_walks SET began_at = began_at - $1::interval, completed_at = completed_at - $1::interval
)

UPDATE integrations SET ready_at = ready_at - $1::interval
"""
"""By $1: all times of jobs, runs and walks lie so much further back."""

some = st.integers(0, 11)
"""Which of those that there are."""
minutes = st.sampled_from([10, 40, 70])
"""Longer than any machine is slow: what lies ahead is not met by chance."""


@dataclass
class Hand:
    """A worker at a run, or one that was lost and still thinks so."""

    worker: int
    claimed: ClaimedRun
    job: Job
    run: Run
    carries: bool
    execution: Execution
    extractor: Extractor
    loader: Loader
    batches: dict[int, Batch] = field(default_factory=dict)
    leftovers: dict[int, Any] = field(default_factory=dict)
    """Stored by an earlier holder, as this one took them up."""
    is_careful: bool = False
    """After a loss: it takes each leftover in hand before it loads it."""
    giving_way: bool = False

    @property
    def is_current(self) -> bool:
        held = (self.run.state, self.run.lease, self.run.worker)
        return held == ("RUNNING", self.claimed.lease, self.worker)

    def holds_batch(self, seq: int) -> bool:
        batch = self.run.batches[seq]
        return batch.state == "LEASED" and batch.lease == self.batches[seq].lease


@dataclass
class BatchHand:
    """A worker at one batch, or one that lost it and does not know."""

    worker: int
    claimed: ClaimedBatch
    job: Job
    run: Run
    stages: Collection[Stage]
    work: BatchWork
    loader: Loader

    @property
    def batch(self) -> model.Batch:
        return self.run.batches[self.claimed.seq]

    @property
    def is_current(self) -> bool:
        held = (self.batch.state, self.batch.lease, self.batch.worker)
        return held == ("LEASED", self.claimed.lease, self.worker)

    @property
    def may_load(self) -> bool:
        return self.is_current and self.run.is_head(self.claimed.seq)


class Grounds:
    """One event loop, one connection for people and schedulers, a small pool for the workers' code."""

    def __init__(self, admin_url: str, template: str) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        url = self.do(self._stack.enter_async_context(temporary_database(admin_url, template=template)))
        self.pool: Pool = self.do(
            self._stack.enter_async_context(open_pool(url, application_name="tests", max_size=2))
        )
        self._lent = self.do(self.pool.acquire())
        self.conn: Connection = self._lent

    def do(self, step: Awaitable[T]) -> T:
        """Runs it to its end."""

        async def run() -> T:
            return await step

        return self._runner.run(run())

    def close(self) -> None:
        self.do(self.pool.release(self._lent))
        self.do(self._stack.aclose())
        self._runner.close()


class Machine(RuleBasedStateMachine):
    """Without rules yet; after each step database and model agree."""

    def __init__(self, grounds: Grounds) -> None:
        super().__init__()
        self.do = grounds.do
        self.pool = grounds.pool
        self.conn = grounds.conn
        self.hands: list[Hand] = []
        self.batch_hands: list[BatchHand] = []
        self.rings = Rings(Silent())
        self.position = 0
        self.do(self._make_world())

    async def _make_world(self) -> None:
        await self.conn.execute(CLEAN)
        made = []
        for tenant, integration, name in JOBS:
            job_id = await make_job(self.conn, name, tenant=tenant, integration=integration)
            await set_max_failures(self.conn, job_id, MAX_FAILURES, PERSON)
            created = await self.conn.fetchval("SELECT created_at FROM etl_jobs WHERE id = $1", job_id)
            made.append(Job(job_id, tenant, integration, created, 60, 15, MAX_FAILURES))
        self.world = World(made, await self.now())
        for _ in range(2):
            await self.register_worker()
        self.agreement = Agreement(self.conn, self.world)

    @initialize()
    def begin(self) -> None:
        self.look()

    @invariant()
    def agree(self) -> None:
        self.do(self.agreement.check())
        self.look()

    def look(self) -> None:
        self.world.now = self.do(self.now())

    async def now(self) -> Any:
        return await self.conn.fetchval("SELECT clock_timestamp()")

    async def register_worker(self) -> None:
        self.world.workers[await make_worker(self.conn, slots=2)] = Worker(slots=2)

    def see_to_a_worker(self) -> int:
        """The newest, who may claim."""
        if not self.worker(0)[1].may_claim or not self.worker(0)[1].is_alive:
            self.do(self.register_worker())
        return self.worker(0)[0]

    def run_now(self, job: Job) -> None:
        if self.refused(jobs.run_now(self.conn, job.id, PERSON), expected=job.run is not None):
            return
        run_id = self.do(self.conn.fetchval("SELECT max(id) FROM job_runs"))
        job.start(Run(run_id, "manual", self.world.now), self.world.now)

    def silence(self, worker: int) -> None:
        self.do(fall_silent(self.conn, worker))
        self.world.workers[worker].is_silent = True

    def job(self, which: int) -> Job:
        return self.world.jobs[which % len(self.world.jobs)]

    def worker(self, which: int) -> tuple[int, Worker]:
        """Any that there was, the newest first."""
        return list(self.world.workers.items())[-1 - which % len(self.world.workers)]

    def make_hand(self, worker: int, claimed: ClaimedRun, job: Job, run: Run, carries: bool) -> Hand:
        hand = Hand(
            worker,
            claimed,
            job,
            run,
            carries,
            Execution(self.pool, worker, claimed, carries=carries),
            Extractor(self.pool, claimed, worker, CONNECTOR, carries=carries),
            Loader(self.pool, claimed, CONNECTOR, {}),
        )
        hand.extractor._streams = []  # no stream is a table here: loads move the checkpoint alone
        self.hands.append(hand)
        return hand

    def fenced(self, step: Coroutine[Any, Any, T], expected: bool) -> T | None:
        """What the step answers; it is refused exactly where the model says so."""
        try:
            answer = self.do(step)
        except Fenced:
            assert expected, "fenced although it held the lease"
            return None
        assert not expected, "a stale holder wrote"
        return answer

    def refused(self, step: Coroutine[Any, Any, Any], expected: bool) -> bool:
        """Whether a person's action was refused; so exactly where the model says so."""
        try:
            self.do(step)
        except Conflict:
            assert expected
            return True
        assert not expected
        return False
