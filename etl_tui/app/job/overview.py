"""The first tab: what state it is in, why, what comes next, how it went before, and what can be done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

import asyncpg
from textual.app import ComposeResult

from etl_core.control.events import list_events
from etl_core.control.jobs import show_job
from etl_core.control.run_statistics import read_statistics
from etl_core.models.audit import EventRow
from etl_core.models.job import JobDetails
from etl_core.models.run_comparison import RunStatistics
from etl_tui.app.commands.job import OVERVIEW
from etl_tui.app.job.desk import Desk
from etl_tui.app.job.overview_lines import overview_lines
from etl_tui.app.job.tab import JobTab
from etl_tui.app.look.text_view import TextView

_OFF = ("disable", "switched_off")
RUNS = 40
"""So many of the newest runs are shown."""


class OverviewTab(JobTab):
    TITLE: ClassVar[str] = "Overview"
    PLACE: ClassVar[str] = OVERVIEW

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._view = TextView(desk.look, "overview")
        self._job: JobDetails | None = None
        self._statistics: RunStatistics | None = None
        self._off_since: datetime | None = None

    def compose(self) -> ComposeResult:
        yield self._view

    def take_focus(self) -> None:
        self._view.focus()

    async def load(self) -> None:
        job = self.desk.job

        async def read(
            conn: asyncpg.Connection,
        ) -> tuple[JobDetails, RunStatistics, Sequence[EventRow]]:
            ends = [] if job.active else await list_events(conn, job_id=job.id, actions=_OFF, limit=1)
            return await show_job(conn, job.id), await read_statistics(conn, job.id, limit=RUNS), ends

        if answer := await self.desk.ask(read):
            self._job, self._statistics, ends = answer
            self._off_since = ends[0].at if ends else None
            self.tick()

    def on_resize(self) -> None:
        self.tick()

    def tick(self) -> None:
        if self._job is not None and self._statistics is not None:
            lines = overview_lines(
                self.desk, self._job, self._statistics, off_since=self._off_since, width=self.size.width
            )
            self._view.show_lines(lines, keep_place=True)
