"""The first pass over a file: its types, its fingerprint, and whether it can be read to the end.

Types are inferred over the whole file, for a guess from its beginning fails on row 10,001. The pass costs a
second reading of the file, and no memory: columns remember a type, not values.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from hashlib import blake2b

from etl_core.connector import ColumnType, Record
from etl_core.errors import Permanent
from workers.connectors.files.checkpoint import Bookmark
from workers.connectors.files.config import FilesConfig, Format
from workers.connectors.files.csv_rows import MOST_COLUMNS, CsvRows
from workers.connectors.files.json_rows import JsonRows
from workers.connectors.files.known_shape import KnownShape
from workers.connectors.files.lines import LineReader
from workers.connectors.files.locate import SourceFile
from workers.connectors.files.malformed import Malformed
from workers.connectors.files.reading import FileStat, OpenFile, open_file, reading_errors
from workers.connectors.files.types import STILL_FITS, TextColumn, join_types, type_of_json

MOST_SHAPES = 100
"""Making one costs as much as looking into a hundred lines: no use where the lines change all the time."""
_SETTLED_NS = 2_000_000_000
"""A time of change younger than this proves nothing: another write may bear the same (coarse clocks, NFS)."""


class ChangedWhileReading(Exception):
    """The file is no longer the one that was scanned."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What a whole file is."""

    stat: FileStat
    settled: bool
    """Whether its time of change lay back far enough to tell a later change by it."""
    fingerprint: str
    columns: dict[str, ColumnType | None]
    records: int

    def bookmark(self, read_as: str) -> Bookmark:
        return Bookmark(
            fingerprint=self.fingerprint,
            size=self.stat.size,
            mtime_ns=self.stat.mtime_ns if self.settled else None,
            read_as=read_as,
            records=self.records,
            columns=self.columns,
        )


def scan_file(file: SourceFile, config: FilesConfig, stop: threading.Event) -> Scan:
    """Reads a file once, from a thread.

    Raises:
        SourceError: it cannot be read, or nothing in it is a record.
        ChangedWhileReading: it was written to meanwhile.
        Stopped: `stop` was set.
    """
    digest = blake2b(digest_size=16)
    started_ns = time.time_ns()
    with reading_errors(file.path, config.encoding):
        source = open_file(file.path, config.encoding, stop, digest)
        try:
            before = FileStat.of(source.raw.fileno())
            columns, records, first_reject = _learn(source, config, file.name)
            source.drain()
            if FileStat.of(source.raw.fileno()) != before:
                raise ChangedWhileReading
        finally:
            source.close()
    if first_reject is not None and records == 0:
        raise Permanent(f"{file.name}: no record in it can be read; {first_reject.reason}")
    _expect_columns(file.name, config, columns)
    return Scan(
        stat=before,
        settled=started_ns - before.mtime_ns > _SETTLED_NS,
        fingerprint=digest.hexdigest(),
        columns=columns,
        records=records,
    )


_Learned = tuple[dict[str, ColumnType | None], int, Malformed | None]
"""Columns, the number of records, the first thing that is no record."""


def _learn(source: OpenFile, config: FilesConfig, name: str) -> _Learned:
    lines = LineReader(source, name)
    if config.record_format is Format.JSONL:
        return _learn_json(JsonRows(lines, config), config, name)
    return _learn_csv(CsvRows(lines, config, name), config)


def _learn_csv(table: CsvRows, config: FilesConfig) -> _Learned:
    learners = {name: TextColumn() for name in table.columns if name not in config.columns}
    open_columns = [(table.columns.index(name), learner) for name, learner in learners.items()]
    nulls = config.nulls
    records = 0
    first_reject = None
    for row in table.rows():
        if isinstance(row, Malformed):
            first_reject = first_reject or row
            continue
        records += 1
        settled = False
        for index, learner in open_columns:
            text = row[index]
            if text not in nulls and not learner.learn(text):
                settled = True
        if settled:
            open_columns = [
                (i, learner) for i, learner in open_columns if learner.type is not ColumnType.TEXT
            ]
    columns = {
        name: learners[name].type if name in learners else config.columns[name] for name in table.columns
    }
    return columns, records, first_reject


def _learn_json(rows: JsonRows, config: FilesConfig, name: str) -> _Learned:
    columns: dict[str, ColumnType | None] = {}
    records = 0
    first_reject = None
    shape: KnownShape | None = None
    shapes = 0

    def is_known(line: str) -> bool:
        return shape is not None and shape.holds(line)

    one_by_one = rows.records_but(is_known)
    while True:
        if shape is not None and (known := rows.next_decoded(shape.count)):
            records += known
            continue
        try:
            record = next(one_by_one)
        except StopIteration:
            break
        if record is None:
            records += 1
            continue
        if isinstance(record, Malformed):
            first_reject = first_reject or record
            continue
        records += 1
        before = dict(columns)
        _learn_object(record, columns, config)
        if columns != before:
            shape = None
        elif shape is None and shapes < MOST_SHAPES:
            # Two alike: so may be those that follow.
            shape = KnownShape(columns, config.columns, config.key)
            shapes += 1
        if len(columns) > MOST_COLUMNS:
            raise Permanent(
                f"{name}: more than {MOST_COLUMNS} different fields; are keys used as values? "
                "Put them into one nested object"
            )
    return columns, records, first_reject


def _learn_object(record: Record, columns: dict[str, ColumnType | None], config: FilesConfig) -> None:
    for name, value in record.items():
        known = columns.get(name)
        if name in config.columns:
            columns[name] = config.columns[name]
        elif value is None:
            columns.setdefault(name)
        # Nothing widens jsonb; most values are of their column's type, which is cheaper to see than to infer.
        elif known is None or not STILL_FITS[known](value):
            columns[name] = join_types(known, type_of_json(value), mixed=ColumnType.JSONB)


def _expect_columns(name: str, config: FilesConfig, columns: dict[str, ColumnType | None]) -> None:
    there = ", ".join(columns)
    for key in config.key:
        if key not in columns:
            raise Permanent(f"{name}: the key column {key!r} is not there; its columns are {there}")
    if config.record_format is Format.JSONL:
        return
    for declared in config.columns:
        if declared not in columns:
            raise Permanent(f"{name}: the declared column {declared!r} is not there; its columns are {there}")
