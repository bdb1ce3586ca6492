"""The schedule of the hours to come: one question for the jobs, two small ones for what bars them."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import asyncpg

from etl_core.control.pauses import list_pauses
from etl_core.control.places import Place
from etl_core.errors import InvalidInput
from etl_core.models.schedule import Bucket, ComingBar, ComingStart, ComingWait, Schedule
from etl_core.rules.schedule_ahead import MINUTE, Ahead, Bar, PlannedJob, Start, look_ahead
from etl_core.store.database import Connection
from etl_core.store.queries import load

_runs = load("runs")
_schedule = load("schedule")

LONGEST_HOURS = 24 * 14
BUCKETS = 96
"""Of 15 minutes, for 24 hours."""


async def read_schedule(
    conn: Connection, *, tenant: str | None = None, hours: int = 24, buckets: int = BUCKETS
) -> Schedule:
    """The next `hours` of all jobs that are on, or of a tenant's; the density in so many equal parts.

    Raises:
        InvalidInput: no hours, or more than two weeks.
    """
    if not 1 <= hours <= LONGEST_HOURS:
        raise InvalidInput(f"a schedule of {hours} hours: 1 to {LONGEST_HOURS}")
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        now: datetime = await _runs.read_clock(conn)
        rows = [row async for row in _schedule.list_planned_jobs(conn, tenant=tenant)]
        windows = [row async for row in _schedule.list_window_spans(conn, since=now, hours=hours)]
        pauses = await list_pauses(conn)
    bars = [
        Bar("paused", pause.tenant, pause.integration, None, pause.paused_at, None,
            f"by {pause.paused_by}: {pause.reason}")
        for pause in pauses
    ]  # fmt: skip
    bars += [
        Bar("blackout", row["tenant"], row["integration"], row["job_id"], row["starts"], row["ends"],
            row["reason"] or "")
        for row in windows
    ]  # fmt: skip
    bars += _limits(rows, now)
    if tenant is not None:
        bars = [bar for bar in bars if bar.tenant in (None, tenant)]
    ahead = look_ahead([_planned(row) for row in rows], bars, now, hours)
    names = {row["job_id"]: f"{row['tenant']}/{row['job_name']}" for row in windows if row["job_id"]}
    return _told(ahead, bars, hours, min(buckets, hours * 60), names)


def _planned(row: asyncpg.Record) -> PlannedJob:
    running = row["status"] == "RUNNING"
    due = row["due_at"]
    interval = timedelta(minutes=row["schedule_interval_minutes"])
    if row["held"] and row["held_until"] is not None and not running:
        base = row["last_run_started_at"]
        due = max(row["held_until"], base + interval) if base is not None else row["held_until"]
    usual = row["usual_seconds"]
    return PlannedJob(
        id=row["id"],
        name=f"{row['tenant']}/{row['job_name']}",
        tenant=row["tenant"],
        integration=row["integration"],
        interval=interval,
        due_at=due,
        max_runs=row["max_runs"],
        usual=None if usual is None else timedelta(seconds=usual),
        running_since=row["last_run_started_at"] if running else None,
    )


def _limits(rows: list[asyncpg.Record], now: datetime) -> list[Bar]:
    """Integrations that their source asked to stay away."""
    parked = {
        (row["tenant"], row["integration"]): row["ready_at"]
        for row in rows
        if row["ready_at"] is not None and row["ready_at"] > now
    }
    return [
        Bar("limited", tenant, integration, None, now, until, "the source limits its rate")
        for (tenant, integration), until in parked.items()
    ]


def _place(bar: Bar, names: dict[int, str]) -> str:
    if bar.job_id is not None:
        return names.get(bar.job_id, f"job {bar.job_id}")
    return str(Place(bar.tenant, bar.integration))


def _told(ahead: Ahead, bars: list[Bar], hours: int, buckets: int, names: dict[int, str]) -> Schedule:
    length = timedelta(hours=hours) / buckets
    jobs = {start.job.id: start.job for start in ahead.starts}
    paused = Counter(id(bar) for _, bar in ahead.paused)

    def told(start: Start) -> ComingStart:
        by = start.delayed_by
        return ComingStart(
            job_id=start.job.id,
            job=start.job.name,
            at=start.at,
            interval_minutes=start.job.interval // MINUTE,
            starts=start.starts,
            delayed_by=f"{by.kind} of {_place(by, names)}" if by else None,
        )

    return Schedule(
        start=ahead.start,
        hours=hours,
        total=sum(ahead.per_minute),
        density=[
            Bucket(at=ahead.start + number * length, starts=starts)
            for number, starts in enumerate(ahead.buckets(buckets))
        ],
        coming=[told(start) for start in ahead.starts],
        waits=[
            ComingWait(
                at=ahead.start + timedelta(seconds=wait.at),
                job_id=wait.waiting,
                job=jobs[wait.waiting].name,
                waits_for=jobs[wait.holder].name,
                minutes=round(wait.seconds / 60, 1),
                times=wait.times,
            )
            for wait in ahead.waits
            if wait.waiting in jobs and wait.holder in jobs
        ],
        waits_until=ahead.waits_until,
        bars=[
            ComingBar(
                kind=bar.kind,
                place=_place(bar, names),
                starts=bar.start,
                ends=bar.end,
                reason=bar.reason,
                jobs_paused=paused[id(bar)],
            )
            for bar in sorted(bars, key=lambda bar: bar.start)
        ],
    )
