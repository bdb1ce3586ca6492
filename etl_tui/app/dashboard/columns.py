"""The columns that the grid can have: what they say of a job."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from etl_core.models.health import Health
from etl_core.models.job import JobRow
from etl_core.rules.clock_text import NOTHING, ago_text
from etl_core.rules.counts_text import rate_text
from etl_core.rules.intervals import short_interval
from etl_core.rules.notes import next_text, note_text, running_rate
from etl_tui.app.dashboard.arrangement import integration_text
from etl_tui.app.look.cells import clean, cut, fit, width_of

JOB: Final = "JOB"
TENANT: Final = "TENANT"
NOTE: Final = "NOTE"
ERROR: Final = "ERROR"
NOTE_GAP: Final = 2
LEAST_TENANT: Final = 4


@dataclass(frozen=True, slots=True)
class Moment:
    """When a cell is told (the database's clock in the reader's zone), and how its row stands."""

    now: datetime
    selected: bool = False
    health: Health | None = None
    marked: bool = False
    """A person marked it for an action on several."""
    changed: bool = False
    """Its state changed a moment ago."""


@dataclass(frozen=True, slots=True)
class Column:
    """`ticks`: its text changes by the clock alone, without its job."""

    title: str
    cells: int
    text: Callable[[JobRow, Moment], str]
    right: bool = False
    ticks: bool = False
    gap: int = 1
    explains: str = ""
    shorten: Callable[[str, int], str] = cut

    @property
    def taken(self) -> int:
        return self.gap + self.cells

    def placed(self, text: str) -> str:
        """The text in its place, with the blanks before it."""
        return " " * self.gap + fit(self.shorten(text, self.cells), self.cells, right=self.right)

    def as_wide_as(self, jobs: Iterable[JobRow], least: int, most: int) -> Column:
        """The same, as wide as its longest text, within bounds."""
        longest = max((width_of(self.text(job, _NEVER)) for job in jobs), default=most)
        return replace(self, cells=max(min(longest, most), least))


def full_name(job: JobRow) -> str:
    """How a job is named everywhere: `acme/github`."""
    return clean(f"{job.tenant}/{job.job_name}")


def _short_name(name: str, cells: int) -> str:
    """`acm…/github-01` rather than `acme-europe/gith…`: what tells jobs apart is most often at the end."""
    tenant, _, job = name.partition("/")
    room = cells - width_of(job) - 1
    if width_of(name) <= cells or room < LEAST_TENANT:
        return cut(name, cells)
    return f"{cut(tenant, room)}/{job}"


def _full_name(job: JobRow, _: Moment) -> str:
    return full_name(job)


def _job_name(job: JobRow, _: Moment) -> str:
    return clean(job.job_name)


def _tenant(job: JobRow, _: Moment) -> str:
    return clean(job.tenant)


def _integration(job: JobRow, _: Moment) -> str:
    return integration_text(job) or NOTHING


def _every(job: JobRow, _: Moment) -> str:
    return short_interval(job.schedule_interval_minutes)


def _retry(job: JobRow, _: Moment) -> str:
    return short_interval(job.retry_interval_minutes)


def _retries(job: JobRow, _: Moment) -> str:
    return f"{job.retry_count:,}" if job.retry_count else ""


def _last_run(job: JobRow, moment: Moment) -> str:
    if job.status == "RUNNING":
        return "now"
    return ago_text(job.last_run_finished_at or job.last_run_started_at, moment.now)


def _last_success(job: JobRow, moment: Moment) -> str:
    return ago_text(job.last_success_at, moment.now)


def _took(job: JobRow, moment: Moment) -> str:
    if job.run_started_at is None:
        return ""
    seconds = int(((job.run_finished_at or moment.now) - job.run_started_at).total_seconds())
    if seconds < 60:
        return f"{max(0, seconds)}s" if job.run_finished_at else "<1m"
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours}h{minutes:02}" if hours else f"{minutes}m"


def _next(job: JobRow, moment: Moment) -> str:
    return next_text(job, moment.now)


def _rows(job: JobRow, _: Moment) -> str:
    return f"{job.rows_extracted:,}" if job.rows_extracted else ""


def _rate(job: JobRow, moment: Moment) -> str:
    if job.run_started_at is None or job.run_finished_at is None:
        return running_rate(job, moment.now) if job.status == "RUNNING" else ""
    return rate_text(job.rows_extracted or 0, (job.run_finished_at - job.run_started_at).total_seconds())


def _error(job: JobRow, _: Moment) -> str:
    return clean((job.error_message or job.error_kind or "").strip().partition("\n")[0])


def _note(job: JobRow, moment: Moment) -> str:
    return clean(note_text(job, moment.now, health=moment.health, seconds=moment.selected))


_NEVER = Moment(datetime.min.replace(tzinfo=UTC))

SHORT_NAME = Column(JOB, 12, _job_name, explains="the job's name")
FULL_NAME = Column(JOB, 12, _full_name, shorten=_short_name)

CATALOGUE: Final[tuple[Column, ...]] = (
    Column(TENANT, 6, _tenant, explains="whose job it is; without it JOB says so"),
    SHORT_NAME,
    Column("INTEGRATION", 14, _integration, explains="the integration with its type"),
    Column("EVERY", 5, _every, right=True, explains="the interval"),
    Column("RETRY", 5, _retry, right=True, explains="how soon it is tried again"),
    Column("RETRIES", 7, _retries, right=True, explains="failures in a row"),
    Column("LAST RUN", 8, _last_run, right=True, ticks=True, explains="when the last run ended"),
    Column("LAST OK", 8, _last_success, right=True, ticks=True, explains="when a run last succeeded"),
    Column("TOOK", 6, _took, right=True, ticks=True, explains="how long the newest run takes or took"),
    Column("NEXT", 9, _next, right=True, ticks=True, explains="when it runs next, or how late it is"),
    Column("ROWS", 11, _rows, right=True, explains="records that the newest run read"),
    Column("RATE", 7, _rate, right=True, ticks=True, explains="records a second of that run"),
    Column(ERROR, 24, _error, gap=NOTE_GAP, explains="the last error"),
    Column(NOTE, 0, _note, ticks=True, gap=NOTE_GAP, explains="the one most useful thing about it"),
)
"""In the order in which they stand until somebody orders them otherwise."""
BY_TITLE: Final = {column.title: column for column in CATALOGUE}
