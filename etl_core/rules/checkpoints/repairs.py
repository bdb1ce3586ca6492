"""What a person can do to a checkpoint, and the document that it leads to. Pure: nothing is written here."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from etl_core.rules.checkpoints.document import (
    BOOKMARK,
    EMPTY,
    SCHEMA_VERSION,
    Document,
    PartitionValue,
    Place,
    from_places,
    partition_from_json,
)
from etl_core.rules.checkpoints.exact_json import Json
from etl_core.rules.checkpoints.paths import Step, ValuePath, steps_text


class NoSuchPlace(LookupError):
    """The document has no such stream, partition or value; says what it has."""


class CannotRepair(ValueError):
    """It makes no sense of this document; says why."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which partitions: all, those of a stream, those of a name, or one."""

    stream: str | None = None
    partition: str | None = None

    @property
    def is_all(self) -> bool:
        return self.stream is None and self.partition is None

    def covers(self, place: Place) -> bool:
        return self.stream in (None, place.stream) and self.partition in (None, place.partition)

    def __str__(self) -> str:
        told = [f"stream {self.stream!r}"] if self.stream is not None else []
        if self.partition is not None:
            told.append(f"partition {self.partition!r}")
        return ", ".join(told) or "everything"


ALL = Scope()


@dataclass(frozen=True, slots=True)
class SetDocument:
    """The whole document becomes this one."""

    document: Document


@dataclass(frozen=True, slots=True)
class EditValue:
    """One value, the bookmark or resume part, or a partition as a whole becomes this."""

    path: ValuePath
    value: Json = None


@dataclass(frozen=True, slots=True)
class RemoveValue:
    """One value, part or partition goes."""

    path: ValuePath


@dataclass(frozen=True, slots=True)
class DropResume:
    """Bookmarks stay, walks that were broken off begin again: the first aid for a bad cursor."""

    scope: Scope = ALL


@dataclass(frozen=True, slots=True)
class Rewind:
    """Back to a version, or to the one that held at a moment (aware)."""

    to: int | datetime
    scope: Scope = ALL


@dataclass(frozen=True, slots=True)
class Clear:
    """Forgotten: read again from the beginning."""

    scope: Scope = ALL


Repair: TypeAlias = SetDocument | EditValue | RemoveValue | DropResume | Rewind | Clear


def source_of(repair: Repair) -> str:
    """What the history calls it."""
    if isinstance(repair, Rewind):
        return "rewind"
    return "clear" if isinstance(repair, Clear) else "edit"


def outcome(  # noqa: PLR0911 - one for each kind
    document: Document, repair: Repair, past: Document = EMPTY
) -> Document:
    """The document after a repair; `past` is the one that a Rewind goes back to.

    Raises:
        NoSuchPlace: there is nothing of what it is about. CannotRepair: it makes no sense of this document.
    """
    match repair:
        case SetDocument():
            return repair.document
        case EditValue() | RemoveValue():
            return _edited(document, repair)
        case DropResume():
            _expect_streams(document)
            return _each(document, repair.scope, lambda value: replace(value, resume=None))
        case Clear():
            if repair.scope.is_all:
                return EMPTY
            _expect_streams(document)
            return _each(document, repair.scope, lambda _: None)
        case Rewind():
            if repair.scope.is_all:
                return past
            _expect_streams(document, past)
            return _rewound(document, past, repair.scope)


def no_such(document: Document, scope: Scope) -> NoSuchPlace:
    """Says what there is instead."""
    if scope.stream is not None and scope.stream in document.streams:
        there = document.streams[scope.stream]
        return NoSuchPlace(f"no {scope}; partitions of {scope.stream!r}: {_some(there)}")
    return NoSuchPlace(f"no {scope}; streams: {_some(document.streams)}")


def _expect_streams(*documents: Document) -> None:
    if any(document.other is not None for document in documents):
        raise CannotRepair(
            "it is a document of another form, without streams and partitions: only the whole can be set, "
            "rewound or cleared"
        )


