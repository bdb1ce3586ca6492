"""A shop's database that changes as people change it, and what it holds, kept beside it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from etl_core.store.database import Connection

SCHEMA = """
CREATE TABLE orders (
    id bigint PRIMARY KEY, updated_at timestamptz, title text, body text
);
CREATE INDEX ON orders (updated_at, id);
CREATE TABLE notes (id int PRIMARY KEY, title text);
CREATE TABLE tags (label text, number int, title text, UNIQUE (label, number));
"""
TABLES: dict[str, tuple[str, ...]] = {"orders": ("id",), "notes": ("id",), "tags": ("label", "number")}
"""Table -> its key."""


class Shop:
    """`orders` are read by a time, `notes` by xmin, `tags` as a whole."""

    def __init__(self, conn: Connection, late: Connection) -> None:
        self._conn = conn
        self._late = late
        self._has_begun = False
        self._next = 1_000_000

    async def make(self) -> None:
        await self._conn.execute(SCHEMA)

    async def fill(self, count: int) -> None:
        """Orders of days ago, many of the same second; one without a time, one of no time that will come."""
        few = min(count // 3, 8)
        await self._conn.execute(
            "INSERT INTO orders SELECT n, now() - interval '30 days' + n / 5 * interval '1 s', 'order ' || n,"
            " repeat('x', 500) FROM generate_series(1, $1::int) AS n",
            count - 2 * few - 2,
        )
        await self._conn.execute(
            "INSERT INTO orders VALUES (900000, NULL, 'no time', ''), (900001, 'infinity', 'no end', '')"
        )
        await self._conn.execute("INSERT INTO notes SELECT n, 'x' FROM generate_series(1, $1::int) AS n", few)
        await self._conn.execute(
            "INSERT INTO tags SELECT chr(97 + n / 3), n, 'x' FROM generate_series(1, $1::int) AS n", few
        )

    async def change(self) -> None:
        """What was begun at the change before is committed, with times of then; another such is begun."""
        if self._has_begun:
            await self._late.execute("COMMIT")
        self._has_begun = True
        self._next += 10
        at = self._next
        await self._late.execute("BEGIN")
        for number in (at, at + 1):
            await self._late.execute("INSERT INTO orders VALUES ($1, now(), 'late', '')", number)
        await self._late.execute("INSERT INTO notes VALUES ($1, 'late')", at)
        await self._conn.execute(
            "INSERT INTO orders VALUES ($1, clock_timestamp(), 'new', ''), ($2, NULL, 'new', '')",
            at + 2,
            at + 3,
        )
        await self._conn.execute(
            "UPDATE orders SET title = 'changed ' || $1, updated_at = now()"
            " WHERE id IN (SELECT id FROM orders ORDER BY updated_at, id LIMIT 2)",
            str(at),
        )
        await self._conn.execute("UPDATE orders SET title = 'timeless ' || $1 WHERE id = 900000", str(at))
        await self._conn.execute("INSERT INTO notes VALUES ($1, 'new')", at + 2)
        await self._conn.execute(
            "UPDATE notes SET title = 'changed ' || $1 WHERE id = (SELECT max(id) FROM notes WHERE id < 9)",
            str(at),
        )
        await self._conn.execute("INSERT INTO tags VALUES ('a', $1, 'new')", at)
        for table, key in TABLES.items():
            oldest = ", ".join(key)
            await self._conn.execute(
                f"DELETE FROM {table} WHERE ({oldest}) = (SELECT {oldest} FROM {table}"
                f" WHERE title LIKE 'new' OR title = 'x' OR title LIKE 'order%' ORDER BY {oldest} LIMIT 1)"
            )

    async def spoil(self) -> None:
        """A row without its key."""
        await self._conn.execute("INSERT INTO tags VALUES (NULL, 1, 'bad')")

    @asynccontextmanager
    async def locked(self) -> AsyncGenerator[None]:
        """Nobody reads orders meanwhile."""
        async with self._conn.transaction():
            await self._conn.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
            yield

    async def rows(self) -> dict[str, dict[tuple[Any, ...], dict[str, Any]]]:
        """All that is committed, by table and key."""
        found: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {}
        for table, key in TABLES.items():
            there: list[asyncpg.Record] = await self._conn.fetch(
                f"SELECT * FROM {table} WHERE {key[0]} IS NOT NULL"
            )
            found[table] = {tuple(row[k] for k in key): {"title": row["title"]} for row in there}
        return found
