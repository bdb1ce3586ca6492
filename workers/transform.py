"""From a stream's raw records to typed rows of its destination table.

Pure and synchronous: a batch of 5,000 takes some tens of milliseconds, so a worker calls it through
`asyncio.to_thread`. A record that does not fit is rejected alone; the rest goes on.

- An absent field is not null: each row knows which of its columns the record had.
- Records of the same key are folded, in order: a later record's present fields win.
- Fields that are no column of the stream are left out and counted in `unknown_fields`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from math import isfinite
from typing import Any, Final, Protocol

import msgspec

from etl_core.coercion import COERCERS, NOT_COERCIBLE, Coercer, Staged, reason_for
from etl_core.connector import ColumnType, Record, Stream
from etl_core.errors import BadRecord
from workers.payload import encode_record

Row = tuple[Staged, ...]

MAX_KEY_BYTES: Final = 2_600
"""What a row of a PostgreSQL index surely holds (2,704 bytes less its header)."""
_MAX_REASON = 500
_MAX_UNKNOWN = 100
_MISSING: Final[Any] = object()


class Transforms(Protocol):
    """The one method of a connector that is needed here."""

    def transform(self, stream: Stream, record: Record) -> Record: ...


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that cannot be loaded, as `rejected_records` keeps it."""

    stream: str
    reason: str
    payload: bytes
    """The record as it came, JSON, or the raw text of what was none."""
    hash: bytes
    """BLAKE2b of the payload, 16 bytes: the same record rejected again is the same reject."""

    @classmethod
    def of(cls, stream: str, record: Record, reason: str) -> Reject:
        return cls._of_bytes(stream, encode_record(record), reason)

    @classmethod
    def of_text(cls, stream: str, payload: str, reason: str) -> Reject:
        """What could not be read as a record at all; lone surrogates as the escapes of Python."""
        return cls._of_bytes(stream, payload.encode("utf-8", "backslashreplace"), reason)

    @classmethod
    def _of_bytes(cls, stream: str, payload: bytes, reason: str) -> Reject:
        printable = reason.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
        digest = hashlib.blake2b(payload, digest_size=16).digest()
        return cls(stream, printable[:_MAX_REASON], payload, digest)


@dataclass(slots=True)
class TypedRows:
    """Rows of one stream, ready to be staged."""

    stream: Stream
    rows: list[Row] = field(default_factory=list)
    """Values in the order of `stream.columns`; None for null and for absent."""
    present: list[int] = field(default_factory=list)
    """Per row, bit i: the record had column i."""
    rejects: list[Reject] = field(default_factory=list)
    folded: int = 0
    """Records that went into the row of an earlier record with the same key."""
    unknown_fields: dict[str, int] = field(default_factory=dict)
    """Field -> records that had it, for fields that are no column; the first 100 fields."""
    origins: list[int] = field(default_factory=list)
    """Per row, the place of its record among those transformed; -1 when several were folded into it. Empty
    when that is not known any more."""
    rejected_keys: list[Row] = field(default_factory=list)
    """Keys of rejected records that have one: their rows in the table are not gone from the source."""
    rejects_without_key: int = 0
    """The other rejected records."""

    @property
    def rejected_earlier(self) -> int:
        """Rejected records that are stored already: by the worker that transformed them."""
        return len(self.rejected_keys) + self.rejects_without_key - len(self.rejects)

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, begin: int, end: int) -> TypedRows:
        """Its rows from `begin` to before `end`, and nothing else of it."""
        return TypedRows(
            self.stream,
            self.rows[begin:end],
            self.present[begin:end],
            origins=self.origins[begin:end],
        )

    def key(self, at: int) -> Row:
        """The key of a row, its parts in the order of `stream.key`."""
        row = self.rows[at]
        return tuple(row[i] for i in _compile(self.stream).key)

    def record(self, at: int) -> Record:
        """The row's record as far as it is known from the row: its fields as they are staged."""
        row, present = self.rows[at], self.present[at]
        return {
            column.name: msgspec.Raw(value.encode())
            if column.type is ColumnType.JSONB and isinstance(value, str)
            else value
            for i, (column, value) in enumerate(zip(self.stream.columns, row, strict=True))
            if present >> i & 1
        }


