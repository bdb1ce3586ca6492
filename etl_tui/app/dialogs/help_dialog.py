"""The keys of where one is, on `?`, and what the screen tells below them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, repeat
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from etl_tui.app.dialogs.dialog import Dialog
from etl_tui.app.look.cells import wrap
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.text_view import TextView
from etl_tui.app.look.theme import Look

KEY_CELLS = 13


class HelpDialog(Dialog[None]):
    """`keys` are pairs of key and sentence. Closed by the key that opened it, by q, or by Escape."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark,q", "close", "close", show=False)]

    def __init__(
        self,
        look: Look,
        place: str,
        keys: Sequence[tuple[str, str]],
        legend: Sequence[Sequence[Piece]] = (),
    ) -> None:
        super().__init__(look)
        self._place = place
        self._keys = keys
        self._legend = legend

    def compose(self) -> ComposeResult:
        frame = Vertical(classes="frame tall")
        frame.border_title = f"Help · {self._place}" if self._place else "Help"
        frame.border_title = self.look.glyphs.show(frame.border_title)
        frame.border_subtitle = self.look.glyphs.show("j k scroll · esc close")
        with frame:
            yield TextView(self.look)

    def on_mount(self) -> None:
        self.query_one(TextView).focus()

    def on_resize(self) -> None:
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        """A sentence goes on below where the line is short."""
        view, look = self.query_one(TextView), self.look
        room = max(20, view.scrollable_content_region.width - KEY_CELLS - 1)
        lines = [
            [Piece(f"{key if first else '':<{KEY_CELLS}} ", look.title), Piece(part, look.text)]
            for key, sentence in self._keys
            for first, part in zip(chain([True], repeat(False)), wrap(sentence, room), strict=False)
        ]
        if self._legend:
            lines += [[], *map(list, self._legend)]
        view.show_lines(lines, keep_place=True)
