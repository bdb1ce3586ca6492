"""Typed rows between a transform worker that does not load and the load worker behind it.

MessagePack after one version byte, zstd level 1: a stream's name, columns and key, its rows as they are
staged, and which fields each row had. The load worker needs no connector. If the table was widened
meanwhile, the values are brought into their new types as if they had come from the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import zstandard

from etl_core.connector import ColumnType, Stream
from workers.payload import MAX_BYTES, TYPED, UnreadablePayload, UnstorablePage, compress, decompress
from workers.transform import TypedRows, key_of, transform_records


class _Part(msgspec.Struct, array_like=True):
    stream: Stream
    rows: list[tuple[Any, ...]]
    present: list[int | str]
    """More than 64 columns do not fit into an integer of MessagePack: then hexadecimal."""
    folded: int
    unknown_fields: dict[str, int]
    rejected_keys: list[tuple[Any, ...]] = []
    rejects_without_key: int = 0


_decode = msgspec.msgpack.Decoder(list[_Part]).decode
"""Made here, and with it what msgspec keeps of `_Part` and `Stream`: threads that use a type for the first
time at the same moment find that half made, and the process ends by a segmentation fault (msgspec 0.22)."""


def encode_typed(rows: Sequence[TypedRows], *, max_bytes: int = MAX_BYTES) -> bytes:
    """The payload of a batch's rows. Their rejects are stored apart; here are only the keys of those, by
    which a walk through a whole stream knows that they are in the source.

    Raises:
        UnstorablePage: too large to be read back.
    """
    parts = [
        _Part(
            each.stream,
            each.rows,
            [bits if bits < 1 << 63 else f"{bits:x}" for bits in each.present],
            each.folded,
            each.unknown_fields,
            each.rejected_keys,
            each.rejects_without_key,
        )
        for each in rows
    ]
    body = msgspec.msgpack.encode(parts)
    if len(body) > max_bytes:
        raise UnstorablePage(
            f"a batch of {len(body)} bytes is larger than {max_bytes}: the connector must yield smaller pages"
        )
    return compress(TYPED, body)


def decode_typed(payload: bytes) -> list[TypedRows]:
    """Raises: UnreadablePayload: damaged, or of another version."""
    if payload[:1] != TYPED:
        raise UnreadablePayload(f"payload version {payload[:1].hex()} does not hold typed rows")
    try:
        parts = _decode(decompress(payload))
    except (zstandard.ZstdError, msgspec.DecodeError) as error:
        raise UnreadablePayload(f"the stored payload of this batch is damaged: {error}") from error
    return [
        TypedRows(
            part.stream,
            part.rows,
            [bits if isinstance(bits, int) else int(bits, 16) for bits in part.present],
            folded=part.folded,
            unknown_fields=part.unknown_fields,
            rejected_keys=part.rejected_keys,
            rejects_without_key=part.rejects_without_key,
        )
        for part in parts
    ]


def retyped(rows: TypedRows, stream: Stream) -> TypedRows:
    """The same rows for `stream`, whose columns may be wider by now."""
    if rows.stream.columns == stream.columns:
        return rows
    names = [column.name for column in rows.stream.columns]
    is_json = [column.type is ColumnType.JSONB for column in rows.stream.columns]
    records = [
        {
            name: msgspec.json.decode(str(value)) if json and value is not None else value
            for i, (name, value, json) in enumerate(zip(names, row, is_json, strict=True))
            if present >> i & 1
        }
        for row, present in zip(rows.rows, rows.present, strict=True)
    ]
    again = transform_records(_AsItIs(), stream, records)
    again.folded += rows.folded
    again.unknown_fields = rows.unknown_fields
    again.rejects_without_key += rows.rejects_without_key
    for rejected in rows.rejected_keys:
        key = key_of(stream, dict(zip(rows.stream.key, rejected, strict=True)))
        if key is None:
            again.rejects_without_key += 1
        else:
            again.rejected_keys.append(key)
    return again


class _AsItIs:
    def transform(self, stream: Stream, record: Any) -> Any:
        return record
