"""A file's bytes: unpacked, recoded where lines cannot be cut from bytes, and stoppable."""

from __future__ import annotations

import codecs
import gzip
import io
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import zstandard

from etl_core.errors import Permanent, Transient
from workers.connectors.files.places.files import Changed, Copy, Raw, Stopped, Version, missing_file
from workers.connectors.files.places.local import not_permitted
from workers.connectors.files.unpacking import GZIP_MAGIC, ZIP_MAGIC, Bounded, Unzstd, is_zstd

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CHUNK = 1 << 16


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
class OpenFile:
    """An open source: `text` gives the bytes of lines in `encoding`, `raw` is the file as it is stored."""

    raw: Raw
    on_disk: io.BufferedReader[Any]
    text: io.BufferedReader[Any]
    encoding: str
    stop: threading.Event
    copy: Copy

    @property
    def is_plain(self) -> bool:
        """Whether offsets in `text` are offsets on disk."""
        return self.text is self.on_disk

    def version(self) -> Version:
        """What the file is now."""
        return self.copy.version(self.raw)

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

    def seekable(self) -> io.BufferedReader[Any]:
        """`text` for formats that jump about; what is packed is unpacked onto the disk first."""
        if self.is_plain:
            return self.text
        unpacked = tempfile.TemporaryFile(prefix="etl-tui-files-")  # noqa: SIM115 - closed by who reads it
        while data := self.text.read(CHUNK):
            self.ask_whether_to_go_on()
            unpacked.write(data)
        unpacked.seek(0)
        return unpacked  # type: ignore[return-value]  # a BufferedRandom reads as a BufferedReader does

    def close(self) -> None:
        for layer in (self.text, self.on_disk, self.raw):
            layer.close()


def open_file(
    copy: Copy,
    name: str,
    encoding: str | None,
    stop: threading.Event,
    digest: blake2b | None = None,
    *,
    max_ratio: int = 250,
) -> OpenFile:
    """Opens a file; how it is packed is told from its first bytes, whatever its name. A zip stays packed.

    Args:
        encoding: of lines; None for what is no text.

    Raises:
        Permanent: it is called .gz and is none, or it is empty.
    """
    raw = copy.open(stop, digest)
    try:
        on_disk: io.BufferedReader[Any] = io.BufferedReader(raw, CHUNK)
        start = on_disk.peek(4)[:4]
        _expect_good_start(name, start, encoding)
        text = _unpacked(on_disk, start, name, max_ratio)
        if encoding is not None and "\r\n".encode(encoding) != b"\r\n":
            recoded = io.BufferedReader(_Recoded(text, encoding), CHUNK)
            return OpenFile(raw, on_disk, recoded, "utf-8", stop, copy)
        return OpenFile(raw, on_disk, text, encoding or "utf-8", stop, copy)
    except BaseException:
        raw.close()
        raise


def _unpacked(
    packed: io.BufferedReader[Any], start: bytes, name: str, max_ratio: int
) -> io.BufferedReader[Any]:
    source: Any
    if start.startswith(GZIP_MAGIC):
        source = gzip.GzipFile(fileobj=packed)
    elif is_zstd(start):
        source = Unzstd(packed)
    else:
        return packed
    return io.BufferedReader(Bounded(source, packed.raw.tell, name, max_ratio), CHUNK)


def open_member(
    outer: OpenFile,
    archive: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    name: str,
    *,
    encoding: str | None,
    max_ratio: int,
) -> OpenFile:
    """A member of a zip, which may itself be packed by gzip or zstd."""
    if info.flag_bits & 0x1:
        raise Permanent(f"{name} is encrypted; deliver it without a password")
    member: Any = archive.open(info)
    bounded = Bounded(member, lambda: info.compress_size, name, max_ratio)
    packed: io.BufferedReader[Any] = io.BufferedReader(bounded, CHUNK)
    start = packed.peek(4)[:4]
    _expect_good_start(name, start, encoding)
    text = packed
    if start.startswith(GZIP_MAGIC) or is_zstd(start):
        inner: Any = gzip.GzipFile(fileobj=packed) if start.startswith(GZIP_MAGIC) else Unzstd(packed)
        text = io.BufferedReader(Bounded(inner, lambda: info.compress_size, name, max_ratio), CHUNK)
    if encoding is not None and "\r\n".encode(encoding) != b"\r\n":
        text, encoding = io.BufferedReader(_Recoded(text, encoding), CHUNK), "utf-8"
    return OpenFile(outer.raw, outer.on_disk, text, encoding or "utf-8", outer.stop, outer.copy)


def is_zip(source: OpenFile) -> bool:
    return source.is_plain and source.text.peek(4)[:4] in (ZIP_MAGIC, b"PK\x05\x06")


def _expect_good_start(name: str, start: bytes, encoding: str | None) -> None:
    if not start:
        raise Permanent(f"{name} is empty; deliver it again, or take it away")
    for suffix, what, is_so in (
        (".gz", "gzip", start.startswith(GZIP_MAGIC)),
        (".zst", "zstd", is_zstd(start)),
        (".zip", "zip", start in (ZIP_MAGIC, b"PK\x05\x06")),
    ):
        if name.endswith(suffix) and not is_so:
            raise Permanent(f"{name} is called {suffix} but is not {what}; rename it or deliver it again")
    if encoding == "utf-8" and start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Permanent(f'{name} begins like UTF-16, not UTF-8; set `encoding` to "utf-16"')


@contextmanager
def unless_changed(source: OpenFile, version: Version) -> Iterator[None]:
    """Whatever a file looked like, or failed with, that was written to meanwhile says nothing.

    Raises:
        Changed: it is not of that version (any more), before or behind what is done with it.
    """
    if source.version() != version:
        raise Changed
    try:
        yield
    except (Stopped, Changed):
        raise
    except Exception:
        if source.version() != version:
            raise Changed from None
        raise
    if source.version() != version:
        raise Changed


@contextmanager
def reading_errors(name: str, encoding: str) -> Iterator[None]:
    """Turns what reading can raise into one sentence for people."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise missing_file(name) from None
    except PermissionError:
        raise not_permitted(name) from None
    except EOFError as error:
        kind = str(error) if str(error) in ("zstd", "zip") else "gzip"
        raise Permanent(f"{name} is cut short: its {kind} data ends too early; deliver it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise Permanent(
            f"{name} is damaged: its gzip data is not valid ({error}); deliver it again"
        ) from None
    except zipfile.BadZipFile as error:
        raise Permanent(
            f"{name} is damaged or cut short: not a valid zip ({error}); deliver it again"
        ) from None
    except zstandard.ZstdError as error:
        raise Permanent(f"{name} cannot be unpacked: {error}; deliver it again") from None
    except NotImplementedError as error:
        raise Permanent(f"{name} is packed in a way that is not known here ({error})") from None
    except UnicodeError as error:
        raise Permanent(
            f"{name} is not {encoding} ({error}); set `encoding`, for example to cp1252"
        ) from None
    except OSError as error:
        raise Transient(f"{name} could not be read: {error.strerror or error}") from None
