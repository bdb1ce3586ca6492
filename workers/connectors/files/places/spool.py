"""Downloaded files on this machine's disk, so that a slow load holds up no server.

All lie one behind the other in one file without a name: whatever happens to the process, nothing is left.
What fits into the room is kept for the second reading; what does not is overwritten by the next one.
"""

from __future__ import annotations

import io
import os
import tempfile
import threading
from hashlib import blake2b
from typing import TYPE_CHECKING, BinaryIO

from etl_core.errors import Transient
from workers.connectors.files.places.files import Raw, Stopped, Version

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

ROOM = 2 << 30
"""Bytes of all that is kept at once; one file may be larger."""


class Region(Raw):
    """A part of the spool, read by position: any number of readers may."""

    def __init__(
        self, file: BinaryIO, start: int, size: int, stop: threading.Event, digest: blake2b | None = None
    ) -> None:
        self._file = file
        self._start = start
        self._size = size
        self._at = 0
        self._stop = stop
        self._digest = digest

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if self._stop.is_set():
            raise Stopped
        view = memoryview(buffer).cast("B")[: max(0, self._size - self._at)]
        count = os.preadv(self._file.fileno(), [view], self._start + self._at) if len(view) else 0
        self._at += count
        if self._digest is not None:
            self._digest.update(view[:count])
        return count


class SpooledCopy:
    """A downloaded file as it was; it does not change any more."""

    def __init__(self, file: BinaryIO, start: int, size: int, version: Version, fingerprint: str) -> None:
        self._file = file
        self._start = start
        self._size = size
        self._version = version
        self.fingerprint: str | None = fingerprint

    def open(self, stop: threading.Event, digest: blake2b | None = None) -> Region:
        return Region(self._file, self._start, self._size, stop, digest)

    def version(self, raw: Raw) -> Version:
        return self._version


class Writing:
    """A download under way."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file = file
        self._start = start
        self.size = 0
        self._digest = blake2b(digest_size=16)

    def write(self, data: bytes) -> None:
        """Raises Transient: the disk is full."""
        view = memoryview(data)
        try:
            while view:
                written = os.pwrite(self._file.fileno(), view, self._start + self.size)
                self._digest.update(view[:written])
                self.size += written
                view = view[written:]
        except OSError as error:
            raise Transient(
                f"no room for a downloaded file in {tempfile.gettempdir()} ({error.strerror}): "
                "make room there, or set TMPDIR for the workers",
                retry_in_place=False,
            ) from None

    def begin_anew(self) -> None:
        self.size = 0
        self._digest = blake2b(digest_size=16)

    @property
    def fingerprint(self) -> str:
        return self._digest.hexdigest()


class Spool:
    """See the module. One download at a time."""

    def __init__(self) -> None:
        self._file: BinaryIO | None = None
        self._end = 0
        """Behind what is kept."""
        self._kept: dict[str, SpooledCopy] = {}

    def find(self, path: str) -> SpooledCopy | None:
        """The copy that was downloaded before, if it is kept."""
        return self._kept.get(path)

    def begin(self) -> Writing:
        """For a download; the one before it that was not kept is gone."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="etl-tui-files-", buffering=0)  # noqa: SIM115
        return Writing(self._file, self._end)

    def finish(self, path: str, writing: Writing, version: Version) -> SpooledCopy:
        assert self._file is not None  # noqa: S101 - `begin` made it
        copy = SpooledCopy(self._file, self._end, writing.size, version, writing.fingerprint)
        if self._end + writing.size <= ROOM:
            self._end += writing.size
            self._kept[path] = copy
        return copy

    def forget(self, path: str) -> None:
        """The copy is not what is wanted: it is downloaded again."""
        self._kept.pop(path, None)

    def close(self) -> None:
        """Gives the room back; used again, it begins with nothing."""
        if self._file is not None:
            self._file.close()
        self._file = None
        self._kept.clear()
        self._end = 0
