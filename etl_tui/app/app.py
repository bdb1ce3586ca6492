"""The Textual application: look, stylesheet and the ways out. What is shown is the screens' business."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.scrollbar import ScrollBar, ScrollBarRender

from etl_core.errors import EtlError
from etl_tui.app.commands.command import EVERYWHERE, Command
from etl_tui.app.commands.host import CommandApp, CommandScreen
from etl_tui.app.commands.keymap import Keymap
from etl_tui.app.commands.registry import bindings
from etl_tui.app.dashboard.header import SUBTITLE, TITLE
from etl_tui.app.dashboard.left_at import LeftAt
from etl_tui.app.dashboard.screen import Dashboard
from etl_tui.app.feed.source import JobSource
from etl_tui.app.feed.workplace import Workplace, Workplaces
from etl_tui.app.look.mark import ContextMark
from etl_tui.app.look.theme import Look
from etl_tui.app.preferences import Preferences
from etl_tui.app.terminal.alerts import Alerts, Notify
from etl_tui.app.terminal.steady import SteadyApp

NARROW_CELLS = 72
"""On fewer cells dialogs move together."""
ENOUGH_LINES = 20
"""On fewer lines what only explains gives way: the subtitle, the info box of the settings."""
WORKPLACE = "workplace"
"""The mode of the first; each next one has screens of its own."""
WIDE_CELLS, WIDER_CELLS = 120, 180
"""From so many cells on there is room for a preview beside the jobs."""
FIRST_PAINT_SECONDS = 1.0
"""How long painting is held for the first rows at most."""


class PlainScrollBar(ScrollBarRender):
    """Whole cells only: no block glyphs, and nothing sent again for an eighth of a line."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * 8
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * 8


class DashboardApp(SteadyApp, CommandApp):
    """The dashboard on `source`; the look is chosen before, for Textual fixes its colour filters at once."""

    CSS_PATH = "app.tcss"
    TITLE = TITLE
    SUB_TITLE = SUBTITLE
    ENABLE_COMMAND_PALETTE = False
    DEFAULT_MODE = WORKPLACE
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c,ctrl+q", "quit", "quit", show=False),
        *bindings(EVERYWHERE),
    ]

    def __init__(
        self,
        source: JobSource,
        look: Look,
        *,
        tenant: str | None = None,
        preferences: Preferences | None = None,
        keymap: Keymap | None = None,
    ) -> None:
        # Said to the constructor: only then NO_COLOR takes greys away too.
        super().__init__(ansi_color=True if look.is_ansi else None)
        self._source = source
        self.look = look
        self._tenant = tenant
        self._workplaces: Workplaces | None = None
        self._numbers = count(1)
        self._left: dict[str, LeftAt] = {}
        self.notify_by: Notify = "off"
        """How it tells of jobs that begin to fail; to be said before it runs."""
        self.add_mode(WORKPLACE, self.get_default_screen)
        self.terminal_gone: Callable[[], None] = self.exit
        """Told by the driver, in any thread."""
        self.first_painted: Callable[[], None] = lambda: None
        """Told when the first rows are shown, or were waited for long enough."""
        self.preferences = preferences or Preferences()
        """What the person chose; forgotten at the end unless given."""
        self._unpainted = ExitStack()
        self.use_keymap(keymap or Keymap())
        self.register_theme(look.textual_theme())
        self.theme = look.palette.name
        self.set_class(look.glyphs.ascii, "-ascii")
        ScrollBar.renderer = PlainScrollBar

    def begin_in(self, workplace: Workplace, workplaces: Workplaces) -> None:
        """What is shown is this workplace's, and others can be gone to. To be said before it runs, too."""
        self._workplaces = workplaces
        self._source, self._tenant = workplace.source, workplace.settings.tenant
        context = workplace.context
        self.context_name = workplace.name or ""
        self.production = context is not None and context.production
        self.read_only = self._source.read_only is not None
        self.read_only_reason = self._source.read_only or ""
        mark = ContextMark(
            self.context_name, context.colour if context else None, self.production, read_only=self.read_only
        )
        self.look = replace(self.look, mark=mark)

    def get_default_screen(self) -> Dashboard:
        alerts = Alerts(self.notify_by, self.write_to_terminal, place=self.context_name)
        return Dashboard(
            self._source,
            self.look,
            tenant=self._tenant,
            preferences=self.preferences,
            first_shown=self._paint,
            alerts=alerts,
            left_at=self._left.get(self.context_name),
        )

    def action_contexts(self, name: str = "") -> None:
        """Goes to the context of that name; without one, a list of them."""
        if self._workplaces is None or not self._workplaces.names:
            self._refuse("the settings file names no contexts; docs/terminal.md tells how it does")
        elif name:
            self.run_worker(self._go_to(name), group="contexts", exclusive=True)
        else:
            from etl_tui.app.dialogs.context_dialog import ContextDialog

            self.push_screen(
                ContextDialog(self.look, self._workplaces, self.context_name), self._follow_choice
            )

    def _follow_choice(self, name: str | None) -> None:
        if name is not None and name != self.context_name:
            self.action_contexts(name)

    async def _go_to(self, name: str) -> None:
        assert self._workplaces is not None  # noqa: S101 - it is asked before
        try:
            await self._workplaces.enter(name, self._work_in)
        except EtlError as refusal:
            self._refuse(f"{name}: {refusal}")

    async def _work_in(self, workplace: Workplace) -> None:
        assert self._workplaces is not None  # noqa: S101 - it is asked before
        dashboard = self.screen_stack[0]
        if isinstance(dashboard, Dashboard):
            self._left[self.context_name] = dashboard.left_at
        self.begin_in(workplace, self._workplaces)
        before, after = self.current_mode, f"{WORKPLACE}{next(self._numbers)}"
        self.add_mode(after, self.get_default_screen)
        await self.switch_mode(after)
        await self.remove_mode(before)
        if isinstance(dashboard, Dashboard):
            await dashboard.free_views()

    def complete(self, command: Command, text: str) -> Sequence[str]:
        if command.name == "contexts" and self._workplaces is not None:
            return [name for name in self._workplaces.names if name.startswith(text)]
        return super().complete(command, text)

    def _refuse(self, text: str) -> None:
        if isinstance(self.screen, CommandScreen):
            self.screen.refuse(text)

    def on_load(self) -> None:
        # Painting waits for the first rows: half the bytes of painting an empty frame first.
        self._unpainted.enter_context(self.batch_update())
        self.set_timer(FIRST_PAINT_SECONDS, self._paint)

    def refresh_css(self, animate: bool = True) -> None:
        if self.screen_stack:
            super().refresh_css(animate)
        else:  # the theme was chosen, and nothing is there yet: parse once, when there is
            self.stylesheet.set_variables(self.get_css_variables())

    def on_resize(self, event: Resize) -> None:
        self.forget_screen()
        # Not `self.size`: that is still the one before.
        width, height = event.size
        hold = {
            "-low": height < ENOUGH_LINES,
            "-narrow": width < NARROW_CELLS,
            "-wide": width >= WIDE_CELLS,
            "-wider": width >= WIDER_CELLS,
        }
        now = (self.classes - hold.keys()) | {name for name, holds in hold.items() if holds}
        if now != self.classes:  # at once: each change styles every widget anew
            self.set_classes(now)

    def _paint(self) -> None:
        if self._batch_count:
            self._unpainted.close()
            if not self.screen_stack:  # the timer rings while the program ends
                return
            # Without it the screen stays blank: what was laid out under the batch counts as painted.
            self.screen.refresh()
            self.call_after_refresh(self.first_painted)
