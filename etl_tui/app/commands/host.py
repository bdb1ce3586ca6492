"""The one door for what is done in the app: a key, a hint, the palette and the `:` line all come through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from textual import events
from textual.app import App
from textual.screen import Screen
from textual.widgets import Input

from etl_core.errors import EtlError
from etl_core.rules.job_sentence import USUAL_KEYS
from etl_tui.app.commands.command import EVERYWHERE, Command
from etl_tui.app.commands.keymap import Keymap
from etl_tui.app.commands.past import COMMANDS, Past
from etl_tui.app.commands.registry import command_of, commands_at
from etl_tui.app.dialogs.dialog import Dialog
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.theme import Look
from etl_tui.app.preferences import Preferences


class CommandScreen(Screen[None]):
    """A screen with commands: it names its place, and has the actions of the commands that belong there."""

    place: str = EVERYWHERE
    """Where one is, as `Command.places` has it; a screen with tabs may name the tab: `job.log`."""
    title_of_place: str = ""
    """What the help calls it."""

    @property
    def typed_into(self) -> Input | None:
        """Where keys belong while a line of the screen waits for the focus."""
        return None

    @property
    def commands(self) -> CommandApp:
        """The app, as who does commands."""
        assert isinstance(self.app, CommandApp)  # noqa: S101 - such screens are shown by such an app only
        return self.app

    def hints(self) -> list[Command]:
        """The commands for the last line of the screen: those that can do something now."""
        return [
            command
            for command in commands_at(self.place)
            if command.hint and self.commands.why_not(command, self) is None
        ]

    def why_not(self, command: Command) -> str | None:
        """Why a command can do nothing here and now, in half a sentence; None when it can."""
        return None

    def refuse(self, text: str) -> None:
        """Tells why something was not done."""
        self.notify(text, severity="error", markup=False)

    def complete(self, command: Command, text: str) -> Sequence[str]:
        """What may follow in the `:` line behind a command that takes something: whole texts."""
        return ()

    def legend(self) -> Sequence[Sequence[Piece]]:
        """What the help tells below the keys."""
        return ()


class CommandApp(App[int]):
    """An app whose screens have commands."""

    look: Look
    preferences: Preferences
    read_only = False
    """Commands that change something are refused."""
    read_only_reason = "this is read-only: nothing is changed from here"
    production = False
    """What concerns many jobs at once asks for the context's name."""
    context_name = ""
    keymap = Keymap()

    def use_keymap(self, keymap: Keymap) -> None:
        """Other keys than the usual; to be said before a screen is shown."""
        self.keymap = keymap
        self.set_keymap(keymap.for_textual())

    def key_of(self, name: str) -> str:
        """The key of a command as it is written in a sentence; its `:` form when it has none."""
        command = command_of(name)
        return (self.keymap.shown(command) if command else "") or f":{name}"

    @cached_property
    def sentence_keys(self) -> Mapping[str, str]:
        """The keys that `job_sentence` names."""
        return {name: self.look.glyphs.key(self.key_of(name)) for name in USUAL_KEYS}

    def why_not(self, command: Command, screen: CommandScreen) -> str | None:
        """Why a command can do nothing on a screen now; None when it can."""
        if self.read_only and command.changes:
            return self.read_only_reason
        return screen.why_not(command)

    async def action_do(self, name: str, text: str = "") -> None:
        """Does a command by its name; `text` is what was written behind it."""
        command, screen = command_of(name), self.screen
        if command is None or not isinstance(screen, CommandScreen):
            return
        if self.read_only and command.changes:
            screen.refuse(self.read_only_reason)
            return
        if command.needs and not text:
            self.action_ask_command(f"{command.name} ")
            return
        target = self if EVERYWHERE in command.places else screen
        try:
            if text and command.takes:
                await self.run_action(("", command.action, (text,)), target)
            else:
                await self.run_action(command.action, target)
        except EtlError as refusal:
            screen.refuse(str(refusal))

    def on_key(self, event: events.Key) -> None:
        """Keys that were on their way while a line was opened: none is lost, nor taken for a command."""
        screen, focused = self.screen, self.focused
        late = screen.typed_into if isinstance(screen, (Dialog, CommandScreen)) else None
        if isinstance(focused, Input):
            if event.is_printable and event.character:
                focused.insert_text_at_cursor(event.character)
                event.prevent_default()
        elif late is not None and event.is_printable and event.character:
            late.value += event.character
            late.cursor_position = len(late.value)
            event.prevent_default()
        elif late is not None and event.key == "enter":
            screen.call_later(late.action_submit)
            event.prevent_default()

    def complete(self, command: Command, text: str) -> Sequence[str]:
        """What may follow behind a command of everywhere that takes something: whole texts."""
        return ()

    def action_show_palette(self) -> None:
        screen = self.screen
        if not isinstance(screen, CommandScreen):
            return
        from etl_tui.app.commands.palette import Palette

        palette = Palette(
            self.look,
            [command for command in commands_at(screen.place) if command.name != "palette"],
            key=self.keymap.shown,
            why_not=lambda command: self.why_not(command, screen),
        )
        self.push_screen(palette, lambda name: self._do_soon(name, ""))

    def action_ask_command(self, begun: str = "") -> None:
        screen = self.screen
        if not isinstance(screen, CommandScreen):
            return

        def complete(command: Command, text: str) -> Sequence[str]:
            asked = self if EVERYWHERE in command.places else screen
            return asked.complete(command, text)

        from etl_tui.app.commands.command_line import CommandLine

        past = Past(self.preferences, COMMANDS)
        line = CommandLine(self.look, commands_at(screen.place), complete, past, begun=begun)
        self.push_screen(line, lambda answer: self._do_soon(*(answer or (None, ""))))

    def _do_soon(self, name: str | None, text: str) -> None:
        """When the dialog that asked is gone."""
        if name is not None:
            self.call_later(self.action_do, name, text)

    def action_show_keys(self) -> None:
        screen = self.screen
        if isinstance(screen, CommandScreen):
            from etl_tui.app.dialogs.help_dialog import HelpDialog

            self.push_screen(
                HelpDialog(self.look, screen.title_of_place, self._keys(screen.place), screen.legend())
            )

    def _keys(self, place: str) -> list[tuple[str, str]]:
        return [
            (" ".join(map(self.look.glyphs.key, self.keymap.all_shown(command))), command.sentence)
            for command in commands_at(place)
            if command.keys
        ]


def sentence_keys(app: App[object]) -> Mapping[str, str]:
    """The keys in force, where the app has commands; else the usual ones."""
    return app.sentence_keys if isinstance(app, CommandApp) else USUAL_KEYS
