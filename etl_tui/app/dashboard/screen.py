"""The dashboard: composes the parts, passes what is live down to them and what people do on to the source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical

from etl_core.control.feed import FeedChanges
from etl_core.models.health import Health
from etl_core.models.job import JobRow
from etl_core.rules.job_filter import JobFilter, parse_filter
from etl_tui.app.commands.command import JOBS
from etl_tui.app.commands.registry import bindings
from etl_tui.app.dashboard.arrangement import Group
from etl_tui.app.dashboard.arrangement_commands import ArrangementCommands
from etl_tui.app.dashboard.banner import Banner
from etl_tui.app.dashboard.filter_line import FilterLine
from etl_tui.app.dashboard.grid import JobGrid
from etl_tui.app.dashboard.header import Header
from etl_tui.app.dashboard.heading import Heading
from etl_tui.app.dashboard.job_actions import JobActions
from etl_tui.app.dashboard.key_hints import KeyHints
from etl_tui.app.dashboard.left_at import LeftAt
from etl_tui.app.dashboard.legend import legend
from etl_tui.app.dashboard.marks import Marks
from etl_tui.app.dashboard.message_line import MessageLine
from etl_tui.app.dashboard.preview import Preview
from etl_tui.app.dashboard.view_choice import VIEW, ViewChoice
from etl_tui.app.feed.clock import DatabaseClock
from etl_tui.app.feed.live import Live
from etl_tui.app.feed.source import JobSource
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.theme import Look
from etl_tui.app.preferences import Preferences
from etl_tui.app.terminal.alerts import Alerts
from etl_tui.app.terminal.steady import SteadyApp
from etl_tui.app.views.switch import ViewSwitch

TICK_SECONDS = 1.0
GLANCE_SECONDS = 10.0
"""Between looks while nobody looks, for who wants to be told of failures."""


class Dashboard(ArrangementCommands):
    """All jobs, alive. It is the `LiveListener` of its `Live`, and the `Board` of the views beside it."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = bindings(JOBS)
    place = JOBS
    title_of_place = "Jobs"

    def __init__(
        self,
        source: JobSource,
        look: Look,
        *,
        tenant: str | None = None,
        preferences: Preferences | None = None,
        first_shown: Callable[[], None],
        alerts: Alerts | None = None,
        left_at: LeftAt | None = None,
    ) -> None:
        super().__init__()
        self._source = source
        self._look = look
        self._preferences = preferences or Preferences()
        self._first_shown = first_shown
        self._jobs: dict[int, JobRow] = {}
        self._clock = DatabaseClock()
        self._live = Live(source, self)
        self._alerts = alerts or Alerts()
        self._left_at = left_at
        self._paused = False
        self._header = Header(look, tenant)
        self._banner = Banner(look, tenant)
        self._filter = JobFilter("")
        self._filter_line = FilterLine(look, lambda: list(self._jobs.values()))
        self._view = ViewChoice()
        self._heading = Heading(look)
        self._marks = Marks()
        self._grid = JobGrid(look, self._clock, many_tenants=tenant is None)
        self._preview = Preview(look, self._clock)
        self._message = MessageLine(look, self._clock)
        self._actions = JobActions(
            self, source, look, clock=self._clock, message=self._message, live=self._live
        )
        self._hints = KeyHints(look)
        self._health: Health | None = None
        self._lost: tuple[str, int, bool] | None = None
        self._views = ViewSwitch(self, source, look, tenant=tenant)

    def compose(self) -> ComposeResult:
        yield self._header
        yield self._banner
        yield self._filter_line
        with Horizontal(id="jobs"):
            with Vertical():
                yield self._heading
                yield self._grid
            yield self._preview
        yield self._message
        yield self._hints

    def on_mount(self) -> None:
        chosen, left_at = self._preferences.get(VIEW), self._left_at
        self.follow_view(left_at.view_now(chosen) if left_at else chosen)
        if left_at is not None:
            self._filter_line.follow(left_at.filter)
            self._filter = parse_filter(left_at.filter)
            self._grid.stand_on(left_at.line, left_at.folded)
        self._show_hints()
        self.set_interval(TICK_SECONDS, self._tick)
        self.run_worker(self._live.follow(), group="live", exclusive=True)
        self.watch(self.app, "app_focus", self._watch_app_focus, init=False)

    # What Live shows

    def show_first(self, jobs: Sequence[JobRow]) -> None:
        """The first ones by name, with all of them to follow: shown where they would be first anyway."""
        usual = replace(ViewChoice(), columns=self._view.columns, preview=self._view.preview)
        if self._left_at is None and self._view == usual:
            self._jobs = {job.id: job for job in jobs}  # keys that arrange have something to arrange
            self._grid.show_jobs(jobs)
            self._message.show_job(self._grid.selected)
            self._preview.show(self._grid.selected_line, at_once=True)
            self._tick()
            self._first_shown()

    def show_all(self, jobs: Sequence[JobRow]) -> None:
        """Every job there is."""
        self._jobs = {job.id: job for job in jobs}
        self._alerts.see_all(jobs)
        self._marks.keep_only(self._jobs.keys())
        self._header.show_totals(self._jobs.values())
        self.show_jobs()
        self._message.show_job(self._grid.selected)
        self._preview.show(self._grid.selected_line, at_once=True)
        self._tick()
        self._first_shown()

    def show_changes(self, changes: FeedChanges) -> None:
        """Rows that changed, ids that are gone, and the database's time."""
        self._clock.set(changes.now)
        for job_id in changes.removed:
            self._jobs.pop(job_id, None)
        if changes.removed:
            self._marks.keep_only(self._jobs.keys())
        self._alerts.see(changes.changed)
        known = [(self._jobs[job.id], job) for job in changes.changed if job.id in self._jobs]
        self._jobs.update((job.id, job) for job in changes.changed)
        if len(known) < len(changes.changed) or changes.removed:
            self._header.show_totals(self._jobs.values())
            self.show_jobs()
        elif known:
            self._header.follow_changes(known)
            if self._filter or not all(self._view.order.keeps_place(*pair) for pair in known):
                self.show_jobs()
            else:  # sorting ten thousand again for a few would be most of what a second costs
                self._grid.show_jobs([self._jobs[job.id] for job in self._grid.jobs])

    def show_health(self, health: Health) -> None:
        """Who is alive, and the database's time."""
        self._clock.set(health.now)
        self._lost = None
        self._take_health(health)
        self._banner.show_health(health)
        if self._filter:  # what is late, or waits, becomes so by the clock
            self.show_jobs()

    def show_lost(self, error: str, seconds: int, reached: bool) -> None:
        """No answer from the database; what was shown last stays."""
        self._lost = (error, seconds, reached)
        self._take_health(None)
        self._banner.show_lost(error, seconds, reached)
        self._first_shown()

    def _take_health(self, health: Health | None) -> None:
        self._health = health
        self._actions.health = health
        self._header.show_health(health)
        self._grid.show_health(health)
        self._message.show_health(health)
        self._preview.show_health(health)

    def show_jobs(self) -> None:
        jobs = self._view.order.sort(self._jobs.values())
        now = self._clock.now()
        shown = [job for job in jobs if self._filter.matches(job, now)] if self._filter else jobs
        self._grid.show_jobs(shown)
        self._filter_line.show_counts(len(shown), len(jobs))
        self._message.show_none(self._filter.text)
        if self._marks.ids:
            self.show_marks()

    def _tick(self) -> None:
        self._alerts.tick()
        self._header.show_clock(self._clock.now(), paused=self._paused)
        if not self._paused:
            self._grid.tick()
            self._message.tick()
            self._preview.tick()

    def _watch_app_focus(self, focused: bool) -> None:
        self._paused = not focused
        if focused:
            self._live.resume()
        else:
            self._live.pause(glance_every=GLANCE_SECONDS if self._alerts.is_on else None)
        self._tick()

    # What the views beside it take

    @property
    def jobs(self) -> Mapping[int, JobRow]:
        """All jobs by id."""
        return self._jobs

    @property
    def health(self) -> Health | None:
        """Who is alive; None while that is unknown."""
        return self._health

    @property
    def clock(self) -> DatabaseClock:
        """The database's."""
        return self._clock

    @property
    def now(self) -> datetime:
        """The database's time in the reader's zone."""
        return self._clock.now()

    def brief(self, header: Header, banner: Banner) -> None:
        """Tells a view's header and banner what its own say."""
        header.show_totals(self._jobs.values())
        header.show_health(self._health)
        if self._lost is not None:
            banner.show_lost(*self._lost)
        elif self._health is not None:
            banner.show_health(self._health)

    def open_job(self, job_id: int) -> str | None:
        """Opens a job as Enter on the grid does; why not, when it is not among those shown."""
        job = self._jobs.get(job_id)
        if job is None:
            return f"job {job_id} is gone, or another tenant's"
        self.show_job(job)
        return None

    def show_job(self, job: JobRow) -> None:
        # Sixty modules, which are a fifth of the start, for whoever opens a job.
        from etl_tui.app.job.screen import JobScreen

        self.app.push_screen(JobScreen(self._source, self._look, job, others=self._jobs.values))

    def look_again(self) -> None:
        """An action elsewhere changed something."""
        self._live.wake(reconcile=True)

    # What the parts tell

    @on(JobGrid.Selected)
    def _follow_cursor(self, event: JobGrid.Selected) -> None:
        line = self._grid.selected_line
        self._message.show_job(event.job, line if isinstance(line, Group) else None)
        self._preview.show(line)
        if self._marks.is_drawing and event.job is not None:
            self._marks.draw_range(event.job.id, self.shown_ids())
            self._grid.show_marks(self._marks.ids)
        self._show_hints()

    def _show_hints(self) -> None:
        self._hints.show_commands(self.hints(), self.commands.keymap, lead=self.marks_text())

    def show_marks(self) -> None:
        self._grid.show_marks(self._marks.ids)
        self._show_hints()

    @on(KeyHints.Clicked)
    async def _do_clicked(self, event: KeyHints.Clicked) -> None:
        await self.commands.action_do(event.name)

    @on(FilterLine.Changed)
    def _follow_filter(self, event: FilterLine.Changed) -> None:
        self._filter = event.filter
        self.show_jobs()
        self._message.show_job(self._grid.selected)
        self._show_hints()

    @on(JobGrid.LayoutChanged)
    def _draw_heading(self, event: JobGrid.LayoutChanged) -> None:
        self._heading.show_layout(event.layout)

    # How jobs are shown

    @property
    def view(self) -> ViewChoice:
        return self._view

    @property
    def left_at(self) -> LeftAt:
        """How it is looked at now, for another dashboard of the same context to go on from."""
        return LeftAt(self._view, self._filter.text, self._grid.folded, self._grid.line_key)

    @on(JobGrid.Opened)
    def _open_clicked(self) -> None:
        self.action_details()

    # What people do

    def refuse(self, text: str) -> None:
        self._message.refuse(text)

    def confirm(self, text: str) -> None:
        self._message.confirm(text)

    def legend(self) -> Sequence[Sequence[Piece]]:
        return legend(self._look)

    def action_filter(self, text: str = "") -> None:
        if text:
            self._filter_line.follow(text)
        else:
            self._filter_line.begin()

    def action_back(self) -> None:
        if not self.drop_marks():
            self._filter_line.clear()

    def action_look_again(self) -> None:
        if isinstance(self.app, SteadyApp):
            self.app.repaint()
        self._live.wake(reconcile=True)

    def action_show_view(self, name: str) -> None:
        self._views.show(name)

    async def free_views(self) -> None:
        """Ends the views beside it, once it is left for good."""
        await self._views.free()
