"""A system to try with: a SQLite file of items, filled and changed by tests and from the command line.

`python -m etl_tui_my_system.fake items.db --add 200 --touch 3`
"""

from __future__ import annotations

import argparse
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
_DESCRIPTION = "One of the many things that can be had, of good quality and never out of stock. " * 5
_AT_ONCE = 3
"""So many writes in a row bear the same time: what reads items in the order of time must not lose one."""


class FakeSystem:
    """Its clock only moves when something is written, so that every run of a test is the same."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._connect() as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS items"
                " (id INTEGER PRIMARY KEY, title TEXT, price, description TEXT, updated_at TEXT)"
            )
            connection.execute("CREATE TABLE IF NOT EXISTS writes (number INTEGER PRIMARY KEY)")
            connection.execute("CREATE INDEX IF NOT EXISTS items_in_order ON items (updated_at, id)")
            connection.commit()

    def add(self, count: int) -> None:
        """New items."""
        with self._connect() as connection:
            for _ in range(count):
                time = self._tick(connection)
                connection.execute(
                    "INSERT INTO items (title, price, description, updated_at) VALUES ('item', 9.5, ?, ?)",
                    (_DESCRIPTION, time),
                )
            connection.commit()

    def touch(self, count: int) -> None:
        """The oldest items get another title, and a new time."""
        with self._connect() as connection:
            oldest = connection.execute(
                "SELECT id FROM items ORDER BY updated_at, id LIMIT ?", (count,)
            ).fetchall()
            for (number,) in oldest:
                time = self._tick(connection)
                connection.execute(
                    "UPDATE items SET title = ?, updated_at = ? WHERE id = ?",
                    (f"touched at {time}", time, number),
                )
            connection.commit()

    def spoil(self) -> None:
        """An item whose price is no number."""
        with self._connect() as connection:
            time = self._tick(connection)
            connection.execute(
                "INSERT INTO items (title, price, updated_at) VALUES ('bad', 'n/a', ?)", (time,)
            )
            connection.commit()

    def items(self) -> list[dict[str, Any]]:
        """All as they are now."""
        with self._connect() as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute("SELECT * FROM items")]

    def _connect(self) -> closing[sqlite3.Connection]:
        return closing(sqlite3.connect(self._path))

    @staticmethod
    def _tick(connection: sqlite3.Connection) -> str:
        written = connection.execute("INSERT INTO writes DEFAULT VALUES").lastrowid or 0
        return (_BEGINNING + timedelta(seconds=written // _AT_ONCE)).isoformat()


def main() -> None:
    parser = argparse.ArgumentParser(description="Fills and changes a fake my-system.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--add", type=int, default=0, metavar="N", help="N new items")
    parser.add_argument("--touch", type=int, default=0, metavar="N", help="N items are changed")
    parser.add_argument("--spoil", action="store_true", help="an item that cannot be loaded")
    arguments = parser.parse_args()
    system = FakeSystem(arguments.path)
    system.touch(arguments.touch)
    system.add(arguments.add)
    if arguments.spoil:
        system.spoil()
    print(f"{arguments.path} has {len(system.items()):,} items")


if __name__ == "__main__":
    main()
