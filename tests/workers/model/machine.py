"""The rules: the source changes and fails, people and schedulers act, workers go on in any order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from etl_core.broker.protocol import STAGES, Stage
from etl_core.control import interventions, jobs, rejects
from etl_core.errors import Conflict, Permanent, RateLimited, Transient, Unauthorised
from etl_core.lifecycle.claim import claim_due_jobs
from etl_core.lifecycle.mend import mend_contradictions, settle_forgotten
from etl_core.lifecycle.takeover import take_over
from etl_core.models.reject import ReplaySelection
from tests.lifecycle.state_machine.machine import CLEAN, TIME_PASSES, Grounds, some
from tests.support.jobs import PERSON, make_job
from tests.workers.model.books import SCHEMA, Books
from tests.workers.model.crew import Crew, Piece, Worker
from tests.workers.model.source import WorldConnector
from tests.workers.model.world import EVENTS, ORDERS, PLACES, STREAMS, USERS, Spoilt, World

T = TypeVar("T")

LOST_AFTER = 600.0
"""Seconds: longer than any machine is slow."""
AN_HOUR = timedelta(minutes=70)
"""Longer than the schedule interval."""
MANY = 500
"""Steps within which everything must come to its end."""

FAULTS: dict[str, Callable[[], Exception]] = {
    "transient": partial(Transient, "made up"),
    "transient for long": partial(Transient, "made up", retry_in_place=False),
    "limited": partial(RateLimited, "made up", until=timedelta(minutes=30)),
    "permanent": partial(Permanent, "made up"),
    "unauthorised": partial(Unauthorised, "made up"),
    "defect": partial(ZeroDivisionError, "made up"),
}
CHANGES: dict[str, Callable[[World, int], None]] = {
    "insert an order": lambda world, n: world.insert(ORDERS, n),
    "insert an order late": lambda world, n: world.insert(ORDERS, n, late=True),
    "update an order": lambda world, n: world.update(ORDERS, n),
    "move an order": lambda world, n: world.update(ORDERS, n, moves=True),
    "insert a user": lambda world, n: world.insert(USERS, n),
    "update a user": lambda world, n: world.update(USERS, n),
    "delete a user": lambda world, n: world.delete(USERS, n),
    "append an event": lambda world, n: world.insert(EVENTS, n),
}
SERVED = (STAGES, STAGES, (Stage.EXTRACT,), (Stage.TRANSFORM,), (Stage.LOAD,), (Stage.TRANSFORM, Stage.LOAD))
CREWS = ([STAGES], [STAGES, STAGES], [STAGES, SERVED[2], SERVED[5]], [*SERVED[2:5]], [*SERVED[2:5], STAGES])
"""What the workers serve that there are at first."""

changes = st.lists(st.tuples(st.sampled_from(list(CHANGES)), some), min_size=2, max_size=8)
moves = st.lists(st.tuples(some, some), min_size=3, max_size=16)
"""Which piece of work goes on, and by which of its steps."""


class Model(RuleBasedStateMachine):
    """After each step the books are checked; in the end all is as the source is."""

    def __init__(self, grounds: Grounds) -> None:
        super().__init__()
        self._grounds = grounds
        self._is_broken = False
        self.conn, self.pool = grounds.conn, grounds.pool
        self.world = WorldConnector.world = World()
        self.crew = Crew(self.conn, self.pool)
        self.books = Books(self.conn, self.world)
        self.do(self._begin())

    async def _begin(self) -> None:
        await self.conn.execute(f"{CLEAN}; DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        self.job = await make_job(self.conn, kind=WorldConnector.type)
        await self.books.look()

    @initialize(crew=st.sampled_from(CREWS), changes=changes)
    def begin(self, crew: list[tuple[Stage, ...]], changes: list[tuple[str, int]]) -> None:
        for stages in crew:
            self.do(self.crew.hire(stages))
        for n, name in enumerate(2 * list(CHANGES)):
            CHANGES[name](self.world, n)
        self.the_source_changes(changes)

    def do(self, step: Awaitable[T]) -> T:
        try:
            return self._grounds.do(step)
        except Conflict:
            raise
        except BaseException:
            self._is_broken = True
            raise

    # The source

    @rule(changes=changes)
    def the_source_changes(self, changes: list[tuple[str, int]]) -> None:
        for name, which in changes:
            CHANGES[name](self.world, which)

    the_source_changes_2 = the_source_changes_3 = the_source_changes

    @rule(which=st.sampled_from(PLACES), kind=st.sampled_from(["transient for long", "permanent"]))
    def a_partition_fails(self, which: tuple[str, str], kind: str) -> None:
        error = FAULTS[kind]()
        assert isinstance(error, Transient | Permanent)
        self.world.broken[which] = error

    @rule()
    @precondition(lambda self: self.world.broken)
    def partitions_are_well_again(self) -> None:
        self.world.broken.clear()

    @rule(stream=st.sampled_from(STREAMS), which=some, how=st.sampled_from(Spoilt))
    def a_record_is_bad(self, stream: str, which: int, how: Spoilt) -> None:
        if row := self.world.some(stream, which):
            self.world.spoilt[stream, row.id] = how

    @rule()
    @precondition(lambda self: self.world.spoilt)
    def records_are_good_again(self) -> None:
        self.world.spoilt.clear()

    @rule(records=st.integers(1, 4))
    def pages_have_another_size(self, records: int) -> None:
        self.world.page_size = records

    @rule(pages=st.integers(0, 5), kind=st.sampled_from(list(FAULTS)))
    def the_source_fails(self, pages: int, kind: str) -> None:
        self.world.fault = (pages, FAULTS[kind])

    @rule(pages=st.integers(1, 3))
    def pages_come_twice(self, pages: int) -> None:
        self.world.doubles = pages

    # People and schedulers

    @rule(allow=st.booleans())
    def a_person_runs_the_job(self, allow: bool) -> None:
        options = {"allow_deletions": True} if allow else None
        self._asked(jobs.run_now(self.conn, self.job, PERSON, options=options))

    @rule()
    @precondition(lambda self: any(run["state"] == "RUNNING" for run in self.books.now.runs.values()))
    def a_person_cancels(self) -> None:
        self._asked(interventions.cancel(self.conn, self.job, PERSON))

    @rule()
    @precondition(lambda self: self.books.now.rejects)
    def a_person_replays(self) -> None:
        self._asked(rejects.replay_rejects(self.conn, self.job, ReplaySelection(all=True), PERSON))

    @rule()
    def an_hour_passes(self) -> None:
        self.do(self._pass_an_hour())

    an_hour_passes_2 = an_hour_passes

    def _asked(self, action: Awaitable[Any]) -> bool:
        """Whether what a person asked for was possible."""
        try:
            self.do(action)
        except Conflict:
            return False
        self.do(self.books.look())
        return True

    async def _pass_an_hour(self) -> None:
        """What is due is claimed, by the retry interval or by the schedule's."""
        await self.conn.execute(TIME_PASSES, AN_HOUR)
        await self.books.look()
        await claim_due_jobs(self.conn, lost_after=LOST_AFTER)
        await self._sweep()

    async def _sweep(self) -> None:
        await take_over(self.conn, lost_after=LOST_AFTER)
        await settle_forgotten(self.conn)
        assert await mend_contradictions(self.conn) == []
        await self.books.look()

    # Workers

    @rule(stages=st.sampled_from(SERVED))
    @precondition(lambda self: len(self.crew.alive) < 4)
    def one_more_works(self, stages: tuple[Stage, ...]) -> None:
        self.do(self.crew.hire(stages))

    @rule(which=some, moves=moves, loses_answer=st.sampled_from([False, False, False, True]))
    def work_goes_on(self, which: int, moves: list[tuple[int, int]], loses_answer: bool) -> None:
        """By whoever looks: claims while there is something, then a few steps of what is in hand."""
        if self.books.now.status != "RUNNING":  # without this most would come to nothing
            self.a_person_runs_the_job(allow=False)
        if self.crew.alive:
            self.do(self._claim(self.crew.alive[which % len(self.crew.alive)]))
        for which_piece, which_step in moves:
            if movable := self.crew.movable:
                piece = movable[-1 - which_piece % len(movable)]
                self.do(self._go_on(piece, which_step, loses_answer=loses_answer))
                loses_answer = False

    work_goes_on_2 = work_goes_on_3 = work_goes_on_4 = work_goes_on_5 = work_goes_on_6 = work_goes_on

    @rule(which=some, moves=moves)
    @precondition(lambda self: self.crew.bells.rung)
    def bells_are_heard(self, which: int, moves: list[tuple[int, int]]) -> None:
        """One of those that rang, perhaps not for the first time; the others never."""
        stage = self.crew.bells.rung[which % len(self.crew.bells.rung)]
        self.crew.bells.rung = [stage] * (which % 2)
        for worker in self.crew.alive:
            if stage in worker.stages:
                self.do(self._claim(worker))
        self.work_goes_on(which, moves, loses_answer=False)

    @rule(which=some, of_run=st.booleans())
    @precondition(lambda self: self.crew.alive)
    def the_answer_to_a_claim_is_lost(self, which: int, of_run: bool) -> None:
        worker = self.crew.alive[which % len(self.crew.alive)]
        claim = self.crew.claim_run if of_run else self.crew.claim_batch
        self.do(claim(worker, loses_answer=True))
        self.do(self.books.look())

    @rule(which=some)
    @precondition(lambda self: self.crew.alive)
    def a_worker_looks_at_its_leases(self, which: int) -> None:
        worker = self.crew.alive[which % len(self.crew.alive)]
        self.do(self.crew.watch(worker))
        self.do(self.books.look(worker.id))

    @rule(which=some, dies=st.booleans(), moves=moves)
    @precondition(lambda self: self.crew.movable)
    def a_worker_is_lost(self, which: int, dies: bool, moves: list[tuple[int, int]]) -> None:
        """One with something in hand. Another takes over; then the first comes back, unless it is dead."""
        piece = self.crew.movable[-1 - which % len(self.crew.movable)]
        worker = self.crew.workers[piece.worker]
        if worker.is_gone:
            return
        self.do(self.crew.lose(worker, dies=dies))
        self.do(self._sweep())
        other = self.do(self.crew.hire())
        self.do(self._claim(other))
        for which_piece, which_step in moves:
            late = [late for late in self.crew.of(worker) if late.can_go_on]
            pieces = late if which_piece % 2 else self.crew.movable
            if pieces:
                self.do(self._go_on(pieces[which_piece % len(pieces)], which_step))

    a_worker_is_lost_2 = a_worker_is_lost

    @rule(which=some, in_time=st.booleans())
    @precondition(lambda self: self.crew.alive)
    def a_worker_stops(self, which: int, in_time: bool) -> None:
        """In good order: it gives way, finishes what it has in hand, unless that takes too long."""
        self.do(self._stop(self.crew.alive[which % len(self.crew.alive)], in_time=in_time))

    async def _stop(self, worker: Worker, *, in_time: bool) -> None:
        for piece in self.crew.of(worker):
            piece.work.give_way()
        await self._finish(lambda: self.crew.of(worker) if in_time else [])
        await self.crew.stop(worker)
        await self._sweep()

    async def _claim(self, worker: Worker) -> None:
        """All that its slots hold."""
        while len(self.crew.of(worker)) < 4 and (
            await self.crew.claim_run(worker) or await self.crew.claim_batch(worker)
        ):
            pass
        await self.books.look()

    async def _go_on(self, piece: Piece, which: int = 0, *, loses_answer: bool = False) -> None:
        await piece.gate.let_one_through(which, loses_answer=loses_answer)
        await self.books.look(piece.worker)

    async def _finish(self, pieces: Callable[[], list[Piece]]) -> None:
        for _ in range(MANY):
            if not (movable := [piece for piece in pieces() if piece.can_go_on]):
                assert not pieces(), f"work that waits for nothing: {pieces()}"
                return
            await self._go_on(movable[0])
        raise AssertionError("work that never ends")

    # The end

    def teardown(self) -> None:
        try:
            if not self._is_broken:
                self.do(self._come_to_the_end())
        finally:
            self._grounds.do(self.crew.end())

    async def _come_to_the_end(self) -> None:
        """All faults are off: everything is done, what was refused is replayed, runs see to the rest.

        The first one may end a walk that began when the source had no users: it fails then, as it must.
        """
        self.world.calm()
        if not self.world.rows[USERS]:
            self.world.insert(USERS, 0)  # a source that has nothing at all is never believed
        await self._finish(lambda: [piece for piece in self.crew.pieces if not piece.task.done()])
        for worker in self.crew.alive:
            await self.crew.stop(worker)
        await self.crew.hire()
        await self._until_quiet()
        if self.books.now.rejects:
            await rejects.replay_rejects(self.conn, self.job, ReplaySelection(all=True), PERSON)
            await self._until_quiet()
        for must_succeed in (False, True, True):
            run = await jobs.run_now(self.conn, self.job, PERSON, options={"allow_deletions": True})
            await self.books.look()
            await self._until_quiet()
            ended = self.books.now.runs[run.id]
            assert ended["state"] == "SUCCEEDED" or not must_succeed, ended
        self.books.check_the_end()

    async def _until_quiet(self) -> None:
        (worker,) = self.crew.alive
        for _ in range(MANY):
            await self._sweep()
            if self.books.now.status != "RUNNING":
                return
            await self.conn.execute(TIME_PASSES, AN_HOUR)
            await self.books.look()
            await self._claim(worker)
            await self._finish(lambda: self.crew.of(worker))
        raise AssertionError("a run that never ends")


async def at_once(call: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """In place of `asyncio.to_thread`: the same steps must do the same again."""
    await asyncio.sleep(0)
    return call(*arguments, **named)
