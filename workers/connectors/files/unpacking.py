"""Streams that unpack, in bounded memory, and tell data that is cut short."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import zstandard

from etl_core.errors import Permanent

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGIC = b"PK\x03\x04"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
UNASKED = 256 << 20
"""Unpacked bytes below which no ratio is looked at."""
_FED = 1 << 10
"""Bytes fed at once: a block of 4 bytes can mean 128 KB, so 1 KB is 32 MB at most."""
_MAX_WINDOW = 1 << 27
"""Bytes, as zstd's own program allows unless told otherwise."""


def is_zstd(start: bytes) -> bool:
    """A frame, or one that decoders skip (pzstd writes them)."""
    return start == _ZSTD_MAGIC or (start[1:] == b"\x2a\x4d\x18" and 0x50 <= start[0] <= 0x5F)


class Unzstd(io.RawIOBase):
    """All frames of a zstd file, one behind the other.

    zstandard's own reader ends in silence where a file is cut short; this one raises EOFError("zstd").
    """

    def __init__(self, packed: io.BufferedReader[Any]) -> None:
        self._packed = packed
        self._make = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).decompressobj
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._waiting = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        while not self._ready:
            if not self._feed():
                return 0
        view = memoryview(buffer).cast("B")
        count = min(len(view), len(self._ready))
        view[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _feed(self) -> bool:
        """False at the end of the file."""
        data = self._waiting or self._packed.read(_FED)
        self._waiting = b""
        if not data:
            if self._frame is not None:
                raise EOFError("zstd")
            return False
        if self._frame is None:
            self._frame = self._make()
        self._ready = memoryview(self._frame.decompress(data))
        if self._frame.eof:
            self._waiting = self._frame.unused_data
            self._frame = None
        return True


class Bounded(io.RawIOBase):
    """An unpacking stream that refuses to yield far more than anything honest would."""

    def __init__(self, source: Any, packed: Callable[[], int], name: str, max_ratio: int) -> None:
        """`packed` tells how many bytes have gone in."""
        self._source = source
        self._packed = packed
        self._name = name
        self._max_ratio = max_ratio
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        count: int = self._source.readinto(buffer) or 0
        self._count += count
        if self._count > UNASKED and self._count > self._max_ratio * self._packed():
            raise Permanent(
                f"{self._name} unpacks to more than {self._max_ratio} times its size "
                f"({self._count >> 20:,} MB so far): is it a bomb? If not, set `max_ratio`"
            )
        return count

    def close(self) -> None:
        self._source.close()
        super().close()
