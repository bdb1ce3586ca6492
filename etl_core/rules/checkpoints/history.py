"""The history of a checkpoint: a version's document from the rows that each version changed, and what may go.

A version keeps only the partitions that differ from the version before, as they are in it. Now and then one
keeps all of them as well (`whole`): from there its document, and those behind it, are built.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from etl_core.rules.checkpoints.document import (
    BOOKMARK,
    EMPTY,
    FIRST_SCHEMA_VERSION,
    RESUME,
    SCHEMA_VERSION,
    Document,
    PartitionValue,
    Place,
    from_places,
    from_stored,
)
from etl_core.rules.checkpoints.exact_json import Json

Changes = list[dict[str, Any]]
"""`[{"stream", "partition", "bookmark", "resume", "schema_version", "gone"}]`, or `[{"document": ...}]`."""


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """A stored version."""

    version: int
    changes: Changes
    whole: Changes | None = None
    """All partitions of this version, as changes of nothing; None: it is what the versions before say."""


class Gap(ValueError):
    """The rows do not begin at a version that stands for itself, or one is missing between them."""


def rebuild(rows: Sequence[HistoryRow]) -> Document:
    """The document of the last of these versions; they follow each other, oldest first.

    Raises:
        Gap: they do not reach back far enough, or not without a hole.
    """
    if not rows:
        return EMPTY
    begin = max((at for at, row in enumerate(rows) if row.whole is not None), default=0)
    first = rows[begin]
    if first.whole is None and first.version != 1:
        raise Gap(f"version {first.version} is not whole, and the one before it is gone")
    values: dict[Place, PartitionValue] = {}
    other = _apply(values, None, first.changes if first.whole is None else first.whole)
    for before, row in zip(rows[begin:], rows[begin + 1 :], strict=False):
        if row.version != before.version + 1:
            raise Gap(f"version {before.version + 1} is missing")
        other = _apply(values, other, row.changes)
    return Document(other=other) if other is not None else from_places(dict(sorted(values.items())))


def roll(document: Document, changes: Changes) -> Document:
    """The document of the next version."""
    values = dict(document.items())
    other = _apply(values, document.other, changes)
    return Document(other=other) if other is not None else from_places(dict(sorted(values.items())))


def as_changes(document: Document) -> Changes:
    """A document as changes of nothing: what `whole` holds."""
    if document.other is not None:
        return [{"document": document.other}]
    return [
        {"stream": place.stream, "partition": place.partition, **value.as_json()}
        for place, value in document.items()
    ]


def _apply(values: dict[Place, PartitionValue], other: Json, changes: Changes) -> Json:
    """Moves `values` on; returns the document of another form that holds then, if one does."""
    for change in changes:
        if "document" in change:
            # It replaces everything, and null leaves nothing.
            values.clear()
            given = from_stored(change["document"])
            values.update(given.items())
            other = given.other
            continue
        other = None
        place = Place(change["stream"], change["partition"])
        if change.get("gone") is True:
            values.pop(place, None)
        else:
            version = change.get(SCHEMA_VERSION, FIRST_SCHEMA_VERSION)
            values[place] = PartitionValue(change.get(BOOKMARK), change.get(RESUME), version)
    return other


@dataclass(frozen=True, slots=True)
class Retention:
    """What of a history goes."""

    drop: tuple[int, ...]
    fold: tuple[int, ...]
    """Versions that stay and must become whole first, for the one before them goes."""


def retention(
    versions: Iterable[tuple[int, datetime]], *, keep: int, older_than: datetime, protected: Collection[int]
) -> Retention:
    """Which versions (number, when cut) go: all but the newest `keep`, and those cut before `older_than`.

    The newest stays, and so do those that are protected.
    """
    newest_first = sorted(versions, reverse=True)
    drop = {
        version
        for rank, (version, at) in enumerate(newest_first)
        if rank > 0 and version not in protected and (rank >= keep or at < older_than)
    }
    kept = [version for version, _ in newest_first if version not in drop]
    return Retention(tuple(sorted(drop)), tuple(sorted(version for version in kept if version - 1 in drop)))
