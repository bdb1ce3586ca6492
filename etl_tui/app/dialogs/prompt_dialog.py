"""Asks for one line, and says as one types what it means or why it cannot be."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static

from etl_core.rules.job_tone import Tone
from etl_tui.app.dialogs.dialog import Dialog
from etl_tui.app.dialogs.dialog_button import DialogButton
from etl_tui.app.look.cells import clean
from etl_tui.app.look.theme import Look

LONGEST_TEXT = 500

T = TypeVar("T")


class PromptDialog(Dialog[T], Generic[T]):
    """Answers with what `read` makes of the text; a ValueError of it says why it cannot be."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+s", "accept", show=False, priority=True)]

    def __init__(
        self,
        look: Look,
        title: str,
        *,
        label: str,
        hint: str,
        yes: str,
        read: Callable[[str], T],
        meaning: Callable[[T], str],
        begun: str = "",
    ) -> None:
        super().__init__(look)
        self._title = title
        self._label = label
        self._hint = hint
        self._read = read
        self._meaning = meaning
        self._input = Input(begun, compact=True, max_length=LONGEST_TEXT, id="answer")
        self._input.cursor_blink = False
        self.typed_into = self._input
        self._sentence = Static("", id="sentence", markup=False)
        self._yes = DialogButton(look, yes, name="yes")

    def compose(self) -> ComposeResult:
        show = self.look.glyphs.show
        frame = Vertical(classes="frame")
        frame.border_title = show(clean(self._title)).replace("[", r"\[")
        frame.border_subtitle = show("enter does it · esc close")
        with frame:
            with Horizontal(id="asked"):
                yield Static(f"{self._label} ", classes="label", markup=False)
                yield self._input
            yield self._sentence
            with Horizontal(id="buttons"):
                yield self._yes
                yield DialogButton(self.look, "Leave it", name="no")

    def on_mount(self) -> None:
        self._input.focus()
        self._judge()

    @on(Input.Changed)
    def _judge(self) -> None:
        text = self._input.value
        refused = False
        try:
            told = self._meaning(self._read(text))
        except ValueError as refusal:
            told, refused = str(refusal), True
        if not text.strip():
            told = self._hint
        glyph = f"{Tone.FAILED.glyph} " if refused and text.strip() else ""
        self._sentence.update(self.look.glyphs.show(f"{glyph}{clean(told)}"))
        self._sentence.set_class(bool(glyph), "-refused")
        self._yes.disabled = refused

    @on(Input.Submitted)
    @on(DialogButton.Pressed, "#yes")
    def action_accept(self) -> None:
        try:
            answer = self._read(self._input.value)
        except ValueError:  # it is told already
            return
        self.dismiss(answer)

    @on(DialogButton.Pressed, "#no")
    def _no_pressed(self) -> None:
        self.action_close()
