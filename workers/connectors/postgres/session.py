"""The one connection of a run, and in it one read-only snapshot at a time.

What is set is set for the transaction alone, so a pooler in transaction mode may stand between.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import asyncpg

from etl_core.errors import Permanent
from etl_core.source_calls import tell_call
from etl_core.store.queries import load
from workers.connectors.postgres.config import PostgresConfig
from workers.connectors.postgres.failures import FROM_SERVER, source_error
from workers.connectors.postgres.statements import CLOSE, Statement, declare, fetch, settings

_queries = load("postgres_source")

CONNECT_TIMEOUT: Final = 10.0
OLDEST_SERVER: Final = 13
"""It has pg_current_snapshot and 64-bit transaction numbers."""
SHORTEST_IDLE: Final = 1.0
"""Minutes that the server waits at least for a reader that has rows to load."""
LOOKS_EVERY: Final = 1.0
"""Seconds between two looks whether anybody waits for us."""
_ANSWER_LATE: Final = 30.0
"""Seconds after which, past the statement's own limit, the way to the server is taken for broken."""
_SERVER: Final = "PostgreSQL"


class Session:
    """A connection; `what` names in messages what is being read."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record], config: PostgresConfig) -> None:
        self.connection = connection
        self._config = config
        self._began_at: float | None = None
        self._looked_at = time.monotonic()
        self.what = _SERVER

    @property
    def version(self) -> int:
        """The server's major version."""
        return int(self.connection.get_server_version().major)

    async def is_stale(self) -> bool:
        """Whether its snapshot was held as long as one may be, or longer than others can wait for.

        Who alters a table waits until those that read it have ended, and all others wait behind.
        """
        now = time.monotonic()
        if self._began_at is None or now - self._began_at > self._config.snapshot_minutes * 60:
            return True
        if now - self._looked_at < LOOKS_EVERY:
            return False
        self._looked_at = now
        with self._translated():
            return bool(await _queries.source_is_waited_for(self.connection))

    async def begin(self) -> None:
        """A new snapshot, and limits for what is done in it."""
        await self.end()
        with self._translated():
            await self.connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            self._began_at = time.monotonic()
            limits = settings(
                statement_ms=round(self._config.statement_timeout_s * 1_000),
                lock_ms=round(self._config.lock_timeout_s * 1_000),
                idle_ms=round(max(self._config.snapshot_minutes, SHORTEST_IDLE) * 60_000),
                # So that a query whose reader was killed does not go on.
                notices_loss=self.version >= 14,
            )
            await self.connection.execute(limits.sql, *limits.values)

    async def end(self) -> None:
        """Gives the snapshot back; also after an error in it."""
        if self._began_at is None:
            return
        self._began_at = None
        with self._translated():
            await self.connection.execute("ROLLBACK")

    async def open(self, statement: Statement) -> None:
        """A cursor for `fetch`: a query is planned, and a sort is done, once for a walk."""
        with self._translated():
            await self.connection.execute(declare(statement.sql), *statement.values)

    async def close(self) -> None:
        with self._translated():
            await self.connection.execute(CLOSE)

    async def fetch(self, rows: int) -> list[asyncpg.Record]:
        """The next of the cursor."""
        began = time.monotonic()
        with self._translated():
            found = await self.connection.fetch(fetch(rows))
        seconds = time.monotonic() - began
        tell_call(f"FETCH {rows} of {self.what}: {len(found)} rows", status=None, seconds=seconds)
        return found

    async def row(self, statement: Statement) -> Sequence[Any] | None:
        """The only row of a statement."""
        with self._translated():
            found = await self.connection.fetchrow(statement.sql, *statement.values)
        return None if found is None else tuple(found)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        with translated(self.what, self._config.url):
            yield


@contextmanager
def translated(what: str, url: str = "") -> Iterator[None]:
    """Turns what the driver raises into a SourceError."""
    try:
        yield
    except FROM_SERVER as error:
        raise source_error(error, what, url) from None


@asynccontextmanager
async def open_session(config: PostgresConfig) -> AsyncIterator[Session]:
    """A session, closed at the end, in a second or at once if it is in the middle of something.

    No password is taken from the environment or from a file of the worker's user.

    Raises:
        Unauthorised: the role is refused. Permanent: the URL cannot be right, or the server is too old.
        Transient: it cannot be reached, or lets nobody in now.
    """
    with translated(_SERVER, config.url):
        connection = await asyncpg.connect(
            config.url,
            password=_password(config),
            timeout=CONNECT_TIMEOUT,
            command_timeout=config.statement_timeout_s + _ANSWER_LATE,
            statement_cache_size=0,
            server_settings={"application_name": "etl-tui"},
        )
    try:
        if connection.get_server_version().major < OLDEST_SERVER:
            version = connection.get_settings().server_version
            raise Permanent(f"{_SERVER}: the server is {version}; it must be {OLDEST_SERVER} or newer")
        yield Session(connection, config)
        with translated(_SERVER, config.url):
            await connection.close(timeout=1)
    finally:
        connection.terminate()


def _password(config: PostgresConfig) -> str | None:
    """That of the configuration. An empty one stands for none: otherwise the driver looks into PGPASSWORD."""
    if config.password is not None:
        return config.password.get_secret_value()
    login, at, _ = config.url.partition("://")[2].rpartition("@")
    return None if at and ":" in login else ""
