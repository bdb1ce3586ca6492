"""Which columns stand where on a terminal of a given width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from etl_core.models.job import JobRow
from etl_core.rules.job_tone import status_word, tone_of
from etl_tui.app.dashboard.arrangement import Grouping
from etl_tui.app.dashboard.columns import (
    BY_TITLE,
    ERROR,
    FULL_NAME,
    JOB,
    NOTE,
    NOTE_GAP,
    TENANT,
    Column,
    Moment,
)
from etl_tui.app.dashboard.job_order import STATUS
from etl_tui.app.dashboard.marks import MARK
from etl_tui.app.look.cells import cut, fit

STATUS_CELLS: Final = 10
LEAST_NOTE: Final = 14
"""Cells that a note needs to say something: columns that somebody chose give way for it."""
WIDE: Final = 100
"""From this width on tenant and job have a column each."""
CURSOR, CHANGE, NOTHING = "›", "•", " "

_USUAL: Final[tuple[tuple[int, str], ...]] = (
    (WIDE, TENANT),
    (0, JOB),
    (120, "INTEGRATION"),
    (70, "EVERY"),
    (120, "RETRIES"),
    (58, "LAST RUN"),
    (170, "TOOK"),
    (40, "NEXT"),
    (140, "ROWS"),
    (0, NOTE),
)
"""From which width on a column is there, unless somebody chose."""
_GIVE_WAY: Final = (
    "RATE", "TOOK", "RETRY", "ROWS", "LAST OK", "RETRIES", "INTEGRATION", ERROR, TENANT, "EVERY", "LAST RUN",
    "NEXT",
)  # fmt: skip
"""Which of the chosen columns are left out first where the terminal is too narrow."""


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
        """The first segment of a row: cursor, glyph and word, in the state's colour."""
        return f"{gutter(moment)}{tone_of(job).glyph} {fit(status_word(job), STATUS_CELLS)}"

    def rest(self, job: JobRow, moment: Moment, ticking: Sequence[str]) -> str:
        """The second segment: everything else."""
        ticks = iter(ticking)
        texts = (
            next(ticks) if column.ticks else column.placed(column.text(job, moment))
            for column in self.columns
        )
        return fit("".join(texts), max(0, self.width - STATUS_CELLS - 3))


def gutter(moment: Moment) -> str:
    """The cell before everything: a mark, the cursor, or that something changed a moment ago."""
    if moment.marked:
        return MARK
    if moment.selected:
        return CURSOR
    return CHANGE if moment.changed else NOTHING


def choose_layout(
    width: int,
    jobs: Sequence[JobRow],
    *,
    many_tenants: bool = True,
    chosen: Sequence[str] | None = None,
    grouping: Grouping | None = None,
) -> Layout:
    """Columns for `width` cells, those of names as wide as the longest of `jobs` up to a cap, NOTE the rest.

    `chosen` are titles in the order of the screen. Of what does not fit, some give way.
    """
    if chosen is None:
        titles = [title for least, title in _USUAL if width >= least]
    else:
        titles = [title for title in chosen if title in BY_TITLE]
    if not many_tenants or grouping is Grouping.TENANT:
        titles = [title for title in titles if title != TENANT]
    names_tenant = many_tenants and TENANT not in titles and grouping is not Grouping.TENANT
    columns = [_sized(title, jobs, width, names_tenant=names_tenant) for title in titles]
    room = width - STATUS_CELLS - 3
    elastic = NOTE if NOTE in titles else ERROR
    if chosen is not None:
        least = LEAST_NOTE + NOTE_GAP if NOTE in titles else 0
        for title in _GIVE_WAY:
            if sum(column.taken for column in columns if column.title != NOTE) + least > room:
                columns = [column for column in columns if column.title != title]
    taken = sum(column.taken for column in columns if column.title != elastic)
    return Layout(
        width,
        tuple(
            replace(column, cells=max(0, room - taken - column.gap)) if column.title == elastic else column
            for column in columns
        ),
    )


def _sized(title: str, jobs: Sequence[JobRow], width: int, *, names_tenant: bool) -> Column:
    if title == JOB:
        name = FULL_NAME if names_tenant else BY_TITLE[JOB]
        return name.as_wide_as(jobs, 12, width * 24 // 100)
    if title == TENANT:
        return BY_TITLE[TENANT].as_wide_as(jobs, 6, width * 10 // 100)
    if title == "INTEGRATION":
        return BY_TITLE[title].as_wide_as(jobs, 11, width * 16 // 100)
    return BY_TITLE[title]
