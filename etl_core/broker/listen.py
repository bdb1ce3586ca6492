"""Doorbells on a LISTEN channel of Postgres: workers' on the postgres transport, the scheduler's on both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

import asyncpg

from etl_core.broker.protocol import Bell, Doorbell
from etl_core.broker.supervise import Supervisor
from etl_core.redact import redact_text, redact_url
from etl_core.store import queries

CONNECT_TIMEOUT = 5.0
PROBE_INTERVAL = 15.0
"""Seconds between two looks whether the server is still there: a dead network closes no connection."""


@asynccontextmanager
async def listen(
    database_url: str,
    channel: str,
    payloads: Collection[str] | None = None,
    *,
    application_name: str | None = None,
) -> AsyncIterator[Doorbell]:
    """A doorbell that rings on each notification of `channel` (with one of `payloads`, if given).

    It has a connection of its own, which must not go through a transaction pooler. Entering neither fails
    nor waits when the server is out of reach.
    """
    bell = _ListeningBell(database_url, channel, payloads, application_name)
    bell.supervisor.start()
    try:
        yield bell
    finally:
        await bell.supervisor.close()


class _ListeningBell(Bell):
    def __init__(
        self, database_url: str, channel: str, payloads: Collection[str] | None, application_name: str | None
    ) -> None:
        super().__init__()
        self._url = database_url
        self._channel = channel
        self._payloads = None if payloads is None else frozenset(payloads)
        self._application_name = application_name
        self._paused = False
        self.supervisor = Supervisor(
            "postgres", redact_url(database_url), self._session, explainer(database_url)
        )

    async def pause(self) -> None:
        """Ignore notifications: every listener gets each of them, so there is nobody to leave them to."""
        self._paused = True

    async def resume(self) -> None:
        """Hear again, and ring once for what may have been ignored."""
        if self._paused:
            self._paused = False
            self.ring()

    def _heard(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        if not self._paused and (self._payloads is None or payload in self._payloads):
            self.ring()

    async def _session(self, up: Callable[[], None]) -> None:
        connection = await connect(self._url, self._application_name)
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(self._channel, self._heard)
            self.connected = True
            up()
            if not self._paused:
                self.ring()
            await _until_lost(connection, lost)
        finally:
            self.connected = False
            connection.terminate()  # leaving in good order could wait for a server that is gone


async def _until_lost(connection: asyncpg.Connection[asyncpg.Record], lost: asyncio.Event) -> None:
    while True:
        try:
            async with asyncio.timeout(PROBE_INTERVAL):
                await lost.wait()
        except TimeoutError:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await queries.load("broker").alive(connection)
        else:
            return


async def connect(database_url: str, application_name: str | None) -> asyncpg.Connection[asyncpg.Record]:
    """A connection of its own, within `CONNECT_TIMEOUT`; raises what asyncpg raises."""
    named = {"application_name": application_name} if application_name else None
    async with asyncio.timeout(CONNECT_TIMEOUT):
        return await asyncpg.connect(
            database_url, server_settings=named, timeout=CONNECT_TIMEOUT, statement_cache_size=0
        )


def explainer(database_url: str) -> Callable[[BaseException], str]:
    """Turns what connecting or talking to Postgres raised into one line without credentials."""

    def explain(error: BaseException) -> str:
        if isinstance(error, TimeoutError):
            return f"no answer within {CONNECT_TIMEOUT:g} s"
        if isinstance(error, ValueError):  # quotes parts of a URL that it cannot read, password included
            return "the database URL cannot be read (percent-encode special characters of the password)"
        told = redact_text(str(error).strip(), database_url).splitlines()
        return told[0] if told else type(error).__name__

    return explain
