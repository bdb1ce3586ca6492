"""What a PostgreSQL integration can be told; nothing here touches the server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from etl_core.rules.secrets import parse_reference

XMIN = "xmin"
"""In place of a cursor column: what a transaction has written since, as PostgreSQL itself marks its rows."""
_NAME = re.compile(r'(?:"(?:[^"]|"")+"|[^".]+)')
_TABLE = re.compile(rf"(?:(?P<schema>{_NAME.pattern})\.)?(?P<table>{_NAME.pattern})")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Reading(_Part):
    """How a table or query is read."""

    key: tuple[str, ...] = Field(default=(), description="columns that identify a row")
    cursor: tuple[str, ...] = Field(
        default=(),
        description="column or columns by which a run finds what is new: they grow with each change",
    )
    overlap: float | None = Field(
        default=None,
        ge=0,
        description="how far before its bookmark a run reads again, for transactions that commit late: "
        "seconds for times (default 300, a day for dates), a number for integers (default 1000)",
    )
    census_every: int = Field(
        default=24, ge=0, le=10_000, description="runs from one census (deletions) to the next; 0: never"
    )
    census_reads: Literal["keys", "rows"] = Field(
        default="keys", description="rows: whole rows, where one may change and its cursor does not"
    )
    as_text: tuple[str, ...] = Field(default=(), description="columns that are kept as text")

    @field_validator("key", "cursor", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _reads_once(self) -> Self:
        for names in (self.key, self.cursor):
            if len(set(names)) != len(names):
                raise ValueError("a column is named twice")
        return self


class TableConfig(_Reading):
    """A table, view or materialised view; or a pattern of their names."""

    table: str = Field(
        min_length=1, description="`schema.table`, as PostgreSQL writes it; a pattern with * ? []"
    )
    stream: str | None = Field(default=None, min_length=1)
    columns: tuple[str, ...] = Field(default=(), description="only these; default: all")
    exclude_columns: tuple[str, ...] = ()

    @field_validator("table")
    @classmethod
    def _is_a_name(cls, table: str) -> str:
        if not _TABLE.fullmatch(table):
            raise ValueError('give `schema.table`; a name with a dot in it in double quotes, `public."a.b"`')
        return table

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if self.is_pattern and self.stream is not None:
            raise ValueError("a pattern means several tables, which cannot be one stream")
        return self

    @property
    def is_pattern(self) -> bool:
        return any(mark in self.table for mark in "*?[") and '"' not in self.table

    @property
    def name(self) -> tuple[str, str]:
        """Schema (public where none is named) and table, without quotes."""
        found = _TABLE.fullmatch(self.table)
        if found is None:
            raise ValueError("no name of a table")
        return _bare(found["schema"] or "public"), _bare(found["table"])

    def means(self, schema: str, table: str) -> bool:
        """Whether it means this table."""
        mine, name = self.name
        if not self.is_pattern:
            return (schema, table) == (mine, name)
        return fnmatchcase(schema, mine) and fnmatchcase(table, name)

    @property
    def by_xmin(self) -> bool:
        return self.cursor == (XMIN,)


class QueryConfig(_Reading):
    """A query, read as if it were a table."""

    query: str = Field(min_length=1, description="one SELECT, without a semicolon")
    stream: str = Field(min_length=1)
    key: tuple[str, ...] = Field(min_length=1, description="columns that identify a row")

    @field_validator("query")
    @classmethod
    def _is_one(cls, query: str) -> str:
        return query.strip().removesuffix(";")

    @model_validator(mode="after")
    def _has_no_xmin(self) -> Self:
        if XMIN in self.cursor:
            raise ValueError("xmin is of tables: a query needs a cursor column of its own, or none")
        return self


class PostgresConfig(_Part):
    """One database, read by one role."""

    url: str = Field(
        repr=False,
        description="postgresql://user@host:5432/database?sslmode=verify-full&sslrootcert=/etc/ca.pem, "
        "or as a whole a reference, env:NAME or keyring:SERVICE/NAME",
    )
    password: SecretStr | None = Field(default=None, description="a reference; none where the URL has it")
    tables: tuple[TableConfig, ...] = Field(
        default=(), description="`public.orders`, or an object; the first that means a table decides"
    )
    exclude: tuple[str, ...] = Field(
        default=(), description="tables that patterns leave out, as `public.tmp_*`"
    )
    queries: tuple[QueryConfig, ...] = ()
    time_zone: str = Field(default="UTC", description="of columns of type timestamp, which name none")
    page_size: int = Field(
        default=5_000, ge=1, le=50_000, description="rows a page; fewer where they are long"
    )
    rows_per_second: int = Field(default=20_000, ge=0, description="a run reads no faster; 0: no limit")
    statement_timeout_s: float = Field(default=120, gt=0, le=86_400, description="the longest for a page")
    lock_timeout_s: float = Field(default=5, gt=0, le=3_600)
    snapshot_minutes: float = Field(
        default=30, gt=0, le=1_440, description="the longest that one snapshot is held: VACUUM waits for it"
    )

    @field_validator("url")
    @classmethod
    def _is_postgresql(cls, url: str) -> str:
        reference = parse_reference(url)
        if reference is not None and reference.kind == "file":
            raise ValueError("a file is read for `password` only: give the URL without it here")
        if reference is None and not url.startswith(("postgresql://", "postgres://")):
            raise ValueError("give postgresql://user@host:5432/database")
        return url

    @field_validator("tables", mode="before")
    @classmethod
    def _short_form(cls, tables: Any) -> Any:
        if not isinstance(tables, Sequence) or isinstance(tables, str):
            return tables
        return tuple({"table": each} if isinstance(each, str) else each for each in tables)

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{name[:60]!r} is no time zone; give one as Europe/Berlin") from None
        return name

    @model_validator(mode="after")
    def _reads_something(self) -> Self:
        if not self.tables and not self.queries:
            raise ValueError("give tables, queries or both")
        return self

    def leaves_out(self, schema: str, table: str) -> bool:
        """Whether no pattern means this table."""
        return any(TableConfig(table=each).means(schema, table) for each in self.exclude)


def _bare(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
