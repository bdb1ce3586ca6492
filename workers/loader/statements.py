"""The SQL that cannot be written beforehand, for tables known only at run time: here their DDL.

The modules named so (`merge_statements`, `walk_statements`, ...), here, in `workers.vectorize` and in the
connector `postgres`, are the only places in the program where SQL is composed. Every identifier goes through
`quote`; values are parameters, never text. Fixed statements are in `sql/queries/loader.sql`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from etl_core.connector import ColumnType
from workers.loader.target import TargetColumn, TargetTable

STAGED_TYPES: Final[dict[ColumnType, str]] = {
    ColumnType.TEXT: "text",
    ColumnType.BIGINT: "bigint",
    ColumnType.NUMERIC: "text",
    ColumnType.BOOLEAN: "boolean",
    ColumnType.TIMESTAMPTZ: "text",
    ColumnType.DATE: "text",
    ColumnType.UUID: "uuid",
    ColumnType.JSONB: "text",
}
"""How a value travels through COPY; the merge casts it to the column's type (why: `etl_core.coercion`)."""

WIDENINGS: Final[dict[tuple[ColumnType, ColumnType], str]] = {
    (ColumnType.BIGINT, ColumnType.NUMERIC): "{column}::numeric",
    (ColumnType.BIGINT, ColumnType.TEXT): "{column}::text",
    (ColumnType.NUMERIC, ColumnType.TEXT): "{column}::text",
    (ColumnType.BOOLEAN, ColumnType.TEXT): "{column}::text",
    (ColumnType.UUID, ColumnType.TEXT): "{column}::text",
    (ColumnType.DATE, ColumnType.TIMESTAMPTZ): "{column}::timestamp AT TIME ZONE 'UTC'",
}
"""Type changes that lose nothing and do not depend on a session's settings, and how the old values are
read."""


METADATA_TYPES: Final[dict[str, str]] = {
    "_extracted_at": "timestamp with time zone",
    "_loaded_at": "timestamp with time zone NOT NULL DEFAULT now()",
    "_run_id": "bigint",
    "_deleted_at": "timestamp with time zone",
}
"""Our own columns of every destination table."""


def quote(identifier: str) -> str:
    """An identifier in double quotes."""
    if "\x00" in identifier:
        raise ValueError("an identifier cannot hold NUL")
    return '"' + identifier.replace('"', '""') + '"'


def qualified(table: TargetTable) -> str:
    return f"{quote(table.schema)}.{quote(table.name)}"


def listed(names: Sequence[str]) -> str:
    """Identifiers, each quoted, with commas between."""
    return ", ".join(quote(name) for name in names)


def create_schema(schema: str) -> str:
    return f"CREATE SCHEMA {quote(schema)}"


def create_table(table: TargetTable) -> str:
    """Keyed: the key is the primary key. Append-only: `_row_id` counts the rows."""
    lines = [f"{quote(column.name)} {column.type.value}" for column in table.columns]
    if not table.key:
        lines.append("_row_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY")
    lines += [f"{name} {type_}" for name, type_ in METADATA_TYPES.items()]
    if table.key:
        lines.append(f"PRIMARY KEY ({listed(table.key)})")
    return f"CREATE TABLE {qualified(table)} ({', '.join(lines)})"


def add_column(table: TargetTable, column: TargetColumn) -> str:
    return f"ALTER TABLE {qualified(table)} ADD COLUMN {quote(column.name)} {column.type.value}"


def widen_column(table: TargetTable, column: TargetColumn, was: ColumnType) -> str:
    using = WIDENINGS[was, column.type].format(column=quote(column.name))
    type_ = column.type.value
    return f"ALTER TABLE {qualified(table)} ALTER COLUMN {quote(column.name)} TYPE {type_} USING {using}"