def transform_records(connector: Transforms, stream: Stream, records: Iterable[Record]) -> TypedRows:
    """The typed rows of `records`, in order; `stream` with the column types that its table has.

    What `connector.transform` raises other than BadRecord is a defect and goes through.
    """
    compiled = _compile(stream)
    result = TypedRows(stream)
    by_key: dict[Row, int] = {}
    for place, record in enumerate(records):
        made: Record | None = None
        try:
            made = connector.transform(stream, record)
            row, present = _row(compiled, made, result.unknown_fields)
        except BadRecord as error:
            result.rejects.append(Reject.of(stream.name, record, str(error)))
            rejected_key = None if made is None else _key_of(compiled, made)
            if rejected_key is None:
                result.rejects_without_key += 1
            else:
                result.rejected_keys.append(rejected_key)
            continue
        if compiled.key:
            key = tuple(row[i] for i in compiled.key)
            at = by_key.setdefault(key, len(result.rows))
            if at < len(result.rows):
                result.rows[at], result.present[at] = _fold(result.rows[at], result.present[at], row, present)
                result.origins[at] = -1
                result.folded += 1
                continue
        result.rows.append(row)
        result.present.append(present)
        result.origins.append(place)
    return result


@dataclass(frozen=True, slots=True)
class _Compiled:
    names: frozenset[str]
    columns: tuple[tuple[str, ColumnType, Coercer, int], ...]
    key: tuple[int, ...]


@lru_cache(maxsize=256)
def _compile(stream: Stream) -> _Compiled:
    names = [column.name for column in stream.columns]
    return _Compiled(
        frozenset(names),
        tuple((c.name, c.type, COERCERS[c.type], 1 << i) for i, c in enumerate(stream.columns)),
        tuple(names.index(name) for name in stream.key),
    )


def _row(compiled: _Compiled, record: Record, unknown: dict[str, int]) -> tuple[Row, int]:
    values: list[Staged] = []
    present = found = 0
    for name, type_, coerce, bit in compiled.columns:
        value = record.get(name, _MISSING)
        if value is _MISSING:
            values.append(None)
            continue
        found += 1
        present |= bit
        if value is None or (isinstance(value, float) and not isfinite(value)):
            values.append(None)  # NaN and infinity as a stored payload has them
            continue
        try:
            values.append(coerce(value))
        except NOT_COERCIBLE:
            raise BadRecord(reason_for(name, type_, value)) from None
    if compiled.key:
        _check_key(compiled, values)
    if found < len(record):
        _count_unknown(compiled, record, unknown)
    return tuple(values), present


def _key_of(compiled: _Compiled, record: Record) -> Row | None:
    """The key of a record that cannot be loaded, if it has one that could."""
    key: list[Staged] = []
    for i in compiled.key:
        name, _, coerce, _ = compiled.columns[i]
        value = record.get(name)
        if value is None:
            return None
        try:
            key.append(coerce(value))
        except NOT_COERCIBLE:
            return None
    return tuple(key) or None


def key_of(stream: Stream, record: Record) -> Row | None:
    """The key of a record as it is staged, in the order of `stream.key`; None if it cannot be one."""
    return _key_of(_compile(stream), record)


def _check_key(compiled: _Compiled, values: list[Staged]) -> None:
    size = 0
    for i in compiled.key:
        value = values[i]
        if value is None:
            raise BadRecord(f"key column {compiled.columns[i][0]} is missing or null")
        size += len(value.encode()) if isinstance(value, str) else 8
    if size > MAX_KEY_BYTES:
        raise BadRecord(f"the key is {size} bytes long; at most {MAX_KEY_BYTES} fit into an index")


def _fold(earlier: Row, had: int, later: Row, has: int) -> tuple[Row, int]:
    if had & ~has == 0:
        return later, has
    return tuple(
        b if has >> i & 1 else a for i, (a, b) in enumerate(zip(earlier, later, strict=True))
    ), had | has


def _count_unknown(compiled: _Compiled, record: Record, unknown: dict[str, int]) -> None:
    for name in record:
        if name not in compiled.names and (name in unknown or len(unknown) < _MAX_UNKNOWN):
            unknown[name] = unknown.get(name, 0) + 1
