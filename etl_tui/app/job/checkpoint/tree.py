"""The tree of a checkpoint, drawn line by line where it is seen."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from etl_core.rules.checkpoints.document import Document, PartitionValue
from etl_core.rules.checkpoints.exact_json import dump
from etl_core.rules.job_tone import Tone
from etl_tui.app.feed.clock import DatabaseClock
from etl_tui.app.job.checkpoint.tree_lines import Folding, Key, Kind, TreeIndex, TreeLine, tree_lines
from etl_tui.app.job.checkpoint.value_words import size_text, value_words
from etl_tui.app.look.cells import clean
from etl_tui.app.look.line_list import LineList, padded
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.theme import Look

OPEN, FOLDED = "▼", "▶"
LABEL_CELLS = 9
"""`bookmark` and `resume` and a blank."""


class CheckpointTree(LineList[TreeLine]):
    """Enter folds and unfolds; a search shows what holds a text."""

    def __init__(self, look: Look, clock: DatabaseClock) -> None:
        super().__init__(look, "tree", empty="reading…")
        self._clock = clock
        self._document = Document()
        self._index = TreeIndex(self._document)
        self._folding = Folding()
        self._needle = ""
        self._sizes: dict[Key, int] = {}

    @property
    def document(self) -> Document:
        return self._document

    @property
    def needle(self) -> str:
        return self._needle

    def show_document(self, document: Document) -> None:
        """Another document; what was unfolded stays so."""
        self._document = document
        self._index = TreeIndex(document)
        self._sizes.clear()
        self.empty = "nothing yet: all will be read"
        self._show()

    def search(self, needle: str) -> int:
        """Shows what holds the text, everything for an empty one; how many partitions that are."""
        self._needle = needle
        if needle:
            self.empty = "nothing holds this text"
        self._show()
        return sum(line.kind is Kind.PARTITION or line.kind is Kind.STREAM for line in self.items)

    def fold_every(self, *, is_open: bool) -> None:
        self._folding.set_every(is_open)
        self._show()

    def action_open(self) -> None:
        line = self.current
        if line is not None and line.is_open is not None:
            self._folding.flipped[line.key] = not line.is_open
            self._show()

    def action_into(self) -> None:
        """Unfolds, or goes to the first line below."""
        line = self.current
        if line is not None and line.is_open is False:
            self.action_open()
        elif line is not None and line.is_open:
            self.action_move(1)

    def action_out(self) -> None:
        """Folds, or goes to the line that this one is below."""
        line = self.current
        if line is None:
            return
        if line.is_open:
            self.action_open()
            return
        above = (i for i in range(self.cursor, -1, -1) if self.items[i].depth < line.depth)
        self.go_to(next(above, self.cursor))

    def key_of(self, item: TreeLine) -> Hashable:
        return item.key

    def pieces(self, item: TreeLine, width: int) -> Sequence[Piece]:
        look = self.look
        glyph = " " if item.is_open is None else OPEN if item.is_open else FOLDED
        lead = Piece(f" {'  ' * item.depth}{glyph} ", look.dim)
        label = clean(item.label)
        if item.kind is Kind.STREAM:
            return [lead, Piece(label, look.title), Piece(self._stream_words(item), look.dim)]
        now = self._clock.now()
        if item.kind is Kind.PARTITION:
            return [lead, Piece(f"{label}  ", look.text), *self._partition_words(item)]
        tone = {Kind.BOOKMARK: Tone.READY, Kind.RESUME: Tone.WAITING}.get(item.kind)
        style = look.tone(tone) if tone else look.dim
        told = clean(value_words(item.value, now, item.name))
        return [lead, Piece(padded(label, LABEL_CELLS) + " ", style), Piece(told, look.text)]

    def _stream_words(self, line: TreeLine) -> str:
        count = len(line.value)
        size = size_text(self._bytes(line))
        if count == 1 and line.is_open:
            return f"  {size}"
        return f"  {size}" if count == 1 else f" ({count:,} partitions, {size})"

    def _partition_words(self, line: TreeLine) -> list[Piece]:
        """Of a folded one where it stands."""
        value = line.value
        if line.is_open or not isinstance(value, PartitionValue):
            return []
        now = self._clock.now()
        told = clean(value_words(value.bookmark, now)) if value.bookmark is not None else ""
        pieces = [Piece(told or "no bookmark: from the beginning", self.look.text if told else self.look.dim)]
        if value.resume is not None:
            pieces.append(Piece("  in mid-walk", self.look.tone(Tone.WAITING)))
        return pieces

    def _bytes(self, line: TreeLine) -> int:
        """Bytes as JSON; reckoned for what is seen."""
        found = self._sizes.get(line.key)
        if found is None:
            found = self._sizes[line.key] = len(dump(line.as_json()).encode())
        return found

    def _show(self) -> None:
        self.show_items(tree_lines(self._document, self._folding, self._index, self._needle))
