"""What dialogs have in common: a frame over the dashboard that Escape closes."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Input

from etl_tui.app.look.theme import Look

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer]):
    """Its first child has the class `frame`. Closed by Escape it answers None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "close")]

    typed_into: Input | None = None
    """Where keys belong that were typed before the dialog had the focus."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look

    def action_close(self) -> None:
        self.dismiss(None)
