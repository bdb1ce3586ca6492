"""Which keys a command has: its own, or those that the `[keys]` table of the settings gives it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import combinations
from typing import Final

from textual.keys import KEY_NAME_REPLACEMENTS, Keys, key_to_character

from etl_core.errors import InvalidInput
from etl_tui.app.commands.command import EVERYWHERE, Command
from etl_tui.app.commands.registry import COMMANDS, command_of

_NAMED: Final = frozenset(key.value for key in Keys if not key.value.startswith("<"))
_SHOWN: Final = {
    "escape": "esc",
    "pagedown": "PgDn",
    "pageup": "PgUp",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "home": "Home",
    "end": "End",
}
_UNICODE_NAMES: Final = {short: name for name, short in KEY_NAME_REPLACEMENTS.items()}
"""`slash` is Textual's own name of the solidus, which it does not know by that itself."""


class Keymap:
    """The keys in force: `own` are those that the settings give instead of a command's usual ones."""

    def __init__(self, own: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self._own = dict(own or {})

    def keys_of(self, command: Command) -> tuple[str, ...]:
        """Textual's names of the keys that do it."""
        return self._own.get(command.name, command.keys)

    def shown(self, command: Command) -> str:
        """The first key as it stands in a hint: `r`, `^s`, `?`; empty when there is none."""
        keys = self.keys_of(command)
        return key_text(keys[0]) if keys else ""

    def all_shown(self, command: Command) -> list[str]:
        """All keys, for the help."""
        return [key_text(key) for key in self.keys_of(command)]

    def for_textual(self) -> dict[str, str]:
        """As `App.set_keymap` takes it."""
        return {name: ",".join(keys) for name, keys in self._own.items()}


def read_keymap(table: Mapping[str, str], where: str = "[keys]") -> Keymap:
    """Understands the table: a command's name, and its key or keys with commas between.

    A character stands for its key (`R`, `/`), others have names (`ctrl+r`, `f5`, `pagedown`).

    Raises:
        InvalidInput: no such command, no such key, or one key for two commands of a place; it names `where`.
    """
    own: dict[str, tuple[str, ...]] = {}
    for name, text in table.items():
        if command_of(name) is None:
            raise InvalidInput(f"{where}: {name}: there is no such command; {_meant(name)}")
        pieces = [text] if text in {",", " "} else [piece.strip() for piece in text.split(",")]
        own[name] = tuple(_read_key(piece, f"{where}: {name} = {text!r}") for piece in pieces)
    keymap = Keymap(own)
    for one, other, key in _clashes(keymap) if own else ():
        if one.name in own or other.name in own:
            raise InvalidInput(
                f"{where}: the key {key_text(key)} is given to {one.name} and to {other.name}; "
                f"give one of them another"
            )
    return keymap


def _meant(name: str) -> str:
    near = get_close_matches(name, [command.name for command in COMMANDS], n=3)
    return f"do you mean {' or '.join(near)}?" if near else "ctrl+p in the dashboard shows all"


def key_text(key: str) -> str:
    """A key as people write it: `?`, `^r`, `Enter`."""
    if key in _SHOWN:
        return _SHOWN[key]
    modifiers, _, base = key.rpartition("+")
    character = key_to_character(_UNICODE_NAMES.get(base, base))
    shown = character if character and character.isprintable() and character != " " else base
    if modifiers == "ctrl":
        return f"^{shown}"
    return f"{modifiers}+{_SHOWN.get(base, shown)}" if modifiers else shown


def _read_key(text: str, where: str) -> str:
    if len(text) == 1 and text.isprintable():
        if text.isalnum():
            return text
        if text == " ":
            return "space"
        name = unicodedata.name(text).lower().replace("-", "_").replace(" ", "_")
        return KEY_NAME_REPLACEMENTS.get(name, name)
    if text not in _NAMED:
        raise InvalidInput(f"{where}: {text!r} is no key; write a character, ctrl+r, f5, pagedown")
    return text


def _clashes(
    keymap: Keymap, commands: Iterable[Command] = COMMANDS
) -> Iterable[tuple[Command, Command, str]]:
    for one, other in combinations(commands, 2):
        meets = {*one.places} & {*other.places} or EVERYWHERE in {*one.places, *other.places}
        for key in keymap.keys_of(one) if meets else ():
            if key in keymap.keys_of(other):
                yield one, other, key
