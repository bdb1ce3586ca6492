"""The contexts of the settings file, each with what answers there: one that does not hurts no other."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Click

from etl_core.control.access import Standing
from etl_core.errors import EtlError
from etl_core.rules.job_tone import Tone
from etl_tui.app.dialogs.dialog import Dialog
from etl_tui.app.feed.workplace import Workplaces
from etl_tui.app.look.cells import clean
from etl_tui.app.look.mark import ContextMark
from etl_tui.app.look.styled_line import Piece, StyledLine
from etl_tui.app.look.theme import Look


class ContextDialog(Dialog[str]):
    """Answers with the name to go to."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", show=False),
        Binding("up,k", "move(-1)", show=False),
        Binding("enter", "choose", show=False),
        Binding("at,q", "close", show=False),
    ]

    def __init__(self, look: Look, workplaces: Workplaces, current: str) -> None:
        super().__init__(look)
        self._workplaces = workplaces
        self._current = current
        self._names = workplaces.names
        self._at = self._names.index(current) if current in self._names else 0
        self._rows = [_ContextRow(look, workplaces, name, current=name == current) for name in self._names]

    def compose(self) -> ComposeResult:
        frame = Vertical(*self._rows, classes="frame")
        frame.border_title = "Contexts"
        frame.border_subtitle = (
            f"{self.look.glyphs.key('enter')} {self.look.glyphs.show('work there · esc stay')}"
        )
        yield frame

    def on_mount(self) -> None:
        self.action_move(0)
        for row in self._rows:
            self.run_worker(row.glance(), group=f"glance {row.context}")

    def action_move(self, rows: int) -> None:
        self._at = max(0, min(self._at + rows, len(self._rows) - 1))
        for index, row in enumerate(self._rows):
            row.select(index == self._at)
        self._rows[self._at].scroll_visible(animate=False)

    def action_choose(self) -> None:
        self.dismiss(self._names[self._at])

    def on_click(self, event: Click) -> None:
        if isinstance(event.widget, _ContextRow):
            self.dismiss(event.widget.context)


class _ContextRow(StyledLine):
    """One context: its mark, and what is going on there as soon as it answers."""

    def __init__(self, look: Look, workplaces: Workplaces, name: str, *, current: bool) -> None:
        super().__init__(look, f"context-{workplaces.names.index(name)}")
        described = workplaces.described(name)
        self.context = name
        self._workplaces = workplaces
        self._is_current = current
        self._is_selected = False
        self._mark = ContextMark(name, described.colour, described.production, described.read_only)
        self._width = max(len(ContextMark(other, production=True).text) for other in workplaces.names) + 2
        self._answer = Piece("...", look.dim)

    def select(self, selected: bool) -> None:
        self._is_selected = selected
        self._draw()

    async def glance(self) -> None:
        """Asks its database, and shows the answer."""
        look = self.look
        try:
            standing = await self._workplaces.glance(self.context)
        except EtlError as refusal:
            self._answer = Piece(clean(f"{Tone.FAILED.glyph} {refusal}"), look.tone(Tone.FAILED))
        except Exception as defect:
            told = f"{Tone.FAILED.glyph} unexpected {type(defect).__name__}"
            self._answer = Piece(told, look.tone(Tone.FAILED))
        else:
            tone = Tone.FAILED if standing.failed else Tone.READY
            self._answer = Piece(f"{tone.glyph} {_told(standing)}", look.tone(tone))
        self._draw()

    def _draw(self) -> None:
        look = self.look
        # Its own mark, not that of where one is; of which the name comes first.
        name, *rest = replace(look, mark=self._mark).mark_pieces
        cursor = Piece("› " if self._is_selected else "  ", look.title)
        padding = Piece(" " * (self._width - len(name[0])), look.text)
        marks = [Piece(*piece) for piece in rest]
        here = [Piece(" (here)", look.dim)] if self._is_current else []
        self.show([cursor, Piece(*name), padding, Piece("  ", look.text), self._answer, *marks, *here])


def _told(standing: Standing) -> str:
    running = f", {standing.running:,} running" if standing.running else ""
    return f"{standing.failed:,} failed of {standing.jobs:,}{running}"
