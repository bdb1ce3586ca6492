"""Columns and their types, learned over all records of a file.

A guess from the beginning of a file fails on row 10,001, so all of it is read; that costs no memory, for
columns remember a type and not values.
"""

from __future__ import annotations

from collections.abc import Iterable

from etl_core.connector import ColumnType, Record
from etl_core.errors import Permanent
from workers.connectors.files.config import FilesConfig
from workers.connectors.files.formats.csv_rows import MOST_COLUMNS, CsvRows
from workers.connectors.files.formats.joining import Join, join_of
from workers.connectors.files.formats.json_rows import JsonRows
from workers.connectors.files.formats.known_shape import KnownShape
from workers.connectors.files.formats.malformed import Malformed
from workers.connectors.files.formats.rows import Columns, Learned
from workers.connectors.files.formats.types import STILL_FITS, TextColumn, type_of_json

MOST_SHAPES = 100
"""Making one costs as much as looking into a hundred lines: no use where the lines change all the time."""


def learn_csv(table: CsvRows, config: FilesConfig) -> Learned:
    """Of delimited text."""
    learners = {name: TextColumn() for name in table.columns if name not in config.columns}
    open_columns = [(table.columns.index(name), learner) for name, learner in learners.items()]
    nulls = config.nulls
    learned = Learned()
    for row in table.rows():
        if isinstance(row, Malformed):
            learned.first_reject = learned.first_reject or row
            continue
        learned.records += 1
        settled = False
        for index, learner in open_columns:
            text = row[index]
            if text not in nulls and not learner.learn(text):
                settled = True
        if settled:
            open_columns = [
                (i, learner) for i, learner in open_columns if learner.type is not ColumnType.TEXT
            ]
    learned.columns = {
        name: learners[name].type if name in learners else config.columns[name] for name in table.columns
    }
    return learned


def learn_json(rows: JsonRows, config: FilesConfig, name: str) -> Learned:
    """Of JSON objects."""
    learned = Learned()
    join = join_of(config.record_format)
    shape: KnownShape | None = None
    shapes = 0

    def is_known(line: str) -> bool:
        return shape is not None and shape.holds(line)

    one_by_one = rows.records_but(is_known)
    while True:
        if shape is not None and (known := rows.next_decoded(shape.count)):
            learned.records += known
            continue
        try:
            record = next(one_by_one)
        except StopIteration:
            break
        if record is None:
            learned.records += 1
            continue
        if isinstance(record, Malformed):
            learned.first_reject = learned.first_reject or record
            continue
        learned.records += 1
        before = dict(learned.columns)
        _learn_object(record, learned.columns, config, join)
        if learned.columns != before:
            shape = None
        elif shape is None and shapes < MOST_SHAPES:
            # Two alike: so may be those that follow.
            shape = KnownShape(learned.columns, config.columns, config.record_key)
            shapes += 1
        _expect_few(learned.columns, name)
    return learned


def learn_values(
    records: Iterable[Record | Malformed], columns: Columns, config: FilesConfig, name: str
) -> Learned:
    """Of records that hold values with types; `columns` are known to be there."""
    learned = Learned(columns)
    join = join_of(config.record_format)
    for record in records:
        if isinstance(record, Malformed):
            learned.first_reject = learned.first_reject or record
            continue
        learned.records += 1
        _learn_object(record, columns, config, join)
    _expect_few(columns, name)
    return learned


def _expect_few(columns: Columns, name: str) -> None:
    if len(columns) > MOST_COLUMNS:
        raise Permanent(
            f"{name}: more than {MOST_COLUMNS} different fields; are keys used as values? "
            "Put them into one nested object"
        )


def _learn_object(record: Record, columns: Columns, config: FilesConfig, join: Join) -> None:
    for name, value in record.items():
        known = columns.get(name)
        if name in config.columns:
            columns[name] = config.columns[name]
        elif value is None:
            columns.setdefault(name)
        # Nothing widens jsonb; most values are of their column's type, which is cheaper to see than to infer.
        elif known is None or not STILL_FITS[known](value):
            columns[name] = join(known, type_of_json(value))
