"""A word that can be pressed; dim while it must not be."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from etl_tui.app.look.theme import Look


class DialogButton(Widget, can_focus=True):
    """Enter, space or a click presses it. Disabled it takes no focus."""

    DEFAULT_CSS = "DialogButton { height: 1; }"
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,space", "press", show=False)]

    class Pressed(Message):
        """It was pressed."""

        def __init__(self, button: DialogButton) -> None:
            super().__init__()
            self.button = button

        @property
        def control(self) -> DialogButton:
            """What `@on` selects by."""
            return self.button

    def __init__(self, look: Look, label: str, *, name: str) -> None:
        super().__init__(id=name)
        self._look = look
        self._label = f"  {label}  "

    @property
    def label(self) -> str:
        """The word."""
        return self._label.strip()

    @label.setter
    def label(self, label: str) -> None:
        self._label = f"  {label}  "
        self.refresh(layout=True)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return len(self._label)

    def render_line(self, y: int) -> Strip:
        look = self._look
        style = look.dim if self.disabled else look.title
        if self.has_focus:
            style = look.on_selected(style) + Style(underline=True)
        return Strip([Segment(self._label, style)])

    def watch_disabled(self, disabled: bool) -> None:
        self.refresh()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def on_click(self) -> None:
        self.action_press()

    def action_press(self) -> None:
        if not self.disabled:
            self.post_message(self.Pressed(self))
