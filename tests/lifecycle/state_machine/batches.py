"""What workers do that hold one batch: transform it, load it, leave it; also when it is no longer theirs."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from etl_core.broker.protocol import Stage
from etl_core.errors import ErrorKind
from tests.lifecycle.state_machine.machine import CONNECTOR, BatchHand, some
from tests.lifecycle.state_machine.workers import WorkersAct, ends, lanes, work
from workers.batch_work import BatchWork, claim_batch
from workers.load import Loader

BATCH_STEPS = [
    *("carry on", "carry on", "carry on", "carry on", "load", "load", "settle"),
    *("set aside", "return", "return", ErrorKind.TRANSIENT, ErrorKind.PERMANENT),
]
batch_steps = st.sampled_from(BATCH_STEPS)
BOTH = (Stage.TRANSFORM, Stage.LOAD)
stages = st.sampled_from([BOTH, (Stage.TRANSFORM,), (Stage.LOAD,)])


class BatchesAct(WorkersAct):
    """By `BatchWork`, one step at a time."""

    @rule(which=some, stages=stages, suspects=st.booleans())
    @precondition(lambda self: self.has_waiting_batches())
    def claims_a_batch(self, which: int, stages: tuple[Stage, ...], suspects: bool) -> None:
        self.claim_next_batch(which, stages, suspects=suspects)

    claims_a_batch_2 = claims_a_batch

    @rule(which=some, stages=stages, steps=st.lists(batch_steps, min_size=1, max_size=4))
    @precondition(lambda self: self.has_waiting_batches() or any(h.is_current for h in self.batch_hands))
    def works_on_batches(self, which: int, stages: tuple[Stage, ...], steps: list[str]) -> None:
        for step in steps:
            held = [hand for hand in self.batch_hands if hand.is_current]
            hand = held[which % len(held)] if held else self.claim_next_batch(which, stages)
            if hand:
                self.takes_batch_step(hand, step)

    works_on_batches_2 = works_on_batches_3 = works_on_batches_4 = works_on_batches

    @rule(which=some, lanes=lanes, step=batch_steps, end=ends, work=work)
    def stages_pass_on(
        self, which: int, lanes: list[str], step: str, end: str | None, work: list[str]
    ) -> None:
        """One only extracts, another only transforms, a third does all; each leaves something to the next."""
        if not self.world.could_start():
            self.run_now(self.job(which))
        self.see_to_a_worker()
        if not (hand := self.claim_next(0, carries=False)):
            return
        for lane in ("left", *lanes):
            self.takes(hand, f"store {lane}")
        for each in ("carry on", step):
            if transforming := self.claim_next_batch(0, (Stage.TRANSFORM,)):
                self.takes_batch_step(transforming, each)
        self.takes(hand, end or "give back")
        self.agree()
        if third := self.claim_next(0):
            for each in work:
                self.takes(third, each)

    stages_pass_on_2 = stages_pass_on_3 = stages_pass_on

    @rule(which=some, step=batch_steps)
    @precondition(lambda self: any(not hand.is_current for hand in self.batch_hands))
    def comes_too_late_with_a_batch(self, which: int, step: str) -> None:
        """Best while another has it."""
        late = [hand for hand in self.batch_hands if not hand.is_current]
        late = [hand for hand in late if hand.batch.is_unloaded] or late
        self.takes_batch_step(late[-1 - which % len(late)], step)

    comes_too_late_with_a_batch_2 = comes_too_late_with_a_batch

    @rule()
    @precondition(lambda self: self.has_waiting_batches())
    def all_that_waits_is_loaded(self) -> None:
        """What is left then waits behind a batch that somebody has."""
        self.see_to_a_worker()
        while hand := self.claim_next_batch(0, BOTH):
            self.takes_batch_step(hand, "carry on")
        for _, run in self.world.open_jobs():
            lanes_in_work = {batch.lane for batch in run.unloaded if batch.state == "LEASED"}
            assert all(batch.lane in lanes_in_work for batch in run.unloaded)

    def has_waiting_batches(self) -> bool:
        return any(b.state == "WAITING" for _, run in self.world.open_jobs() for b in run.unloaded)

    def claim_next_batch(
        self, which: int, stages: tuple[Stage, ...], *, suspects: bool = True
    ) -> BatchHand | None:
        number, worker = self.worker(which)
        best = self.world.best_batch(stages, suspects=suspects) if worker.may_claim else None
        claimed = self.do(claim_batch(self.pool, number, stages, suspects=suspects))
        assert ((claimed.run_id, claimed.seq) if claimed else None) == (
            (best[1].id, best[2]) if best else None
        )
        if claimed is None or best is None:
            return None
        job, run, seq = best
        batch = run.batches[seq]
        batch.become("LEASED", number, in_hand=True)
        assert (claimed.lane, claimed.lease, claimed.stage, claimed.attempts) == (
            *(batch.lane, batch.lease, batch.stage),
            batch.attempts,
        )
        work = BatchWork(self.pool, claimed, stages, self.rings)
        hand = BatchHand(number, claimed, job, run, stages, work, Loader(self.pool, claimed, CONNECTOR, {}))
        self.batch_hands.append(hand)
        return hand

    def takes_batch_step(self, hand: BatchHand, step: str) -> None:
        match step:
            case "carry on" if Stage.LOAD in hand.stages:
                self._carries_on(hand)
            case "carry on":
                self._passes_on(hand)
            case "load" if Stage.LOAD in hand.stages:
                self._loads_and_stops(hand)
            case "settle":
                self._settles(hand)
            case "set aside" if Stage.LOAD in hand.stages:
                self._sets_batch_aside(hand)
            case "return":
                self._returns(hand)
            case ErrorKind():
                self._fails_the_run(hand, step)

    def _carries_on(self, hand: BatchHand) -> None:
        may = hand.may_load
        self.fenced(hand.work._carry_on(), expected=not may)
        if may:
            hand.job.load(hand.batch)
            hand.job.settle(self.world.now)

    def _passes_on(self, hand: BatchHand) -> None:
        """In any order: only loads have one."""
        may = hand.is_current
        self.fenced(hand.work._carry_on(), expected=not may)
        if may:
            hand.batch.become("WAITING")
            hand.batch.stage, hand.batch.attempts = "load", 0

    def _loads_and_stops(self, hand: BatchHand) -> None:
        """As one that dies before it settles the run: the sweep does. A lost answer is given again."""
        may = hand.may_load
        answered = hand.batch.state == "LOADED" and hand.batch.lease == hand.claimed.lease
        load = hand.loader.load_rows(hand.work._carried(0, {}), [])
        self.fenced(load, expected=not may and not answered)
        if may:
            hand.job.load(hand.batch)

    def _settles(self, hand: BatchHand) -> None:
        self.do(hand.work._settle())
        if hand.run.is_open:
            hand.job.settle(self.world.now)

    def _sets_batch_aside(self, hand: BatchHand) -> None:
        may = hand.may_load
        self.fenced(hand.work._set_aside("made up"), expected=not may)
        if may:
            hand.run.set_aside(hand.claimed.seq)
            hand.job.settle(self.world.now)

    def _returns(self, hand: BatchHand) -> None:
        self.do(hand.work._return())
        if hand.is_current:
            hand.batch.become("WAITING")

    def _fails_the_run(self, hand: BatchHand, kind: ErrorKind) -> None:
        """Whoever extracts it is fenced."""
        may = hand.is_current
        self.fenced(hand.work._fail_run(kind, "made up"), expected=not may)
        if may:
            hand.run.discard()
            hand.run.fail(kind)
            hand.run.release(self.world.now)
            hand.job.settle(self.world.now)
