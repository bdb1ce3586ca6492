"""What can be done with the jobs of the dashboard, in grid and cards alike."""

from __future__ import annotations

from functools import partial
from typing import Final

from etl_tui.app.commands.command import JOB, JOBS, Command

_command = partial(Command, places=(JOBS,))

COMMANDS: Final = (
    _command("down", "The next job", "move(1)", ("j", "down")),
    _command("up", "The job before", "move(-1)", ("k", "up")),
    _command("page-down", "A screen down", "page(1)", ("pagedown",)),
    _command("page-up", "A screen up", "page(-1)", ("pageup",)),
    _command("first", "The first job", "first", ("g", "home")),
    _command("last", "The last job", "last", ("G", "end")),
    _command("details", "The job with all there is to know of it", "details", ("enter",), hint="details"),
    _command(
        "run-now",
        "Runs the job now; one that is off runs once and stays off",
        "run_now",
        ("r",),
        hint="run now",
        aliases=("run",),
        changes=True,
        places=(JOBS, JOB),
    ),
    _command(
        "cancel",
        "Cancels the run, after a question; what is loaded stays",
        "cancel",
        ("c",),
        hint="cancel",
        changes=True,
        places=(JOBS, JOB),
    ),
    _command(
        "clear",
        "Clears failure, hold and snooze",
        "clear",
        ("C",),
        hint="clear",
        changes=True,
        places=(JOBS, JOB),
    ),
    _command(
        "settings",
        "How often the job runs, and how soon it is retried",
        "settings",
        ("s",),
        hint="settings",
        changes=True,
        places=(JOBS, JOB),
    ),
    _command(
        "on-off",
        "Switches the job on or off; a run under way goes on to its end",
        "toggle_active",
        ("o",),
        hint="on/off",
        changes=True,
        places=(JOBS, JOB),
    ),
    _command("on", "Switches the job on", "switch(True)", changes=True),
    _command("off", "Switches the job off", "switch(False)", changes=True),
    _command(
        "snooze",
        "The job does not start by itself before a moment: 2h, tomorrow 08:00",
        "snooze",
        ("S",),
        hint="snooze",
        takes="UNTIL",
        changes=True,
        places=(JOBS, JOB),
    ),
    _command(
        "hold",
        "The job waits for a person, for a reason that all can read",
        "hold",
        ("H",),
        takes="REASON",
        changes=True,
        places=(JOBS, JOB),
    ),
    _command("undo", "Takes back what was done last", "undo", ("u",), hint="undo", changes=True),
    _command(
        "pause",
        "Nothing starts in a tenant, an integration or anywhere",
        "pause",
        takes="PLACE REASON",
        needs=True,
        changes=True,
    ),
    _command("resume", "Lets start again what was paused", "resume", takes="PLACE", needs=True, changes=True),
    _command("mark", "Marks the job, for what is done to many at once", "mark", ("space",), hint="mark"),
    _command("mark-range", "Marks as the cursor moves, until pressed again", "mark_range", ("V",)),
    _command("mark-down", "Marks this job and the next", "mark_move(1)", ("shift+down", "J")),
    _command("mark-up", "Marks this job and the one before", "mark_move(-1)", ("shift+up", "K")),
    _command("mark-all", "Marks all jobs that are shown", "mark_all", ("asterisk",)),
    _command(
        "mark-invert", "Turns the marks of all jobs that are shown", "mark_invert", ("exclamation_mark",)
    ),
    _command("mark-none", "Takes all marks away", "mark_none"),
    _command(
        "filter",
        "Shows the jobs that meet a filter, as one types",
        "filter",
        ("slash",),
        hint="filter",
        takes="FILTER",
    ),
    _command(
        "view",
        "A saved view: filter, order, groups and columns by name; save NAME keeps this one",
        "view",
        ("apostrophe",),
        takes="NAME",
    ),
    _command("back", "Back: all jobs again", "back", ("escape",)),
    _command(
        "sort", "Sorts by a column, by the same one the other way round", "sort", takes="COLUMN", needs=True
    ),
    _command("sort-right", "Sorts by the column to the right", "sort_beside(1)", ("greater_than_sign",)),
    _command("sort-left", "Sorts by the column to the left", "sort_beside(-1)", ("less_than_sign",)),
    _command("reverse", "Sorts the other way round", "reverse", ("equals_sign",)),
    _command("group", "Groups by tenant, integration, status, or not", "group", ("b",)),
    _command("fold", "Folds the group, or opens it", "fold", ("z",)),
    _command("fold-all", "Folds all groups, or opens them", "fold_all", ("Z",)),
    _command("left", "The card to the left; folds a group", "aside(-1)", ("left", "h")),
    _command("right", "The card to the right; opens a group", "aside(1)", ("right", "l")),
    _command("cards", "Cards, or rows", "cards", ("v",)),
    _command("preview", "On wide terminals the job at the right, or not", "preview", ("p",)),
    _command("columns", "Which columns there are, and in which order", "columns", ("w",)),
    _command("failed-first", "Failed jobs first, and back", "failed_first", ("f",)),
    _command(
        "refresh",
        "Compares everything with the database now",
        "look_again",
        ("R", "ctrl+r"),
        places=(JOBS, JOB),
    ),
)
