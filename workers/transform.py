"""From a stream's raw records to typed rows of its destination table.

Pure and synchronous: a batch of 5,000 takes some tens of milliseconds, so a worker calls it through
`asyncio.to_thread`. A record that does not fit is rejected alone; the rest goes on.

- An absent field is not null: each row knows which of its columns the record had.
- Records of the same key are folded, in order: a later record's present fields win.
- Fields that are no column of the stream are left out and counted in `unknown_fields`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import compress, islice
from math import isfinite
from operator import itemgetter
from typing import Any, Final, Protocol

import msgspec

from etl_core.coercion import COERCERS, NOT_COERCIBLE, Coercer, Staged, reason_for
from etl_core.columns import coerced_at_once
from etl_core.connector import ColumnType, Record, Stream
from etl_core.errors import BadRecord
from etl_core.secret_values import mask
from workers.fields import fields_of
from workers.payload import DecodedLate, encode_record

Row = tuple[Staged, ...]

AT_ONCE: Final = 5_000
"""Records whose fields are coerced at once, column by column."""
MAX_KEY_BYTES: Final = 2_600
"""What a row of a PostgreSQL index surely holds (2,704 bytes less its header)."""
_MAX_REASON = 500
_MAX_UNKNOWN = 100


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
        """What could not be read as a record at all, which may repeat a credential; lone surrogates as the
        escapes of Python."""
        return cls._of_bytes(stream, mask(payload).encode("utf-8", "backslashreplace"), reason)

    @classmethod
    def _of_bytes(cls, stream: str, payload: bytes, reason: str) -> Reject:
        printable = mask(reason).replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
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
    made = _Made()
    numbered = enumerate(records)
    at_once = records.at_once if isinstance(records, DecodedLate) else AT_ONCE
    while piece := list(islice(numbered, at_once)):
        taken = _take(connector, stream, piece, made)
        if taken.made:
            _add_rows(compiled, taken, made, result)
    _fold(compiled, result, made)
    for _, (reject, key) in sorted(made.refused.items()):
        result.rejects.append(reject)
        if key is None:
            result.rejects_without_key += 1
        else:
            result.rejected_keys.append(key)
    return result


@dataclass(slots=True)
class _Made:
    """Rows not folded yet: what each had, and the place of its record; and by place what is refused."""

    rows: list[Row] = field(default_factory=list)
    present: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    refused: dict[int, tuple[Reject, Row | None]] = field(default_factory=dict)


@dataclass(slots=True)
class _Taken:
    """Records that the connector made rows of, with their places."""

    places: list[int] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    made: list[Record] = field(default_factory=list)


def _take(connector: Transforms, stream: Stream, piece: Iterable[tuple[int, Record]], made: _Made) -> _Taken:
    taken = _Taken()
    for place, record in piece:
        try:
            row = connector.transform(stream, record)
        except BadRecord as error:
            made.refused[place] = Reject.of(stream.name, record, str(error)), None
        else:
            taken.places.append(place)
            taken.records.append(record)
            taken.made.append(row)
    return taken


def _add_rows(compiled: _Compiled, taken: _Taken, made: _Made, result: TypedRows) -> None:
    fields = fields_of(taken.made, compiled.names)
    values, present = fields.values, fields.present
    columns, bad = _coerce(compiled, values)
    if compiled.key:
        _check_keys(compiled, columns, bad)
    rows: list[Row] = list(zip(*columns, strict=True)) if columns else [()] * len(present)
    places, unknown = taken.places, fields.unknown
    if bad:
        for at, reason in bad.items():
            reject = Reject.of(result.stream.name, taken.records[at], reason)
            made.refused[places[at]] = reject, _key_of(compiled, taken.made[at])
        good = [at not in bad for at in range(len(rows))]
        rows, places = list(compress(rows, good)), list(compress(places, good))
        present, unknown = list(compress(present, good)), list(compress(unknown, good))
    _count_unknown(unknown, result.unknown_fields)
    made.rows += rows
    made.present += present
    made.places += places


@dataclass(frozen=True, slots=True)
class _Compiled:
    names: tuple[str, ...]
    columns: tuple[tuple[str, ColumnType, Coercer], ...]
    key: tuple[int, ...]


@lru_cache(maxsize=256)
def _compile(stream: Stream) -> _Compiled:
    names = tuple(column.name for column in stream.columns)
    return _Compiled(
        names,
        tuple((c.name, c.type, COERCERS[c.type]) for c in stream.columns),
        tuple(names.index(name) for name in stream.key),
    )


def _coerce(
    compiled: _Compiled, fields: Sequence[Sequence[Any]]
) -> tuple[list[Sequence[Staged]], dict[int, str]]:
    """The columns as they are staged, and by record the reason why it does not fit."""
    columns: list[Sequence[Staged]] = []
    bad: dict[int, str] = {}
    for (name, type_, coerce), values in zip(compiled.columns, fields, strict=True):
        staged = coerced_at_once(type_, values)
        if staged is None:
            staged = []
            for at, value in enumerate(values):
                try:
                    staged.append(_coerce_value(coerce, value))
                except NOT_COERCIBLE:
                    bad.setdefault(at, reason_for(name, type_, value))
                    staged.append(None)
        columns.append(staged)
    return columns, bad


def _coerce_value(coerce: Coercer, value: Any) -> Staged:
    if value is None or (isinstance(value, float) and not isfinite(value)):
        return None  # NaN and infinity as a stored payload has them
    return coerce(value)


def _key_of(compiled: _Compiled, record: Record) -> Row | None:
    """The key of a record that cannot be loaded, if it has one that could."""
    key: list[Staged] = []
    for i in compiled.key:
        name, _, coerce = compiled.columns[i]
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


def _check_keys(compiled: _Compiled, columns: Sequence[Sequence[Staged]], bad: dict[int, str]) -> None:
    keys = [columns[i] for i in compiled.key]
    if all(set(map(type, key)) == {int} for key in keys) and 8 * len(keys) <= MAX_KEY_BYTES:
        return
    for at, key in enumerate(zip(*keys, strict=True)):
        if at not in bad and (reason := _why_no_key(compiled, key)):
            bad[at] = reason


def _why_no_key(compiled: _Compiled, key: Row) -> str | None:
    size = 0
    for i, value in zip(compiled.key, key, strict=True):
        if value is None:
            return f"key column {compiled.columns[i][0]} is missing or null"
        size += len(value.encode()) if isinstance(value, str) else 8
    if size > MAX_KEY_BYTES:
        return f"the key is {size} bytes long; at most {MAX_KEY_BYTES} fit into an index"
    return None


def _fold(compiled: _Compiled, result: TypedRows, made: _Made) -> None:
    """Puts the rows into the result, those of one key into one."""
    take_key = itemgetter(*(compiled.key or (0,)))
    if not compiled.key or len(set(map(take_key, made.rows))) == len(made.rows):
        result.rows, result.present, result.origins = made.rows, made.present, made.places
        return
    by_key: dict[Any, int] = {}
    for row, has, place in zip(made.rows, made.present, made.places, strict=True):
        at = by_key.setdefault(take_key(row), len(result.rows))
        if at == len(result.rows):
            result.rows.append(row)
            result.present.append(has)
            result.origins.append(place)
        else:
            result.rows[at], result.present[at] = _later(result.rows[at], result.present[at], row, has)
            result.origins[at] = -1
            result.folded += 1


def _later(earlier: Row, had: int, later: Row, has: int) -> tuple[Row, int]:
    if had & ~has == 0:
        return later, has
    return tuple(
        b if has >> i & 1 else a for i, (a, b) in enumerate(zip(earlier, later, strict=True))
    ), had | has


def _count_unknown(fields: Sequence[tuple[str, ...]], unknown: dict[str, int]) -> None:
    for names, records in Counter(fields).items():
        for name in names:
            if name in unknown or len(unknown) < _MAX_UNKNOWN:
                unknown[name] = unknown.get(name, 0) + records
