"""One connection to RabbitMQ with the program's queues declared on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelPreconditionFailed, InvalidFrameError, ProbableAuthenticationError
from yarl import URL

from etl_core.broker.amqp_alarm import Alarm
from etl_core.broker.protocol import RING_TIMEOUT, Stage
from etl_core.errors import InvalidInput
from etl_core.redact import redact_text

DEAD: Final = "etl.dead"
"""Holds what cannot be parsed, for a person to look at."""
HEARTBEAT = 10
"""Seconds, unless the URL says otherwise (`?heartbeat=30`): a dead network is noticed in half a minute."""
CLOSE_TIMEOUT = 1.0

# The driver reports every failed attempt as an error; the supervisor says it once per outage.
for _name in ("aiormq", "aio_pika"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class QueueMismatchError(Exception):
    """A queue exists with other arguments; only a person can decide what to do with it."""


class ConsumerCancelledError(Exception):
    """The broker ended a consumer, mostly because its queue was deleted."""


class Lost:
    """Learns that a connection, its channel or one of its consumers is gone."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._reason: BaseException | None = None

    def tell(self, reason: BaseException | None = None) -> None:
        """Remember the first reason."""
        if not self._event.is_set():
            self._reason = reason
            self._event.set()

    async def wait(self) -> None:
        """Raise the reason as soon as there is one; return if it went without."""
        await self._event.wait()
        if isinstance(self._reason, Exception):
            raise self._reason


@dataclass(frozen=True)
class Link:
    """An open connection, its confirming channel, whether they still are, and whether messages are taken."""

    connection: AbstractConnection
    channel: AbstractChannel
    lost: Lost
    alarm: Alarm


def queue_name(stage: Stage) -> str:
    """The stage's queue."""
    return f"etl.{stage}"


def read_url(text: str) -> URL:
    """The broker's URL: `amqp://user:password@host:port/vhost`, or `amqps://`.

    Raises:
        InvalidInput: it is no such URL. The message does not repeat it.
    """
    wanted = "the AMQP URL must look like amqp://user:password@host:5672/vhost (or amqps://)"
    try:
        url = URL(text)
        usable = url.scheme in ("amqp", "amqps") and url.host and url.port != 0
    except ValueError:  # quotes parts of what it cannot read, password included
        raise InvalidInput(f"{wanted}; percent-encode special characters of the password") from None
    if not usable:
        raise InvalidInput(wanted)
    return url if "heartbeat" in url.query else url.update_query(heartbeat=str(HEARTBEAT))


def vhost_of(url: URL) -> str:
    """The virtual host that the driver asks for."""
    return url.path[1:].replace("%2F", "/") or "/"


@asynccontextmanager
async def open_link(url: URL, name: str) -> AsyncIterator[Link]:
    """Connect and declare the queues within `RING_TIMEOUT`; closed at the end whatever happened.

    Not aio-pika's robust connection: that one does not come back after every closed channel. Raises
    QueueMismatchError, TimeoutError and what the driver raises.
    """
    lost = Lost()
    alarm = Alarm()
    connection: AbstractConnection | None = None
    try:
        async with asyncio.timeout(RING_TIMEOUT):
            connection = await aio_pika.connect(url, client_properties={"connection_name": name})
            connection.close_callbacks.add(lambda _, reason: lost.tell(reason))
            alarm.watch(connection)
            channel = connection.channel(publisher_confirms=True, on_return_raises=True)
            await channel.initialize()
            channel.close_callbacks.add(lambda _, reason: lost.tell(reason))
            underlay = await channel.get_underlay_channel()
            underlay.on_consumer_cancel_callbacks.add(lambda _: lost.tell(ConsumerCancelledError()))
            await _declare(channel)
        yield Link(connection, channel, lost, alarm)
    finally:
        if connection is not None:
            await _close(connection)


async def _declare(channel: AbstractChannel) -> None:
    for name in (*map(queue_name, Stage), DEAD):
        try:
            # Nothing but the type: limits that an operator may want to change belong in policies.
            await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
        except ChannelPreconditionFailed as error:
            raise QueueMismatchError(
                f"queue {name} exists with other arguments: delete it (rabbitmqctl delete_queue {name}) "
                f"or use another vhost [{_words(error)}]"
            ) from None


async def _close(connection: AbstractConnection) -> None:
    # The driver waits for a last word that a dead broker does not send; its tasks end by themselves then.
    closing = asyncio.ensure_future(connection.close())
    await asyncio.wait([closing], timeout=CLOSE_TIMEOUT)
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)


def explainer(url: URL) -> Callable[[BaseException], str]:
    """Turns what a link raised into one line without credentials."""

    def explain(error: BaseException) -> str:
        match error:
            case TimeoutError():
                return f"no answer within {RING_TIMEOUT:g} s"
            case ProbableAuthenticationError():
                login = url.user or "guest"
                return f"RabbitMQ refuses the login of {login}: {redact_text(_words(error), str(url))}"
            case InvalidFrameError() if "Connection.Close" in str(error):
                # All that the driver tells of a refused Connection.Open, the step that names the vhost.
                login = url.user or "guest"
                return f"RabbitMQ refuses vhost {vhost_of(url)!r} to {login}: does it exist?"
            case ConsumerCancelledError():
                return "RabbitMQ ended a consumer; was its queue deleted?"
            case asyncio.CancelledError():
                return "the connection was lost"
        return redact_text(_words(error), str(url))

    return explain


def _words(error: BaseException) -> str:
    """A driver's error without the numbers it mixes in, on one line."""
    words = [str(part) for part in error.args if isinstance(part, str)]
    return (" ".join(words) or str(error) or type(error).__name__).splitlines()[0]
