"""What can be done in the views beside the jobs, and how one goes from view to view."""

from __future__ import annotations

from functools import partial
from typing import Final

from etl_tui.app.commands.command import JOBS, Command

VIEW: Final = "view"
QUEUES: Final = "view.queues"
ACTIVITY: Final = "view.activity"
WORKERS: Final = "view.workers"

_command = partial(Command, places=(VIEW,))
_goes = partial(Command, places=(JOBS, VIEW))

COMMANDS: Final = (
    Command(
        "drain",
        "Lets the worker finish what it has and take no more, or lets it work again",
        "drain",
        ("d",),
        (WORKERS,),
        hint="drain",
        changes=True,
    ),
    Command(
        "purge-dead",
        "Removes all messages that could not be parsed, after a question",
        "purge",
        ("X",),
        (QUEUES,),
        hint="purge",
        changes=True,
    ),
    _command("open-job", "The job of the row", "open", ("enter",), hint="job"),
    _command("next-list", "The other list has the keys", "next_list", ("tab",), hint="other list"),
    _command("row-down", "The next row", "move(1)", ("j", "down")),
    _command("row-up", "The row before", "move(-1)", ("k", "up")),
    _command("rows-down", "A screen down", "page(1)", ("pagedown",)),
    _command("rows-up", "A screen up", "page(-1)", ("pageup",)),
    _command("first-row", "The first row", "first", ("g", "home")),
    _command("last-row", "The last row", "last", ("G", "end")),
    _command(
        "filter-rows",
        "Shows the rows that hold what one types: word, state:lost, -not",
        "filter",
        ("slash",),
        hint="filter",
        takes="FILTER",
    ),
    _command("back-to-jobs", "Back: all rows again, then the jobs", "back", ("escape",), hint="jobs"),
    _command("sort-rows-next", "Sorts by the column to the right", "sort_beside(1)", ("greater_than_sign",)),
    _command("sort-rows-before", "Sorts by the column to the left", "sort_beside(-1)", ("less_than_sign",)),
    _command("reverse-rows", "Sorts the other way round", "turn", ("equals_sign",)),
    _command("refresh-rows", "Asks the database now", "look_again", ("R", "ctrl+r")),
    _goes("jobs", "The jobs", "show_view('jobs')", ("1",)),
    _goes("queues", "What waits for each stage, and why", "show_view('queues')", ("2",)),
    _goes("workers", "Workers and schedulers, and what they have in hand", "show_view('workers')", ("3",)),
    _goes("schedule", "What starts in the next 24 hours", "show_view('schedule')", ("4",)),
    _goes("activity", "Who did what, what failed, what recovered", "show_view('activity')", ("5",)),
)
