"""A batch's stored payload: raw records as one version byte and zstd level 1 over JSON.

JSON because it is what sources speak and what a person can read in need; bytes rather than jsonb because
jsonb refuses NUL and is four times slower. What is not JSON becomes its JSON text on the way in: datetimes,
dates and UUIDs ISO 8601 text, Decimal its digits, bytes base64. NaN and infinities become null: JSON has
none. So a record that was carried on in memory loads exactly as the same record read back from here
(`workers.transform` holds to the same rules).
"""

from __future__ import annotations

import io
import json
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any, overload

import msgspec
import zstandard

from etl_core.coercion import as_json
from etl_core.connector import Record
from etl_core.errors import Permanent

RAW = b"\x01"
"""Raw records, UTF-8 JSON."""
RAW_ASCII = b"\x02"
"""Raw records, JSON in ASCII escapes: the only form that carries a lone surrogate to where it is rejected."""

TYPED = b"\x03"
"""Typed rows of a transform worker that does not load (`workers.typed_payload`)."""
RECORDS = [RAW[0], RAW_ASCII[0]]
"""Versions that hold records as they were extracted: what the holder of a run can take up."""
READABLE = [*RECORDS, TYPED[0]]
"""Versions that this program reads: it takes no batch of another."""

MAX_BYTES = 256 * 1024 * 1024
"""The largest page, uncompressed: decoding must not take the worker's memory, whatever was stored."""

LARGE = 16 * 1024 * 1024
"""Of a page's text in bytes: from here on memory counts more than the time to decode records one by one."""

PIECE = 4 * 1024 * 1024
"""Bytes of text of such a page whose records are there as objects at one time."""

_undecoded = msgspec.json.Decoder(dict[str, list[msgspec.Raw]]).decode

_CHUNK = 4 * 1024 * 1024
_MOST_HEADER = 18
"""Bytes of a zstd frame's header."""


class UnreadablePayload(Permanent):
    """A stored payload is damaged, of another version, or larger than a worker may hold."""


class UnstorablePage(Permanent):
    """A page holds what JSON cannot say, or is too large to be read back."""


def encode(records: Mapping[str, Sequence[Record]], *, max_bytes: int = MAX_BYTES) -> bytes:
    """The payload of one page: stream name -> its records.

    Raises:
        UnstorablePage: naming what cannot be encoded, or the size in bytes that is too large.
    """
    version = RAW
    try:
        text = msgspec.json.encode(records, enc_hook=as_json)
    except UnicodeEncodeError:
        version = RAW_ASCII
        text = json.dumps(
            msgspec.to_builtins(records, str_keys=True, enc_hook=as_json), ensure_ascii=True
        ).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise UnstorablePage(f"the connector yielded a record that is not JSON: {error}") from error
    if len(text) > max_bytes:
        raise UnstorablePage(
            f"a page of {len(text)} bytes is larger than {max_bytes}: the connector must yield smaller pages"
        )
    return compress(version, text)


def decode(payload: bytes, *, max_bytes: int = MAX_BYTES) -> dict[str, Sequence[Record]]:
    """The records of a stored payload; at most `max_bytes` are ever uncompressed.

    Raises:
        UnreadablePayload: unknown version, damaged, or more than `max_bytes` when uncompressed.
    """
    version = payload[:1]
    if version not in (RAW, RAW_ASCII):
        raise UnreadablePayload(
            f"this batch was stored in payload version {version.hex() or '(empty)'}, "
            "which this program does not know: run the version that stored it, or newer"
        )
    try:
        text = decompress(payload, max_bytes)
        decoded: Any = _decode_text(text) if version == RAW else json.loads(text)
    except (zstandard.ZstdError, ValueError, RecursionError) as error:
        raise UnreadablePayload(f"the stored payload of this batch is damaged: {error}") from error
    if not isinstance(decoded, dict):
        raise UnreadablePayload("the stored payload of this batch is damaged: it is not a JSON object")
    return decoded


def _decode_text(text: bytes) -> Any:
    if len(text) < LARGE:
        return msgspec.json.decode(text)
    return {name: DecodedLate(records) for name, records in _undecoded(text).items()}


class DecodedLate(Sequence[Record]):
    """Records of a large page, each decoded when it is asked for: objects take three times the text."""

    def __init__(self, records: list[msgspec.Raw]) -> None:
        self._records = records

    @overload
    def __getitem__(self, at: int) -> Record: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Record]: ...
    def __getitem__(self, at: int | slice) -> Record | Sequence[Record]:
        if isinstance(at, slice):
            return DecodedLate(self._records[at])
        record: Record = msgspec.json.decode(self._records[at])
        return record

    def __len__(self) -> int:
        return len(self._records)

    @property
    def at_once(self) -> int:
        """How many of them may be there decoded: about `PIECE` bytes of text."""
        size = sum(len(memoryview(record)) for record in self._records)
        return max(1, len(self._records) * PIECE // max(size, 1))


def decoded_size(payload: bytes | None) -> int:
    """Bytes of a payload's JSON, uncompressed, as its frame says (`encode` writes it).

    Its beginning is enough; of one that is damaged or gone 0, for whoever decodes it says so.
    """
    try:
        return max(0, int(zstandard.frame_content_size((payload or b"")[1 : 1 + _MOST_HEADER])))
    except zstandard.ZstdError:
        return 0


def encode_record(record: Record) -> bytes:
    """One record as JSON, for people and for a replay; never fails on what a source can send."""
    try:
        return msgspec.json.encode(record, enc_hook=as_json)
    except (TypeError, ValueError, RecursionError):
        try:
            return json.dumps(record, ensure_ascii=True, default=str).encode("ascii")
        except (TypeError, ValueError, RecursionError):
            return ascii(reprlib.repr(record)).encode("ascii")  # nested without end: its beginning


def compress(version: bytes, body: bytes) -> bytes:
    """A payload: its version, and the body as zstd level 1, its frame saying the size."""
    # Into one buffer, which is then the answer: a page may be large, and each copy of it is memory.
    payload = io.BytesIO()
    payload.write(version)
    compressor = zstandard.ZstdCompressor(level=1)
    with compressor.stream_writer(payload, size=len(body), closefd=False) as writer:
        writer.write(body)
    return payload.getvalue()


def decompress(payload: bytes, max_bytes: int = MAX_BYTES) -> bytes:
    """The body of a payload, at most so many bytes; raises UnreadablePayload or ZstdError."""
    body = memoryview(payload)[1:]
    size = zstandard.frame_content_size(body)
    if 0 < size <= max_bytes:  # a frame that has more than it says is refused
        return zstandard.ZstdDecompressor().decompress(body)
    return _decompress_unsized(body, max_bytes)


def _decompress_unsized(body: memoryview, max_bytes: int) -> bytes:
    """By the stream, since a frame's header may say nothing about its size."""
    parts: list[bytes] = []
    size = 0
    with zstandard.ZstdDecompressor().stream_reader(body) as reader:
        while chunk := reader.read(_CHUNK):
            size += len(chunk)
            if size > max_bytes:
                raise UnreadablePayload(
                    f"the stored payload is larger than {max_bytes} bytes when uncompressed"
                )
            parts.append(chunk)
    return b"".join(parts)
