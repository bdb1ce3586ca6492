"""What differs between two documents, per stream and partition, and how one becomes the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import ndiff
from enum import StrEnum

from etl_core.rules.checkpoints.document import (
    BOOKMARK,
    RESUME,
    Document,
    PartitionValue,
    Place,
    from_places,
)
from etl_core.rules.checkpoints.exact_json import Json, dump, same
from etl_core.rules.checkpoints.paths import Step, ValuePath, place_text, steps_text

WHOLE = "document"
"""What the paths into a document of another form begin with."""


class Change(StrEnum):
    """What became of a partition or a value."""

    NEW = "new"
    CHANGED = "changed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class ValueChange:
    """One value that differs."""

    path: str
    """`orders/default.bookmark.updated_at`"""
    change: Change
    before: Json
    """None also where there was nothing: `change` tells which."""
    after: Json


@dataclass(frozen=True, slots=True)
class PartitionChange:
    """A partition that differs."""

    place: Place
    before: PartitionValue | None
    after: PartitionValue | None
    """At least one of both is there."""

    @property
    def change(self) -> Change:
        return change_of(self.before, self.after)

    @property
    def bookmark(self) -> Change | None:
        """What became of the bookmark; None: it stayed."""
        return _change_of_part(self.before, self.after, BOOKMARK)

    @property
    def resume(self) -> Change | None:
        """What became of the resume part; None: it stayed."""
        return _change_of_part(self.before, self.after, RESUME)

    def values(self) -> list[ValueChange]:
        """The values that differ, in the order of their paths; a part that came or went is one of them."""
        found: list[ValueChange] = []
        for part in (BOOKMARK, RESUME):
            old = getattr(self.before, part, None)
            new = getattr(self.after, part, None)
            if old is None and new is None:
                continue
            base = str(ValuePath(self.place, part))
            found.extend(_values(base, None if old is None else [old], None if new is None else [new]))
        old_form, new_form = (one and one.schema_version for one in (self.before, self.after))
        if old_form and new_form and old_form != new_form:
            where = f"{place_text(self.place)}.schema_version"
            found.append(ValueChange(where, Change.CHANGED, old_form, new_form))
        return found


@dataclass(frozen=True, slots=True)
class DocumentDiff:
    """All that differs between two documents."""

    partitions: tuple[PartitionChange, ...]
    """In the order of streams and partitions."""
    other_before: Json = None
    """The documents of another form on both sides, if any (see `Document.other`)."""
    other_after: Json = None

    @property
    def is_empty(self) -> bool:
        return not self.partitions and same(self.other_before, self.other_after)

    def count(self, change: Change) -> int:
        """Partitions that are new, changed or gone."""
        return sum(one.change is change for one in self.partitions)

    def other_values(self) -> list[ValueChange]:
        """What differs in a document of another form: `document.last_pr_cursor`."""
        old, new = self.other_before, self.other_after
        return list(_values(WHOLE, None if old is None else [old], None if new is None else [new]))


def change_of(before: object, after: object) -> Change:
    if before is None:
        return Change.NEW
    return Change.GONE if after is None else Change.CHANGED


def diff(before: Document, after: Document) -> DocumentDiff:
    """What must happen to `before` to become `after`."""
    changed = []
    for stream in sorted({*before.streams, *after.streams}):
        old, new = before.streams.get(stream, {}), after.streams.get(stream, {})
        differing = [name for name in new if name not in old]
        for name, was in old.items():
            now = new.get(name)
            if now is None or not was.is_same(now):
                differing.append(name)
        changed += [
            PartitionChange(Place(stream, name), old.get(name), new.get(name)) for name in sorted(differing)
        ]
    return DocumentDiff(tuple(changed), before.other, after.other)


class DoesNotFit(ValueError):
    """A patch for another document: names the place that differs."""


def patch(document: Document, change: DocumentDiff) -> Document:
    """The other document.

    Raises:
        DoesNotFit: a place is not as the diff found it.
    """
    if not same(document.other, change.other_before):
        raise DoesNotFit("the document is of another form than the change was made for")
    values = dict(document.items())
    for one in change.partitions:
        found = values.get(one.place)
        fits = found is None if one.before is None else found is not None and found.is_same(one.before)
        if not fits:
            raise DoesNotFit(f"{place_text(one.place)} is not as the change found it")
        if one.after is None:
            del values[one.place]
        else:
            values[one.place] = one.after
    return Document(from_places(values).streams, change.other_after)


def raw_lines(before: Document, after: Document, places: Iterable[Place] | None = None) -> Iterator[str]:
    """Both sides as lines of text, a heading for each partition that differs, or for each of `places`."""
    if before.other is not None or after.other is not None:
        yield from _raw(WHOLE, before.as_json(), after.as_json())
        return
    for place in places or (one.place for one in diff(before, after).partitions):
        old, new = before.find(place), after.find(place)
        yield from _raw(place_text(place), old and old.as_json(), new and new.as_json())


def _raw(heading: str, old: Json, new: Json) -> Iterator[str]:
    yield f"@@ {heading} @@"
    sides = [[] if one is None else dump(one, indent=2).splitlines() for one in (old, new)]
    if sum(map(len, sides)) > _MOST_LINES:
        yield from (f"- {line}" for line in sides[0])
        yield from (f"+ {line}" for line in sides[1])
        return
    yield from (line for line in ndiff(sides[0], sides[1]) if not line.startswith("?"))


_MOST_LINES = 2_000
"""Lines are compared up to here; it takes the square of their number."""


def _change_of_part(before: PartitionValue | None, after: PartitionValue | None, part: str) -> Change | None:
    old, new = getattr(before, part, None), getattr(after, part, None)
    return None if same(old, new) else change_of(old, new)


def _values(where: str, old: list[Json] | None, new: list[Json] | None) -> Iterator[ValueChange]:
    """A value in a list of its own, for null is a value and None is none."""
    if old is None or new is None:
        if old is not None:
            yield ValueChange(where, Change.GONE, old[0], None)
        elif new is not None:
            yield ValueChange(where, Change.NEW, None, new[0])
        return
    before, after = old[0], new[0]
    if same(before, after):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        names = [*before, *(name for name in after if name not in before)]
        for name in names:
            yield from _values(_below(where, name), _got(before, name), _got(after, name))
    elif isinstance(before, list) and isinstance(after, list):
        for at in range(max(len(before), len(after))):
            yield from _values(_below(where, at), before[at : at + 1] or None, after[at : at + 1] or None)
    else:
        yield ValueChange(where, Change.CHANGED, before, after)


def _got(value: dict[str, Json], name: str) -> list[Json] | None:
    return [value[name]] if name in value else None


def _below(where: str, step: Step) -> str:
    return where + steps_text((step,))
