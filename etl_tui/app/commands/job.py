"""What can be done on the screen of one job, and in its tabs."""

from __future__ import annotations

from functools import partial
from typing import Final

from etl_tui.app.commands.command import JOB, Command

OVERVIEW: Final = f"{JOB}.overview"
CHECKPOINT: Final = f"{JOB}.checkpoint"
RUNS: Final = f"{JOB}.runs"
LOG: Final = f"{JOB}.log"
REJECTS: Final = f"{JOB}.rejects"
AUDIT: Final = f"{JOB}.audit"

_job = partial(Command, places=(JOB,))
_checkpoint = partial(Command, places=(CHECKPOINT,))

COMMANDS: Final = (
    _job("leave", "Back: ends a search, or goes to the jobs", "leave", ("escape",), hint="back"),
    _job("tab-overview", "State, why, what comes next, what can be done", "open_tab(0)", ("1",)),
    _job("tab-checkpoint", "Where the job stands, and since when", "open_tab(1)", ("2",)),
    _job("tab-before", "The tab before", "beside(-1)", ("left_square_bracket",)),
    _job("tab-next", "The next tab", "beside(1)", ("right_square_bracket",)),
    _checkpoint("diff", "The difference in raw lines, and back", "tab('diff')", ("d",), hint="diff"),
    _checkpoint(
        "edit-checkpoint", "Edits the checkpoint here", "tab('edit')", ("e",), hint="edit", changes=True
    ),
    _checkpoint(
        "edit-outside", "Edits the checkpoint in $EDITOR", "tab('edit_outside')", ("E",), changes=True
    ),
    _checkpoint(
        "rewind", "Rewinds to a version or a time", "tab('rewind')", ("w",), hint="rewind", changes=True
    ),
    _checkpoint(
        "drop-resume",
        "Drops the resume part and keeps the bookmark: for a bad cursor",
        "tab('drop_resume')",
        ("x",),
        hint="drop resume",
        changes=True,
    ),
    _checkpoint(
        "clear-checkpoint",
        "Clears the checkpoint: everything is read again",
        "tab('clear_checkpoint')",
        ("X",),
        changes=True,
    ),
    _checkpoint(
        "undo-repair",
        "Rewinds to before the last change by a person",
        "tab('undo')",
        ("u",),
        hint="undo",
        changes=True,
    ),
    _checkpoint("mark-version", "Marks a version: others are compared with it", "tab('mark')", ("space",)),
    _checkpoint("fold-tree", "Folds everything", "tab('fold_all')", ("minus",)),
    _checkpoint("unfold-tree", "Unfolds everything", "tab('unfold_all')", ("plus",)),
    _checkpoint("search", "Shows what holds a text, in names and values", "tab('search')", ("slash",)),
    _checkpoint("raw-json", "The whole document as JSON, and back", "tab('raw_json')", ("v",)),
    _checkpoint("copy-value", "Copies the value under the cursor", "tab('copy_value')", ("y",)),
    _checkpoint("copy-path", "Copies the path of the value under the cursor", "tab('copy_path')", ("Y",)),
)
