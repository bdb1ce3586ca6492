"""What a run reads: a table or query as the server has it now, and how the configuration wants it read."""

from __future__ import annotations

from dataclasses import dataclass, field

from etl_core.connector import Column, ColumnType, Stream
from etl_core.errors import SourceError
from workers.connectors.postgres.types import Family


@dataclass(frozen=True, slots=True)
class Carried:
    """A column that is read."""

    name: str
    type: ColumnType
    expression: str
    """Of its value, in SQL, where the table is called `t`."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A column by which rows are put in order."""

    name: str
    cast: str
    """What its text is cast to."""
    base: str
    family: Family
    is_nullable: bool

    @property
    def kind(self) -> str:
        """What its values are read back as, and what puts them in order."""
        return self.base if self.family is Family.OTHER else self.family.name.lower()


@dataclass(frozen=True, slots=True)
class Source:
    """A table or query that can be read."""

    stream: str
    shown: str
    """As messages name it."""
    relation: str
    """Where a table stands in SQL: a quoted name, or a query in parentheses."""
    columns: tuple[Carried, ...]
    key_columns: tuple[Cursor, ...]
    cursor: tuple[Cursor, ...]
    """Empty where all is read in each run, or by xmin."""
    by_xmin: bool
    overlap: float
    census_every: int
    census_reads_rows: bool
    about: int = 0
    """Rows, as the server estimates; 0 where it does not."""
    oid: int | None = None
    """None of a query: what it is made of may be made again as it likes."""
    doubts: tuple[Doubt, ...] = field(default=(), compare=False)

    @property
    def key(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.key_columns)

    @property
    def by(self) -> list[str]:
        """As the checkpoint names it."""
        return ["xmin"] if self.by_xmin else [column.name for column in self.cursor]

    @property
    def kinds(self) -> list[str]:
        """Of the cursor's columns, then of the key's."""
        return [column.kind for column in (*self.cursor, *self.key_columns)]

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    def as_stream(self) -> Stream:
        """The same in every run: what a lost worker left is loaded by one that knows no more than this."""
        columns = tuple(Column(each.name, each.type) for each in self.columns)
        return Stream(self.stream, columns, self.key, full_refresh=self.census_every > 0)


@dataclass(frozen=True, slots=True)
class Doubt:
    """What does not keep it from being read, and is worth a person's look."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A table or query that cannot be read now."""

    stream: str
    shown: str
    error: SourceError
    is_missing: bool = False
    """A privilege is."""
    remedy: str = ""
