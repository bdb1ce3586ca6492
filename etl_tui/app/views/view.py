"""What views have in common: header, banner, tabs, lists, the keys, and a look once a second while seen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widget import Widget

from etl_core.errors import EtlError, Unreachable
from etl_core.rules.job_tone import Tone
from etl_tui.app.commands.command import Command
from etl_tui.app.commands.host import CommandScreen
from etl_tui.app.commands.registry import bindings
from etl_tui.app.commands.views import VIEW
from etl_tui.app.dashboard.banner import Banner
from etl_tui.app.dashboard.header import Header
from etl_tui.app.dashboard.key_hints import KeyHints
from etl_tui.app.feed.source import JobSource
from etl_tui.app.look.theme import Look
from etl_tui.app.views.board import Board
from etl_tui.app.views.filter_line import TextFilterLine
from etl_tui.app.views.list_pane import ListPane
from etl_tui.app.views.list_view import ListView
from etl_tui.app.views.sentence_line import SentenceLine
from etl_tui.app.views.tabs import ViewTabs

if TYPE_CHECKING:
    from etl_tui.app.views.switch import ViewSwitch

TICK_SECONDS = 1.0

Answer = TypeVar("Answer")


class View(CommandScreen):
    """One screen beside the jobs. It is made once and kept, so that cursor, order and filter stay."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = bindings(VIEW)
    NAME: ClassVar[str]
    LOOK_EVERY: ClassVar[float] = 1.0
    """Seconds between looks at the database."""
    FIRST_LIST: ClassVar[int] = 0
    """Which of its lists has the keys at first."""

    def __init__(
        self, board: Board, source: JobSource, look: Look, switch: ViewSwitch, *, tenant: str | None
    ) -> None:
        super().__init__()
        self.board, self.source, self.look, self.switch, self.tenant = board, source, look, switch, tenant
        self._header = Header(look, tenant)
        self._banner = Banner(look, tenant)
        self.tabs = ViewTabs(look, self.NAME)
        self._filter_line = TextFilterLine(look)
        self.message = SentenceLine(look, board.clock)
        self._hints = KeyHints(look)
        self._seen = asyncio.Event()
        self._woken = asyncio.Event()
        self.place = f"{VIEW}.{self.NAME}"
        self.title_of_place = self.NAME.capitalize()
        self._error = ""
        self._panes: list[ListPane] = []
        self._active = self.FIRST_LIST

    # What each view says

    def body(self) -> Sequence[Widget]:
        """Its parts from top to bottom; `ListPane`s among them, one of which has the keys."""
        raise NotImplementedError

    async def read(self) -> None:
        """Asks for what is shown and shows it; called once a second while somebody looks."""
        raise NotImplementedError

    def sentence(self) -> tuple[Tone, str]:
        """What the line below says of the selected row."""
        raise NotImplementedError

    def chosen_job(self) -> int | None:
        """The job that Enter opens."""
        raise NotImplementedError

    # The frame

    def compose(self) -> ComposeResult:
        yield self._header
        yield self._banner
        yield self.tabs
        yield self._filter_line
        for part in self.body():
            if isinstance(part, ListPane):
                part.rows.set_active(len(self._panes) == self.FIRST_LIST)
                self._panes.append(part)
            yield part
        yield self.message
        yield self._hints

    def on_mount(self) -> None:
        self._show_hints()
        self.set_interval(TICK_SECONDS, self._tick)
        self.run_worker(self._follow(), group="follow", exclusive=True)
        self.watch(self.app, "app_focus", self._watch_looks, init=False)
        self._watch_looks()

    @property
    def list(self) -> ListView[Any]:
        """The list that has the keys."""
        return self._panes[self._active].rows

    @on(events.ScreenResume)
    def _shown(self) -> None:
        self._watch_looks()

    @on(events.ScreenSuspend)
    def _hidden(self) -> None:
        self._watch_looks()

    def _watch_looks(self) -> None:
        """Somebody looks while the terminal has the focus and nothing but a dialog stands before it."""
        stack = self.app.screen_stack
        before = stack[stack.index(self) + 1 :] if self in stack else None
        if self.app.app_focus and before is not None and all(screen.is_modal for screen in before):
            if not self._seen.is_set():
                self._seen.set()
                self.wake()
                self._tick()
        else:
            self._seen.clear()

    def _tick(self) -> None:
        self._header.show_clock(self.board.now, paused=not self.app.app_focus)
        if self._seen.is_set():
            self.board.brief(self._header, self._banner)
            for pane in self._panes:
                pane.rows.tick()
            self.tell()

    async def _follow(self) -> None:
        while True:
            await self._seen.wait()
            try:
                await self.read()
                self._error = ""
            except Unreachable:
                pass  # the banner tells; the dashboard opens the connection again
            except EtlError as refusal:
                self._error = str(refusal)
            except Exception as defect:
                # The screen must outlive a row that it cannot read: told, and tried again.
                self._error = f"unexpected {type(defect).__name__}: {defect}"
            self.tell()
            try:
                await asyncio.wait_for(self._woken.wait(), self.LOOK_EVERY)
                self._woken.clear()
            except TimeoutError:
                pass

    def wake(self) -> None:
        """Look now rather than within the second."""
        self._woken.set()

    def tell(self) -> None:
        """The tabs' short word and the sentence below, as things are now."""
        shown, total = len(self.list.rows), self.list.total
        count = f"{shown:,} of {total:,}" if shown != total else f"{total:,}"
        self.tabs.tell(self.summary(count))
        self._show_hints()
        self.message.tell(*((Tone.FAILED, self._error) if self._error else self.sentence()))

    def summary(self, count: str) -> str:
        """The short word at the right end of the tabs; `count` is `3 of 12`."""
        return count

    # What people do

    def refuse(self, text: str) -> None:
        self.message.refuse(text)

    def why_not(self, command: Command) -> str | None:
        if command.name == "next-list" and sum(pane.display for pane in self._panes) < 2:
            return "there is one list only"
        if command.name == "open-job" and self.chosen_job() is None:
            return "there is no job to open here"
        return None

    def _show_hints(self) -> None:
        self._hints.show_commands(self.hints(), self.commands.keymap)

    @on(KeyHints.Clicked)
    async def _do_clicked(self, event: KeyHints.Clicked) -> None:
        await self.commands.action_do(event.name)

    def act(self, action: Callable[[], Awaitable[str]]) -> None:
        """Runs an action beside the screen and tells what came of it; `action` returns that sentence."""

        async def attempt() -> None:
            try:
                self.message.confirm(await action())
            except EtlError as refusal:
                self.message.refuse(str(refusal))
            except Exception as defect:
                self.message.refuse(f"unexpected {type(defect).__name__}: {defect}")
            self.wake()
            self.board.look_again()

        self.run_worker(attempt(), group="action")

    @on(ListView.Selected)
    def _follow_cursor(self) -> None:
        self.message.moved()
        self.tell()

    @on(ListView.Opened)
    def _open_clicked(self) -> None:
        self.action_open()

    @on(ListView.Activated)
    def _activate_clicked(self, event: ListView.Activated) -> None:
        self._activate(next(i for i, pane in enumerate(self._panes) if pane.rows is event.clicked))

    @on(TextFilterLine.Changed)
    def _follow_filter(self, event: TextFilterLine.Changed) -> None:
        for pane in self._panes:
            pane.rows.follow_filter(event.text_filter)
        self.tell()

    def _activate(self, number: int) -> None:
        self._active = number
        for index, pane in enumerate(self._panes):
            pane.rows.set_active(index == number)
        self._follow_cursor()

    def action_move(self, rows: int) -> None:
        self.list.move(rows)

    def action_page(self, pages: int) -> None:
        self.list.page(pages)

    def action_first(self) -> None:
        self.list.move_to_first()

    def action_last(self) -> None:
        self.list.move_to_last()

    def action_next_list(self) -> None:
        shown = [number for number, pane in enumerate(self._panes) if pane.display]
        self._activate(next((number for number in shown if number > self._active), shown[0]))

    def action_open(self) -> None:
        job_id = self.chosen_job()
        if job_id is None:
            self.refuse("there is no job to open here")
        elif refusal := self.board.open_job(job_id):
            self.refuse(refusal)

    def action_filter(self, text: str = "") -> None:
        self._filter_line.begin_with(text)

    def action_back(self) -> None:
        if not self._filter_line.clear():
            self.switch.show("jobs")

    def action_sort_beside(self, step: int) -> None:
        self._panes[self._active].sort_beside(step)

    def action_turn(self) -> None:
        self._panes[self._active].turn()

    def action_look_again(self) -> None:
        self.wake()
        self.board.look_again()

    def action_show_view(self, name: str) -> None:
        self.switch.show(name)
