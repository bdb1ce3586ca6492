"""What workers do, by the workers' own code: claim, take up, store, load, end; and how they are lost."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from etl_core.connector import Fragment, Page
from etl_core.control.processes import drain_worker
from etl_core.errors import ErrorKind
from etl_core.lifecycle.claim import claim_run
from etl_core.store.queries import load
from tests.lifecycle.state_machine.machine import LANE, Hand, Machine, minutes, some
from tests.lifecycle.state_machine.model import Batch
from tests.support.jobs import PERSON
from workers.extract import ExtractEnd

_processes = load("processes")

kinds = st.sampled_from(
    [ErrorKind.TRANSIENT, ErrorKind.UNAUTHORISED, ErrorKind.PERMANENT, ErrorKind.INTERNAL]
)


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
        self._claims(which)

    @rule(which=some, pages=st.integers(0, 2), then=st.sampled_from(["end", "fail", "go on", "go on"]))
    def works(self, which: int, pages: int, then: str) -> None:
        """Some of a worker's ordinary steps at once: without it most runs would come to nothing."""
        held = [hand for hand in self.hands if hand.is_current]
        if not held:
            self._claims(which)
            held = [hand for hand in self.hands if hand.is_current]
        if not held:
            return
        hand = held[which % len(held)]
        for seq in [seq for seq in hand.batches if hand.run.batches[seq].is_unloaded]:
            self._loads(hand, seq)
        for _ in range(pages):
            self._stores(hand)
            if then != "go on" and hand.batches and hand.run.batches[max(hand.batches)].is_unloaded:
                self._loads(hand, max(hand.batches))
        if then == "end":
            self._ends(hand, ExtractEnd())
        elif then == "fail":
            self._ends(hand, ExtractEnd(ErrorKind.TRANSIENT, "made up"))

    def _claims(self, which: int) -> None:
        number, worker = self.worker(which)
        ready = self.world.could_start() if not worker.is_lost and not worker.is_draining else []
        claimed = self.do(claim_run(self.conn, number))
        assert (claimed.id if claimed else None) == (ready[0][1].id if ready else None)
        if claimed is None:
            return
        job, run = ready[0]
        run.state, run.worker, run.lease = "RUNNING", number, run.lease + 1
        run.started_at = run.started_at or self.world.now
        assert claimed.lease == run.lease
        hand = self.make_hand(number, claimed, job, run)
        self._take_up(hand)

    def _take_up(self, hand: Hand) -> None:
        rows = self.do(hand.execution._take_up(hand.extractor))
        for row in rows:
            batch = hand.run.batches[row["seq"]]
            batch.state, batch.lease = "LEASED", batch.lease + 1
            hand.batches[row["seq"]] = self.do(hand.execution._read(row))
        assert len(rows) == len(hand.run.unloaded)

    @rule(which=some)
    @precondition(lambda self: self.hands)
    def takes_up_late(self, which: int) -> None:
        """A hand that was stopped right after its claim."""
        hand = self.hand(which)
        if not hand.is_current:
            self.fenced(hand.execution._take_up(hand.extractor), expected=True)

    @rule(which=some)
    @precondition(lambda self: self.hands)
    def stores(self, which: int) -> None:
        self._stores(self.hand(which))

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

    @rule(which=some, which_batch=some)
    @precondition(lambda self: any(hand.batches for hand in self.hands))
    def loads(self, which: int, which_batch: int) -> None:
        holders = [hand for hand in self.hands if hand.batches]
        hand = holders[-1 - which % len(holders)]
        unloaded = [seq for seq in hand.batches if hand.run.batches[seq].is_unloaded] or list(hand.batches)
        self._loads(hand, unloaded[which_batch % min(2, len(unloaded))])

    def _loads(self, hand: Hand, seq: int) -> None:
        batch = hand.run.batches[seq]
        is_head = not any(b.is_unloaded for earlier, b in hand.run.batches.items() if earlier < seq)
        answered = (
            batch.state == "LOADED" and batch.lease == hand.batches[seq].lease
        )  # a COMMIT without answer
        may = is_head and hand.holds_batch(seq)
        self.fenced(hand.loader.load(hand.batches[seq]), expected=not may and not answered)
        if may:
            batch.state = "LOADED"
            hand.job.at = batch.at

    @rule(which=some)
    @precondition(lambda self: any(hand.batches for hand in self.hands))
    def sets_aside(self, which: int) -> None:
        holders = [hand for hand in self.hands if hand.batches]
        hand = holders[-1 - which % len(holders)]
        seq = next((s for s in hand.batches if hand.run.batches[s].is_unloaded), max(hand.batches))
        may = hand.holds_batch(seq)
        self.fenced(hand.execution._set_aside(hand.batches[seq], "made up"), expected=not may)
        if may:
            hand.run.batches[seq].state = "SET_ASIDE"
            hand.run.discard()
            hand.execution._ended_lanes.add(LANE)
            hand.lane_ended = True

    @rule(which=some)
    @precondition(lambda self: self.hands)
    def is_asked_to_stop(self, which: int) -> None:
        hand = self.hand(which)
        hand.execution.give_way()
        hand.giving_way = True

    @rule(which=some)
    @precondition(lambda self: self.hands)
    def ends_well(self, which: int) -> None:
        self._ends(self.hand(which), ExtractEnd())

    @rule(which=some, kind=kinds)
    @precondition(lambda self: self.hands)
    def ends_badly(self, which: int, kind: ErrorKind) -> None:
        self._ends(self.hand(which), ExtractEnd(kind, "made up"))

    @rule(which=some, by=minutes)
    @precondition(lambda self: self.hands)
    def meets_a_rate_limit(self, which: int, by: int) -> None:
        until = self.world.now + timedelta(minutes=by)
        self._ends(self.hand(which), ExtractEnd(ErrorKind.RATE_LIMITED, "made up", until=until))

    @rule(which=some)
    @precondition(lambda self: self.hands)
    def gives_way(self, which: int) -> None:
        self._ends(self.hand(which), None)

    def _ends(self, hand: Hand, end: ExtractEnd | None) -> None:
        job, run, now = hand.job, hand.run, self.world.now
        is_current = hand.is_current
        self.fenced(hand.execution._write_end(end), expected=not is_current)
        if not is_current:
            return
        waits = end is not None and end.until is not None
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
            run.queue(now, end.until if end else None)
        if end is not None and end.until is not None:
            job.cut()
            place = (job.tenant, job.integration)
            self.world.limited_until[place] = max(end.until, self.world.limited_until.get(place, end.until))
        job.settle(now)
        if run.state == "RUNNING":  # something is left: whoever takes it up loads that
            run.queue(now)