def _each(
    document: Document, scope: Scope, change: Callable[[PartitionValue], PartitionValue | None]
) -> Document:
    values, found = {}, scope.is_all
    for place, value in document.items():
        after: PartitionValue | None = value
        if scope.covers(place):
            found, after = True, change(value)
        if after is not None:
            values[place] = after
    if not found:
        raise no_such(document, scope)
    return from_places(values)


def _rewound(document: Document, past: Document, scope: Scope) -> Document:
    values = {place: value for place, value in document.items() if not scope.covers(place)}
    back = {place: value for place, value in past.items() if scope.covers(place)}
    if not back and len(values) == len(document):
        raise no_such(document, scope)
    return from_places({**values, **back})


def _some(names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:5])
    return f"{shown}, ... ({len(names):,})" if len(names) > 5 else shown or "none"


def _edited(document: Document, repair: EditValue | RemoveValue) -> Document:
    path = repair.path
    _expect_streams(document)
    before = document.find(path.place)
    values = dict(document.items())
    removes = isinstance(repair, RemoveValue)
    if before is None and (removes or path.steps):
        raise no_such(document, Scope(*path.place))
    after = _edited_partition(before, repair)
    if after is None:
        del values[path.place]
    else:
        values[path.place] = after
    return from_places(values)


def _edited_partition(
    before: PartitionValue | None, repair: EditValue | RemoveValue
) -> PartitionValue | None:
    path = repair.path
    if path.part is None:
        if isinstance(repair, RemoveValue):
            return None
        given = repair.value
        if before is not None and isinstance(given, dict):
            # What does not say in which form it is, is in the form in which it was shown.
            given = {SCHEMA_VERSION: before.schema_version, **given}
        return partition_from_json(given, str(path))
    was = before or PartitionValue()
    part = was.bookmark if path.part == BOOKMARK else was.resume
    if part is None and (path.steps or isinstance(repair, RemoveValue)):
        raise NoSuchPlace(f"{ValuePath(path.place)} has no {path.part}")
    made = _with({path.part: part}, (path.part, *path.steps), repair, str(path)).get(path.part)
    return replace(was, bookmark=made) if path.part == BOOKMARK else replace(was, resume=made)


def _with(value: Json, steps: tuple[Step, ...], repair: EditValue | RemoveValue, where: str) -> Json:
    """A copy of `value` with what stands behind `steps` changed; siblings are the same objects."""
    step, rest = steps[0], steps[1:]
    removes = isinstance(repair, RemoveValue)
    if isinstance(value, dict) and isinstance(step, str):
        if (rest or removes) and step not in value:
            raise NoSuchPlace(f"{where}: there is no {steps_text((step,)).lstrip('.')}")
        made = dict(value)
        if rest:
            made[step] = _with(value[step], rest, repair, where)
        elif isinstance(repair, EditValue):
            made[step] = repair.value
        else:
            del made[step]
        return made
    if isinstance(value, list) and isinstance(step, int):
        if step > len(value) or (step == len(value) and (rest or removes)):
            raise NoSuchPlace(f"{where}: the list has {len(value):,} values")
        listed = list(value)
        if rest:
            listed[step] = _with(value[step], rest, repair, where)
        elif isinstance(repair, EditValue):
            listed[step : step + 1] = [repair.value]
        else:
            del listed[step]
        return listed
    raise NoSuchPlace(f"{where}: {steps_text((step,))} is not in a value of this kind")


def value_at(document: Document, path: ValuePath) -> Json:
    """What stands there now; a partition as it stands in a document.

    Raises:
        NoSuchPlace: nothing does.
    """
    found = document.find(path.place)
    if found is None:
        raise no_such(document, Scope(*path.place))
    if path.part is None:
        return found.as_json()
    value = found.bookmark if path.part == BOOKMARK else found.resume
    if value is None:
        raise NoSuchPlace(f"{ValuePath(path.place)} has no {path.part}")
    for step in path.steps:
        in_object = isinstance(value, dict) and step in value
        if not in_object and not (isinstance(value, list) and isinstance(step, int) and step < len(value)):
            raise NoSuchPlace(f"{path}: there is no {steps_text((step,)).lstrip('.')}")
        value = value[step]
    return value
