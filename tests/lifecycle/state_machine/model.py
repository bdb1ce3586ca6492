"""The life of jobs and runs as DESIGN.md 4 tells it, in plain Python: what the database is held against.

Written from the rules, not from the SQL. Times are the database's; what cannot be foreseen (the moment of a
commit, the ids of new rows) is taken over from it once, at the step that makes it, and must stay.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

MAX_LOSSES = 3
OPEN = ("QUEUED", "RUNNING")


@dataclass
class Batch:
    state: str
    lease: int
    at: int
    """Where the checkpoint stands once it is loaded."""

    @property
    def is_unloaded(self) -> bool:
        return self.state in ("WAITING", "LEASED")


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

    def queue(self, now: datetime, ready_at: datetime | None = None) -> None:
        """Parked, given way, released or taken over: the holder is fenced, its batches wait."""
        self.state, self.worker, self.lease = "QUEUED", None, self.lease + 1
        self.ready_at = max(now, ready_at or now)
        for batch in self.batches.values():
            if batch.state == "LEASED":
                batch.state, batch.lease = "WAITING", batch.lease + 1

    def discard(self) -> None:
        for batch in self.unloaded:
            batch.state, batch.lease = "DISCARDED", batch.lease + 1

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
    at: int | None = None
    """Where the checkpoint's row stands."""
    document: int | None = None
    """Where the document stands: as of the last version that was cut."""
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

    def cut(self) -> None:
        self.document = self.at

    def settle(self, now: datetime) -> None:
        """The end of the open run, if extract is done and nothing is left to load."""
        run = self.run
        if run is None or not run.extract_done or run.unloaded:
            return
        if run.error_kind is None and any(batch.state == "SET_ASIDE" for batch in run.batches.values()):
            run.error_kind = "internal"
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
    is_draining: bool = False

    @property
    def is_alive(self) -> bool:
        return not self.is_lost and not self.is_silent


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

    def capacity(self) -> int:
        """How many jobs may be claimed: twice the free slots alive, less what is queued for them."""
        free = 0
        for number, worker in self.workers.items():
            if worker.is_alive and not worker.is_draining:
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
