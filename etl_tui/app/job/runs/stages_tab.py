"""The first tab of a run: its stages, who holds what, when they worked, its batches, live."""

from __future__ import annotations

from typing import ClassVar

import asyncpg
from textual.app import ComposeResult

from etl_core.control.runs import describe_run, list_batches, read_timeline
from etl_core.models.run import BatchRow, RunDetails, StageSpan
from etl_tui.app.commands.job import RUN_STAGES
from etl_tui.app.job.desk import Desk
from etl_tui.app.job.runs.stage_lines import stage_lines
from etl_tui.app.job.tab import JobTab
from etl_tui.app.look.text_view import TextView

BATCHES = 50


class StagesTab(JobTab):
    """Asks once a second while the run is open."""

    TITLE: ClassVar[str] = "Stages"
    PLACE: ClassVar[str] = RUN_STAGES

    def __init__(self, desk: Desk, run_id: int) -> None:
        super().__init__(desk)
        self._run_id = run_id
        self._view = TextView(desk.look, "stages")
        self.run: RunDetails | None = None
        self._spans: list[StageSpan] = []
        self._batches: list[BatchRow] = []

    def compose(self) -> ComposeResult:
        yield self._view

    def take_focus(self) -> None:
        self._view.focus()

    async def load(self) -> None:
        async def read(conn: asyncpg.Connection) -> tuple[RunDetails, list[StageSpan], list[BatchRow]]:
            return (
                await describe_run(conn, self._run_id),
                await read_timeline(conn, self._run_id),
                await list_batches(conn, self._run_id, limit=BATCHES),
            )

        if answer := await self.desk.ask(read):
            self.run, self._spans, self._batches = answer
            self._draw()

    def tick(self) -> None:
        if self.run is None or self.run.state.is_open:
            self.begin_loading()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        if self.run is not None:
            now = self.desk.clock.now()
            lines = stage_lines(
                self.desk.look, self.run, self._spans, self._batches, now=now, width=self.size.width
            )
            self._view.show_lines(lines, keep_place=True)
