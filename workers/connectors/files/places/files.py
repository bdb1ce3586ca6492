"""What a place has: files, what tells a changed one from afar, and their bytes within reach."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Protocol

from etl_core.errors import Permanent, Transient


@dataclass(frozen=True, slots=True)
class Version:
    """What a place says of a file without giving it away; what it does not say is None."""

    size: int | None = None
    """Bytes as they are stored."""
    mtime_ns: int | None = None
    tag: str | None = None
    """An entity tag, a generation: the place's own word for "the same"."""

    def is_surely(self, other: Version) -> bool:
        """Whether the two mean the same contents, by what both of them say."""
        if self.size is not None and other.size is not None and self.size != other.size:
            return False
        if self.tag is not None and other.tag is not None:
            return self.tag == other.tag
        return self.mtime_ns is not None and self.mtime_ns == other.mtime_ns


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to read; `partition` is its path below the folders that the patterns name in full."""

    path: str
    """As its place knows it; on disk it may hold bytes that are no text."""
    partition: str
    from_pattern: bool
    version: Version = Version()
    """As it was listed."""
    shown: str = ""
    locked: bool = False
    """Something beside it says that it is in somebody's hands."""

    @property
    def name(self) -> str:
        """The address, fit for messages."""
        return self.shown or printable(self.path)


@dataclass(frozen=True, slots=True)
class Found:
    """What matched, in the order of the partitions; and what was passed over as unfinished by its name."""

    files: Sequence[SourceFile] = ()
    unfinished: Sequence[str] = ()


class Raw(io.RawIOBase):
    """The bytes of a file, seekable; every read asks whether to go on.

    `digest`, if it was opened with one, has taken in whatever was read.
    """


class Copy(Protocol):
    """A file within reach of blocking reads."""

    def open(self, stop: threading.Event, digest: blake2b | None = None) -> Raw:
        """Raises OSError."""

    def version(self, raw: Raw) -> Version:
        """What `raw` is now: another one than before means that it was written to."""

    @property
    def fingerprint(self) -> str | None:
        """The digest of its bytes, where getting hold of them told it."""


class Place(Protocol):
    """Finds files and brings them within reach. Everything raised is a SourceError, or Changed."""

    async def find(self) -> Found:
        """The files that the patterns mean."""

    async def look(self, file: SourceFile) -> Version:
        """The version as it is now."""

    async def fetch(self, file: SourceFile) -> Copy:
        """One file; a copy fetched before it may be gone afterwards."""

    def forget(self, file: SourceFile) -> None:
        """A copy that is kept of it is not to be used again."""

    async def close(self) -> None:
        """Lets go of connections and copies; used again, it opens what it needs."""


class Stopped(Exception):
    """The run was cancelled while a thread was reading for it."""


class Changed(Exception):
    """The file was written to while it was read."""


class FileMissing(Transient):
    """There is no such file (any more)."""


class NothingMatches(Transient):
    """No file at all, so far."""


def missing_file(name: str) -> FileMissing:
    return FileMissing(
        f"no file at {name}: check the integration's path, or wait until it is delivered",
        retry_in_place=False,
    )


def nothing_matches(shown: str, unfinished: Sequence[str] = ()) -> NothingMatches:
    if unfinished:
        return NothingMatches(
            f"{shown}: {len(unfinished):,} files are unfinished by their names (such as {unfinished[0]}), "
            "and no other file matches; wait, or see `unfinished`",
            retry_in_place=False,
        )
    return NothingMatches(
        f"no file matches {shown}: check the integration's path, or wait for a delivery",
        retry_in_place=False,
    )


def printable(path: str) -> str:
    """A path as valid text: bytes that are not UTF-8 become \\xNN, for Postgres refuses surrogates."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


class ExtraMissing(Permanent):
    """A library that is installed with an extra only."""

    def __init__(self, what: str, extra: str) -> None:
        self.remedy = f"pip install 'etl-tui[{extra}]' where the workers run"
        super().__init__(f"{what} needs a library that is not installed: {self.remedy}")


@dataclass(frozen=True, slots=True)
class Selection:
    """What to look for; the patterns are below `base`, and all in one place."""

    patterns: Sequence[str]
    exclude: Sequence[str] = ()
    unfinished: Sequence[str] = field(default=())
