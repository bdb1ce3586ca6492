"""The runs of the job: list, filter, two beside each other; Enter opens one."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import Resize

from etl_core.control.run_statistics import compare_runs
from etl_core.control.runs import list_runs
from etl_core.models.run import RunListRow
from etl_core.models.run_comparison import RunComparison
from etl_tui.app.commands.job import RUNS
from etl_tui.app.commands.registry import bindings
from etl_tui.app.job.desk import Desk
from etl_tui.app.job.latest import run_latest
from etl_tui.app.job.prompt_line import PromptLine
from etl_tui.app.job.prompted_tab import PromptedTab
from etl_tui.app.job.runs.comparison import comparison_lines
from etl_tui.app.job.runs.run_list import RunList, titles
from etl_tui.app.job.runs.run_screen import RunScreen
from etl_tui.app.job.runs.run_words import meets
from etl_tui.app.look.line_list import LineList
from etl_tui.app.look.styled_line import Piece, StyledLine
from etl_tui.app.look.text_view import TextView

MOST_RUNS = 500


class RunsTab(PromptedTab):
    """Below the list stands what differs between the marked run and the one under the cursor."""

    TITLE: ClassVar[str] = "Runs"
    PLACE: ClassVar[str] = RUNS
    BINDINGS: ClassVar[list[BindingType]] = bindings(RUNS)
    DEFAULT_CSS = """
    RunsTab #comparison { display: none; border-top: solid $line; }
    RunsTab.-comparing #comparison { display: block; }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._heading = StyledLine(desk.look, "runs-heading")
        self._list = RunList(desk.look, desk.clock)
        self._comparison = TextView(desk.look, "comparison")
        self._runs: list[RunListRow] = []
        self._found: RunComparison | None = None

    def compose(self) -> ComposeResult:
        yield self._heading
        yield self._list
        yield self._comparison
        yield self.prompt

    def on_resize(self, event: Resize) -> None:
        self._heading.show([Piece(titles(event.size.width - 1), self.desk.look.dim)])
        if self._found is not None:
            self._draw_comparison(self._found, event.size.width)

    def take_focus(self) -> None:
        self._list.focus()

    def tick(self) -> None:
        if any(run.state.is_open for run in self._runs):
            self._list.refresh()

    async def load(self) -> None:
        job_id = self.desk.job.id
        found = await self.desk.ask(lambda conn: list_runs(conn, job_id, limit=MOST_RUNS))
        if found is not None:
            self._runs = found
            self._show()

    def _show(self) -> None:
        words = self.prompt.text
        shown = [run for run in self._runs if meets(run, words)]
        self._list.empty = "no run meets the filter; esc shows all" if words else "it never ran"
        self._list.show_items(shown)
        self.prompt.tell(f"{len(shown):,} of {len(self._runs):,}" if words else "")

    @on(LineList.Moved, "#runs")
    def _moved(self) -> None:
        self._compare()

    @on(LineList.Opened, "#runs")
    def _opened(self) -> None:
        if run := self._list.current:
            desk = self.desk
            self.app.push_screen(RunScreen(desk.source, desk.look, desk.job, run.id, others=desk.others))

    def action_mark(self) -> None:
        self._list.toggle_mark()
        self._compare()

    def _compare(self) -> None:
        run, marked = self._list.current, self._list.marked
        comparing = run is not None and marked is not None
        self.set_class(comparing, "-comparing")
        if run is not None and marked is not None:
            run_latest(self, partial(self._show_comparison, marked, run.id), "compare")

    async def _show_comparison(self, one: int, other: int) -> None:
        self._found = None
        if one == other:
            told = "the marked run; move the cursor to another one"
            self._comparison.show_lines([[Piece(f" {told}", self.desk.look.dim)]])
            return
        found: RunComparison | None = await self.desk.ask(lambda conn: compare_runs(conn, one, other))
        if found is not None:
            self._found = found
            self._draw_comparison(found, self.size.width)

    def _draw_comparison(self, found: RunComparison, width: int) -> None:
        lines = comparison_lines(self.desk.look, found, self.desk.clock.now(), width)
        self._comparison.show_lines(lines)

    # The filter

    def action_filter_runs(self, text: str = "") -> None:
        self.prompt.begin()

    @on(PromptLine.Changed)
    def _filter(self) -> None:
        self._show()

    def prompt_dropped(self) -> None:
        self._show()

    def leave_mode(self) -> bool:
        if super().leave_mode():
            return True
        if self._list.marked is not None:
            self._list.marked = None
            self._list.refresh()
            self._compare()
            return True
        return False
