"""Which columns of a destination table a person's choice means. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from etl_core.connector import ColumnType
from etl_core.errors import InvalidInput


def text_columns(
    declared: Sequence[Mapping[str, str]], chosen: Sequence[str], *, table: str
) -> tuple[str, ...]:
    """The table's names of the chosen columns; each was named as the stream or as the table names it.

    `declared` is `destination_tables.columns`: [{name, column, type}].

    Raises:
        InvalidInput: a column that is not there, or that holds no text; with those that could be chosen.
    """
    known = {entry["column"]: entry for entry in declared} | {entry["name"]: entry for entry in declared}
    texts = [entry["name"] for entry in declared if entry["type"] == ColumnType.TEXT.value]
    could = f"there are {', '.join(texts)}" if texts else "there is none"
    found = []
    for name in chosen:
        entry = known.get(name)
        if entry is None:
            raise InvalidInput(f"{table} has no column {name!r}; of text {could}")
        if entry["type"] != ColumnType.TEXT.value:
            raise InvalidInput(f"column {name} of {table} is {entry['type']}, not text; of text {could}")
        found.append(entry["column"])
    return tuple(found)
