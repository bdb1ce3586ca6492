"""A file's bytes: decompressed, recoded where lines cannot be cut from bytes, and stoppable."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from etl_core.errors import Permanent, Transient
from workers.connectors.files.locate import missing_file, not_permitted, printable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CHUNK = 1 << 16
_GZIP_MAGIC = b"\x1f\x8b"


class Stopped(Exception):
    """The run was cancelled while a thread was reading for it."""


class WatchedFile(io.FileIO):
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


class _Recoded(io.RawIOBase):
    """Bytes of any encoding as UTF-8 bytes, for encodings in which a line does not end with the byte LF."""

    def __init__(self, source: io.BufferedReader[Any], encoding: str) -> None:
        self._source = source
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._ready = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        while not self._ready and not self._ended:
            chunk = self._source.read1(CHUNK)
            self._ended = not chunk
            self._ready = self._decoder.decode(chunk, final=self._ended).encode()
        view = memoryview(buffer)
        part = self._ready[: len(view)]
        view[: len(part)] = part
        self._ready = self._ready[len(part) :]
        return len(part)


@dataclass(frozen=True, slots=True)
class FileStat:
    """What tells a changed file from afar."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, target: int | str) -> FileStat:
        found = os.stat(target)  # noqa: PTH116 - a descriptor has no path
        return cls(found.st_size, found.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class OpenFile:
    """An open source: `text` gives the bytes of lines in `encoding`, `raw` is the file on disk."""

    raw: WatchedFile
    on_disk: io.BufferedReader[Any]
    text: io.BufferedReader[Any]
    encoding: str
    stop: threading.Event

    @property
    def is_plain(self) -> bool:
        """Whether offsets in `text` are offsets on disk."""
        return self.text is self.on_disk

    def skip(self, count: int, position: int) -> None:
        """Moves `text` from `position` to `count` bytes further."""
        if self.is_plain:
            self.text.seek(position + count)
            return
        while count > 0:
            self.ask_whether_to_go_on()
            skipped = len(self.text.read(min(count, CHUNK)))
            if not skipped:
                return
            count -= skipped

    def ask_whether_to_go_on(self) -> None:
        """For loops that may run long without a read from disk: gzip makes a thousand bytes of one.

        Raises:
            Stopped: the run was cancelled.
        """
        if self.stop.is_set():
            raise Stopped

    def drain(self) -> None:
        """Reads what is left on disk (padding behind gzip data), so that a digest covers all of it."""
        while self.on_disk.read(CHUNK):
            pass

    def close(self) -> None:
        for layer in (self.text, self.on_disk, self.raw):
            layer.close()


def open_file(path: str, encoding: str, stop: threading.Event, digest: blake2b | None = None) -> OpenFile:
    """Opens a file; gzip is told from its first bytes, whatever its name.

    Raises:
        Permanent: it is called .gz and is none, or it is empty.
    """
    raw = WatchedFile(path, stop, digest)
    try:
        on_disk: io.BufferedReader[Any] = io.BufferedReader(raw, CHUNK)
        start = on_disk.peek(4)[:4]
        _expect_good_start(path, start, encoding)
        text = on_disk
        if start.startswith(_GZIP_MAGIC):
            unpacked: Any = gzip.GzipFile(fileobj=on_disk)  # raw enough for a buffer, not for its stub
            text = io.BufferedReader(unpacked, CHUNK)
        if "\r\n".encode(encoding) != b"\r\n":
            return OpenFile(raw, on_disk, io.BufferedReader(_Recoded(text, encoding), CHUNK), "utf-8", stop)
        return OpenFile(raw, on_disk, text, encoding, stop)
    except BaseException:
        raw.close()
        raise


def _expect_good_start(path: str, start: bytes, encoding: str) -> None:
    if not start:
        raise Permanent(f"{printable(path)} is empty; deliver it again, or take it away")
    if path.endswith(".gz") and not start.startswith(_GZIP_MAGIC):
        raise Permanent(f"{printable(path)} is called .gz but is not gzip; rename it or deliver it again")
    if encoding == "utf-8" and start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Permanent(f'{printable(path)} begins like UTF-16, not UTF-8; set `encoding` to "utf-16"')


@contextmanager
def reading_errors(path: str, encoding: str) -> Iterator[None]:
    """Turns what reading can raise into one sentence for people."""
    name = printable(path)
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise missing_file(name) from None
    except PermissionError:
        raise not_permitted(name) from None
    except EOFError:
        raise Permanent(f"{name} is cut short: its gzip data ends too early; deliver it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise Permanent(
            f"{name} is damaged: its gzip data is not valid ({error}); deliver it again"
        ) from None
    except UnicodeError as error:
        raise Permanent(
            f"{name} is not {encoding} ({error}); set `encoding`, for example to cp1252"
        ) from None
    except OSError as error:
        raise Transient(f"{name} could not be read: {error.strerror or error}") from None
