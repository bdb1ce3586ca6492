"""Why a job is not running: one answer, in one line, for command line, grid and sentence. A pure rule."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from etl_core.rules.clock_text import clock_text, span_text, until_text, wait_text

if TYPE_CHECKING:
    from etl_core.models.health import Health
    from etl_core.models.job import JobDetails, JobRow

LATE_AFTER = timedelta(minutes=1)
"""A job is late when it should have been claimed so long ago; schedulers look every few seconds."""


class WhyKind(StrEnum):
    """What a script can go by."""

    RUNNING = "running"
    QUEUED = "queued"
    WAITING = "waiting"
    """The open run was told to come back later."""
    OFF = "off"
    NO_INTEGRATION = "no_integration"
    HELD = "held"
    SNOOZED = "snoozed"
    PAUSED = "paused"
    BLACKOUT = "blackout"
    LIMITED = "limited"
    BUSY = "busy"
    NO_SCHEDULER = "no_scheduler"
    NO_WORKER = "no_worker"
    DRAINING = "draining"
    NO_SLOT = "no_slot"
    NOT_DUE = "not_due"
    DUE = "due"

    @property
    def is_ordinary(self) -> bool:
        """Nothing keeps the job but its own schedule, or a moment: there are more useful things to say."""
        return self in (WhyKind.RUNNING, WhyKind.QUEUED, WhyKind.NOT_DUE, WhyKind.DUE)


class Why(NamedTuple):
    """The answer. Texts from people and sources are on one line; `until` is when it is over by itself."""

    kind: WhyKind
    text: str
    until: datetime | None
    narrow: str
    """The same for a narrow column: `blackout → 06:00`."""


def why(job: JobRow | JobDetails, health: Health | None, now: datetime) -> Why:
    """The first thing that must change before the job runs; clock times in the zone of `now`.

    Without `health` nothing is known of schedulers and workers, and nothing said of them.
    """
    if job.status == "RUNNING":
        return _of_open_run(job, health, now)
    return _at_rest(job, now) or _of_schedule(job, now) or _obstacle(job, now) or _of_due(job, health, now)


def _of_open_run(job: JobRow | JobDetails, health: Health | None, now: datetime) -> Why:
    run = f"run {job.run_id}" if job.run_id is not None else "its run"
    if job.run_state == "RUNNING":
        return _of_running(job, run, health, now)
    if job.run_state != "QUEUED":
        return _why(WhyKind.QUEUED, f"running without an open run ({run} has ended): a scheduler mends it")
    if job.run_ready_at is not None and job.run_ready_at > now:
        reason = f"waits: {job.run_wait_reason}" if job.run_wait_reason else f"{run} waits"
        return _why(WhyKind.WAITING, reason, now, job.run_ready_at)
    if barred := _obstacle(job, now) or _no_hands(health, now):
        return barred
    wait = now - job.run_queued_at if job.run_queued_at else timedelta()
    return _why(WhyKind.QUEUED, f"queued {wait_text(wait, seconds=True)}: a worker is about to take {run}")


def _of_running(job: JobRow | JobDetails, run: str, health: Health | None, now: datetime) -> Why:
    if job.run_wait_reason:
        return _why(WhyKind.RUNNING, f"{run} ends: {job.run_wait_reason}")
    if unserved := _unserved(health, "transform", "load"):
        return _why(WhyKind.NO_WORKER, f"{run} has batches that wait: {unserved}")
    since = f" since {clock_text(job.run_started_at, now)}" if job.run_started_at else ""
    return _why(WhyKind.RUNNING, f"running: {run}{since}")


def _at_rest(job: JobRow | JobDetails, now: datetime) -> Why | None:
    """Why it has no next time at all."""
    if not job.active:
        by = f"off by {job.off_by}" if job.off_by else "off"
        return _why(WhyKind.OFF, f"{by}: {job.off_reason}" if job.off_reason else by)
    if job.integration_id is None:
        return _why(WhyKind.NO_INTEGRATION, "no integration")
    if job.held:
        # The reason of a hold of the program's own says what to do.
        by = f"held by {job.held_by}" if job.held_by and job.held_by != "etl-tui" else "held"
        reason = " ".join((f"{by}: {job.hold_reason}" if job.hold_reason else by).split())
        if job.held_until is None and job.held_by != "etl-tui":
            return Why(WhyKind.HELD, f"{reason} (until cleared)", None, reason)
        return _why(WhyKind.HELD, reason, now, job.held_until)
    return None


def _of_schedule(job: JobRow | JobDetails, now: datetime) -> Why | None:
    """Why it is not due."""
    if job.due_at is None:
        return _why(WhyKind.NOT_DUE, "not due: it has no next time")
    if job.due_at <= now:
        return None
    if job.not_before is not None and job.not_before >= job.due_at:
        return _why(WhyKind.SNOOZED, "snoozed", now, job.not_before)
    when = until_text(job.due_at, now)
    if job.status == "FAILED" and job.error_kind != "permanent":
        return Why(WhyKind.NOT_DUE, f"retry in {when}", job.due_at, f"retry {when}")
    if job.status == "FAILED":
        told = f"due in {when}; no retry before: it would fail in the same way (permanent)"
        return Why(WhyKind.NOT_DUE, told, job.due_at, f"due {when}")
    return Why(WhyKind.NOT_DUE, f"due in {when}", job.due_at, f"due {when}")


def _obstacle(job: JobRow | JobDetails, now: datetime) -> Why | None:
    """What bars the place where it would run, as the database found it; passed when its end has."""
    if job.obstacle_kind is None or not job.obstacle:
        return None
    if job.obstacle_until is not None and job.obstacle_until <= now:
        return None
    kind = WhyKind(job.obstacle_kind)
    text = f"waits: {job.obstacle}" if kind is WhyKind.LIMITED else job.obstacle
    return _why(kind, text, now, job.obstacle_until)


def _of_due(job: JobRow | JobDetails, health: Health | None, now: datetime) -> Why:
    if health is not None and not health.schedulers_alive:
        return _dead(WhyKind.NO_SCHEDULER, "scheduler", health.scheduler_last_seen, now)
    if barred := _no_hands(health, now):
        return barred
    late = now - job.due_at if job.due_at else timedelta()
    due = f"due for {span_text(late)}" if late > LATE_AFTER else "due"
    if health is None:
        return _why(WhyKind.DUE, due)
    if late > LATE_AFTER and health.runs_queued:
        runs = "1 queued run is" if health.runs_queued == 1 else f"{health.runs_queued:,} queued runs are"
        return _why(WhyKind.DUE, f"{due}: {runs} ahead")
    return _why(WhyKind.DUE, f"{due}, about to start")


def _no_hands(health: Health | None, now: datetime) -> Why | None:
    """Nobody who could take a run; None as well when that is unknown."""
    if health is None:
        return None
    if not health.workers_alive:
        return _dead(WhyKind.NO_WORKER, "worker", health.worker_last_seen, now)
    if unserved := _unserved(health, "extract"):
        return _why(WhyKind.NO_WORKER, unserved)
    if health.workers_draining >= health.workers_alive:
        return _why(WhyKind.DRAINING, "every worker is draining")
    if health.slots_taken >= health.slots:
        return _why(WhyKind.NO_SLOT, f"no free slot: {health.slots_taken} of {health.slots} taken")
    return None


def _unserved(health: Health | None, *stages: str) -> str | None:
    """That nobody alive serves one of these stages."""
    missing = [stage for stage in stages if health is not None and stage in health.stages_missing]
    return f"no worker alive that does {' or '.join(missing)}" if missing else None


def _dead(kind: WhyKind, what: str, last_seen: datetime | None, now: datetime) -> Why:
    since = f" since {clock_text(last_seen, now)}" if last_seen else ""
    return _why(kind, f"no {what} alive{since}")


def _why(kind: WhyKind, text: str, now: datetime | None = None, until: datetime | None = None) -> Why:
    text = " ".join(text.split()) or kind.value
    if now is None or until is None:
        return Why(kind, text, None, text)
    if until <= now:  # over, but for the tidying up
        return Why(kind, text, until, text)
    when = clock_text(until, now)
    return Why(kind, f"{text} until {when}", until, f"{text} → {when}")
