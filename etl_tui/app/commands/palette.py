"""All commands of where one is, found by any word of theirs (ctrl+p); those that cannot be done say why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input

from etl_tui.app.commands.choices import Choice, Choices
from etl_tui.app.commands.command import Command
from etl_tui.app.commands.line import matching
from etl_tui.app.dialogs.dialog import Dialog
from etl_tui.app.look.cells import clean
from etl_tui.app.look.theme import Look


class Palette(Dialog[str]):
    """Answers with the name of the command that was chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,ctrl+n", "move(1)", show=False, priority=True),
        Binding("up,ctrl+p", "move(-1)", show=False, priority=True),
        Binding("pagedown", "move(10)", show=False, priority=True),
        Binding("pageup", "move(-10)", show=False, priority=True),
    ]

    def __init__(
        self,
        look: Look,
        commands: Sequence[Command],
        *,
        key: Callable[[Command], str],
        why_not: Callable[[Command], str | None],
    ) -> None:
        super().__init__(look)
        self._commands = commands
        self._key = key
        self._why_not = why_not
        self._query = Input(compact=True, placeholder="any word", id="query", select_on_focus=False)
        self._query.cursor_blink = False
        self.typed_into = self._query
        self._choices = Choices(look, name_cells=max((len(command.name) for command in commands), default=8))

    def compose(self) -> ComposeResult:
        frame = Vertical(classes="frame tall")
        frame.border_title = "Commands"
        frame.border_subtitle = self.look.glyphs.show("enter does it · esc close")
        with frame:
            yield self._query
            yield self._choices

    def on_mount(self) -> None:
        self._query.focus()
        self._show("")

    @on(Input.Changed)
    def _follow(self, event: Input.Changed) -> None:
        self._show(event.value)

    @on(Input.Submitted)
    @on(Choices.Clicked)
    def _choose(self) -> None:
        if chosen := self._choices.chosen:
            self.dismiss(chosen.name)

    def action_move(self, rows: int) -> None:
        self._choices.move(rows)

    def _show(self, query: str) -> None:
        found = [(command, self._why_not(command)) for command in matching(query, self._commands)]
        self._choices.show_choices(
            [
                Choice(
                    command.name,
                    clean(command.sentence if refusal is None else f"not now: {refusal}"),
                    self.look.glyphs.key(self._key(command)),
                    able=refusal is None,
                )
                for command, refusal in found
            ]
        )
