"""Which columns the grid has, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from etl_tui.app.dashboard.columns import BY_TITLE, CATALOGUE, JOB
from etl_tui.app.dialogs.dialog import Dialog
from etl_tui.app.look.styled_line import Piece, StyledLine
from etl_tui.app.look.theme import Look

USUAL: tuple[str, ...] = ()
"""The answer that means: those that the width gives, as long as nobody chooses."""


class ColumnsDialog(Dialog[tuple[str, ...]]):
    """Answers the titles in their order; `USUAL` for the usual ones. JOB cannot be left out."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", show=False),
        Binding("up,k", "move(-1)", show=False),
        Binding("J,greater_than_sign,shift+down", "carry(1)", show=False),
        Binding("K,less_than_sign,shift+up", "carry(-1)", show=False),
        Binding("space", "on_off", show=False),
        Binding("u", "usual", show=False),
        Binding("enter", "choose", show=False),
    ]

    def __init__(self, look: Look, shown: Sequence[str]) -> None:
        super().__init__(look)
        known = [title for title in shown if title in BY_TITLE]
        self._on = {*known, JOB}
        self._titles = [*known, *(column.title for column in CATALOGUE if column.title not in known)]
        self._at = 0

    def compose(self) -> ComposeResult:
        frame = Vertical(classes="frame")
        frame.border_title = "Columns"
        keys = f"space on/off · J K move · u usual · {self.look.glyphs.key('enter')} take · esc close"
        frame.border_subtitle = self.look.glyphs.show(keys)
        with frame:
            for number in range(len(self._titles)):
                yield StyledLine(self.look, f"column-{number}")

    def on_mount(self) -> None:
        self._draw()

    def action_move(self, step: int) -> None:
        self._at = max(0, min(self._at + step, len(self._titles) - 1))
        self._draw()

    def action_carry(self, step: int) -> None:
        to = self._at + step
        if 0 <= to < len(self._titles):
            titles = self._titles
            titles[self._at], titles[to] = titles[to], titles[self._at]
            self._at = to
            self._draw()

    def action_on_off(self) -> None:
        title = self._titles[self._at]
        if title != JOB:
            self._on ^= {title}
            self._draw()

    def action_usual(self) -> None:
        self.dismiss(USUAL)

    def action_choose(self) -> None:
        self.dismiss(tuple(title for title in self._titles if title in self._on))

    def _draw(self) -> None:
        look = self.look
        for number, title in enumerate(self._titles):
            here, on = number == self._at, title in self._on
            style, dim = look.title if on else look.dim, look.dim
            if here:
                style, dim = look.on_selected(style), look.on_selected(dim)
            line = self.query_one(f"#column-{number}", StyledLine)
            sign = f"{'›' if here else ' '}[{'x' if on else ' '}] {title:<13}"
            explains = BY_TITLE[title].explains
            line.show([Piece(sign, style), Piece(f"{explains:<46}", dim)])
