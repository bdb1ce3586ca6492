"""The postgres connector against a server whose tables change, and that ends its connections."""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from etl_core.store import embedded
from etl_core.store.database import Connection, connect
from tests.connectors_soak.source import Key, Tables

_VARIABLE: Final = "SOAK_POSTGRES_URL"
_SCHEMA: Final = """
CREATE TABLE orders (id int PRIMARY KEY, updated_at timestamptz NOT NULL, title text);
CREATE INDEX ON orders (updated_at, id);
CREATE TABLE notes (id int PRIMARY KEY, title text);
CREATE TABLE tags (label text, id int, title text, PRIMARY KEY (label, id));
"""
_INSERT: Final = {
    "orders": "INSERT INTO orders VALUES ($1, now(), $2)",
    "notes": "INSERT INTO notes VALUES ($1, $2)",
    "tags": "INSERT INTO tags VALUES (chr(97 + $1::int % 5), $1, $2)",
}
_UPDATE: Final = {
    "orders": "UPDATE orders SET title = $2, updated_at = now() WHERE id = $1",
    "notes": "UPDATE notes SET title = $2 WHERE id = $1",
    "tags": "UPDATE tags SET title = $2 WHERE id = $1",
}
_ROWS: Final = {"orders": 300, "notes": 120, "tags": 60}
_LATEST: Final = 3.0
"""Seconds that a transaction stays open; the overlap is 20 times as long."""
_PAGES: Final = (
    "SELECT pid, query_start FROM pg_stat_activity WHERE application_name = 'etl-tui' AND query LIKE 'FETCH%'"
)


