"""What differs between two versions: a line for each partition, or the raw lines of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, islice
from typing import NamedTuple

from rich.style import Style

from etl_core.models.checkpoint import VersionDiff
from etl_core.rules.checkpoints.diff import Change, DocumentDiff, raw_lines
from etl_core.rules.checkpoints.summaries import headline, place_title, summary, value_text
from etl_core.rules.job_tone import Tone
from etl_tui.app.look.cells import clean
from etl_tui.app.look.line_list import LineList
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.theme import Look

MOST_LINES = 20_000
MOST_UNHEADED = 3
"""Of so many partitions of a stream its name is told once, above them."""
_SIGNS = {Change.NEW: "+", Change.CHANGED: "~", Change.GONE: "-"}
_TONES = {"+": Tone.READY, "~": Tone.WAITING, "-": Tone.FAILED}


class DiffLine(NamedTuple):
    """`name` is dim or bold before `text`; the sign tells what became of it."""

    sign: str
    name: str
    text: str


class DiffList(LineList[DiffLine]):
    """The difference of two versions."""

    def __init__(self, look: Look) -> None:
        super().__init__(look, "diff")

    def show_diff(self, found: VersionDiff, *, raw: bool) -> None:
        """In summaries, or (raw) in lines of JSON."""
        self.empty = "nothing changed"
        if raw:
            lines = islice(raw_lines(found.before, found.after), MOST_LINES)
            self.show_items([DiffLine(line[:1], "", line[1:]) for line in lines])
        else:
            self.show_items(diff_lines(found.difference))

    def show_nothing(self, why: str) -> None:
        self.empty = clean(why)
        self.show_items([])

    def pieces(self, item: DiffLine, width: int) -> Sequence[Piece]:
        look = self.look
        style = look.tone(_TONES[item.sign]) if item.sign in _TONES else look.dim
        if not item.name:
            return [Piece(f" {item.sign}{_indented(item.text)}", style)]
        return [
            Piece(f" {item.sign} ", style),
            Piece(f"{clean(item.name)}  ", look.text + Style(bold=True)),
            Piece(clean(item.text), look.text),
        ]


def diff_title(found: VersionDiff) -> str:
    """` DIFF  v15 → v18   5 changed, 1 new`."""
    after = "now" if found.after_version is None else f"v{found.after_version}"
    before = "nothing" if found.before_version == 0 else f"v{found.before_version}"
    return f" DIFF  {before} → {after}   {headline(found.difference)}"


def diff_lines(difference: DocumentDiff) -> list[DiffLine]:
    """A line for each partition; of a document of another form for each value."""
    lines: list[DiffLine] = []
    for stream, changes in groupby(difference.partitions, key=lambda change: change.place.stream):
        of_stream = list(changes)
        heads = len(of_stream) >= MOST_UNHEADED
        if heads:
            lines.append(DiffLine(" ", stream, f"{len(of_stream):,} partitions"))
        for change in of_stream:
            name = change.place.partition if heads else place_title(change.place)
            lines.append(DiffLine(_SIGNS[change.change], name, summary(change)))
    for value in difference.other_values():
        told = value_text(value.after)
        if value.change is Change.CHANGED:
            told = f"{value_text(value.before)} → {told}"
        lines.append(DiffLine(_SIGNS[value.change], value.path, "" if value.change is Change.GONE else told))
    return lines


def _indented(text: str) -> str:
    content = text.lstrip(" ")
    return " " * (len(text) - len(content)) + clean(content)
