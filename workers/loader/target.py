"""A destination table as the loader knows it."""

from __future__ import annotations

from dataclasses import dataclass

from etl_core.connector import ColumnType, Stream


@dataclass(frozen=True, slots=True)
class TargetColumn:
    """A column of a destination table."""

    field: str
    """The field of the record that goes into it."""
    name: str
    type: ColumnType


@dataclass(frozen=True, slots=True)
class TargetTable:
    """Where one stream goes. `columns` are in the order of `stream.columns`."""

    schema: str
    name: str
    stream: Stream
    """The stream with the columns and types that the table has: transform by this one, as a table may be
    wider, or closed to new fields."""
    columns: tuple[TargetColumn, ...]
    key: tuple[str, ...]
    """Names of the key's columns; empty: append-only, every record is a new row."""
    left_out: frozenset[str] = frozenset()
    """Fields of the source that have no column and get none: its integration's schema is frozen."""
    refused: tuple[tuple[str, str], ...] = ()
    """(field, reason): its records are rejected while the integration's schema is in quarantine."""
    declared: frozenset[str] = frozenset()
    """Fields that the stream itself declares; its others are inferred."""
    is_made: bool = True
    """False: the columns of its stream are inferred, and no record has come yet."""
    destination: str | None = None
    """What leads to the other database that it is in, as its integration has it."""

    def column_of(self, field: str) -> str:
        """The name of the column that a field of the stream goes into; raises KeyError."""
        return {column.field: column.name for column in self.columns}[field]

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"
