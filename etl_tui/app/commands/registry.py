"""The commands of all places. A room of screens declares its own in a file beside this one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from textual.binding import Binding, BindingType

from etl_tui.app.commands import everywhere, job, jobs, views
from etl_tui.app.commands.command import EVERYWHERE, Command

COMMANDS: Final[Sequence[Command]] = (*job.COMMANDS, *jobs.COMMANDS, *views.COMMANDS, *everywhere.COMMANDS)
"""In the order of help and palette."""

_BY_NAME: Final = {command.name: command for command in COMMANDS}


def command_of(name: str) -> Command | None:
    """The command of this name."""
    return _BY_NAME.get(name)


def commands_at(place: str) -> list[Command]:
    """What can be done at a place, its own before what can be done everywhere."""
    found = [command for command in COMMANDS if command.works_at(place)]
    return sorted(found, key=lambda command: EVERYWHERE in command.places)


def bindings(place: str) -> list[BindingType]:
    """The keys of the commands that belong to exactly this place, as the BINDINGS of its screen (or tab).

    Their ids are the names, by which the app's keymap gives them other keys.
    """
    return [
        Binding(
            ",".join(command.keys),
            f"app.do('{command.name}')",
            command.sentence,
            show=False,
            id=command.name,
        )
        for command in COMMANDS
        if place in command.places and command.keys
    ]
