"""What every screen can do."""

from __future__ import annotations

from typing import Final

from etl_tui.app.commands.command import Command

COMMANDS: Final = (
    Command("palette", "All commands, found by any word of theirs", "show_palette", ("ctrl+p",)),
    Command("command", "A command by its name, with what it takes", "ask_command", ("colon",), hint="go"),
    Command(
        "contexts",
        "Works in another database of the settings file",
        "contexts",
        ("at",),
        takes="CONTEXT",
    ),
    Command("suspend", "Back to the shell for a while; `fg` there returns", "suspend_process", ("ctrl+z",)),
    Command("help", "The keys of where you are", "show_keys", ("question_mark",), hint="help"),
    Command("quit", "Quits; ctrl+q and ctrl+c do so always", "quit", ("q",), aliases=("q",), hint="quit"),
)
