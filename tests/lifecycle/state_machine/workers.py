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
from tests.lifecycle.state_machine.machine import Hand, Machine, some
from tests.support.jobs import PERSON
from workers.extract import ExtractEnd
from workers.run_end import write_end

_processes = load("processes")

WORK = [
    *("load", "load", "load out of order", "load out of order", "take in hand", "set aside"),
    *("store left", "store right", "is asked to stop"),
]
ENDS = [
    *("end", "end", "end", "give back", "give back", "load fails", "rate limited", "limited for long"),
    *(ErrorKind.TRANSIENT, ErrorKind.UNAUTHORISED, ErrorKind.PERMANENT),
]
lanes = st.lists(st.sampled_from(["left", "left", "right"]), max_size=4)
work = st.lists(st.sampled_from(WORK), max_size=4)
ends = st.sampled_from([None, *ENDS])
steps = st.sampled_from(["take up", *WORK, *ENDS])
carries = st.booleans()
"""Whether a worker loads what it extracts, or leaves it to others."""


class WorkersAct(Machine):
    """Several hands at once; those that lost their run do not know it, and are refused at every step."""

    @rule()
    @precondition(
        lambda self: sum(worker.is_alive and worker.may_claim for worker in self.world.workers.values()) < 3
    )
    def starts_another(self) -> None:
        self.do(self.register_worker())

    @rule(which=some)
    def falls_silent(self, which: int) -> None:
        self.silence(self.worker(which)[0])

    @rule(which=some)
    def beats_again(self, which: int) -> None:
        number, worker = self.worker(which)
        assert (self.do(_processes.beat_worker(self.conn, worker_id=number)) is None) == worker.is_gone
        worker.is_silent = worker.is_silent and worker.is_gone

    @rule(which=some)
    def drains_or_not(self, which: int) -> None:
        number, worker = self.worker(which)
        drain = drain_worker(self.conn, number, PERSON, drain=not worker.is_draining)
        if not self.refused(drain, expected=worker.is_gone):
            worker.is_draining = not worker.is_draining

    @rule(which=some)
    def stops_cleanly(self, which: int) -> None:
        number, worker = self.worker(which)
        self.do(_processes.stop_worker(self.conn, worker_id=number))
        worker.is_stopped = not worker.is_lost

    @rule(which=some, carries=carries)
    def claims(self, which: int, carries: bool) -> None:
        self.claim_next(which, carries)

    @rule(which=some, carries=carries, lanes=lanes, work=work, end=ends)
    def works(self, which: int, carries: bool, lanes: list[str], work: list[str], end: str | None) -> None:
        """One that holds a run, or claims one, stores and more; without this most would come to nothing."""
        held = [hand for hand in self.hands if hand.is_current]
        if not held and not self.world.could_start():
            self.run_now(self.job(which))
        hand = held[which % len(held)] if held else self.claim_next(which, carries)
        if hand:
            for step in (*(f"store {lane}" for lane in lanes), *work, *([end] if end else [])):
                self.takes(hand, step)

    # A rule is as likely as it has names: half of what happens is work, else people only bar what never ran.
    works_2 = works_3 = works_4 = works_5 = works_6 = works_7 = works_8 = works

    @rule(which=some, step=steps)
    @precondition(lambda self: any(not hand.is_current for hand in self.hands))
    def comes_too_late(self, which: int, step: str) -> None:
        """One that lost its run, best while another has it."""
        late = [hand for hand in self.hands if not hand.is_current]
        late = [hand for hand in late if hand.run.state == "RUNNING"] or late
        self.takes(late[-1 - which % len(late)], step)

    comes_too_late_2 = comes_too_late_3 = comes_too_late

    def takes(self, hand: Hand, step: str) -> None:
        unloaded = [seq for seq in hand.batches if hand.run.batches[seq].is_unloaded]
        match step:
            case "take up" if not hand.is_current:  # it was stopped right after its claim
                self._takes_up_too_late(hand)
            case "store left" | "store right":
                self._stores(hand, step.removeprefix("store "))
            case "load" if hand.batches:
                self._loads(hand, min(unloaded or hand.batches))
            case "load out of order" if hand.batches:
                self._loads(hand, max(unloaded or hand.batches))
            case "take in hand" if hand.leftovers:
                self._takes_in_hand(hand, min(unloaded or hand.leftovers))
            case "set aside" if hand.batches:
                self._sets_aside(hand, min(unloaded or hand.batches))
            case "load fails":
                self._ends(hand, ExtractEnd(ErrorKind.TRANSIENT, "made up"), load_failed=True)
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

    def claim_next(self, which: int, carries: bool = True) -> Hand | None:
        number, worker = self.worker(which)
        ready = self.world.could_start() if worker.may_claim else []
        claimed = self.do(claim_run(self.conn, number))
        assert (claimed.id if claimed else None) == (ready[0][1].id if ready else None)
        if claimed is None:
            return None
        job, run = ready[0]
        run.state, run.worker, run.lease = "RUNNING", number, run.lease + 1
        run.started_at = run.started_at or self.world.now
        assert claimed.lease == run.lease
        hand = self.make_hand(number, claimed, job, run, carries)
        self._take_up(hand)
        return hand

    def _take_up(self, hand: Hand) -> None:
        run = hand.run
        rows = self.do(hand.execution._take_up(hand.extractor))
        assert [row["seq"] for row in rows] == (run.adopt() if hand.carries else [])
        for row in rows:
            hand.leftovers[row["seq"]] = row
            hand.batches[row["seq"]] = self.do(hand.execution._read(row))
            assert hand.holds_batch(row["seq"])
        hand.is_careful = run.losses > 0 or any(row["attempts"] for row in rows)
        assert hand.execution._all_lanes_ended == run.every_lane_has_ended
        # It goes on behind the last one stored that is still to be loaded, else where the job stands.
        behind = hand.job.at | {b.lane: b.at for _, b in sorted(run.batches.items()) if b.is_unloaded}
        checkpoint = hand.extractor.context.checkpoint
        assert {lane: state.bookmark for (_, lane), state in checkpoint.items()} == {
            lane: {"at": at} for lane, at in behind.items()
        }

    def _takes_up_too_late(self, hand: Hand) -> None:
        """Refused; or, where nobody had the run before, nothing is found and nothing is written."""
        try:
            rows = self.do(hand.execution._take_up(hand.extractor))
        except Fenced:
            return
        assert hand.claimed.lease == 1
        assert rows == []

    def _stores(self, hand: Hand, lane: str) -> None:
        if hand.claimed.extract_done:
            return
        self.position += 1
        page = Page(lane, {}, [Fragment("records", lane, {"at": self.position})])
        is_current = hand.is_current
        stored = self.fenced(hand.extractor._store(page), expected=not is_current)
        if not is_current:
            return
        batch = hand.run.store(lane, self.position, carry=hand.carries)
        assert (stored is None) == (batch.state == "DISCARDED")
        if stored:
            assert stored.is_carried == (batch.state == "LEASED")
        if stored and stored.is_carried:
            hand.batches[stored.seq] = stored

    def _loads(self, hand: Hand, seq: int) -> None:
        if hand.is_careful and seq in hand.leftovers and not self._takes_in_hand(hand, seq):
            return
        batch = hand.run.batches[seq]
        # The answer to an earlier COMMIT may have been lost: then it is given again.
        answered = batch.state == "LOADED" and batch.lease == hand.batches[seq].lease
        may = hand.holds_batch(seq) and hand.run.is_head(seq)
        self.fenced(hand.loader.load(hand.batches[seq]), expected=not may and not answered)
        if may:
            hand.job.load(batch)

    def _takes_in_hand(self, hand: Hand, seq: int) -> bool:
        """From then on the loss of this worker is charged to this batch."""
        if seq not in hand.leftovers:
            return False
        may = hand.holds_batch(seq)
        self.fenced(hand.execution._take_in_hand(hand.leftovers[seq]), expected=not may)
        if may:
            hand.run.batches[seq].in_hand = True
        return may

    def _sets_aside(self, hand: Hand, seq: int) -> None:
        may = hand.holds_batch(seq) and hand.run.is_head(seq)
        self.fenced(hand.execution._set_aside(hand.batches[seq], "made up"), expected=not may)
        if may:
            hand.run.set_aside(seq)
            assert hand.execution._all_lanes_ended == hand.run.every_lane_has_ended

    def _ends(self, hand: Hand, end: ExtractEnd | None, *, load_failed: bool = False) -> None:
        """As `Execution._leave`."""
        job, run, now = hand.job, hand.run, self.world.now
        is_current = hand.is_current
        discard = load_failed and not hand.giving_way
        write = write_end(self.pool, hand.claimed, hand.worker, end, discard=discard)
        self.fenced(write, expected=not is_current)
        if not is_current:
            return
        if discard:
            run.discard()
        until = end.until if end else None
        if isinstance(until, timedelta):
            until = now + until
        if until is not None:
            job.cut()
            place = (job.tenant, job.integration)
            self.world.limited_until[place] = max(until, self.world.limited_until.get(place, until))
        elif end is not None:
            run.extract_done = True
            if end.error_kind:
                run.fail(end.error_kind)
        job.settle(now)
        if run.is_open:  # what is left of it is for others
            run.release(now, until)
