"""Files on a disk of the worker."""

from __future__ import annotations

import glob
import io
import os
import stat
import threading
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from etl_core.errors import Permanent, SourceError, Transient
from workers.connectors.files.places.files import (
    Copy,
    FileMissing,
    Found,
    Raw,
    Selection,
    SourceFile,
    Stopped,
    Version,
    missing_file,
    nothing_matches,
    printable,
)
from workers.connectors.files.places.patterns import common_folder, is_locked, matches_any, split_pattern
from workers.connectors.files.threads import in_thread

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class WatchedFile(io.FileIO, Raw):
    """A file whose every read asks whether to go on, and digests what passes if it was given a digest."""

    def __init__(self, path: str, stop: threading.Event, digest: blake2b | None = None) -> None:
        super().__init__(path, "rb")
        self._stop = stop
        self._digest = digest

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if self._stop.is_set():
            raise Stopped
        count = super().readinto(buffer) or 0
        if self._digest is not None:
            self._digest.update(memoryview(buffer)[:count])
        return count


class LocalCopy:
    """The file itself."""

    fingerprint = None

    def __init__(self, path: str) -> None:
        self._path = path

    def open(self, stop: threading.Event, digest: blake2b | None = None) -> WatchedFile:
        return WatchedFile(self._path, stop, digest)

    def version(self, raw: Raw) -> Version:
        return _version(os.fstat(raw.fileno()))


class LocalPlace:
    """Paths that this process can open."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection

    async def find(self) -> Found:
        return await in_thread(threading.Event(), find_local, self._selection)

    async def look(self, file: SourceFile) -> Version:
        return await in_thread(threading.Event(), look_at, file.path)

    async def fetch(self, file: SourceFile) -> Copy:
        return LocalCopy(file.path)

    def forget(self, file: SourceFile) -> None:
        """Keeps nothing."""

    async def close(self) -> None:
        """Holds nothing."""


def look_at(path: str) -> Version:
    """Raises SourceError."""
    try:
        return _version(_stat(path))
    except OSError as error:
        raise Transient(f"{printable(path)} could not be looked at: {error.strerror or error}") from None


def _stat(path: str) -> os.stat_result:
    """Raises: SourceError: it is not there, or not ours to see. OSError: anything else."""
    try:
        return os.stat(path)  # noqa: PTH116 - an undecodable name stays as it is
    except (FileNotFoundError, NotADirectoryError):
        raise missing_file(printable(path)) from None
    except PermissionError:
        raise not_permitted(printable(path)) from None


def find_local(selection: Selection) -> Found:
    """The regular files that the patterns mean, each once, in the order of their partitions.

    A pattern passes over folders and over files that vanish meanwhile; a file whose name looks like a pattern
    is taken as the file.

    Raises:
        Transient: nothing there yet (not worth waiting for inside the run).
        Permanent: a folder, a pipe, or a folder on the way that may not be entered.
    """
    patterns = selection.patterns
    if len(patterns) == 1 and (single := _single(patterns[0])) is not None:
        return Found([single])
    base = common_folder(patterns)
    found: dict[str, SourceFile] = {}
    unfinished: list[str] = []
    beside: dict[str, frozenset[str]] = {}
    for pattern in patterns:
        for path, version in _matching(pattern):
            partition = printable(os.path.relpath(path, base))
            folder, name = os.path.split(path)
            if path in found or matches_any(partition, selection.exclude):
                continue
            if matches_any(partition, selection.unfinished):
                unfinished.append(partition)
                continue
            if folder not in beside:
                beside[folder] = _names_in(folder)
            found[path] = SourceFile(
                path,
                partition,
                from_pattern=bool(split_pattern(pattern)[1]) or len(patterns) > 1,
                version=version,
                locked=is_locked(name, beside[folder]),
            )
    if not found:
        raise nothing_matches(", ".join(map(printable, patterns)), unfinished)
    return Found(sorted(found.values(), key=lambda file: file.partition), unfinished)


def _single(path: str) -> SourceFile | None:
    """The one file that a path without a pattern means; None for a pattern."""
    pattern = split_pattern(path)[1]
    if pattern and not os.path.isfile(path):  # noqa: PTH113 - the other one raises where it may not look
        return None
    version = _expect_regular_file(path)
    folder, name = os.path.split(path)
    locked = is_locked(name, _names_in(folder))
    return SourceFile(path, printable(Path(path).name), from_pattern=False, version=version, locked=locked)


def _matching(pattern: str) -> Sequence[tuple[str, Version]]:
    fixed, rest = split_pattern(pattern)
    if not rest or os.path.isfile(pattern):  # noqa: PTH113
        try:
            return [(pattern, _expect_regular_file(pattern))]
        except FileMissing:
            return []  # one of several: the others may be there
    _expect_listable(fixed)
    found = []
    for path in glob.iglob(pattern, recursive=True):  # noqa: PTH207 - patterns are those of a shell
        try:
            at = os.stat(path)  # noqa: PTH116 - glob gives text, and there may be many
        except OSError:
            continue
        if stat.S_ISREG(at.st_mode):
            found.append((path, _version(at)))
    return found


def _version(at: os.stat_result) -> Version:
    return Version(at.st_size, at.st_mtime_ns)


def _names_in(folder: str) -> frozenset[str]:
    try:
        return frozenset(name for name in os.listdir(folder) if "lock" in name)  # noqa: PTH208
    except OSError:
        return frozenset()


def _expect_listable(folder: str) -> None:
    """A pattern finds nothing in a folder that may not be listed, which is not the same as an empty one."""
    try:
        os.scandir(folder).close()
    except PermissionError:
        raise not_permitted(printable(folder)) from None
    except OSError:
        return


def _expect_regular_file(path: str) -> Version:
    name = printable(path)
    try:
        at = _stat(path)
    except OSError as error:
        raise Permanent(f"{name} cannot be looked at: {error.strerror}") from None
    if stat.S_ISDIR(at.st_mode):
        raise Permanent(f"{name} is a folder; give a file or a pattern, such as {name.rstrip('/')}/*.csv")
    if not stat.S_ISREG(at.st_mode):
        raise Permanent(f"{name} is no regular file (a pipe, socket or device), so it cannot be read twice")
    return _version(at)


def not_permitted(name: str) -> SourceError:
    return Permanent(
        f"{name} may not be read by user id {os.geteuid()}; mend the permissions on it or above it"
    )
