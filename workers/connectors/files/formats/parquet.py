"""Parquet, a row group at a time and of that some rows at a time; imported only where pyarrow is."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from etl_core.connector import ColumnType, Record
from etl_core.errors import Permanent
from workers.connectors.files.config import FilesConfig
from workers.connectors.files.formats.buffered import BufferedRows, Row
from workers.connectors.files.formats.csv_rows import MOST_COLUMNS
from workers.connectors.files.formats.malformed import Malformed
from workers.connectors.files.formats.rows import Columns, Learned
from workers.connectors.files.places.files import Stopped

MOST_ROWS = 5_000
MOST_BYTES = 4 << 20
"""Of the rows that are decoded at once, as far as the file's own figures tell."""
_BUFFER = 1 << 20


class ParquetRows(BufferedRows):
    """The types are those of the file's own schema, so learning reads no more than its end."""

    def __init__(self, file: Any, config: FilesConfig, name: str, stop: threading.Event) -> None:
        super().__init__(self._decoded)
        self._config = config
        self._name = name
        self._stop = stop
        self._file_object = file
        try:
            self._file = pq.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False)
        except (pa.ArrowException, EOFError) as error:
            raise self._unreadable(error) from None
        schema = self._file.schema_arrow
        if len(schema.names) > MOST_COLUMNS:
            raise Permanent(f"{name}: {len(schema.names)} columns; at most {MOST_COLUMNS} can be loaded")
        for number, column in enumerate(schema.names):
            if not column:
                raise Permanent(f"{name}: column {number + 1} has no name")
            if column in schema.names[:number]:
                raise Permanent(f"{name}: the column name {column!r} comes twice; rename one of them")
        self._columns: Columns = {
            field.name: config.columns.get(field.name) or column_type(field.type) for field in schema
        }

    def learn(self) -> Learned:
        """Rows without a key are found when they are read."""
        return Learned(self._columns, self._file.metadata.num_rows)

    def close(self) -> None:
        self._file.close(force=False)

    def _decoded(self, skip: int) -> Iterator[tuple[Sequence[Row], int]]:
        done = skip
        try:
            for batch in self._batches(skip):
                lists = [values_of(column) for column in batch.columns]
                names = batch.schema.names
                records: list[Row] = []
                for values in zip(*lists, strict=True):
                    done += 1
                    records.append(self._checked(dict(zip(names, values, strict=True)), done))
                yield records, batch.nbytes
        except pa.ArrowException as error:
            raise self._unreadable(error) from None

    def _batches(self, skip: int) -> Iterator[Any]:
        metadata = self._file.metadata
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            if skip >= group.num_rows:
                skip -= group.num_rows
                continue
            row_bytes = group.total_byte_size / max(1, group.num_rows)
            rows = int(max(1, min(MOST_ROWS, MOST_BYTES / max(1.0, row_bytes))))
            for batch in self._file.iter_batches(batch_size=rows, row_groups=[number], use_threads=False):
                if self._stop.is_set():
                    raise Stopped
                if skip >= batch.num_rows:
                    skip -= batch.num_rows
                    continue
                yield batch.slice(skip) if skip else batch
                skip = 0

    def _checked(self, record: Record, number: int) -> Row:
        for key in self._config.record_key:
            if record.get(key) is None:
                reason = f"row {number}: the key column {key!r} is {'null' if key in record else 'missing'}"
                return Malformed.of(reason, msgspec.json.encode(record).decode())
        return record

    def _unreadable(self, error: BaseException) -> Permanent:
        said = " ".join(str(error).split())[:200]
        return Permanent(f"{self._name} is no Parquet, cut short or damaged ({said}); deliver it again")


def column_type(kind: pa.DataType) -> ColumnType | None:  # noqa: PLR0911 - a line per type
    """Where a value of it goes; None for a column that has none."""
    types = pa.types
    if types.is_dictionary(kind):
        return column_type(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        is_uuid = getattr(kind, "extension_name", "") == "arrow.uuid"
        return ColumnType.UUID if is_uuid else column_type(kind.storage_type)
    if types.is_null(kind):
        return None
    if types.is_boolean(kind):
        return ColumnType.BOOLEAN
    if types.is_uint64(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return ColumnType.NUMERIC
    if types.is_integer(kind) or types.is_duration(kind):
        return ColumnType.BIGINT
    if types.is_date(kind):
        return ColumnType.DATE
    if types.is_timestamp(kind):
        return ColumnType.TIMESTAMPTZ
    return ColumnType.JSONB if types.is_nested(kind) else ColumnType.TEXT


def values_of(column: pa.Array) -> list[Any]:  # noqa: PLR0911 - a line per type
    """As JSON has them: exact numbers as text, times as ISO 8601 text, bytes as base64.

    Arrow writes the texts: its Python objects know neither nanoseconds nor the year 10,000.
    """
    types, kind = pa.types, column.type
    if types.is_dictionary(kind):
        return values_of(column.dictionary_decode())
    if isinstance(kind, pa.BaseExtensionType):
        if getattr(kind, "extension_name", "") == "arrow.uuid":
            return [None if value is None else str(value) for value in column.to_pylist()]
        return values_of(column.storage)
    if types.is_float32(kind) or types.is_float16(kind):
        # As a double 0.1 would be 0.10000000149011612.
        finite = pc.if_else(pc.is_finite(column.cast(pa.float32())), column.cast(pa.float32()), None)
        return _list(finite.cast(pa.string()))
    if types.is_decimal(kind) or types.is_date32(kind) or types.is_time(kind):
        return _list(column.cast(pa.string()))
    if types.is_date64(kind):
        return _list(column.cast(pa.date32()).cast(pa.string()))
    if types.is_timestamp(kind):
        return _list(column.cast(pa.timestamp("us"), safe=False).cast(pa.string()))
    if types.is_duration(kind):
        return _list(column.cast(pa.int64()))
    if types.is_nested(kind):
        coarse = column.cast(_without_nanoseconds(kind), safe=False)
        return [msgspec.to_builtins(value) for value in coarse.to_pylist(maps_as_pydicts="lossy")]
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return [msgspec.to_builtins(value) for value in column.to_pylist()]
    return _list(column)


def _list(column: pa.Array) -> list[Any]:
    found: list[Any] = column.to_pylist()
    return found


def _without_nanoseconds(kind: pa.DataType) -> pa.DataType:
    types = pa.types
    if types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    if types.is_time64(kind):
        return pa.time64("us")
    if types.is_duration(kind):
        return pa.int64()
    if types.is_struct(kind):
        return pa.struct(
            [
                kind.field(i).with_type(_without_nanoseconds(kind.field(i).type))
                for i in range(kind.num_fields)
            ]
        )
    if types.is_list(kind) or types.is_large_list(kind):
        return pa.list_(_without_nanoseconds(kind.value_type))
    return kind
