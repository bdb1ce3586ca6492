"""The `:` line at the foot of the screen, with what may come next above it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.suggester import Suggester
from textual.widgets import Input

from etl_core.errors import InvalidInput
from etl_core.rules.job_tone import Tone
from etl_tui.app.commands.choices import Choice, Choices
from etl_tui.app.commands.command import Command
from etl_tui.app.commands.line import Completer, complete_line, read_line
from etl_tui.app.commands.past import Past
from etl_tui.app.dialogs.dialog import Dialog
from etl_tui.app.look.cells import clean
from etl_tui.app.look.styled_line import Piece, StyledLine
from etl_tui.app.look.theme import Look

LONGEST_TEXT = 500
MOST_SHOWN = 8


class _Completion(Suggester):
    def __init__(self, line: CommandLine) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._line = line

    async def get_suggestion(self, value: str) -> str | None:
        return next((way for way in self._line.ways(value) if way.startswith(value)), None) if value else None


class CommandLine(Dialog[tuple[str, str]]):
    """Answers with a command's name and the text behind it.

    Tab takes what is offered first, or what a click chose; up and down go through what was written before.
    """

    DEFAULT_CSS = """
    CommandLine > .foot { height: auto; width: 100%; background: $background; }
    CommandLine Choices { height: auto; max-height: 8; background: $field; }
    CommandLine Horizontal { height: 1; }
    CommandLine #colon { width: 3; }
    CommandLine Input { width: 1fr; background: $background; color: $foreground; }
    CommandLine #refusal { display: none; }
    CommandLine #refusal.-shown { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "take", show=False, priority=True),
        Binding("up,ctrl+p", "remember(-1)", show=False, priority=True),
        Binding("down,ctrl+n", "remember(1)", show=False, priority=True),
    ]

    def __init__(
        self,
        look: Look,
        commands: Sequence[Command],
        complete: Completer,
        past: Past,
        *,
        begun: str = "",
    ) -> None:
        super().__init__(look)
        self._commands = commands
        self._complete = complete
        self._past = past
        self._input = Input(
            begun, compact=True, max_length=LONGEST_TEXT, select_on_focus=False, suggester=_Completion(self)
        )
        self._input.cursor_blink = False
        self.typed_into = self._input
        self._choices = Choices(look, name_cells=24)
        self._refusal = StyledLine(look, "refusal")

    def compose(self) -> ComposeResult:
        with Vertical(classes="foot"):
            yield self._choices
            yield self._refusal
            with Horizontal():
                colon = StyledLine(self.look, "colon")
                colon.show([Piece(" : ", self.look.title)])
                yield colon
                yield self._input

    def on_mount(self) -> None:
        self._input.focus()
        self._input.cursor_position = len(self._input.value)
        self._show_ways()

    def ways(self, text: str) -> list[str]:
        """How the line may go on."""
        return complete_line(text, self._commands, self._complete)

    @on(Input.Changed)
    def _follow(self) -> None:
        self._refusal.remove_class("-shown")
        self._show_ways()

    @on(Input.Submitted)
    def _submit(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        if not text:
            self.dismiss(None)
            return
        try:
            command, rest = read_line(text, self._commands)
        except InvalidInput as refusal:
            tone = self.look.tone(Tone.FAILED)
            self._refusal.show([Piece(f" {Tone.FAILED.glyph} {clean(str(refusal))}", tone)])
            self._refusal.add_class("-shown")
            return
        self._past.add(text)
        self.dismiss((command.name, rest))

    @on(Choices.Clicked)
    def action_take(self) -> None:
        """Goes on with the way under the cursor."""
        ways = self.ways(self._input.value)
        if ways:
            way = ways[min(self._choices.cursor, len(ways) - 1)]
            takes = any(way in command.names and command.takes for command in self._commands)
            self._write(f"{way} " if takes else way)

    def action_remember(self, step: int) -> None:
        self._write(self._past.go(step))

    def _write(self, text: str) -> None:
        self._input.value = text
        self._input.cursor_position = len(text)

    def _show_ways(self) -> None:
        ways = self.ways(self._input.value)[:MOST_SHOWN]
        by_name = {name: command for command in self._commands for name in command.names}
        choices = []
        for way in ways:
            command = by_name.get(way)
            takes = f"{way} {command.takes}".rstrip() if command else way
            choices.append(Choice(clean(takes), clean(command.sentence) if command else ""))
        self._choices.show_choices(choices)
        self._choices.styles.height = len(choices)
