"""A checkpoint as the lines of a tree: only what is unfolded is one, so that 20,000 partitions open at once.

Pure: what is unfolded is given, and a line holds the value that it stands for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from etl_core.rules.checkpoints.document import BOOKMARK, RESUME, SINGLE, Document, PartitionValue, Place
from etl_core.rules.checkpoints.exact_json import Json, dump
from etl_core.rules.checkpoints.paths import Step, ValuePath, place_text, steps_text

MOST_OPEN = 40
"""A document of more partitions opens with its streams folded."""
MOST_OPEN_PARTITIONS = 3
"""A stream of more partitions opens folded."""

Key = tuple[Step, ...]
"""The way from the root of the document: ("orders", "octo/app", "bookmark", "at")."""


class Kind(Enum):
    STREAM = "stream"
    PARTITION = "partition"
    BOOKMARK = "bookmark"
    RESUME = "resume"
    VALUE = "value"


@dataclass(frozen=True, slots=True)
class TreeLine:
    """A line of the tree."""

    key: Key
    kind: Kind
    depth: int
    label: str
    value: Json
    """JSON, or the partition's value, or the partitions of a stream."""
    is_open: bool | None
    """None: there is nothing to unfold."""
    place: Place | None = None
    """The partition that it belongs to; None of a stream, and of a document of another form."""
    name: str = ""
    """The field's name, by which a number may be a time."""

    @property
    def path(self) -> str:
        """As people write it: `orders/default.bookmark.updated_at`."""
        if self.kind is Kind.STREAM:
            return place_text(Place(str(self.key[0]), "")).removesuffix("/")
        if self.place is None:
            return f"document{steps_text(self.key)}"
        if self.kind is Kind.PARTITION:
            return place_text(self.place)
        return str(ValuePath(self.place, str(self.key[2]), self.key[3:]))

    def as_json(self) -> Json:
        """The value as it stands in the document."""
        if isinstance(self.value, PartitionValue):
            return self.value.as_json()
        if self.kind is Kind.STREAM:
            return {name: value.as_json() for name, value in self.value.items()}
        return self.value


@dataclass
class Folding:
    """What is unfolded: `flipped` holds what a person unfolded or folded against the rule."""

    every: bool | None = None
    """All of it unfolded (True) or folded (False); None: by the rule."""
    flipped: dict[Key, bool] = field(default_factory=dict)

    def set_every(self, is_open: bool) -> None:
        self.every = is_open
        self.flipped.clear()

    def is_open(self, key: Key, usual: bool) -> bool:
        found = self.flipped.get(key)
        if found is not None:
            return found
        return usual if self.every is None else self.every


class TreeIndex:
    """What a search looks through: the text of each partition, made when it is first asked for."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._texts: dict[Place, str] | None = None

    def holds(self, place: Place, needle: str) -> bool:
        """Whether the partition's names or values hold the text (in small letters)."""
        if self._texts is None:
            self._texts = {
                place: f"{place.stream}/{place.partition} {dump(value.as_json())}".lower()
                for place, value in self._document.items()
            }
        return needle in self._texts[place]


def tree_lines(document: Document, folding: Folding, index: TreeIndex, needle: str = "") -> list[TreeLine]:
    """The lines from top to bottom; with a `needle` only partitions that hold it, unfolded."""
    needle = needle.lower()
    if document.other is not None:
        if document.other and isinstance(document.other, (dict, list)):
            return list(_inner_lines((), document.other, 0, folding, None))
        return [TreeLine(("document",), Kind.VALUE, 0, "document", document.other, None)]
    lines: list[TreeLine] = []
    few = len(document) <= MOST_OPEN
    for stream, partitions in document.streams.items():
        shown: Mapping[str, PartitionValue] = partitions
        if needle:
            shown = {name: v for name, v in partitions.items() if index.holds(Place(stream, name), needle)}
            if not shown:
                continue
        usual = bool(needle) or (few and len(partitions) <= MOST_OPEN_PARTITIONS)
        is_open = folding.is_open((stream,), usual)
        lines.append(TreeLine((stream,), Kind.STREAM, 0, stream, partitions, is_open))
        if not is_open:
            continue
        if partitions.keys() == {SINGLE}:
            lines.extend(_part_lines(Place(stream, SINGLE), partitions[SINGLE], 1, folding))
            continue
        unfold = len(shown) <= MOST_OPEN_PARTITIONS
        for name, value in shown.items():
            key = (stream, name)
            is_empty = value.bookmark is None and value.resume is None
            opened = None if is_empty else folding.is_open(key, unfold)
            place = Place(stream, name)
            lines.append(TreeLine(key, Kind.PARTITION, 1, name, value, opened, place))
            if opened:
                lines.extend(_part_lines(place, value, 2, folding))
    return lines


def _part_lines(place: Place, value: PartitionValue, depth: int, folding: Folding) -> Iterator[TreeLine]:
    for kind, name, part in ((Kind.BOOKMARK, BOOKMARK, value.bookmark), (Kind.RESUME, RESUME, value.resume)):
        if part is None:
            continue
        key = (place.stream, place.partition, name)
        inner = isinstance(part, (dict, list)) and not _is_plain(part)
        is_open = folding.is_open(key, False) if inner else None
        yield TreeLine(key, kind, depth, name, part, is_open, place)
        if is_open:
            yield from _inner_lines(key, part, depth + 1, folding, place)


def _inner_lines(
    key: Key, value: Json, depth: int, folding: Folding, place: Place | None
) -> Iterator[TreeLine]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for step, one in pairs:
        inner = (*key, step)
        has_more = bool(one) and isinstance(one, (dict, list))
        is_open = folding.is_open(inner, False) if has_more else None
        yield TreeLine(inner, Kind.VALUE, depth, str(step), one, is_open, place, str(step))
        if is_open:
            yield from _inner_lines(inner, one, depth + 1, folding, place)


def _is_plain(value: Json) -> bool:
    """Whether a line says all of it: nothing in it, or one plain value."""
    if len(value) > 1:
        return False
    inner = value.values() if isinstance(value, dict) else value
    return not any(isinstance(one, (dict, list)) for one in inner)
