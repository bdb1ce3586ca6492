"""Asks before something is done that cannot be undone, and names what it will do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from etl_tui.app.dialogs.dialog import Dialog
from etl_tui.app.dialogs.dialog_button import DialogButton
from etl_tui.app.look.cells import clean
from etl_tui.app.look.theme import Look


class ConfirmDialog(Dialog[bool]):
    """True for yes; False or None for no. No has the focus, so that Enter pressed by habit does nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "confirm", "yes", show=False),
        Binding("n,q", "close", "no", show=False),
        Binding("left,up,right,down", "app.focus_next", show=False),
    ]

    def __init__(self, look: Look, title: str, effect: Sequence[str], *, yes: str, no: str) -> None:
        super().__init__(look)
        self._title = title
        self._effect = effect
        self._yes = yes
        self._no = no

    def compose(self) -> ComposeResult:
        show = self.look.glyphs.show
        frame = Vertical(classes="frame")
        frame.border_title = show(clean(self._title)).replace("[", r"\[")
        frame.border_subtitle = show("y yes · esc no")
        with frame:
            text = "\n".join(clean(line) for line in self._effect)
            yield Static(show(text), id="effect", markup=False)
            with Horizontal(id="buttons"):
                yield DialogButton(self.look, self._yes, name="yes")
                yield DialogButton(self.look, self._no, name="no")

    def on_mount(self) -> None:
        self.query_one("#no", DialogButton).focus()

    def action_confirm(self) -> None:
        self.dismiss(True)

    @on(DialogButton.Pressed, "#yes")
    def _yes_pressed(self) -> None:
        self.action_confirm()

    @on(DialogButton.Pressed, "#no")
    def _no_pressed(self) -> None:
        self.action_close()
