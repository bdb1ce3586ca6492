"""What is written behind `:`: a command's name or the beginning of it, and what it takes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches

from etl_core.errors import InvalidInput
from etl_tui.app.commands.command import Command

Completer = Callable[[Command, str], Sequence[str]]
"""What may stand behind a command, given what stands there."""


def read_line(text: str, commands: Sequence[Command]) -> tuple[Command, str]:
    """The command that is meant, and the text behind it.

    A name may be cut short where no other begins like it.

    Raises:
        InvalidInput: no such command, several, or one without the text that it needs; in one sentence.
    """
    words = text.split(maxsplit=1)
    if not words:
        raise InvalidInput("write a command; tab completes it")
    name, rest = words[0], words[1].strip() if len(words) > 1 else ""
    found = _named(name, commands)
    if not found:
        near = get_close_matches(name, [name for command in commands for name in command.names], n=3)
        told = f"do you mean {' or '.join(near)}?" if near else "ctrl+p shows all"
        raise InvalidInput(f"there is no command {name}: {told}")
    if len(found) > 1:
        raise InvalidInput(f"{name}: which one? {', '.join(command.name for command in found[:6])}")
    command = found[0]
    if rest and not command.takes:
        raise InvalidInput(f"{command.name} takes nothing behind it")
    if command.needs and not rest:
        raise InvalidInput(f"{command.name} needs {command.takes}")
    return command, rest


def complete_line(text: str, commands: Sequence[Command], complete: Completer) -> list[str]:
    """How the line may go on: whole lines, the likeliest first."""
    text = text.lstrip()
    name, blank, rest = text.partition(" ")
    if not blank:
        ways = [way for command in commands for way in command.names if way.startswith(name)]
        return [way for way in dict.fromkeys(ways) if way != name]
    found = _named(name, commands)
    if len(found) != 1 or not found[0].takes:
        return []
    return [f"{name} {way}" for way in complete(found[0], rest.lstrip()) if way != rest.strip()]


def matching(query: str, commands: Sequence[Command]) -> list[Command]:
    """Commands in whose name or sentence every word of the query stands; those that begin with it first."""
    words = query.casefold().split()
    found = [
        command
        for command in commands
        if all(word in f"{' '.join(command.names)} {command.sentence}".casefold() for word in words)
    ]
    begun = query.casefold().strip().replace(" ", "-")
    return sorted(
        found,
        key=lambda command: (
            not any(name.startswith(begun) for name in command.names),
            begun not in command.name,
            " ".join(words) not in command.sentence.casefold(),
        ),
    )


def _named(name: str, commands: Sequence[Command]) -> list[Command]:
    exact = [command for command in commands if name in command.names]
    return exact[:1] or [
        command for command in commands if any(own.startswith(name) for own in command.names)
    ]
