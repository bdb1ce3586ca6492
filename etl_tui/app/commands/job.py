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
RUN: Final = "run"
RUN_STAGES: Final = f"{RUN}.stages"

_job = partial(Command, places=(JOB,))
_both = partial(Command, places=(JOB, RUN))
_checkpoint = partial(Command, places=(CHECKPOINT,))
_runs = partial(Command, places=(RUNS,))
_log = partial(Command, places=(LOG,))
_rejects = partial(Command, places=(REJECTS,))
_run = partial(Command, places=(RUN,))

COMMANDS: Final = (
    _both("leave", "Back: ends a search, or goes back", "leave", ("escape",), hint="back"),
    _job(
        "run-options",
        "Runs it once over a range, or reads everything again",
        "run_options",
        ("b",),
        hint="backfill",
        changes=True,
    ),
    _job("tab-overview", "State, why, what comes next, what can be done", "open_tab(0)", ("1",)),
    _job("tab-checkpoint", "Where the job stands, and since when", "open_tab(1)", ("2",)),
    _job("tab-runs", "Its runs, two beside each other, one in full", "open_tab(2)", ("3",)),
    _job("tab-log", "What the newest run tells", "open_tab(3)", ("4",)),
    _job("tab-rejects", "Records that could not be loaded", "open_tab(4)", ("5",)),
    _job("tab-audit", "What was done to it, and by whom", "open_tab(5)", ("6",)),
    _run("stages", "Its stages, workers and batches", "open_tab(0)", ("1",)),
    _run("log-of-run", "What it tells", "open_tab(1)", ("2",)),
    _run("rejects-of-run", "Records that it refused", "open_tab(2)", ("3",)),
    _both("tab-before", "The tab before", "beside(-1)", ("left_square_bracket",)),
    _both("tab-next", "The next tab", "beside(1)", ("right_square_bracket",)),
    _checkpoint(
        "drop-resume",
        "Drops the resume part and keeps the bookmark: for a bad cursor",
        "tab('drop_resume')",
        ("x",),
        hint="drop resume",
        changes=True,
    ),
    _checkpoint(
        "rewind", "Rewinds to a version or a time", "tab('rewind')", ("w",), hint="rewind", changes=True
    ),
    _checkpoint(
        "edit-checkpoint", "Edits the checkpoint here", "tab('edit')", ("e",), hint="edit", changes=True
    ),
    _checkpoint("diff", "The difference in raw lines, and back", "tab('diff')", ("d",), hint="diff"),
    _checkpoint(
        "undo-repair",
        "Rewinds to before the last change by a person",
        "tab('undo')",
        ("u",),
        hint="undo",
        changes=True,
    ),
    _checkpoint(
        "pane", "To the other part: tree, versions, difference", "tab('pane')", ("tab",), hint="pane"
    ),
    _checkpoint(
        "edit-outside", "Edits the checkpoint in $EDITOR", "tab('edit_outside')", ("E",), changes=True
    ),
    _checkpoint(
        "clear-checkpoint",
        "Clears the checkpoint: everything is read again",
        "tab('clear_checkpoint')",
        ("X",),
        changes=True,
    ),
    _checkpoint("mark-version", "Marks a version: others are compared with it", "tab('mark')", ("space",)),
    _checkpoint("fold-tree", "Folds everything", "tab('fold_all')", ("minus",)),
    _checkpoint("unfold-tree", "Unfolds everything", "tab('unfold_all')", ("plus",)),
    _checkpoint("search", "Shows what holds a text, in names and values", "tab('search')", ("slash",)),
    _checkpoint("raw-json", "The whole document as JSON, and back", "tab('raw_json')", ("v",)),
    _checkpoint("copy-value", "Copies the value under the cursor", "tab('copy_value')", ("y",)),
    _checkpoint("copy-path", "Copies the path of the value under the cursor", "tab('copy_path')", ("Y",)),
    _runs(
        "filter-runs",
        "Shows the runs that hold words, -word: that do not",
        "tab('filter_runs')",
        ("slash",),
        hint="filter",
    ),
    _runs(
        "mark-run", "Marks a run: another one is compared with it", "tab('mark')", ("space",), hint="compare"
    ),
    _log("log-level", "All lines, only warnings, only errors", "tab('level')", ("l",), hint="level"),
    _log("follow-log", "Goes to the end and follows it", "tab('follow')", ("f",), hint="follow"),
    _log("search-log", "Looks for a text in the lines", "tab('search')", ("slash",), hint="search"),
    _log("find-next", "The next line that holds it", "tab('find(1)')", ("n",)),
    _log("find-before", "The line before that holds it", "tab('find(-1)')", ("N",)),
    _log("export-log", "Writes all lines to a file", "export", ("w",), hint="to a file", takes="FILE"),
    _rejects(
        "filter-rejects",
        "Shows the rejects that hold words",
        "tab('filter_rejects')",
        ("slash",),
        hint="filter",
    ),
    _rejects(
        "replay", "Loads the record again, as it is", "tab('replay')", ("p",), hint="replay", changes=True
    ),
    _rejects(
        "replay-all", "Loads all of them again", "tab('replay_all')", ("P",), hint="replay all", changes=True
    ),
    _rejects(
        "correct-reject",
        "Corrects the record and loads it again",
        "tab('correct')",
        ("e",),
        hint="correct",
        changes=True,
    ),
    _rejects("drop-reject", "Drops the record for good", "tab('drop')", ("d",), hint="drop", changes=True),
    _rejects("drop-rejects", "Drops all of them for good", "tab('drop_all')", ("D",), changes=True),
)
