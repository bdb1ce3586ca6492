"""Loads the queries of the program: `sql/queries/<name>.sql`, one file a table family, in aiosql form."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any

import aiosql

PACKAGE = "sql.queries"
_HEAD = re.compile(r"^-- name: *(\w+)", re.MULTILINE)


class Queries:
    """Those of one file. Each is parsed when it is first asked for: a process begins with few of them."""

    def __init__(self, text: str) -> None:
        heads = list(_HEAD.finditer(text))
        ends = [head.start() for head in heads[1:]] + [len(text)]
        self._texts = {head[1]: text[head.start() : end] for head, end in zip(heads, ends, strict=True)}

    @property
    def available_queries(self) -> list[str]:
        """Their names, in the order of the file."""
        return list(self._texts)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self._texts:
            raise AttributeError(f"there is no query {name}")
        query = getattr(aiosql.from_str(self._texts[name], "asyncpg"), name)
        setattr(self, name, query)
        return query


def names() -> list[str]:
    """The names of all query files, sorted."""
    return sorted(
        entry.name.removesuffix(".sql") for entry in files(PACKAGE).iterdir() if entry.name.endswith(".sql")
    )


@cache
def load(name: str) -> Queries:
    """The queries of one file: `await load("broker").notify(connection, channel=..., payload=...)`.

    Beware in the files: a `:word` in a comment inside a query is taken for a parameter, and an apostrophe
    there opens a string.

    Raises:
        FileNotFoundError: there is no such file.
    """
    text = files(PACKAGE).joinpath(f"{name}.sql").read_text(encoding="utf-8")
    return Queries(text)