class PostgresSource:
    """`orders` by a time, `notes` by xmin, `tags` as a whole; a new snapshot after a few pages."""

    type = "postgres"

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._lock = threading.Lock()
        self._now = 0
        self._versions: dict[str, dict[int, list[tuple[int, str | None]]]] = {name: {} for name in _ROWS}
        self._made = dict.fromkeys(_ROWS, 0)
        self._share = 0.0
        self._seen: set[tuple[Any, Any]] = set()
        self._ended = 0
        self._asked_since: list[int] = []
        self._is_ready, self._changes, self._is_over = (threading.Event() for _ in range(3))
        self._resting = 0
        self.environment: Mapping[str, str] = {}

    @contextmanager
    def serving(self) -> Iterator[None]:
        # Right under /tmp: as root the embedded server must get into it.
        folder = Path(tempfile.mkdtemp(prefix="etl-soak-source-", dir="/tmp"))
        folder.chmod(0o755)
        with embedded.start(folder / "postgres", durable=False) as server:
            self.environment = {_VARIABLE: server.url("postgres")}
            thread = threading.Thread(target=lambda: asyncio.run(self._live(server.url("postgres"))))
            thread.start()
            try:
                if not self._is_ready.wait(60):
                    raise RuntimeError("the source did not come up")
                yield
            finally:
                self._is_over.set()
                thread.join()

    def config(self) -> dict[str, Any]:
        return {
            "url": f"env:{_VARIABLE}",
            "tables": [
                {"table": "orders", "cursor": "updated_at", "overlap": 20 * _LATEST, "census_every": 1},
                {"table": "notes", "cursor": "xmin", "census_every": 1},
                "tags",
            ],
            "page_size": 20,
            "rows_per_second": 1_000,
            "snapshot_minutes": 0.001,
        }

    def disturb(self, share: float) -> None:
        self._share = share
        self._changes.set()

    def freeze(self) -> None:
        self._share = 0.0
        self._changes.clear()
        while self._resting < 2:
            self._is_over.wait(0.05)

    def moment(self) -> int:
        """Also of the runs before that failed: a run goes on with the walk that one of them began."""
        with self._lock:
            self._asked_since.append(self._now)
            return self._now

    def differences(self, tables: Tables, since: Any) -> list[str]:
        with self._lock:
            began = min([since, *self._asked_since])
            self._asked_since = []
            wrong = []
            for stream, versions in self._versions.items():
                loaded: dict[Key, object] = {key: row["title"] for key, row in tables.get(stream, {}).items()}
                for number, known in versions.items():
                    key = (chr(97 + number % 5), number) if stream == "tags" else (number,)
                    possible = _during(known, began)
                    if (found := loaded.pop(key, None)) not in possible:
                        wrong.append(f"{stream} {key}: loaded {found}, and it was {possible}")
                wrong += [f"{stream} {key}: a row of nothing" for key in loaded]
            return wrong

    def told(self) -> str:
        return f"{len(self._seen)} pages, {self._ended} connections ended at one; {self._now} changes"

    async def _live(self, url: str) -> None:
        connections = [await connect(url, application_name="soak source") for _ in range(3)]
        changing, late, watching = connections
        await changing.execute(_SCHEMA)
        for table, count in _ROWS.items():
            for _ in range(count):
                await self._change(changing, table, new=True)
        self._is_ready.set()
        tasks = [
            asyncio.create_task(each)
            for each in (self._keep_changing(changing), self._come_late(late), self._end_some(watching))
        ]
        while not self._is_over.is_set():
            await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for connection in connections:
            with contextlib.suppress(Exception):
                await connection.close(timeout=5)

    async def _keep_changing(self, conn: Connection) -> None:
        while True:
            await self._until_it_changes()
            await self._change(conn, self._rng.choice(list(_ROWS)))
            await asyncio.sleep(0.02)

    async def _come_late(self, conn: Connection) -> None:
        """Rows of its own, so that the order of versions is that of commits."""
        while True:
            await self._until_it_changes()
            async with conn.transaction():
                made = [await self._write(conn, table, odd=True) for table in ("orders", "notes")]
                await asyncio.sleep(self._rng.uniform(0, _LATEST))
            for each in made:
                self._remember(*each)

    async def _until_it_changes(self) -> None:
        self._resting += 1
        while not self._changes.is_set():
            await asyncio.sleep(0.02)
        self._resting -= 1

    async def _change(self, conn: Connection, table: str, *, new: bool = False) -> None:
        self._remember(*await self._write(conn, table, new=new))

    async def _write(
        self, conn: Connection, table: str, *, new: bool = False, odd: bool = False
    ) -> tuple[str, int, str | None]:
        """What was written, and is to be remembered once it is committed."""
        there = [
            number
            for number, known in self._versions[table].items()
            if number % 2 == odd and known[-1][1] is not None
        ]
        what = self._rng.random()
        title = f"{self._rng.getrandbits(64):x}"
        if new or what < 0.25 or len(there) < 10:
            self._made[table] += 2
            number = self._made[table] + odd
            await conn.execute(_INSERT[table], number, title)
            return table, number, title
        number = self._rng.choice(there)
        if what < 0.45:
            await conn.execute(f"DELETE FROM {table} WHERE id = $1", number)
            return table, number, None
        await conn.execute(_UPDATE[table], number, title)
        return table, number, title

    def _remember(self, table: str, number: int, title: str | None) -> None:
        with self._lock:
            self._now += 1
            self._versions[table].setdefault(number, []).append((self._now, title))

    async def _end_some(self, conn: Connection) -> None:
        """A share of the connections that have asked for a page."""
        while True:
            for row in await conn.fetch(_PAGES):
                if (page := tuple(row)) in self._seen:
                    continue
                self._seen.add(page)
                if self._rng.random() < self._share:
                    self._ended += 1
                    await conn.execute("SELECT pg_terminate_backend($1)", row["pid"])
            await asyncio.sleep(0.004)


def _during(known: list[tuple[int, str | None]], since: int) -> list[str | None]:
    """The version of that moment, None if there was none, and all that came after."""
    before = [title for moment, title in known if moment <= since]
    return [before[-1] if before else None, *(title for moment, title in known if moment > since)]
