"""The two forms in which jobs are shown, rows and cards, as the grid knows them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from textual.strip import Strip

from etl_core.models.health import Health
from etl_core.models.job import JobRow
from etl_tui.app.dashboard.arrangement import Line
from etl_tui.app.dashboard.columns import Moment


@dataclass(frozen=True, slots=True)
class Scene:
    """What all lines are drawn with: the cursor's line, the clock, who is alive, and what stands out."""

    cursor: int
    now: datetime
    health: Health | None
    marked: Collection[int]
    changed: Collection[int]
    """Ids of jobs."""

    def moment(self, job: JobRow, index: int) -> Moment:
        """How that line stands."""
        return Moment(
            self.now, index == self.cursor, self.health, job.id in self.marked, job.id in self.changed
        )


class Form(Protocol):
    """Places lines on a sheet as wide as the grid, of which a part is seen. Cells are counted from 0."""

    @property
    def height(self) -> int:
        """Cells of the whole sheet."""

    def place(self, lines: Sequence[Line], width: int) -> None:
        """Takes over what is to be shown."""

    def span(self, index: int) -> tuple[int, int]:
        """First and last row [y, end) of a line."""

    def at(self, x: int, y: int) -> int | None:
        """The line at that cell of the sheet."""

    def beside(self, index: int, step: int) -> int | None:
        """The line to the right or left; None when lines have nothing beside them."""

    def below(self, index: int, step: int) -> int:
        """So many lines below, or above."""

    def strip(self, y: int, scene: Scene) -> Strip:
        """A row of the sheet as it is drawn now; the same object as before when nothing in it changed."""
