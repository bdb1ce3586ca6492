"""Each transport with a relay in front of its real server, for the suite that both must pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit, urlunsplit

import asyncpg
import pytest

from etl_core.broker.amqp import AmqpBroker
from etl_core.broker.postgres import PostgresBroker
from etl_core.broker.protocol import Broker
from tests.support.rabbitmq import ForeignRabbitMQ, RabbitMQ
from tests.support.relay import Relay


@dataclass
class Transport:
    """One transport as the contract sees it."""

    name: str
    url: str
    relay: Relay
    relayed_url: str
    """The same server through the relay."""
    cut: Callable[[], Awaitable[None]]
    """Ends all connections from the server's side and returns when it accepts new ones."""

    @asynccontextmanager
    async def broker(self, url: str | None = None) -> AsyncIterator[Broker]:
        """A broker, closed at the end."""
        made: Broker = (AmqpBroker if self.name == "amqp" else PostgresBroker)(url or self.url)
        try:
            yield made
        finally:
            await made.close()


@pytest.fixture(params=["amqp", "postgres"])
def transport(request: pytest.FixtureRequest) -> Iterator[Transport]:
    """Each transport in turn."""
    made = (_amqp if request.param == "amqp" else _postgres)(request)
    made.relay.open()
    try:
        yield made
    finally:
        made.relay.close()


def _amqp(request: pytest.FixtureRequest) -> Transport:
    url: str = request.getfixturevalue("amqp_url")
    server: RabbitMQ | ForeignRabbitMQ = request.getfixturevalue("rabbitmq")
    parts = urlsplit(url)
    relay = Relay(parts.hostname or "", parts.port or 0)

    async def cut() -> None:
        await asyncio.to_thread(server.restart)

    login = parts.netloc.rpartition("@")[0]
    relayed = urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{relay.port}"))
    return Transport("amqp", url, relay, relayed, cut)


def _postgres(request: pytest.FixtureRequest) -> Transport:
    url: str = request.getfixturevalue("database_url")
    parts = urlsplit(url)
    host = parts.hostname or parse_qs(parts.query).get("host", [""])[0]
    relay = Relay(host, parts.port or 5432)

    async def cut() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await connection.close()

    user = parts.username or "postgres"
    relayed = f"postgresql://{user}:{parts.password or ''}@127.0.0.1:{relay.port}{parts.path}"
    return Transport("postgres", url, relay, relayed, cut)
