"""How the system is asked: the only file that knows.

It reads a SQLite file, so that everything works before there is anything to log in to. Put your system in its
place and keep the two promises: nothing blocks the event loop (here: threads), and every error is one of
`etl_core.errors`, a sentence that names what failed and says what to do.

For an HTTP API use `workers.http`: it has timeouts, retries, rate limits and tells no secret.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from etl_core.errors import Permanent, Transient


class Position(NamedTuple):
    """Items are read in this order, and each page goes on behind the last item of the one before."""

    updated_at: str = ""
    id: int = 0


class Source:
    """The items of one SQLite file."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    async def count(self) -> int:
        """How many items there are."""
        [row] = await self._ask("SELECT count(*) AS items FROM items")
        return int(row["items"])

    async def items_after(self, position: Position, limit: int) -> list[dict[str, Any]]:
        """The next items, the least recently updated first."""
        return await self._ask(
            "SELECT id, title, price, description, updated_at FROM items"
            " WHERE (updated_at, id) > (?, ?) ORDER BY updated_at, id LIMIT ?",
            *position,
            limit,
        )

    async def _ask(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """Rows of an answer.

        Raises:
            Transient: there is no such file yet. Permanent: it cannot be read as what it should be.
        """
        if not await asyncio.to_thread(self._path.exists):
            # Waiting a few seconds cannot help: the job is tried again after its retry interval.
            raise Transient(f"no file at {self._path}: check the integration's path", retry_in_place=False)
        try:
            return await asyncio.to_thread(self._read, statement, values)
        except sqlite3.Error as error:
            raise Permanent(f"{self._path} cannot be read ({error}); is it the right file?") from None

    def _read(self, statement: str, values: tuple[object, ...]) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(statement, values)]
