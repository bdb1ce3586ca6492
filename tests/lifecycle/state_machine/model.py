"""The life of jobs and runs as DESIGN.md 4 tells it, in plain Python: what the database is held against.

Written from the rules, not from the SQL. Times are the database's; what cannot be foreseen (the moment of a
commit, the ids of new rows) is taken over from it once, at the step that makes it, and must stay.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

MAX_LOSSES = 3
OPEN = ("QUEUED", "RUNNING")


@dataclass
class Batch:
    lane: str
    state: str
    at: int
    """Where its lane stands once it is loaded; they grow in the order in which batches are stored."""
    worker: int | None = None
    lease: int = 1
    in_hand: bool = False
    """Its holder works on this one alone: losing him is charged to it."""
    stage: str = "transform"
    attempts: int = 0

    @property
    def is_unloaded(self) -> bool:
        return self.state in ("WAITING", "LEASED")

    @property
    def is_typed(self) -> bool:
        """Its payload is typed rows: it waits for load alone."""
        return self.is_unloaded and self.stage == "load"

    def become(self, state: str, worker: int | None = None, *, in_hand: bool = False) -> None:
        """Whoever had it before is fenced."""
        self.state, self.worker, self.in_hand, self.lease = state, worker, in_hand, self.lease + 1


@dataclass
class Run:
    id: int
    trigger: str
    ready_at: datetime
    state: str = "QUEUED"
    lease: int = 0
    worker: int | None = None
    losses: int = 0
    started_at: datetime | None = None
    extract_done: bool = False
    error_kind: str | None = None
    batches: dict[int, Batch] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def unloaded(self) -> list[Batch]:
        return [batch for batch in self.batches.values() if batch.is_unloaded]

    def lane(self, lane: str) -> list[Batch]:
        return [batch for _, batch in sorted(self.batches.items()) if batch.lane == lane]

    def has_ended(self, lane: str) -> bool:
        """With a batch that was set aside."""
        return any(batch.state == "SET_ASIDE" for batch in self.lane(lane))

    @property
    def every_lane_has_ended(self) -> bool:
        lanes = {batch.lane for batch in self.batches.values()}
        return bool(lanes) and all(self.has_ended(lane) for lane in lanes)

    def is_head(self, seq: int) -> bool:
        """Its lane is loaded up to it."""
        lane = self.batches[seq].lane
        return not any(b.is_unloaded and b.lane == lane for s, b in self.batches.items() if s < seq)

    def store(self, lane: str, at: int, *, carry: bool) -> Batch:
        """Carried by its holder at the head of its lane or behind what he carries; else it waits."""
        before = [batch for batch in self.lane(lane) if batch.is_unloaded]
        is_ours = carry and all(
            batch.state == "LEASED" and batch.worker == self.worker and not batch.in_hand for batch in before
        )
        state = "DISCARDED" if self.has_ended(lane) else "LEASED" if is_ours else "WAITING"
        batch = Batch(lane, state, at, self.worker if state == "LEASED" else None)
        self.batches[1 + max(self.batches, default=0)] = batch
        self.losses = 0
        return batch

    def adopt(self) -> list[int]:
        """By its holder: what waits in lanes in which nobody has a batch and all is as it was extracted."""
        adopted = [
            seq
            for seq, batch in sorted(self.batches.items())
            if batch.state == "WAITING"
            and not any(other.state == "LEASED" or other.is_typed for other in self.lane(batch.lane))
        ]
        for seq in adopted:
            self.batches[seq].become("LEASED", self.worker)
        return adopted

    def release(self, now: datetime, ready_at: datetime | None = None) -> None:
        """Parked, given way, released or taken over: the holder is fenced, his batches wait.

        When nothing is left to extract it is not queued: it runs, in nobody's hands, until all is loaded.
        """
        for batch in self.unloaded:
            if batch.state == "LEASED" and batch.worker == self.worker:
                batch.become("WAITING")
        self.state, self.worker = "RUNNING" if self.extract_done else "QUEUED", None
        self.lease += 1
        self.ready_at = max(now, ready_at or now)

    def fail(self, error_kind: str) -> None:
        """It will end so; the first error stays."""
        self.extract_done, self.error_kind = True, self.error_kind or error_kind

    def discard(self) -> None:
        for batch in self.unloaded:
            batch.become("DISCARDED")

    def set_aside(self, seq: int) -> None:
        """It ends its lane: what follows is not loaded."""
        aside = self.batches[seq]
        aside.become("SET_ASIDE")
        for later, batch in self.batches.items():
            if batch.lane == aside.lane and later > seq and batch.is_unloaded:
                batch.become("DISCARDED")

    def end(self, state: str) -> None:
        self.state, self.lease = state, self.lease + 1


@dataclass
class Job:
    id: int
    tenant: str
    integration: str
    created_at: datetime
    schedule: int
    retry: int
    max_failures: int
    deadline: int | None = None
    status: str = "READY"
    active: bool = True
    off_by: str | None = None
    held_by: str | None = None
    held_until: datetime | None = None
    not_before: datetime | None = None
    error_kind: str | None = None
    retry_count: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    runs: list[Run] = field(default_factory=list)
    at: dict[str, int] = field(default_factory=dict)
    """Where the checkpoint's rows stand, by lane."""
    document: dict[str, int] = field(default_factory=dict)
    """Where the document stands: as of the last version that was cut."""
    moved: dict[str, int] = field(default_factory=dict)
    """What the last version changed."""
    blacked_out: bool = False

    @property
    def run(self) -> Run | None:
        """The open run."""
        return next((run for run in self.runs if run.is_open), None)

    @property
    def due_at(self) -> datetime | None:
        if not self.active or self.status == "RUNNING" or self.held_by:
            return None
        if self.status == "FAILED" and self.error_kind != "permanent":
            assert self.finished_at
            planned = self.finished_at + timedelta(minutes=self.retry)
        elif self.started_at is None:
            spread = 60 * min(self.schedule, 5)
            planned = self.created_at + timedelta(seconds=self.id * 7919 % spread)
        else:
            planned = self.started_at + timedelta(minutes=self.schedule)
        return max(planned, self.not_before) if self.not_before else planned

    def is_due(self, now: datetime) -> bool:
        return self.due_at is not None and self.due_at <= now

    def start(self, run: Run, now: datetime) -> None:
        """Claimed, or run now. The error badge goes; failures in a row stay counted."""
        self.status, self.started_at, self.error_kind = "RUNNING", now, None
        self.runs.append(run)

    def load(self, batch: Batch) -> None:
        batch.state = "LOADED"
        self.at[batch.lane] = batch.at

    def cut(self) -> None:
        """A version, if anything moved."""
        if moved := dict(self.at.items() - self.document.items()):
            self.moved, self.document = moved, dict(self.at)

    def settle(self, now: datetime) -> None:
        """The end of the open run, if extract is done and nothing is left to load."""
        run = self.run
        if run is None or not run.extract_done or run.unloaded:
            return
        aside = [batch for _, batch in sorted(run.batches.items()) if batch.state == "SET_ASIDE"]
        if aside and run.error_kind is None:
            run.error_kind = "lost" if aside[0].attempts >= MAX_LOSSES else "internal"
        run.end("FAILED" if run.error_kind else "SUCCEEDED")
        self.cut()
        self.finish(run.error_kind, now)

    def finish(self, error_kind: str | None, now: datetime) -> None:
        """FINISHED or FAILED; what a person said (off, held, snoozed) outlives a failure."""
        self.finished_at, self.error_kind = now, error_kind
        if error_kind is None:
            self.status, self.retry_count, self.held_by, self.held_until = "FINISHED", 0, None, None
            return
        self.status, self.retry_count = "FAILED", self.retry_count + 1
        if error_kind == "unauthorised":
            self.held_by, self.held_until = "etl-tui", None
        elif self.held_by == "etl-tui":  # it failed of something else: the credential is not what bars it
            self.held_by = self.held_until = None
        if self.active and self.retry_count >= self.max_failures:
            self.active, self.off_by = False, "etl-tui"

    def end_early(self, state: str, error_kind: str | None, now: datetime) -> None:
        """Cancelled, or past its deadline: nothing of it lands any more."""
        assert self.run
        self.run.discard()
        self.run.extract_done = True
        self.run.error_kind = error_kind
        self.run.end(state)
        self.cut()
        if state == "CANCELLED":
            self.status = "READY"
        else:
            self.finish(error_kind, now)

    def is_overdue(self, now: datetime) -> bool:
        return bool(
            self.run
            and self.deadline
            and self.run.started_at
            and self.run.started_at + timedelta(minutes=self.deadline) < now
        )


