"""One job: its head, a tab for each thing one asks of it, the line of messages, the keys."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from etl_core.models.job import JobRow
from etl_core.models.run import RunRow
from etl_core.rules.possible import why_not_run
from etl_tui.app.commands.command import JOB
from etl_tui.app.commands.registry import bindings
from etl_tui.app.feed.source import JobSource
from etl_tui.app.job.audit.tab import AuditTab
from etl_tui.app.job.checkpoint.tab import CheckpointTab
from etl_tui.app.job.head import JobHead
from etl_tui.app.job.overview import OverviewTab
from etl_tui.app.job.rejects.tab import RejectsTab
from etl_tui.app.job.run_dialog import RunDialog
from etl_tui.app.job.runs.log_tab import NewestLogTab
from etl_tui.app.job.runs.tab import RunsTab
from etl_tui.app.job.tab import JobTab
from etl_tui.app.job.tabbed import TabbedScreen
from etl_tui.app.look.theme import Look


class JobScreen(TabbedScreen):
    """Opened over the dashboard, which stays as it was."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(JOB)
    TABS: ClassVar[Sequence[type[JobTab]]] = (
        OverviewTab,
        CheckpointTab,
        RunsTab,
        NewestLogTab,
        RejectsTab,
        AuditTab,
    )
    place = JOB
    title_of_place = "Job"

    def __init__(
        self, source: JobSource, look: Look, job: JobRow, *, others: Callable[[], Collection[JobRow]]
    ) -> None:
        super().__init__(source, look, job, others=others)
        self._head = JobHead(look, self.clock)

    def compose_head(self) -> Widget:
        return self._head

    def show_head(self) -> None:
        self._head.show_job(self.desk.job, self.desk.health, self.desk.others())

    def tick_head(self) -> None:
        self._head.tick()

    def head_trouble(self, error: str) -> None:
        self._head.show_trouble(error)

    def action_run_now(self) -> None:
        self._actions.run_now([self.desk.job])

    def action_run_options(self) -> None:
        if refusal := why_not_run(self.desk.job, self.clock.now()):
            self.refuse(f"{self.desk.name}: {refusal}")
            return

        def started(run: RunRow | None) -> None:
            if run is not None:
                self._message.confirm(f"{self.desk.name}: run {run.id} is queued")

        self.app.push_screen(RunDialog(self.desk), started)

    def action_cancel(self) -> None:
        self._actions.cancel([self.desk.job])

    def action_clear(self) -> None:
        self._actions.clear([self.desk.job])

    def action_toggle_active(self) -> None:
        self._actions.toggle([self.desk.job])

    def action_snooze(self, text: str = "") -> None:
        self._actions.snooze([self.desk.job], text)

    def action_hold(self, text: str = "") -> None:
        self._actions.hold([self.desk.job], text)

    def action_settings(self) -> None:
        self._actions.change_settings([self.desk.job])
