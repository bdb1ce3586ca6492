"""What workers do, by the workers' own code: claim, take up, store, load, end; and how they are lost."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from etl_core.connector import Fragment, Page
from etl_core.control.processes import drain_worker
from etl_core.errors import ErrorKind, Fenced
from etl_core.lifecycle.claim import claim_run
from etl_core.store.queries import load
from tests.lifecycle.state_machine.machine import LANE, Hand, Machine, some
from tests.lifecycle.state_machine.model import Batch
from tests.support.jobs import PERSON
from workers.extract import ExtractEnd

_processes = load("processes")

STEPS = [
    *("store", "store", "store", "store", "load", "load", "load out of order", "load out of order"),
    *("end", "end", "take up", "set aside", "is asked to stop", "give back"),
    *("rate limited", "limited for long"),
    *(ErrorKind.TRANSIENT, ErrorKind.UNAUTHORISED, ErrorKind.PERMANENT),
]
steps = st.sampled_from(STEPS)


class WorkersAct(Machine):
    """Several hands at once; those that lost their run do not know it, and are refused at every step."""

    @rule()
    @precondition(
        lambda self: (
            sum(worker.is_alive and not worker.is_draining for worker in self.world.workers.values()) < 3
        )
    )
    def starts_another(self) -> None:
        self.do(self.register_worker())

    @rule(which=some)
    def falls_silent(self, which: int) -> None:
        self.silence(self.worker(which)[0])

    @rule(which=some)
    def beats_again(self, which: int) -> None:
        number, worker = self.worker(which)
        assert (self.do(_processes.beat_worker(self.conn, worker_id=number)) is None) == worker.is_lost
        worker.is_silent = worker.is_lost

    @rule(which=some)
    def drains_or_not(self, which: int) -> None:
        number, worker = self.worker(which)
        drain = drain_worker(self.conn, number, PERSON, drain=not worker.is_draining)
        if not self.refused(drain, expected=worker.is_lost):
            worker.is_draining = not worker.is_draining

    @rule(which=some)
    def claims(self, which: int) -> None:
        self.claim_next(which)

    @rule(which=some, steps=st.lists(steps, min_size=1, max_size=5))
    def works(self, which: int, steps: list[str]) -> None:
        """Steps of one that holds its run, or claims one: without this most runs would come to nothing."""
        held = [hand for hand in self.hands if hand.is_current]
        if not held and not self.world.could_start():
            self.run_now(self.job(which))
        hand = held[which % len(held)] if held else self.claim_next(which)
        if hand:
            for step in steps:
                self.takes(hand, step)

    # A rule is as likely as it has names: half of what happens is work, else people only bar what never ran.
    works_2 = works_3 = works_4 = works_5 = works_6 = works_7 = works_8 = works_9 = works

    @rule(which=some, step=steps)
    @precondition(lambda self: self.hands)
    def takes_a_step(self, which: int, step: str) -> None:
        self.takes(self.hands[-1 - which % len(self.hands)], step)

    @rule(which=some, step=steps)
    @precondition(lambda self: any(not hand.is_current for hand in self.hands))
    def comes_too_late(self, which: int, step: str) -> None:
        """One that lost its run, best while another has it."""
        late = [hand for hand in self.hands if not hand.is_current]
        late = [hand for hand in late if hand.run.state == "RUNNING"] or late
        self.takes(late[-1 - which % len(late)], step)

    comes_too_late_2 = comes_too_late_3 = comes_too_late_4 = comes_too_late

    def takes(self, hand: Hand, step: str) -> None:
        unloaded = [seq for seq in hand.batches if hand.run.batches[seq].is_unloaded]
        match step:
            case "take up" if not hand.is_current:  # it was stopped right after its claim
                self._takes_up_too_late(hand)
            case "store":
                self._stores(hand)
            case "load" if hand.batches:
                self._loads(hand, min(unloaded or hand.batches))
            case "load out of order" if hand.batches:
                self._loads(hand, max(unloaded or hand.batches))
            case "set aside" if hand.batches:
                self._sets_aside(hand, min(unloaded or hand.batches))
            case "is asked to stop":
                hand.execution.give_way()
                hand.giving_way = True
            case "end":
                self._ends(hand, ExtractEnd())
            case "give back":
                self._ends(hand, None)
            case "rate limited":
                self._ends(hand, ExtractEnd(ErrorKind.RATE_LIMITED, "made up", until=timedelta(minutes=10)))
            case "limited for long":
                until = self.world.now + timedelta(minutes=70)
                self._ends(hand, ExtractEnd(ErrorKind.RATE_LIMITED, "made up", until=until))
            case ErrorKind():
                self._ends(hand, ExtractEnd(step, "made up"))

    def claim_next(self, which: int) -> Hand | None:
        number, worker = self.worker(which)
        ready = self.world.could_start() if not worker.is_lost and not worker.is_draining else []
        claimed = self.do(claim_run(self.conn, number))
        assert (claimed.id if claimed else None) == (ready[0][1].id if ready else None)
        if claimed is None:
            return None
        job, run = ready[0]
        run.state, run.worker, run.lease = "RUNNING", number, run.lease + 1
        run.started_at = run.started_at or self.world.now
        assert claimed.lease == run.lease
        hand = self.make_hand(number, claimed, job, run)
        self._take_up(hand)
        return hand

    def _take_up(self, hand: Hand) -> None:
        rows = self.do(hand.execution._take_up(hand.extractor))
        for row in rows:
            batch = hand.run.batches[row["seq"]]
            batch.state, batch.lease = "LEASED", batch.lease + 1
            hand.batches[row["seq"]] = self.do(hand.execution._read(row))
        assert len(rows) == len(hand.run.unloaded)

    def _takes_up_too_late(self, hand: Hand) -> None:
        """Refused; or, where nobody had the run before, nothing is found and nothing is written."""
        try:
            rows = self.do(hand.execution._take_up(hand.extractor))
        except Fenced:
            return
        assert hand.claimed.lease == 1
        assert rows == []

    def _stores(self, hand: Hand) -> None:
        if hand.claimed.extract_done or hand.lane_ended:
            return  # it extracts no more
        self.position += 1
        page = Page(LANE, {}, [Fragment("records", "default", {"at": self.position})])
        stored = self.fenced(hand.extractor._store(page), expected=not hand.is_current)
        if stored:
            hand.batches[stored.seq] = stored
            hand.run.batches[stored.seq] = Batch("LEASED", stored.lease, self.position)
            hand.run.losses = 0

    def _loads(self, hand: Hand, seq: int) -> None:
        batch = hand.run.batches[seq]
        is_head = not any(b.is_unloaded for earlier, b in hand.run.batches.items() if earlier < seq)
        # The answer to an earlier COMMIT may have been lost: then it is given again.
        answered = batch.state == "LOADED" and batch.lease == hand.batches[seq].lease
        may = is_head and hand.holds_batch(seq)
        self.fenced(hand.loader.load(hand.batches[seq]), expected=not may and not answered)
        if may:
            batch.state = "LOADED"
            hand.job.at = batch.at

    def _sets_aside(self, hand: Hand, seq: int) -> None:
        may = hand.holds_batch(seq)
        self.fenced(hand.execution._set_aside(hand.batches[seq], "made up"), expected=not may)
        if may:
            hand.run.batches[seq].state = "SET_ASIDE"
            hand.run.discard()
            hand.execution._ended_lanes.add(LANE)
            hand.lane_ended = True

    def _ends(self, hand: Hand, end: ExtractEnd | None) -> None:
        job, run, now = hand.job, hand.run, self.world.now
        is_current = hand.is_current
        self.fenced(hand.execution._write_end(end), expected=not is_current)
        if not is_current:
            return
        until = end.until if end else None
        if isinstance(until, timedelta):
            until = now + until
        waits = until is not None
        if hand.lane_ended:
            run.discard()
            run.extract_done = True
        elif end is not None and not waits:
            run.extract_done = True
            if end.error_kind:
                run.error_kind = run.error_kind or end.error_kind
                if not hand.giving_way:
                    run.discard()
        if end is None or waits or hand.giving_way:
            run.queue(now, until)
        if until is not None:
            job.cut()
            place = (job.tenant, job.integration)
            self.world.limited_until[place] = max(until, self.world.limited_until.get(place, until))
        job.settle(now)
        if run.state == "RUNNING":  # something is left: whoever takes it up loads that
            run.queue(now)
