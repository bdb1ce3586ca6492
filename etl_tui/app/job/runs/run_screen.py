"""One run: its stages live, its log, the records that it refused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from etl_core.control.runs import find_run
from etl_core.models.job import JobRow
from etl_core.models.run import RunListRow
from etl_core.rules.clock_text import clock_text
from etl_core.rules.job_tone import Tone
from etl_tui.app.commands.job import RUN
from etl_tui.app.commands.registry import bindings
from etl_tui.app.dashboard.columns import full_name
from etl_tui.app.feed.source import JobSource
from etl_tui.app.job.desk import Desk
from etl_tui.app.job.latest import run_latest
from etl_tui.app.job.rejects.tab import RejectsTab
from etl_tui.app.job.runs.log_tab import LogTab
from etl_tui.app.job.runs.run_list import RUN_TONES
from etl_tui.app.job.runs.run_words import by_text, took_text
from etl_tui.app.job.runs.stages_tab import StagesTab
from etl_tui.app.job.tab import JobTab
from etl_tui.app.job.tabbed import TabbedScreen
from etl_tui.app.job.trail import trail
from etl_tui.app.look.cells import clean
from etl_tui.app.look.styled_line import Piece, StyledLine
from etl_tui.app.look.theme import Look


class LogOfRun(LogTab):
    """Of this run, whatever the job does now."""

    def __init__(self, desk: Desk, run_id: int) -> None:
        super().__init__(desk)
        self._own_run = run_id

    @property
    def run_id(self) -> int:
        return self._own_run


class RunScreen(TabbedScreen):
    """Opened over the job's screen."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(RUN)
    TABS: ClassVar[Sequence[type[JobTab]]] = (StagesTab, LogOfRun, RejectsTab)
    place = RUN
    title_of_place = "Run"

    def __init__(
        self,
        source: JobSource,
        look: Look,
        job: JobRow,
        run_id: int,
        *,
        others: Callable[[], Collection[JobRow]],
    ) -> None:
        super().__init__(source, look, job, others=others)
        self._run_id = run_id
        self._run: RunListRow | None = None
        self._trouble = ""
        self._line = StyledLine(look, "run-name")

    def make_tab(self, index: int) -> JobTab:
        made: Sequence[Callable[[], JobTab]] = (
            lambda: StagesTab(self.desk, self._run_id),
            lambda: LogOfRun(self.desk, self._run_id),
            lambda: RejectsTab(self.desk, run_id=self._run_id),
        )
        return made[index]()

    def compose_head(self) -> Widget:
        return self._line

    def show_head(self) -> None:
        self._trouble = ""
        if self._run is None or self._run.state.is_open:
            run_latest(self, self._read, "head")
        self._draw()

    def on_resize(self) -> None:
        self.call_later(self._draw)  # not now: the size may still be the one before

    def head_trouble(self, error: str) -> None:
        self._trouble = clean(error)
        self._draw()

    def tick_head(self) -> None:
        if self._run is not None and self._run.state.is_open:
            run_latest(self, self._read, "head")

    async def _read(self) -> None:
        run = await self.desk.ask(lambda conn: find_run(conn, self._run_id))
        if run is not None:
            self._run = run
            self._draw()

    def _draw(self) -> None:
        look, width = self.desk.look, self.size.width
        if self._trouble:
            told = f" {Tone.FAILED.glyph} not up to date: {self._trouble}"
            marks = [Piece(*piece) for piece in look.mark_pieces]
            self._line.show([*marks, Piece(told, look.tone(Tone.FAILED))])
            return
        ends = []
        if run := self._run:
            tone, now = RUN_TONES[run.state], self.clock.now()
            ends = [Piece(f"   {tone.glyph} {run.state}", look.tone(tone))]
            told = f"{by_text(run)}   {clock_text(run.queued_at, now)}  {took_text(run.seconds)}"
            ends.append(Piece(f"   {clean(told)}", look.dim))
        name, below = full_name(self.desk.job), f"run {self._run_id}"
        self._line.show(trail(look, name, below, ends=ends, width=width))
