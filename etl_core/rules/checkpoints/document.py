"""A checkpoint document: where each stream and partition stands, as one value.

Two forms are stored: `{"version": 18, "streams": {"orders": {"default": {"bookmark": ..., "resume": ...}}}}`,
and documents of the older schema, which are kept whole until their connector reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from etl_core.rules.checkpoints.exact_json import Json, dump, same

BOOKMARK, RESUME, SCHEMA_VERSION = "bookmark", "resume", "schema_version"
FIRST_SCHEMA_VERSION = 1
SINGLE = "default"
"""The partition's name where a stream has just one."""
FIELDS = frozenset({BOOKMARK, RESUME, SCHEMA_VERSION})
_MOST_SCHEMA_VERSION = 2**31 - 1


class BadForm(ValueError):
    """A value that is no checkpoint, or no part of one: one sentence that names the place."""


class Place(NamedTuple):
    """A part of a checkpoint that stands for itself."""

    stream: str
    partition: str


@dataclass(frozen=True, slots=True)
class PartitionValue:
    """Where a partition stands; None for what it does not have."""

    bookmark: Json = None
    """Durable: where the next run starts."""
    resume: Json = None
    """Short-lived: continues a walk that was broken off."""
    schema_version: int = FIRST_SCHEMA_VERSION
    """Of the connector's models that wrote it."""

    def is_same(self, other: PartitionValue) -> bool:
        """Whether both are the same JSON: 1 is 1.0, but true is not 1."""
        return self is other or (
            self.schema_version == other.schema_version
            and same(self.bookmark, other.bookmark)
            and same(self.resume, other.resume)
        )

    def as_json(self) -> dict[str, Json]:
        """As it stands in a document: only what there is, the schema version from 2 on."""
        value = {}
        if self.bookmark is not None:
            value[BOOKMARK] = self.bookmark
        if self.resume is not None:
            value[RESUME] = self.resume
        if self.schema_version != FIRST_SCHEMA_VERSION:
            value[SCHEMA_VERSION] = self.schema_version
        return value


@dataclass(frozen=True, slots=True)
class Document:
    """A whole checkpoint. Without streams and without `other` it is empty: nothing was ever loaded."""

    streams: Mapping[str, Mapping[str, PartitionValue]] = field(default_factory=dict)
    """No stream is empty."""
    other: Json = None
    """A value of another form: a legacy document, or what cannot be read as one. Streams are empty then."""

    @property
    def is_empty(self) -> bool:
        return not self.streams and self.other is None

    @property
    def has_resume(self) -> bool:
        """Whether any partition was left in mid-walk."""
        return any(value.resume is not None for _, value in self.items())

    def __len__(self) -> int:
        """How many partitions."""
        return sum(map(len, self.streams.values()))

    def find(self, place: Place) -> PartitionValue | None:
        return self.streams.get(place.stream, {}).get(place.partition)

    def items(self) -> Iterator[tuple[Place, PartitionValue]]:
        for stream, partitions in self.streams.items():
            for partition, value in partitions.items():
                yield Place(stream, partition), value

    def as_json(self, version: int | None = None) -> Json:
        """The document that people read; None when it is empty."""
        if self.is_empty or self.other is not None:
            return self.other
        streams = {
            stream: {partition: value.as_json() for partition, value in partitions.items()}
            for stream, partitions in self.streams.items()
        }
        return {"streams": streams} if version is None else {"version": version, "streams": streams}

    def is_same(self, other: Document) -> bool:
        """Whether both hold the same JSON."""
        return (
            same(self.other, other.other)
            and len(self) == len(other)
            and all(
                (theirs := other.find(place)) is not None and value.is_same(theirs)
                for place, value in self.items()
            )
        )


EMPTY = Document()


def from_places(values: Mapping[Place, PartitionValue]) -> Document:
    """A document of these partitions, in their order."""
    streams: dict[str, dict[str, PartitionValue]] = {}
    for place, value in values.items():
        streams.setdefault(place.stream, {})[place.partition] = value
    return Document(streams)


def from_stored(value: Json) -> Document:
    """What is in the database, whatever it is: what cannot be read as streams is kept as it is."""
    try:
        document = from_json(value)
    except ValueError:
        return Document(other=value)
    streams = {
        name: dict(sorted(partitions.items())) for name, partitions in sorted(document.streams.items())
    }
    return Document(streams, document.other)


def from_json(value: Json) -> Document:
    """The document that somebody wrote; its version is not looked at.

    Raises:
        BadForm: it has streams, and they are not of the form; names the place.
    """
    if not isinstance(value, dict) or "streams" not in value:
        return Document(other=value)
    unknown = sorted(value.keys() - {"version", "streams"})
    if unknown:
        raise BadForm(f"{unknown[0]!a}: unknown field; a checkpoint has version and streams")
    given = value["streams"]
    if not isinstance(given, dict):
        raise BadForm(f"streams: expected an object of streams, got {kind_of(given)}")
    streams = {}
    for stream, partitions in given.items():
        if not isinstance(partitions, dict):
            raise BadForm(f"{stream}: expected an object of partitions, got {kind_of(partitions)}")
        if partitions:
            streams[stream] = {
                partition: partition_from_json(one, f"{stream}/{partition}")
                for partition, one in partitions.items()
            }
    return Document(streams)


def partition_from_json(value: Json, where: str) -> PartitionValue:
    """`{"bookmark": ..., "resume": ...}`, both of which may be missing or null.

    Raises:
        BadForm: it is something else; names the place.
    """
    if not isinstance(value, dict):
        raise BadForm(f"{where}: expected an object with bookmark and resume, got {kind_of(value)}")
    if not value.keys() <= FIELDS:
        unknown = sorted(value.keys() - FIELDS)
        raise BadForm(f"{where}: {unknown[0]!a}: unknown field; a partition has bookmark and resume")
    version = value.get(SCHEMA_VERSION, FIRST_SCHEMA_VERSION)
    if type(version) is not int or not 1 <= version <= _MOST_SCHEMA_VERSION:
        raise BadForm(f"{where}.{SCHEMA_VERSION}: expected a number from 1 on, got {dump(version)[:40]}")
    return PartitionValue(value.get(BOOKMARK), value.get(RESUME), version)


def kind_of(value: Json) -> str:
    """What JSON calls it: `a list`, `null`, `the number 5`."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "a text" if isinstance(value, str) else f"the number {dump(value)[:20]}"
