"""What of a checkpoint is edited: the whole, or of a large one the part under the cursor. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etl_core.control.checkpoints import Problem, check_text
from etl_core.control.checkpoints.checking import check_change
from etl_core.models.checkpoint import CurrentCheckpoint
from etl_core.rules.checkpoints.document import from_json
from etl_core.rules.checkpoints.exact_json import BadJson, dump, parse
from etl_core.rules.checkpoints.paths import ValuePath
from etl_core.rules.checkpoints.repairs import EditValue, Repair, SetDocument, outcome
from etl_tui.app.job.checkpoint.tree_lines import TreeLine

LARGE = 200_000
"""Bytes from which on a document is edited in parts: an editor of a terminal is no place for more."""


@dataclass(frozen=True, slots=True)
class EditTarget:
    """`path` is the part that is edited; None: the whole document."""

    current: CurrentCheckpoint
    path: ValuePath | None
    text: str
    line: int
    """Where the cursor goes at first, from 0 on."""

    @property
    def title(self) -> str:
        return "the whole checkpoint" if self.path is None else str(self.path)

    def repair(self, text: str) -> Repair:
        """What is done with the text; raises ValueError for what is no JSON or no checkpoint."""
        value = parse(text)
        return SetDocument(from_json(value)) if self.path is None else EditValue(self.path, value)

    def check(self, text: str) -> Sequence[Problem]:
        """What is wrong with the text."""
        if self.path is None:
            return check_text(self.current, text)
        try:
            after = outcome(self.current.document, self.repair(text))
        except (BadJson, ValueError, LookupError) as error:
            return [Problem("", str(error))]
        return check_change(self.current.integration_type, self.current.document, after)


def edit_target(current: CurrentCheckpoint, under_cursor: TreeLine | None) -> EditTarget:
    """The whole document with the cursor on the line of what is `under_cursor`; of a large one that alone.

    Raises:
        ValueError: it is large, and nothing that can be edited alone is under the cursor.
    """
    document = current.document
    if current.bytes <= LARGE:
        value = document.as_json() if not document.is_empty else {"streams": {}}
        text = dump(value, indent=2)
        return EditTarget(current, None, text, _line_of(text, under_cursor))
    if under_cursor is None or under_cursor.place is None:
        raise ValueError("it is large: put the cursor on a partition or a value, and edit that alone")
    key = under_cursor.key
    path = ValuePath(under_cursor.place, str(key[2]) if len(key) > 2 else None, key[3:])
    return EditTarget(current, path, dump(under_cursor.as_json(), indent=2), 0)


def _line_of(text: str, line: TreeLine | None) -> int:
    """Where the names on the way to it follow each other; the first line where they do not."""
    if line is None:
        return 0
    at, lines = 0, text.split("\n")
    for step in line.key:
        wanted = f"{dump(step)}:" if isinstance(step, str) else None
        if wanted is None:
            return at
        at = next((i for i in range(at, len(lines)) if lines[i].lstrip().startswith(wanted)), at)
    return at
