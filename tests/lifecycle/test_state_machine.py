"""Random sequences of all that happens to jobs, on a real database, beside a model of DESIGN.md 4.

People, workers and schedulers act by the program's own code. Several hands at once hold runs and single
batches of them; some were lost long ago and do not know it.
`ETL_STATE_MACHINE_EXAMPLES=2000` looks for longer.
"""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from etl_core.broker.protocol import Stage
from etl_core.lifecycle.claim import claim_due_jobs
from etl_core.lifecycle.mend import mend_contradictions, settle_forgotten
from etl_core.lifecycle.takeover import take_over
from etl_core.store.embedded import EmbeddedServer
from etl_core.store.queries import load
from scheduler.duties.deadline import Deadline
from scheduler.duties.rest import Rest
from tests.lifecycle.state_machine.batches import BOTH, BatchesAct, batch_steps, stages
from tests.lifecycle.state_machine.machine import TIME_PASSES, BatchHand, Grounds, Hand, minutes, some
from tests.lifecycle.state_machine.model import Run, places
from tests.lifecycle.state_machine.people import PeopleAct
from tests.lifecycle.state_machine.workers import steps

_dispatch = load("dispatch")

EXAMPLES = int(os.environ.get("ETL_STATE_MACHINE_EXAMPLES", "20"))
STEPS = int(os.environ.get("ETL_STATE_MACHINE_STEPS", "50"))
LOST_AFTER = 600.0
REST = 300.0
"""Seconds; shorter than the smallest step of time here, longer than any machine is slow."""

CONTRADICT = """
UPDATE etl_jobs SET status = $2, last_run_started_at = last_run_started_at - interval '1 day' WHERE id = $1
"""
"""And due, if it were not for its run."""


class JobsAndRuns(PeopleAct, BatchesAct):
    """Each rule does one thing to database and model; here those of the schedulers and the clock."""

    @rule(by=minutes)
    def time_passes(self, by: int) -> None:
        self.do(self.conn.execute(TIME_PASSES, timedelta(minutes=by)))
        self.world.shift(timedelta(minutes=by))

    @rule()
    def claim_due(self) -> None:
        claimable, capacity = self.world.claimable(), self.world.capacity()
        claimed = self.do(claim_due_jobs(self.conn, lost_after=LOST_AFTER))
        assert len(claimed) <= capacity
        if not self.world.limits:
            assert len(claimed) == min(capacity, len(claimable))
        rows = self.do(self.conn.fetch("SELECT * FROM job_runs WHERE id = any($1)", claimed))
        for row in rows:
            job = next(job for job in self.world.jobs if job.id == row["job_id"])
            assert job in claimable
            trigger = "retry" if job.status == "FAILED" else "schedule"
            job.start(Run(row["id"], trigger, self.world.now), self.world.now)
        for place, limit in self.world.limits.items():
            new = sum(place in places(job) and job.run.id in claimed for job in self.world.jobs if job.run)
            assert new <= max(0, limit - self.world.running(place)), "more than the limit has room for"

    @rule()
    def sweep(self) -> None:
        world = self.world
        self.do(_dispatch.end_holds(self.conn))
        for job in world.jobs:
            if job.held_by and job.held_until and job.held_until <= world.now:
                job.held_by = job.held_until = None
        silent = [
            number for number, worker in world.workers.items() if worker.is_silent and not worker.is_gone
        ]
        takeover = self.do(take_over(self.conn, lost_after=LOST_AFTER))
        assert sorted(takeover.lost_workers) == sorted(silent)
        for number in silent:
            world.workers[number].is_lost = True
        world.take_over()
        self.do(settle_forgotten(self.conn))
        for job in world.jobs:
            job.settle(world.now)
        assert self.do(mend_contradictions(self.conn)) == []

    @rule(which=some, late=steps, late_batch=batch_steps, then=steps, then_batch=batch_steps)
    def a_worker_is_lost(self, which: int, late: str, late_batch: str, then: str, then_batch: str) -> None:
        """One that holds something: silent until the sweep; another goes on; then the first comes back."""
        hands: list[Hand | BatchHand] = [*self.batch_hands, *self.hands]
        held = [hand for hand in hands if hand.is_current]
        if not held:
            return
        hand = held[which % len(held)]
        self.silence(hand.worker)
        self.sweep()
        self.agree()
        self.see_to_a_worker()
        if isinstance(hand, Hand):
            other = self.claim_next(0)
            self.takes(hand, late)
            if other:
                self.takes(other, then)
            return
        another = self.claim_next_batch(0, BOTH)
        self.takes_batch_step(hand, late_batch)
        if another:
            self.takes_batch_step(another, then_batch)

    a_worker_is_lost_2 = a_worker_is_lost_3 = a_worker_is_lost

    @rule(times=some, stages=stages)
    @precondition(lambda self: self.has_waiting_batches())
    def a_batch_costs_workers(self, times: int, stages: tuple[Stage, ...]) -> None:
        for _ in range(1 + times % 3):
            worker = self.see_to_a_worker()
            if not self.claim_next_batch(0, stages):
                return
            self.silence(worker)
            self.sweep()

    @rule()
    def deadlines(self) -> None:
        overdue = [job for job in self.world.jobs if job.is_overdue(self.world.now)]
        ended = self.do(Deadline(self.pool).run_once())
        assert sorted(ended) == sorted(job.run.id for job in overdue if job.run)
        for job in overdue:
            job.end_early("FAILED", "deadline", self.world.now)

    @rule()
    def rest(self) -> None:
        self.do(Rest(self.pool, rest_seconds=REST).run_once())
        for job in self.world.jobs:
            rested = self.world.now - timedelta(seconds=REST)
            if job.status == "FINISHED" and job.finished_at and job.finished_at < rested:
                job.status = "READY"

    @rule(which=some)
    def psql_contradicts(self, which: int) -> None:
        """A status written by hand; a claim meets it before the sweep mends it."""
        job = self.job(which)
        status = "READY" if job.run else "RUNNING"
        self.do(self.conn.execute(CONTRADICT, job.id, status))
        if job.started_at:
            job.started_at -= timedelta(days=1)
        before, job.status = job.status, status
        self.claim_due()
        assert self.do(mend_contradictions(self.conn)) == [job.id]
        if job.run:
            job.status = before
        else:
            job.finish("internal", self.world.now)


@pytest.mark.timeout(0 if EXAMPLES > 100 else 600)  # what fails is made short for up to 300 s
def test_jobs_and_runs_live_as_designed(postgres: EmbeddedServer, template_database: str) -> None:
    grounds = Grounds(postgres.url("postgres"), template_database)

    class OnThese(JobsAndRuns):
        def __init__(self) -> None:
            super().__init__(grounds)

    try:
        run_state_machine_as_test(
            OnThese,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        grounds.close()