@dataclass
class Worker:
    slots: int
    is_silent: bool = False
    is_lost: bool = False
    is_stopped: bool = False
    is_draining: bool = False

    @property
    def is_gone(self) -> bool:
        return self.is_lost or self.is_stopped

    @property
    def is_alive(self) -> bool:
        return not self.is_gone and not self.is_silent

    @property
    def may_claim(self) -> bool:
        return not self.is_gone and not self.is_draining


Place = tuple[str | None, str | None]
"""Tenant and integration; both None: everything."""

TIMES_OF_A_JOB = ("created_at", "started_at", "finished_at", "not_before", "held_until")


@dataclass
class World:
    jobs: list[Job]
    now: datetime
    """The database's clock before the step that is taken."""
    workers: dict[int, Worker] = field(default_factory=dict)
    paused: set[Place] = field(default_factory=set)
    limits: dict[Place, int] = field(default_factory=dict)
    limited_until: dict[tuple[str, str], datetime] = field(default_factory=dict)
    """Integrations whose source asked us to stay away."""

    def open_jobs(self) -> list[tuple[Job, Run]]:
        return [(job, run) for job in self.jobs if (run := job.run)]

    def holds(self, job: Job, run: Run | None = None) -> bool:
        """Whether anything but a limit keeps the job's run from starting; a person's heeds no blackout."""
        ready_at = self.limited_until.get((job.tenant, job.integration))
        return (
            any(place in self.paused for place in places(job))
            or (ready_at is not None and ready_at > self.now)
            or (job.blacked_out and (run is None or run.trigger != "manual"))
        )

    def running(self, place: Place) -> int:
        return sum(place in places(job) for job, run in self.open_jobs() if run.state == "RUNNING")

    def has_room(self, job: Job) -> bool:
        return all(self.running(place) < self.limits.get(place, 10**6) for place in places(job))

    def ready(self) -> list[tuple[Job, Run]]:
        return [
            (job, run) for job, run in self.open_jobs() if run.state == "QUEUED" and run.ready_at <= self.now
        ]

    def could_start(self) -> list[tuple[Job, Run]]:
        """Queued runs that a worker may take, the best first."""
        found = [(j, r) for j, r in self.ready() if not self.holds(j, r) and self.has_room(j)]
        return sorted(found, key=lambda pair: (pair[1].trigger != "manual", pair[1].ready_at, pair[1].id))

    def best_batch(self, stages: Collection[str], *, suspects: bool) -> tuple[Job, Run, int] | None:
        """The waiting batch that a worker of these stages takes next: who loads takes heads of lanes."""
        found = [
            (run.trigger != "manual", sum(b.state == "LEASED" for b in run.unloaded), batch.at, job, run, seq)
            for job, run in self.open_jobs()
            for seq, batch in run.batches.items()
            if batch.state == "WAITING"
            and batch.stage in stages
            and (suspects or not batch.attempts)
            and ("load" not in stages or run.is_head(seq))
        ]
        return min(found, key=lambda best: best[:3])[3:] if found else None

    def take_over(self) -> None:
        """What workers that are gone held is free. A loss is charged to what the worker had in hand, else to
        his run; a worker that stopped costs nothing."""
        for job, run in self.open_jobs():
            freed = {
                seq: self.workers[batch.worker]
                for seq, batch in run.batches.items()
                if batch.state == "LEASED" and batch.worker and self.workers[batch.worker].is_gone
            }
            holder = self.workers[run.worker] if run.worker else None
            charged = [seq for seq, w in freed.items() if w.is_lost and run.batches[seq].in_hand]
            for seq in freed:
                run.batches[seq].become("WAITING")
            for seq in charged:
                batch = run.batches[seq]
                batch.attempts += 1
                if batch.attempts >= MAX_LOSSES:
                    run.set_aside(seq)
            if holder and holder.is_gone:
                run.losses += holder.is_lost and not any(freed[seq] is holder for seq in charged)
                run.release(self.now)
                if run.losses >= MAX_LOSSES:
                    run.discard()
                    run.fail("lost")
            if freed or (holder and holder.is_gone):
                job.cut()

    def capacity(self) -> int:
        """How many jobs may be claimed: twice the free slots alive, less what is queued for them."""
        free = 0
        for number, worker in self.workers.items():
            if worker.is_alive and worker.may_claim:
                held = sum(run.worker == number for _, run in self.open_jobs() if run.state == "RUNNING")
                free += max(0, worker.slots - held)
        room = 2 * free - len(self.could_start())
        if (all_ := self.limits.get((None, None))) is not None:
            waiting = sum(not self.holds(job, run) for job, run in self.ready())
            room = min(room, all_ - self.running((None, None)) - waiting)
        return max(0, room)

    def claimable(self) -> list[Job]:
        """Due jobs that nothing but limits keeps from starting."""
        return [j for j in self.jobs if j.run is None and j.is_due(self.now) and not self.holds(j)]

    def shift(self, by: timedelta) -> None:
        """Time passes: everything that was or will be comes so much nearer."""
        for job in self.jobs:
            for name in TIMES_OF_A_JOB:
                _shift(job, name, by)
            if run := job.run:
                _shift(run, "ready_at", by)
                _shift(run, "started_at", by)
        self.limited_until = {place: until - by for place, until in self.limited_until.items()}


def places(job: Job) -> list[Place]:
    return [(None, None), (job.tenant, None), (job.tenant, job.integration)]


def _shift(of: Any, name: str, by: timedelta) -> None:
    value = getattr(of, name)
    if value is not None:
        setattr(of, name, value - by)
