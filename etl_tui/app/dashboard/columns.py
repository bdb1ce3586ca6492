"""The columns of the grid: what they say, and how wide they are on a terminal of a given width."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from etl_core.models.health import Health
from etl_core.models.job import JobRow
from etl_core.rules.clock_text import NOTHING, ago_text
from etl_core.rules.intervals import short_interval
from etl_core.rules.job_tone import status_word, tone_of
from etl_core.rules.notes import next_text, note_text
from etl_tui.app.dashboard.job_order import STATUS
from etl_tui.app.dashboard.marks import MARK
from etl_tui.app.look.cells import clean, cut, fit, width_of

STATUS_CELLS = 10
NEXT_CELLS = 9
NOTE_GAP = 2
WIDE = 100
"""From this width on tenant and job have a column each."""
CURSOR, NO_CURSOR = "›", " "


@dataclass(frozen=True, slots=True)
class Moment:
    """When a cell is told (the database's clock in the reader's zone), is its row selected or marked, who is
    alive."""

    now: datetime
    selected: bool = False
    health: Health | None = None
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """`ticks`: its text changes by the clock alone, without its job."""

    title: str
    cells: int
    text: Callable[[JobRow, Moment], str]
    right: bool = False
    ticks: bool = False
    gap: int = 1

    @property
    def taken(self) -> int:
        return self.gap + self.cells

    def placed(self, text: str) -> str:
        """The text in its place, with the blanks before it."""
        return " " * self.gap + fit(text, self.cells, right=self.right)


class TitlePlace(NamedTuple):
    """A title, what of it is shown, the cell in which that begins, and the first cell of its column."""

    title: str
    shown: str
    start: int
    cells_from: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns behind cursor, glyph and status, each with its gap before it; together `width` cells."""

    width: int
    columns: tuple[Column, ...]

    def titles(self) -> list[TitlePlace]:
        """Where each title stands, that of the status first."""
        found = [TitlePlace(STATUS, STATUS, 3, 3)]
        at = 3 + STATUS_CELLS
        for column in self.columns:
            shown = cut(column.title, column.cells)
            inset = column.cells - len(shown) if column.right else 0
            found.append(TitlePlace(column.title, shown, at + column.gap + inset, at + column.gap))
            at += column.taken
        return [place for place in found if place.shown]

    def ticking(self, job: JobRow, moment: Moment) -> tuple[str, ...]:
        """The texts that the clock changes: what a drawn row is compared by."""
        return tuple(column.placed(column.text(job, moment)) for column in self.columns if column.ticks)

    def status(self, job: JobRow, moment: Moment) -> str:
        """The first segment of a row: mark or cursor, glyph and word, in the state's colour."""
        cursor = MARK if moment.marked else CURSOR if moment.selected else NO_CURSOR
        return f"{cursor}{tone_of(job).glyph} {fit(status_word(job), STATUS_CELLS)}"

    def rest(self, job: JobRow, moment: Moment, ticking: Sequence[str]) -> str:
        """The second segment: everything else."""
        ticks = iter(ticking)
        texts = (
            next(ticks) if column.ticks else column.placed(column.text(job, moment))
            for column in self.columns
        )
        return fit("".join(texts), max(0, self.width - STATUS_CELLS - 3))


def choose_layout(width: int, jobs: Iterable[JobRow], *, many_tenants: bool = True) -> Layout:
    """Columns for `width` cells, those of names as wide as the longest of `jobs` up to a cap, NOTE the rest.

    Under 70 cells the interval gives way, under 58 the last run, under 40 the note's neighbours all do.
    """
    jobs = list(jobs)
    names = _names(width, jobs, many_tenants=many_tenants)
    others = [column for least, column in _OTHERS if width >= least]
    taken = STATUS_CELLS + 3 + sum(column.taken for column in (*names, *others))
    note = Column("NOTE", max(0, width - taken - NOTE_GAP), _note, ticks=True, gap=NOTE_GAP)
    return Layout(width, (*names, *others, note))


def full_name(job: JobRow) -> str:
    """How a job is named everywhere: `acme/github`."""
    return clean(f"{job.tenant}/{job.job_name}")


def _names(width: int, jobs: Sequence[JobRow], *, many_tenants: bool) -> list[Column]:
    if many_tenants and width < WIDE:
        return [Column("JOB", _longest(jobs, _full_name, 12, width * 24 // 100), _full_name)]
    job = Column("JOB", _longest(jobs, _job_name, 12, width * 24 // 100), _job_name)
    if not many_tenants:
        return [job]
    return [Column("TENANT", _longest(jobs, _tenant, 6, width * 10 // 100), _tenant), job]


def _longest(jobs: Iterable[JobRow], text: Callable[[JobRow, Moment], str], least: int, most: int) -> int:
    longest = max((width_of(text(job, _NEVER)) for job in jobs), default=most)
    return max(min(longest, most), least)


def _full_name(job: JobRow, _: Moment) -> str:
    return full_name(job)


def _job_name(job: JobRow, _: Moment) -> str:
    return clean(job.job_name)


def _tenant(job: JobRow, _: Moment) -> str:
    return clean(job.tenant)


def _integration(job: JobRow, _: Moment) -> str:
    return clean(job.integration or NOTHING)


def _every(job: JobRow, _: Moment) -> str:
    return short_interval(job.schedule_interval_minutes)


def _retries(job: JobRow, _: Moment) -> str:
    return f"{job.retry_count:,}" if job.retry_count else ""


def _last_run(job: JobRow, moment: Moment) -> str:
    if job.status == "RUNNING":
        return "now"
    return ago_text(job.last_run_finished_at or job.last_run_started_at, moment.now)


def _next(job: JobRow, moment: Moment) -> str:
    return next_text(job, moment.now)


def _rows(job: JobRow, _: Moment) -> str:
    return f"{job.rows_extracted:,}" if job.rows_extracted else ""


def _note(job: JobRow, moment: Moment) -> str:
    return clean(note_text(job, moment.now, health=moment.health, seconds=moment.selected))


_NEVER = Moment(datetime.min.replace(tzinfo=UTC))
_OTHERS: tuple[tuple[int, Column], ...] = (
    (120, Column("INTEGRATION", 14, _integration)),
    (70, Column("EVERY", 5, _every, right=True)),
    (120, Column("RETRIES", 7, _retries, right=True)),
    (58, Column("LAST RUN", 8, _last_run, right=True, ticks=True)),
    (40, Column("NEXT", NEXT_CELLS, _next, right=True, ticks=True)),
    (140, Column("ROWS", 11, _rows, right=True)),
)
"""From which width on a column is there, in the order of the screen."""
