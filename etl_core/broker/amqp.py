"""The amqp transport: a durable quorum queue per stage on RabbitMQ 3.10 or later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel
from aiormq.exceptions import AMQPError

from etl_core.broker import amqp_dead
from etl_core.broker.amqp_alarm import BlockedError
from etl_core.broker.amqp_bell import ConsumingBell
from etl_core.broker.amqp_link import Link, explainer, open_link, queue_name, read_url
from etl_core.broker.amqp_message import encode
from etl_core.broker.protocol import RING_TIMEOUT, DeadLetter, Doorbell, QueueDepth, Stage
from etl_core.broker.supervise import OutageError, Supervisor, cancelled_by_us
from etl_core.errors import Unreachable
from etl_core.redact import redact_url

log = structlog.get_logger(__name__)

RING_LIFETIME = 600
"""Seconds after which a ring that nobody took is dropped: every worker has polled many times since."""

T = TypeVar("T")


class AmqpBroker:
    """Rings on one connection; each doorbell has another, so that a blocked publisher does not deafen it."""

    transport: Final = "amqp"

    def __init__(self, url: str, *, name: str = "etl-tui") -> None:
        """`name` is what RabbitMQ shows for the connections.

        Raises:
            InvalidInput: the URL is none of AMQP.
        """
        self._url = read_url(url)
        self._address = redact_url(url)
        self._name = name
        self._explain = explainer(self._url)
        self._link: Link | None = None
        self._blocked = False
        self._publisher = Supervisor(self.transport, self._address, self._session, self._explain)

    async def ring(self, stage: Stage, times: int = 1) -> None:
        """Put `times` messages into the stage's queue; each wakes one worker.

        Raises:
            Unreachable: RabbitMQ did not confirm within `RING_TIMEOUT`. In a known outage that comes at once,
                and so it does in an alarm: it lacks memory or disk.
        """
        if times < 1:
            return
        await self._answered(f"ring {stage}", lambda link: _publish(link.channel, stage, times))
        if self._blocked:
            self._blocked = False
            log.info("broker_takes_messages_again", transport=self.transport, broker=self._address)

    @asynccontextmanager
    async def subscribe(self, stages: Collection[Stage]) -> AsyncIterator[Doorbell]:
        """A doorbell that takes messages from the queues of `stages`."""
        bell = ConsumingBell(self._url, self._name, [queue_name(stage) for stage in stages])
        supervisor = Supervisor(self.transport, self._address, bell.session, self._explain)
        supervisor.start()
        try:
            yield bell
        finally:
            await supervisor.close()

    async def depth(self, stage: Stage) -> QueueDepth | None:
        """Messages ready and consumers of the stage's queue.

        Raises:
            Unreachable: no answer within `RING_TIMEOUT`; in a known outage that comes at once.
        """
        return await self._answered(f"ask for the queue of {stage}", lambda link: _depth(link, stage))

    async def dead_letters(self, at_most: int) -> list[DeadLetter]:
        """What could not be parsed; it stays in `etl.dead`.

        Raises:
            Unreachable: no answer within `RING_TIMEOUT`; in a known outage that comes at once.
        """
        return await self._answered("look into etl.dead", lambda link: amqp_dead.look_at(link, at_most))

    async def purge_dead_letters(self) -> int:
        """Empties `etl.dead`; how many messages were in it.

        Raises:
            Unreachable: no answer within `RING_TIMEOUT`; in a known outage that comes at once.
        """
        return await self._answered("purge etl.dead", amqp_dead.purge)

    async def close(self) -> None:
        """Give the publishing connection back."""
        await self._publisher.close()

    async def _session(self, up: Callable[[], None]) -> None:
        async with open_link(self._url, f"{self._name} rings") as link:
            self._link = link
            up()
            try:
                await link.lost.wait()
            finally:
                self._link = None
                self._publisher.distrust()  # closing takes a moment, in which nobody shall count on it

    async def _answered(self, what: str, work: Callable[[Link], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(RING_TIMEOUT):
                try:
                    return await self._attempt(work)
                except _LinkError:
                    # It may have died while idle: once more on a new one. Two rings are no harm.
                    return await self._attempt(work)
        except TimeoutError as error:
            # A link that keeps silent is worse than none: the next caller gets a new one, or an answer.
            if self._link is not None:
                self._drop(self._link, error)
            why = self._explain(error)
        except BlockedError as error:  # the connection is kept: on it RabbitMQ says when the alarm is over
            why = str(error)
            if not self._blocked:
                self._blocked = True
                log.warning("broker_blocked", transport=self.transport, broker=self._address, problem=why)
        except (_LinkError, OutageError) as error:
            why = str(error)
        raise Unreachable(f"cannot {what} on {self._address}: {why}")

    async def _attempt(self, work: Callable[[Link], Awaitable[T]]) -> T:
        await self._publisher.wait_ready()
        link = self._link
        if link is None:
            raise _LinkError("the connection was lost")
        try:
            return await link.alarm.guard(lambda: work(link))
        except asyncio.CancelledError as error:
            if cancelled_by_us():
                raise
            self._drop(link, error)
            raise _LinkError(self._explain(error)) from None
        except (
            AMQPError,
            OSError,
            RuntimeError,
        ) as error:  # the last: a closed channel
            self._drop(link, error)
            raise _LinkError(self._explain(error)) from None

    def _drop(self, link: Link, reason: BaseException) -> None:
        link.lost.tell(reason)
        if self._link is link:
            self._link = None
            self._publisher.distrust()


class _LinkError(Exception):
    """The link broke while it was used; the message says how."""


async def _publish(channel: AbstractChannel, stage: Stage, times: int) -> None:
    messages = [
        aio_pika.Message(
            encode(stage),
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            expiration=RING_LIFETIME,
        )
        for _ in range(times)
    ]
    # Confirms are awaited together: one after another costs a disk flush each.
    exchange = channel.default_exchange
    await asyncio.gather(*(exchange.publish(each, queue_name(stage), mandatory=True) for each in messages))


async def _depth(link: Link, stage: Stage) -> QueueDepth:
    # On a channel of its own: asking for a queue that is gone closes the channel.
    async with link.connection.channel(publisher_confirms=False) as channel:
        queue = await channel.declare_queue(queue_name(stage), passive=True)
    told = queue.declaration_result
    return QueueDepth(ready=told.message_count or 0, consumers=told.consumer_count or 0)
