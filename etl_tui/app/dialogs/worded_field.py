"""A field of free text, and what it means in words behind it."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

LONGEST_TEXT = 40


class WordedField(Horizontal):
    """Its label, its text in brackets, its meaning. Tells with `Changed` that the text is another one."""

    class Changed(Message):
        """The text is another one."""

    def __init__(self, label: str, text: str, *, name: str, longest: int = LONGEST_TEXT) -> None:
        super().__init__(id=name)
        self._label = label
        self._input = Input(text, compact=True, max_length=longest, select_on_focus=True)
        self._input.cursor_blink = False
        self._words = Static("", classes="words", markup=False)

    def compose(self) -> ComposeResult:
        yield Static(self._label, classes="label", markup=False)
        yield Static("[", classes="bracket", markup=False)
        yield self._input
        yield Static("]", classes="bracket", markup=False)
        yield self._words

    @property
    def text(self) -> str:
        return self._input.value

    @text.setter
    def text(self, text: str) -> None:
        self._input.value = text

    def say(self, words: str) -> None:
        """What the text means."""
        self._words.update(words)

    @on(Input.Changed)
    def _text_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed())
