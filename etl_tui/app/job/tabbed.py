"""A screen about one job with tabs: what the job's and the run's have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widget import Widget

from etl_core.models.health import Health
from etl_core.models.job import JobRow
from etl_tui.app.commands.command import Command
from etl_tui.app.commands.host import CommandScreen
from etl_tui.app.dashboard.job_actions import JobActions
from etl_tui.app.dashboard.key_hints import KeyHints
from etl_tui.app.dashboard.message_line import MessageLine
from etl_tui.app.feed.clock import DatabaseClock
from etl_tui.app.feed.source import JobSource
from etl_tui.app.job.desk import Desk
from etl_tui.app.job.tab import JobTab
from etl_tui.app.job.tab_bar import TabBar
from etl_tui.app.job.watch import JobWatch
from etl_tui.app.look.theme import Look

TICK_SECONDS = 1.0


class TabbedScreen(CommandScreen):
    """It is the `WatchListener` of its `JobWatch`; subclasses give the head and what of it changes."""

    AUTO_FOCUS = ""
    TABS: ClassVar[Sequence[type[JobTab]]]

    def __init__(
        self, source: JobSource, look: Look, job: JobRow, *, others: Callable[[], Collection[JobRow]]
    ) -> None:
        super().__init__()
        self.clock = DatabaseClock()
        self._watch = JobWatch(source, job.id, self)
        self._message = MessageLine(look, self.clock)
        self._message.quiet = True
        self._actions = JobActions(
            self, source, look, clock=self.clock, message=self._message, live=self._watch
        )
        self.desk = Desk(source, look, self.clock, job, self._message, self._watch.wake, others)
        self._bar = TabBar(look, [tab.TITLE for tab in self.TABS])
        self._body = Vertical(id="job-body")
        self._tabs: dict[int, JobTab] = {}
        self._open = 0
        self._hints = KeyHints(look)
        self._paused = False

    def compose_head(self) -> Widget:
        """What stands above the tabs."""
        raise NotImplementedError

    def show_head(self) -> None:
        """The job, or the run, is another."""

    def tick_head(self) -> None:
        """Follows the clock."""

    def head_trouble(self, error: str) -> None:
        """No answer: what is shown is from before."""

    def make_tab(self, index: int) -> JobTab:
        """A tab, when it is opened for the first time."""
        return self.TABS[index](self.desk)

    def compose(self) -> ComposeResult:
        yield self.compose_head()
        yield self._bar
        yield self._body
        yield self._message
        yield self._hints

    def on_mount(self) -> None:
        self.action_open_tab(0)
        self.show_job(self.desk.job)
        self.set_interval(TICK_SECONDS, self._tick)
        self.run_worker(self._watch.follow(), group="watch", exclusive=True)
        self.watch(self.app, "app_focus", self._watch_looks, init=False)

    # What JobWatch shows

    def show_job(self, job: JobRow) -> None:
        """The job as it is now; the open tab loads again where that says so."""
        self.desk.job = job
        self.show_head()
        self.tab.job_changed(job)
        self.show_hints()

    def show_health(self, health: Health) -> None:
        self.clock.set(health.now)
        self.desk.health = self._actions.health = health

    def show_trouble(self, error: str) -> None:
        self.head_trouble(error)

    def show_gone(self) -> None:
        """Somebody deleted the job."""
        self.head_trouble("this job is gone; esc goes back")

    def _tick(self) -> None:
        if not self._paused:
            self.tick_head()
            self._message.tick()
            self.tab.tick()

    @on(events.ScreenResume)
    @on(events.ScreenSuspend)
    def _watch_looks(self) -> None:
        """Somebody looks while the terminal has the focus and nothing but a dialog stands before it."""
        stack = self.app.screen_stack
        before = stack[stack.index(self) + 1 :] if self in stack else []
        paused = not self.app.app_focus or not all(screen.is_modal for screen in before)
        if paused != self._paused:
            self._paused = paused
            if paused:
                self._watch.pause()
            else:
                self._watch.resume()
                self._tick()

    # Tabs

    @property
    def tab(self) -> JobTab:
        """The open one."""
        return self._tabs[self._open]

    def action_open_tab(self, index: int) -> None:
        """Opens a tab; it is made when it is opened for the first time."""
        for tab in self._tabs.values():
            tab.display = False
        if index != self._open:
            self._message.end()
        self._open = index
        self._bar.show_open(index)
        if index in self._tabs:
            self.tab.display = True
            self.tab.take_focus()
        else:
            self._tabs[index] = self.make_tab(index)
            self._body.mount(self.tab)
            self.tab.call_after_refresh(self.tab.take_focus)
        self.place = self.tab.PLACE
        self.title_of_place = f"{type(self).title_of_place} · {self.tab.TITLE}"
        self.tab.job_changed(self.desk.job)
        self.show_hints()

    def action_beside(self, step: int) -> None:
        self.action_open_tab((self._open + step) % len(self.TABS))

    @on(TabBar.Clicked)
    def _open_clicked(self, event: TabBar.Clicked) -> None:
        self.action_open_tab(event.index)

    # Commands

    @on(JobTab.Loaded)
    def show_hints(self) -> None:
        """The keys that can do something here now; those of the open tab before those of the job."""
        found = self.hints()
        own = [command for command in found if self.place in command.places]
        leave = [command for command in found if command.name == "leave"]
        rest = [command for command in found if command not in own and command not in leave]
        self._hints.show_commands([*leave, *own, *rest], self.commands.keymap)

    @on(KeyHints.Clicked)
    async def _do_clicked(self, event: KeyHints.Clicked) -> None:
        await self.commands.action_do(event.name)

    def why_not(self, command: Command) -> str | None:
        """As the job and the open tab have it."""
        return self._actions.why_not(command.name, [self.desk.job]) or self.tab.why_not(command.name)

    def refuse(self, text: str) -> None:
        self._message.refuse(text)

    async def action_tab(self, name: str, text: str = "") -> None:
        """Does what only the open tab can do."""
        if text:
            await self.app.run_action(("", name, (text,)), self.tab)
        else:
            await self.app.run_action(name, self.tab)

    async def action_export(self, text: str = "") -> None:
        await self.action_tab("export", text)

    def action_leave(self) -> None:
        if not self.tab.leave_mode():
            self.dismiss(None)

    def action_look_again(self) -> None:
        self._watch.wake(reconcile=True)
        self.tab.begin_loading()
