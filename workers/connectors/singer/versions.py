"""Versions of a stream: a tap that reads a table anew gives its records a higher one, and activates it.

Rows of other versions are gone from the source then. Here a version is a walk (`Stream.full_refresh`): its
records are the keys that were seen, and what was not seen is marked deleted when the tap, having activated
the version, has ended well. A tap may activate at the beginning, at the end, or both; and it may need several
runs for one version. A stream without a stored version has nothing to be marked, nor has one without a key.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from etl_core.connector import SINGLE_PARTITION, Covers, ExtractContext, Fragment, Stream
from etl_core.stored_state import read_state
from workers.connectors.singer.checkpoint import VersionBookmark, VersionResume


def shown_version(context: ExtractContext, stream: str) -> int | None:
    """The version that was activated in an earlier run."""
    return _read(context, stream)[0]


def _read(context: ExtractContext, stream: str) -> tuple[int | None, int | None]:
    shown, coming = read_state(context, stream, SINGLE_PARTITION, VersionBookmark, VersionResume)
    return (shown.version if shown else None, coming.version if coming else None)


@dataclass(slots=True)
class _OfStream:
    stream: Stream
    shown: int | None
    coming: int | None
    """Of the records that came last; None: they have none."""
    is_new: bool = False
    """Its records begin with the next page: what was seen of another version counts no more."""
    is_activated: bool = False
    was_seen: bool = False


@dataclass(slots=True)
class Versions:
    """Of all streams of a run."""

    _streams: dict[str, _OfStream] = field(default_factory=dict)

    @classmethod
    def of(cls, context: ExtractContext, streams: Mapping[str, Stream]) -> Versions:
        return cls({name: _OfStream(stream, *_read(context, name)) for name, stream in streams.items()})

    def ends_a_page(self, stream: str, version: int) -> bool:
        """Whether a record of this version cannot be in one page with what came before it."""
        known = self._streams[stream]
        return known.was_seen and known.coming != version

    def see(self, stream: str, version: int) -> None:
        """A record of this version comes."""
        known = self._streams[stream]
        if known.coming != version:
            known.coming, known.is_new, known.is_activated = version, True, False
        known.was_seen = True

    def activate(self, stream: str, version: int) -> None:
        """ACTIVATE_VERSION; takes effect at the end."""
        known = self._streams.get(stream)
        if known is None:
            return
        if known.coming != version:
            known.coming, known.is_new = version, True
        known.is_activated = known.was_seen = True

    def fragments(self, streams: Collection[str]) -> list[Fragment]:
        """Behind a page of records of these streams, in mid-walk."""
        return [
            self._fragment(name, goes_on=True)
            for name in streams
            if (known := self._streams[name]).stream.full_refresh and known.coming is not None
        ]

    def last_fragments(self) -> list[Fragment]:
        """Behind the last page of a run that ended well."""
        return [
            self._fragment(name, goes_on=not known.is_activated and known.coming != known.shown)
            for name, known in self._streams.items()
            if known.was_seen and known.coming is not None
        ]

    def without_key(self) -> Sequence[str]:
        """Activated streams whose rows cannot be told apart."""
        return [name for name, known in self._streams.items() if known.is_activated and not known.stream.key]

    def _fragment(self, name: str, *, goes_on: bool) -> Fragment:
        known = self._streams[name]
        assert known.coming is not None  # noqa: S101 - looked at by both callers
        before = None if known.shown is None else VersionBookmark(version=known.shown).model_dump()
        begins, known.is_new = known.is_new, False
        if goes_on:
            resume = VersionResume(version=known.coming).model_dump()
            return Fragment(name, SINGLE_PARTITION, before, resume, begins_anew=begins)
        after = VersionBookmark(version=known.coming).model_dump()
        covers = None
        if known.coming == known.shown and known.stream.key:  # which tells nothing of other rows
            covers = Covers(known.stream.key[0], ())
        return Fragment(name, SINGLE_PARTITION, after, None, covers, begins_anew=begins)
