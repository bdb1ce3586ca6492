"""When jobs will start: how many in each minute, the next start of each, and who waits for whom. Pure.

Every run is taken to succeed and to start when it may. Jobs of equal intervals that the same things bar are
counted together, minute by minute: a job of 5 minutes has 288 starts a day, and ten thousand such jobs are
counted as quickly as one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from etl_core.rules.collisions import Contender, Wait, waits

MINUTE = timedelta(minutes=1)
UNKNOWN_DURATION = MINUTE
"""Of a job that never went through."""


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A job that is on; `due_at` None: nothing but a person, or the end of its run, makes it due."""

    id: int
    name: str
    tenant: str
    integration: str
    interval: timedelta
    due_at: datetime | None
    max_runs: int | None = None
    """Runs at once on its integration."""
    usual: timedelta | None = None
    """How long it runs."""
    running_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """Nothing starts in it: of a job, an integration, a tenant, of all. `end` None: until one ends it."""

    kind: str
    """`blackout`, `paused`, `limited`."""
    tenant: str | None
    integration: str | None
    job_id: int | None
    start: datetime
    end: datetime | None
    reason: str

    def bars(self, job: PlannedJob) -> bool:
        """Whether it is this job's."""
        if self.job_id is not None:
            return self.job_id == job.id
        return self.tenant in (None, job.tenant) and self.integration in (None, job.integration)


@dataclass(frozen=True, slots=True)
class Start:
    """The next start of a job; `starts` counts those of the whole span, this one included."""

    job: PlannedJob
    at: datetime
    starts: int
    delayed_by: Bar | None
    """What it would have started in."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """The schedule of a span of whole minutes from `start`."""

    start: datetime
    per_minute: tuple[int, ...]
    starts: tuple[Start, ...]
    """The next start of each job that has one, in order."""
    paused: tuple[tuple[PlannedJob, Bar], ...]
    """Jobs that start nothing until somebody ends it."""
    waits: tuple[Wait, ...]
    """Seconds from `start`."""
    waits_until: datetime
    """Waits are looked for until then: the whole span, unless there is too much of it."""

    def buckets(self, count: int) -> list[int]:
        """Starts in `count` equal parts of the span."""
        length, found = len(self.per_minute), [0] * count
        for minute, number in enumerate(self.per_minute):
            found[minute * count // length] += number
        return found


class _Group:
    """Jobs of one interval that the same bars hold: from when one may start, and how often it does."""

    def __init__(self, every: int, bars: Sequence[Bar], begin: datetime, minutes: int) -> None:
        self.every = every
        self.firsts = [0] * minutes
        # may[m]: the minute in which starts what falls due in m; `minutes` when not in the span.
        self.may = list(range(minutes + 1))
        spans = sorted(
            (max(0, -(-(bar.start - begin) // MINUTE)), min(minutes, -(-(bar.end - begin) // MINUTE)))
            for bar in bars
            if bar.end is not None
        )
        for first, last in reversed(spans):
            for minute in range(first, last):
                self.may[minute] = self.may[last]
        # Spans may overlap: until nothing moves any more, which the last pass finds at once.
        for minute in range(minutes - 1, -1, -1):
            self.may[minute] = self.may[self.may[minute]]
        self.starts_from = [0] * (minutes + 1)
        for minute in range(minutes - 1, -1, -1):
            at = self.may[minute]
            if at > minute:
                self.starts_from[minute] = self.starts_from[at]
            else:
                self.starts_from[minute] = 1 + self.starts_from[min(minutes, minute + every)]

    def add_to(self, total: list[int]) -> None:
        """Counts every start of its jobs."""
        counts, minutes = list(self.firsts), len(total)
        for minute in range(minutes):
            number = counts[minute]
            if not number:
                continue
            at = self.may[minute]
            if at == minute:
                total[minute] += number
                at = minute + self.every
            if at < minutes:
                counts[at] += number


def look_ahead(jobs: Iterable[PlannedJob], bars: Sequence[Bar], now: datetime, hours: int) -> Ahead:
    """The next `hours` from the minute of `now` (aware).

    What is overdue starts at once; a running job starts next an interval after its start.
    """
    begin, minutes = now.replace(second=0, microsecond=0), hours * 60
    of_place: dict[tuple[str, str], tuple[Bar, ...]] = {}
    of_job: dict[int, list[Bar]] = defaultdict(list)
    for bar in bars:
        if bar.job_id is not None:
            of_job[bar.job_id].append(bar)
    wide = [bar for bar in bars if bar.job_id is None]
    groups: dict[tuple[int, tuple[Bar, ...]], _Group] = {}
    starts: list[Start] = []
    paused: list[tuple[PlannedJob, Bar]] = []
    limited: dict[tuple[str, str], tuple[int, list[Contender]]] = {}
    for job in jobs:
        place = (job.tenant, job.integration)
        barring = of_place.get(place)
        if barring is None:
            barring = of_place[place] = tuple(bar for bar in wide if bar.bars(job))
        if job.id in of_job:
            barring = (*barring, *of_job[job.id])
        if pause := next((bar for bar in barring if bar.end is None), None):
            paused.append((job, pause))
            continue
        due = job.due_at if job.running_since is None else job.running_since + job.interval
        if due is None:
            continue
        due = max(due, now)
        every = max(1, job.interval // MINUTE)
        group = groups.get((every, barring))
        if group is None:
            group = groups[every, barring] = _Group(every, barring, begin, minutes)
        if job.max_runs is not None:
            _, contenders = limited.setdefault(place, (job.max_runs, []))
            contenders.append(_contender(job, due, begin, group.may if barring else None))
        first = (due - begin) // MINUTE
        if first >= minutes:
            continue
        group.firsts[first] += 1
        at = group.may[first]
        if at < minutes:
            delayed = next((bar for bar in barring if bar.start <= due < (bar.end or due)), None)
            when = due if at == first else begin + at * MINUTE
            starts.append(Start(job, when, group.starts_from[first], delayed))
    total = [0] * minutes
    for group in groups.values():
        group.add_to(total)
    found, until = waits(list(limited.values()), minutes * 60.0)
    starts.sort(key=lambda start: (start.at, start.job.name))
    return Ahead(
        begin, tuple(total), tuple(starts), tuple(paused), tuple(found), begin + timedelta(seconds=until)
    )


def _contender(job: PlannedJob, due: datetime, begin: datetime, may: Sequence[int] | None) -> Contender:
    usual = (job.usual or UNKNOWN_DURATION).total_seconds()
    busy = None
    if job.running_since is not None:
        busy = max((job.running_since - begin).total_seconds() + usual, 0.0)
    return Contender(job.id, (due - begin).total_seconds(), job.interval.total_seconds(), usual, busy, may)


def wait_text(job: str, waits_for: str, minutes: float, times: int) -> str:
    """`acme/jira waits for acme/github, about 12 min`, and how often it does."""
    about = f"about {round(minutes)} min" if minutes >= 1 else "under a minute"
    often = f", {times:,} times" if times > 1 else ""
    return f"{job} waits for {waits_for}, {about}{often}"
