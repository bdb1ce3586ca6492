"""The Textual application: look, stylesheet and the ways out. What is shown is the screens' business."""

from __future__ import annotations

from contextlib import ExitStack
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.scrollbar import ScrollBar, ScrollBarRender

from etl_tui.app.commands.command import EVERYWHERE
from etl_tui.app.commands.host import CommandApp
from etl_tui.app.commands.keymap import Keymap
from etl_tui.app.commands.registry import bindings
from etl_tui.app.dashboard.header import SUBTITLE, TITLE
from etl_tui.app.dashboard.screen import Dashboard
from etl_tui.app.feed.source import JobSource
from etl_tui.app.look.theme import Look
from etl_tui.app.preferences import Preferences

ENOUGH_LINES = 20
"""On fewer lines what only explains gives way: the subtitle, the info box of the settings."""
FIRST_PAINT_SECONDS = 1.0
"""How long painting is held for the first rows at most."""


class PlainScrollBar(ScrollBarRender):
    """Whole cells only: no block glyphs, and nothing sent again for an eighth of a line."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * 8
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * 8


class DashboardApp(CommandApp):
    """The dashboard on `source`; the look is chosen before, for Textual fixes its colour filters at once."""

    CSS_PATH = "app.tcss"
    TITLE = TITLE
    SUB_TITLE = SUBTITLE
    ENABLE_COMMAND_PALETTE = False
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
        self.preferences = preferences or Preferences()
        """What the person chose; forgotten at the end unless given."""
        self._unpainted = ExitStack()
        self.use_keymap(keymap or Keymap())
        self.register_theme(look.textual_theme())
        self.theme = look.palette.name
        self.set_class(look.glyphs.ascii, "-ascii")
        ScrollBar.renderer = PlainScrollBar

    def get_default_screen(self) -> Dashboard:
        return Dashboard(self._source, self.look, tenant=self._tenant, first_shown=self._paint)

    def on_load(self) -> None:
        # Painting waits for the first rows: half the bytes of painting an empty frame first.
        self._unpainted.enter_context(self.batch_update())
        self.set_timer(FIRST_PAINT_SECONDS, self._paint)

    def on_resize(self, event: Resize) -> None:
        # Not `self.size`: that is still the one before.
        self.set_class(event.size.height < ENOUGH_LINES, "-low")

    def _paint(self) -> None:
        if self._batch_count:
            self._unpainted.close()
            if not self.screen_stack:  # the timer rings while the program ends
                return
            # Without it the screen stays blank: what was laid out under the batch counts as painted.
            self.screen.refresh()
