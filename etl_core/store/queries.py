"""Loads the queries of the program: `sql/queries/<name>.sql`, one file a table family, in aiosql form."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import aiosql

PACKAGE = "sql.queries"


def names() -> list[str]:
    """The names of all query files, sorted."""
    return sorted(
        entry.name.removesuffix(".sql") for entry in files(PACKAGE).iterdir() if entry.name.endswith(".sql")
    )


@cache
def load(name: str) -> Any:
    """The queries of one file: `await load("broker").notify(connection, channel=..., payload=...)`.

    Beware in the files: a `:word` in a comment inside a query is taken for a parameter, and an apostrophe
    there opens a string.

    Raises:
        FileNotFoundError: there is no such file.
    """
    text = files(PACKAGE).joinpath(f"{name}.sql").read_text(encoding="utf-8")
    return aiosql.from_str(text, "asyncpg")
