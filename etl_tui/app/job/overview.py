"""The first tab: what state it is in, why, what comes next, how it went before, and what can be done."""

from __future__ import annotations

from typing import ClassVar

import asyncpg
from textual.app import ComposeResult

from etl_core.control.jobs import show_job
from etl_core.control.runs import list_runs
from etl_core.models.job import JobDetails
from etl_core.models.run import RunListRow
from etl_tui.app.commands.job import OVERVIEW
from etl_tui.app.job.desk import Desk
from etl_tui.app.job.overview_lines import overview_lines
from etl_tui.app.job.tab import JobTab
from etl_tui.app.look.text_view import TextView

RUNS = 60
"""So many of the newest runs are looked at."""


class OverviewTab(JobTab):
    TITLE: ClassVar[str] = "Overview"
    PLACE: ClassVar[str] = OVERVIEW

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._view = TextView(desk.look, "overview")
        self._job: JobDetails | None = None
        self._runs: list[RunListRow] = []

    def compose(self) -> ComposeResult:
        yield self._view

    def take_focus(self) -> None:
        self._view.focus()

    async def load(self) -> None:
        async def read(conn: asyncpg.Connection) -> tuple[JobDetails, list[RunListRow]]:
            job_id = self.desk.job.id
            return await show_job(conn, job_id), await list_runs(conn, job_id, limit=RUNS)

        if answer := await self.desk.ask(read):
            self._job, self._runs = answer
            self.tick()

    def on_resize(self) -> None:
        self.tick()

    def tick(self) -> None:
        if self._job is not None:
            lines = overview_lines(self.desk, self._job, self._runs, self.size.width)
            self._view.show_lines(lines, keep_place=True)
