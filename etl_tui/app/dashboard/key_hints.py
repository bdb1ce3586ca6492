"""The last line: keys that can do something here, and no others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual import events
from textual.message import Message

from etl_core.rules.job_tone import Tone
from etl_tui.app.commands.command import EVERYWHERE, Command
from etl_tui.app.commands.keymap import Keymap
from etl_tui.app.look.cells import width_of
from etl_tui.app.look.styled_line import Piece, StyledLine
from etl_tui.app.look.theme import Look

GAP = 2


class _Hint(NamedTuple):
    name: str
    key: str
    word: str

    @property
    def cells(self) -> int:
        return width_of(self.key) + 1 + width_of(self.word) + GAP


class KeyHints(StyledLine):
    """The most useful first; those of everywhere stand at the end, before them is left out what has no room.

    A click does what the key does.
    """

    class Clicked(Message):
        """A command, by its name."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, look: Look) -> None:
        super().__init__(look, "hints")
        self._own: list[_Hint] = []
        self._common: list[_Hint] = []
        self._shown: list[_Hint] = []
        self._lead = ""

    def show_commands(self, commands: Sequence[Command], keymap: Keymap, *, lead: str = "") -> None:
        """Drawn only when they are others than before; `lead` stands before them."""
        self._lead = f"{lead}  " if lead else ""
        self._own, self._common = [], []
        for command in commands:
            hints = self._common if EVERYWHERE in command.places else self._own
            hints.append(_Hint(command.name, self.look.glyphs.key(keymap.shown(command)), command.hint))
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def on_click(self, event: events.Click) -> None:
        at = 1 + width_of(self._lead)
        for hint in self._shown:
            if at <= event.x < at + hint.cells - GAP:
                self.post_message(self.Clicked(hint.name))
            at += hint.cells

    def _draw(self) -> None:
        room = (self.size.width or 80) - 1 - width_of(self._lead) + GAP
        common = list(self._common)
        while common and sum(hint.cells for hint in common) > room:
            common.pop(0)
        room -= sum(hint.cells for hint in common)
        shown = []
        for hint in self._own:
            if hint.cells > room:
                break
            room -= hint.cells
            shown.append(hint)
        self._shown = [*shown, *common]
        pieces = [Piece(" ", self.look.text), Piece(self._lead, self.look.tone(Tone.WAITING))]
        for number, hint in enumerate(self._shown):
            gap = " " * GAP if number else ""
            pieces += [Piece(gap + hint.key, self.look.title), Piece(f" {hint.word}", self.look.dim)]
        self.show(pieces)
